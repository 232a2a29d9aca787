//! Changes by someone who can write frames with good checksums, but has no key.

use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::kit::{bytes, check, copy, flip, forget_index, frames, open_with, put, run, sample, segment, small, splice};
use crate::frame::{HEAD_BYTES, LEAF, PAYLOAD, TRAILER, begin, finish};
use crate::{FaultKind, NoteError, OpenError, Options, Reader, accept_rollback, state_path};

/// Returns the frame with other content and a right checksum.
fn resealed(frame: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut content = frame[HEAD_BYTES..].to_vec();
    change(&mut content);
    let mut out = Vec::new();
    begin(&mut out, content[0]);
    out.extend_from_slice(&content[1..]);
    finish(&mut out, 0);
    out
}

fn nth(home: &Path, kind: u8, number: usize) -> (std::ops::Range<usize>, Vec<u8>) {
    let place = frames(home).into_iter().filter(|place| place.kind == kind).nth(number).unwrap();
    (place.start..place.end, bytes(home)[place.start..place.end].to_vec())
}

#[track_caller]
fn fault_after(change: impl FnOnce(&Path)) -> (FaultKind, u64) {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path(), None);
    change(dir.path());
    let fault = check(dir.path(), None).fault.unwrap();
    // Without the index, opening refuses whatever the verifier refuses.
    let _ = std::fs::remove_file(dir.path().join("journal.index"));
    assert!(matches!(open_with(dir.path(), None, small()), Err(OpenError::Fault(_))));
    (fault.what, fault.at.index)
}

#[test]
fn a_changed_body_with_a_good_checksum_is_found() {
    let changed = |number| {
        fault_after(|home| {
            let (range, frame) = nth(home, LEAF, number);
            splice(home, range, &resealed(&frame, |content| *content.last_mut().unwrap() ^= 1));
        })
    };
    // The root of the batch shows that a record was changed.
    assert_eq!(changed(0).0, FaultKind::RootDiffers);
    assert_eq!(changed(1).0, FaultKind::RootDiffers);
    // Also in the last batch: a batch with right checksums does not count as a torn write.
    assert_eq!(changed(4).0, FaultKind::RootDiffers);
}

#[test]
fn a_changed_kind_is_found() {
    let (what, _) = fault_after(|home| {
        let (range, frame) = nth(home, LEAF, 1);
        splice(home, range, &resealed(&frame, |content| content[0] = 9));
    });
    assert_eq!(what, FaultKind::RootDiffers);
}

#[test]
fn a_changed_payload_is_found_without_any_key() {
    let (what, index) = fault_after(|home| {
        let (range, frame) = nth(home, PAYLOAD, 0);
        splice(home, range, &resealed(&frame, |content| *content.last_mut().unwrap() ^= 1));
    });
    assert_eq!((what, index), (FaultKind::PayloadDiffers, 1));
}

#[test]
fn deleted_frames_are_found() {
    let deleted = |kind, number| fault_after(|home| splice(home, nth(home, kind, number).0, &[]));
    assert_eq!(deleted(LEAF, 0).0, FaultKind::FrameOrder);
    // The batch is shorter than its checkpoint says.
    assert_eq!(deleted(LEAF, 1).0, FaultKind::TrailerMoved);
    assert_eq!(deleted(PAYLOAD, 0).0, FaultKind::FrameOrder);
    // The records of two batches are joined. The next checkpoint belongs to a batch that begins elsewhere.
    assert_eq!(deleted(TRAILER, 0).0, FaultKind::TrailerMoved);
    assert_eq!(deleted(TRAILER, 1).0, FaultKind::TrailerMoved);
}

#[test]
fn a_deleted_batch_is_found() {
    let (what, index) = fault_after(|home| {
        let places = frames(home);
        let of = |batch| places.iter().filter(move |place| place.batch == batch);
        splice(home, of(1).next().unwrap().start..of(1).next_back().unwrap().end, &[]);
    });
    // The chain of the run shows it first: its second record is missing.
    assert_eq!((what, index), (FaultKind::ChainBroken { run: run(1) }, 3));
}

#[test]
fn an_inserted_record_is_found() {
    let (what, _) = fault_after(|home| {
        let (range, frame) = nth(home, LEAF, 2);
        let foreign = resealed(&frame, |content| {
            content[4..20].copy_from_slice(&[9; 16]);
            content[20..28].copy_from_slice(&1u64.to_le_bytes());
            content[28..60].copy_from_slice(&[0; 32]);
        });
        splice(home, range.start..range.start, &foreign);
    });
    assert_eq!(what, FaultKind::TrailerMoved);
}

#[test]
fn reordered_and_doubled_records_are_found() {
    let (what, _) = fault_after(|home| {
        let ((first, one), (second, two)) = (nth(home, LEAF, 3), nth(home, LEAF, 4));
        splice(home, first.start..second.end, &[two, one].concat());
    });
    assert_eq!(what, FaultKind::RootDiffers);
    let (what, _) = fault_after(|home| {
        let (range, one) = nth(home, LEAF, 2);
        splice(home, range.start..range.start, &one);
    });
    assert_eq!(what, FaultKind::ChainBroken { run: run(1) });
}

#[test]
fn a_batch_of_another_log_is_found() {
    let other = tempfile::tempdir().unwrap();
    sample(other.path(), None);
    let (what, _) = fault_after(|home| {
        let (place, theirs) = (frames(home), bytes(other.path()));
        let end = place.iter().rfind(|place| place.batch == 0).unwrap().end;
        splice(home, 64..end, &theirs[64..end]);
    });
    assert_eq!(what, FaultKind::Trailer(NoteError::OtherKey));
    let (what, _) = fault_after(|home| {
        std::fs::copy(segment(other.path(), 1), segment(home, 1)).unwrap();
    });
    assert_eq!(what, FaultKind::HeaderDiffers);
}

#[test]
fn a_missing_segment_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open_with(dir.path(), None, small()).unwrap();
    journal.open_run(run(1)).unwrap();
    (0..30).for_each(|_| _ = put(&journal, run(1), "x"));
    journal.close().unwrap();
    assert!(check(dir.path(), None).segments > 2);
    std::fs::remove_file(segment(dir.path(), 2)).unwrap();
    let fault = check(dir.path(), None).fault.unwrap();
    assert_eq!((fault.at.segment, fault.what), (2, FaultKind::SegmentMissing));
    let Err(OpenError::Fault(fault)) = open_with(dir.path(), None, small()) else { panic!("opened") };
    assert_eq!((fault.at.segment, fault.what), (2, FaultKind::SegmentMissing));
}

#[test]
fn a_log_cut_at_a_checkpoint_is_found_by_second_state_and_by_the_index_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (home, states) = (dir.path().join("home"), dir.path().join("state"));
    sample(&home, Some(&states));
    let state = state_path(&states, check(&home, None).log.unwrap());
    let end = frames(&home).iter().rfind(|place| place.batch == 1).unwrap().end;
    let file = std::fs::OpenOptions::new().write(true).open(segment(&home, 1)).unwrap();
    file.set_len(end as u64).unwrap();

    let bare = check(&home, None);
    assert_eq!((bare.holds(), bare.size, bare.torn_bytes, bare.evidence.state), (true, 3, 0, None));
    let known = check(&home, Some(&state));
    assert_eq!(known.evidence.state, Some(5));
    assert_eq!(known.fault.unwrap().what, FaultKind::Behind { size: 3, known: 5 });
    assert!(matches!(open_with(&home, None, small()), Err(OpenError::Behind { size: 3, known: 5, .. })));
    forget_index(&home);
    assert!(matches!(open_with(&home, Some(&states), small()), Err(OpenError::Behind { size: 3, known: 5, .. })));

    // This also holds if more is cut, up to the whole log.
    file.set_len(64).unwrap();
    assert!(matches!(open_with(&home, Some(&states), small()), Err(OpenError::Behind { size: 0, .. })));
    std::fs::remove_file(segment(&home, 1)).unwrap();
    assert!(matches!(open_with(&home, Some(&states), small()), Err(OpenError::Behind { size: 0, .. })));
}

#[test]
fn a_home_that_was_put_back_is_refused_until_that_is_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let (home, older, states) = (dir.path().join("home"), dir.path().join("older"), dir.path().join("state"));
    sample(&home, Some(&states));
    copy(&home, &older);
    let more = |home: &Path| {
        let (journal, _) = open_with(home, Some(&states), small())?;
        put(&journal, run(2), home.file_name().unwrap().to_str().unwrap());
        journal.close().unwrap();
        Ok::<_, OpenError>(())
    };
    more(&home).unwrap();
    let refused = more(&older).unwrap_err();
    assert!(matches!(refused, OpenError::Copy { .. }), "{refused}");
    // The older copy replaces the newer home.
    let newer = dir.path().join("newer");
    std::fs::rename(&home, &newer).unwrap();
    let refused = more(&older).unwrap_err();
    assert!(matches!(refused, OpenError::Behind { size: 5, known: 6, .. }), "{refused}");

    let accepted = accept_rollback(&older, Some(&states), small(), |accepted| {
        format!("{} was {}", accepted.now.size, accepted.was.unwrap().size).into_bytes()
    });
    let accepted = accepted.unwrap();
    assert_eq!((accepted.was.unwrap().size, accepted.now.size), (6, 5));
    let last = Reader::open(&older).unwrap().records().last().unwrap().unwrap();
    assert_eq!((last.run, last.body.as_slice()), (crate::log_run(), b"5 was 6".as_slice()), "the acceptance is on the record");
    // Now the other home has another history of the same size.
    let older = {
        let gone = dir.path().join("gone");
        std::fs::rename(&older, &gone).unwrap();
        gone
    };
    std::fs::rename(&newer, &home).unwrap();
    let refused = more(&home).unwrap_err();
    assert!(matches!(refused, OpenError::Behind { size: 6, known: 6, .. }), "{refused}");
    let state = state_path(&states, check(&home, None).log.unwrap());
    assert_eq!(check(&home, Some(&state)).fault.unwrap().what, FaultKind::OtherHistory { known: 6 });
    assert!(check(&older, Some(&state)).holds());
}

#[test]
fn unreadable_second_state_is_not_taken_for_absent() {
    let dir = tempfile::tempdir().unwrap();
    let (home, states) = (dir.path().join("home"), dir.path().join("state"));
    sample(&home, Some(&states));
    let state = state_path(&states, check(&home, None).log.unwrap());
    std::fs::write(&state, b"bailiwick.state/1 nonsense\n").unwrap();
    assert!(matches!(open_with(&home, Some(&states), small()), Err(OpenError::StateUnreadable { .. })));
    assert_eq!(check(&home, Some(&state)).fault.unwrap().what, FaultKind::StateUnreadable);
    assert_eq!(check(&home, Some(&dir.path().join("nowhere"))).fault.unwrap().what, FaultKind::StateUnreadable);
}

#[test]
fn another_key_does_not_verify_the_log() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    sample(dir.path(), None);
    sample(other.path(), None);
    let key = std::fs::read_to_string(other.path().join("journal.pub")).unwrap().parse().unwrap();
    let report = crate::verify(dir.path(), Some(&key), None, &mut |_| {});
    assert_eq!(report.fault.unwrap().what, FaultKind::HeaderDiffers);
    std::fs::remove_file(dir.path().join("journal.pub")).unwrap();
    assert_eq!(check(dir.path(), None).fault.unwrap().what, FaultKind::KeyUnreadable);
}

#[test]
fn text_within_a_record_does_not_pass_for_a_later_batch() {
    let dir = tempfile::tempdir().unwrap();
    let (home, other) = (dir.path().join("home"), dir.path().join("other"));
    sample(&home, None);
    copy(&home, &other);
    // Another continuation of the same log under the same key: its last trailer belongs to a later position.
    let (journal, _) = super::kit::open(&other);
    put(&journal, run(2), &"x".repeat(900));
    put(&journal, run(2), "further on");
    journal.close().unwrap();
    for quoted in [nth(&home, TRAILER, 1).1, nth(&other, TRAILER, 4).1] {
        // A record contains a whole frame of a real trailer; then the batch of that record is torn.
        let torn = dir.path().join(format!("torn-{}", quoted.len()));
        copy(&home, &torn);
        let (journal, _) = super::kit::open(&torn);
        journal.append(run(2), quoted, Vec::new()).unwrap().ticket.wait_blocking().unwrap();
        journal.close().unwrap();
        let last = frames(&torn).len() - 2;
        flip(&segment(&torn, 1), frames(&torn)[last].start, 1);
        let report = check(&torn, None);
        assert_eq!((report.holds(), report.size), (true, 5));
    }
}

#[test]
fn a_last_checkpoint_that_the_key_did_not_sign_is_found() {
    let (what, index) = fault_after(|home| {
        let (range, frame) = nth(home, TRAILER, 2);
        let changed = resealed(&frame, |content| {
            // Changes one character in the middle of the signature; it is still base64.
            let at = content.len() - 40;
            content[at] = if content[at] == b'A' { b'B' } else { b'A' };
        });
        splice(home, range, &changed);
    });
    assert_eq!((what, index), (FaultKind::Trailer(NoteError::BadSignature), 5));
}

/// What a reader returns that skips damage, and where it says that the damage begins.
fn salvaged(home: &Path) -> (Vec<(u64, String)>, Vec<u64>) {
    let reader = Reader::of_what_is_whole(home, None).unwrap();
    let read = reader.records().map(|record| record.unwrap()).map(|it| (it.at.index, String::from_utf8(it.body).unwrap())).collect();
    (read, reader.damage().iter().map(|damage| damage.fault.at.index).collect())
}

#[test]
fn damage_begins_with_the_first_batch_that_no_good_signature_covers() {
    let damage = |bad: &[usize]| {
        let dir = tempfile::tempdir().unwrap();
        sample(dir.path(), None);
        forget_index(dir.path());
        for number in bad {
            let (range, frame) = nth(dir.path(), TRAILER, *number);
            let changed = resealed(&frame, |content| {
                let at = content.len() - 40;
                content[at] = if content[at] == b'A' { b'B' } else { b'A' };
            });
            splice(dir.path(), range, &changed);
        }
        salvaged(dir.path()).1
    };
    assert_eq!(damage(&[0, 1, 2]), [0], "nothing is proved");
    assert_eq!(damage(&[1, 2]), [2], "only the first batch is proved");
    assert_eq!(damage(&[2]), [3], "the first two batches are proved");
    assert!(damage(&[0, 1]).is_empty(), "the control: a later signature covers everything before it");
}

#[test]
fn a_signature_is_checked_before_a_long_log_has_been_read_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open_with(dir.path(), None, Options::default()).unwrap();
    journal.open_run(run(1)).unwrap();
    (0..200).for_each(|number| _ = put(&journal, run(1), &format!("a{number}")));
    journal.close().unwrap();
    forget_index(dir.path());
    let read = || Reader::open(dir.path()).unwrap().proving().records().map_while(Result::ok).count();
    assert_eq!(read(), 200, "the control");
    for number in 0..200 {
        let (range, frame) = nth(dir.path(), TRAILER, number);
        let changed = resealed(&frame, |content| {
            let at = content.len() - 40;
            content[at] = if content[at] == b'A' { b'B' } else { b'A' };
        });
        splice(dir.path(), range, &changed);
    }
    assert!(read() <= 64, "{}", read());
}

#[test]
fn large_records_are_not_all_held_until_many_batches_were_read() {
    let held = |bytes: usize| {
        let dir = tempfile::tempdir().unwrap();
        let (journal, _) = open_with(dir.path(), None, Options::default()).unwrap();
        journal.open_run(run(1)).unwrap();
        (0..100).for_each(|_| _ = put(&journal, run(1), &"x".repeat(bytes)));
        journal.close().unwrap();
        forget_index(dir.path());
        let mut records = Reader::open(dir.path()).unwrap().proving().records();
        records.next().unwrap().unwrap();
        records.ready.len() + 1
    };
    assert_eq!(held(10), 64, "the control: as many as batches");
    let large = held(60_000);
    assert!((10..30).contains(&large), "{large}");
}

#[test]
fn a_record_behind_damage_does_not_take_the_number_of_an_earlier_one() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path(), None);
    forget_index(dir.path());
    let ((range, _), (trailer, frame)) = (nth(dir.path(), LEAF, 2), nth(dir.path(), TRAILER, 2));
    flip(&segment(dir.path(), 1), range.start + 20, 1);
    let read = |home: &Path| salvaged(home).0.into_iter().map(|(index, _)| index).collect::<Vec<_>>();
    assert_eq!(read(dir.path()), [0, 1, 3, 4], "the control");
    // The checkpoint after the damage says that there are two records. It should say five.
    let changed = resealed(&frame, |content| {
        let at = content.windows(3).position(|three| three == b"\n5\n").unwrap();
        content[at + 1] = b'2';
    });
    splice(dir.path(), trailer, &changed);
    assert_eq!(read(dir.path()), [0, 1, 2, 3]);
}

#[test]
fn a_segment_that_says_it_begins_elsewhere_is_found() {
    for first in [0, 4, 6] {
        let (what, index) = fault_after(|home| {
            let header =
                crate::frame::FrameHeader { log: check(home, None).log.unwrap(), number: 2, first, begins: crate::frame::HEADER_END };
            home::create_new(&segment(home, 2)).unwrap().write_all_at(&header.encode(), 0).unwrap();
        });
        assert_eq!((what, index), (FaultKind::HeaderDiffers, 5));
    }
}

#[test]
fn a_reader_of_one_run_sees_that_its_chain_was_bent() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path(), None);
    let reader = Reader::open(dir.path()).unwrap();
    let of_run = |reader: &Reader, run| reader.of_run(run).collect::<Result<Vec<_>, _>>();
    let runs: Vec<_> = reader.records().map(|record| record.unwrap().run).collect();
    let long = runs.iter().copied().find(|run| of_run(&reader, *run).unwrap().len() > 1).unwrap();
    let first = runs.iter().position(|run| *run == long).unwrap();
    let (range, frame) = nth(dir.path(), LEAF, first);
    let bent = resealed(&frame, |content| *content.last_mut().unwrap() ^= 1);
    splice(dir.path(), range, &bent);
    let err = of_run(&reader, long).unwrap_err();
    assert!(matches!(&err, crate::ReadError::Fault(fault) if fault.what == FaultKind::ChainBroken { run: long }), "{err}");
}
