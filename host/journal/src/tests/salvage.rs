//! Damage in the part that the index covers: the next opening finds it, readers skip it, and a person can set it aside.

use vocabulary::{Digest, RunId};

use super::kit::{bodies, bytes, check, flip, frames, open, open_with, put, run, sample, segment, small};
use crate::stamp::{Patrol, stamps};
use crate::{Entry, OpenError, Options, Position, Reader, Reanchored, aside_now, log_run, reanchor, remembered, state_path};

/// Makes a home whose index covers everything, and returns its frames.
fn indexed(home: &std::path::Path) -> Vec<super::kit::Place> {
    sample(home, None);
    open(home).0.close().unwrap();
    frames(home)
}

#[test]
fn every_bit_that_is_flipped_below_the_index_is_found_by_the_next_opening() {
    let dir = tempfile::tempdir().unwrap();
    let places = indexed(dir.path());
    let (path, end) = (segment(dir.path(), 1), places[places.len() - 1].end);
    for bit in (0..end * 8).step_by(5) {
        flip(&path, bit / 8, 1 << (bit % 8));
        let opened = open_with(dir.path(), None, small());
        assert!(matches!(opened, Err(OpenError::Fault(_) | OpenError::Behind { .. })), "bit {bit}: {opened:?}");
        flip(&path, bit / 8, 1 << (bit % 8));
    }
    let (journal, opened) = open(dir.path());
    assert_eq!(opened.size, 5, "the control");
    journal.close().unwrap();
    assert!(!open(dir.path()).1.rebuilt, "and if nothing has changed, nothing is read again");
}

#[test]
fn what_the_file_system_does_not_notice_is_found_in_turn() {
    let dir = tempfile::tempdir().unwrap();
    let places = indexed(dir.path());
    let (folder, log) = (crate::segment::folder(dir.path()), Reader::open(dir.path()).unwrap().log());
    let end = Patrol { segment: 1, offset: places[places.len() - 1].end as u64 };
    let before = stamps(&folder, 1, 1).unwrap();
    assert_eq!(Patrol::start().go_on(&folder, log, 1, end), Some(Patrol::start()), "all of it was read, so the patrol begins again");
    flip(&segment(dir.path(), 1), places[0].start + 30, 1);
    assert_eq!(Patrol::start().go_on(&folder, log, 1, end), None);
    assert_ne!(stamps(&folder, 1, 1).unwrap(), before, "a write is noticed anyway");
}

#[test]
fn a_reader_passes_over_a_damaged_batch_and_the_next_opening_reads_everything() {
    let dir = tempfile::tempdir().unwrap();
    let places = indexed(dir.path());
    let all = bodies(dir.path());
    let begin = places.iter().find(|place| place.batch == 1).unwrap().start;
    flip(&segment(dir.path(), 1), begin + 20, 1);
    let reader = Reader::of_what_is_whole(dir.path(), None).unwrap();
    let read: Vec<String> = reader.records().map(|record| String::from_utf8(record.unwrap().body).unwrap()).collect();
    assert!(read.len() < all.len() && read.iter().all(|body| all.contains(body)), "{read:?}");
    assert_eq!(read.last(), all.last(), "reading continues after the damage");
    let damage = reader.damage();
    assert_eq!((damage.len(), damage[0].fault.at.offset, damage[0].until.is_some()), (1, begin as u64, true), "{damage:?}");
    assert!(Reader::open(dir.path()).unwrap().records().any(|record| record.is_err()), "the control: another reader stops there");
    assert!(dir.path().join("journal.damaged").exists());
    flip(&segment(dir.path(), 1), begin + 20, 1);
    let (_, opened) = open(dir.path());
    assert!(opened.rebuilt && !dir.path().join("journal.damaged").exists(), "the log is whole again, and was read as a whole");
}

#[test]
fn a_run_with_a_record_in_the_damaged_part_is_given_up_to_there_and_no_further() {
    let dir = tempfile::tempdir().unwrap();
    let places = indexed(dir.path());
    let begin = places.iter().find(|place| place.batch == 0).unwrap().start;
    flip(&segment(dir.path(), 1), begin + 20, 1);
    let reader = Reader::of_what_is_whole(dir.path(), None).unwrap();
    let first = reader.of_run(run(1)).next();
    assert!(first.is_none_or(|record| record.is_err()), "its first record is in the damaged part");
}

fn entries(done: &Reanchored) -> Vec<Entry> {
    let ends = done.not_ended.iter().map(|run| Entry { ends: true, ..Entry::new(*run, b"closed".to_vec()) });
    std::iter::once(Entry::new(log_run(), b"reanchored".to_vec())).chain(ends).collect()
}

#[test]
fn a_log_that_was_re_anchored_goes_on_from_what_is_whole_wherever_it_was_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let count = {
        let home = dir.path().join("count");
        indexed(&home).len()
    };
    for at in 0..count {
        let (home, state) = (dir.path().join(format!("home{at}")), dir.path().join(format!("state{at}")));
        sample(&home, Some(&state));
        let (place, log) = (frames(&home).swap_remove(at), Reader::open(&home).unwrap().log());
        flip(&segment(&home, 1), place.start + 12, 1);
        let damaged = bytes(&home);
        assert!(open_with(&home, Some(&state), small()).is_err(), "frame {at}");
        let done = reanchor(&home, Some(&state), Options::default(), entries).unwrap();
        assert_eq!(std::fs::read(home.join(&done.aside).join("00000001.seg")).unwrap(), damaged, "frame {at}");
        assert_eq!(aside_now(&home, &done.aside), Some((done.bytes, done.digest)));
        assert_eq!(done.was.map(|was| was.size), Some(5));
        // The log verifies, second state remembers it, and it accepts records.
        let size = done.now.size + 1 + done.not_ended.len() as u64;
        assert_eq!(remembered(&state_path(&state, log)).unwrap().map(|now| now.size), Some(size));
        let report = check(&home, Some(&state_path(&state, log)));
        assert!(report.holds() && report.size == size && report.not_ended.is_empty(), "frame {at}: {report:?}");
        let (journal, opened) = open_with(&home, Some(&state), small()).unwrap();
        assert_eq!(opened.size, size);
        journal.open_run(run(9)).unwrap();
        put(&journal, run(9), "after");
        journal.close().unwrap();
        assert!(matches!(reanchor(&home, Some(&state), Options::default(), entries), Err(OpenError::Whole)), "nothing is damaged any more");
    }
}

#[test]
fn a_re_anchoring_that_was_cut_off_is_finished_the_next_time() {
    let dir = tempfile::tempdir().unwrap();
    let (home, state) = (dir.path().join("home"), dir.path().join("state"));
    sample(&home, Some(&state));
    let place = frames(&home).into_iter().find(|place| place.batch == 1).unwrap();
    flip(&segment(&home, 1), place.start + 12, 1);
    let damaged = bytes(&home);
    // This is like a process that dies before its record is durable: a run that is not open accepts no record.
    let refused = reanchor(&home, Some(&state), Options::default(), |_| vec![Entry::new(RunId::from_bytes([77; 16]), Vec::new())]);
    assert!(matches!(refused, Err(OpenError::Unrecorded(_))), "{refused:?}");
    assert!(matches!(open_with(&home, Some(&state), Options::default()), Err(OpenError::Behind { .. })), "the home is still refused");
    let done = reanchor(&home, Some(&state), Options::default(), entries).unwrap();
    assert!(done.what.contains("segment 1"), "what was wrong is not lost: {}", done.what);
    assert_eq!(std::fs::read(home.join(&done.aside).join("00000001.seg")).unwrap(), damaged);
    assert!(check(&home, None).holds());
}

#[test]
fn an_aside_that_was_changed_is_another_and_a_strange_name_is_none() {
    let dir = tempfile::tempdir().unwrap();
    indexed(dir.path());
    let begin = Position::start().offset;
    flip(&segment(dir.path(), 1), usize::try_from(begin).unwrap() + 12, 1);
    let done = reanchor(dir.path(), None, Options::default(), entries).unwrap();
    let was = aside_now(dir.path(), &done.aside).unwrap();
    assert_eq!(was, (done.bytes, done.digest), "the control");
    flip(&dir.path().join(&done.aside).join("00000001.seg"), 70, 1);
    assert_ne!(aside_now(dir.path(), &done.aside), Some(was));
    for name in ["", "set-aside-", "set-aside-../x", "../set-aside-0001", "set-aside-00001", "journal"] {
        assert_eq!(aside_now(dir.path(), name), None::<(u64, Digest)>, "{name}");
    }
}
