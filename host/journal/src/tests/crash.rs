//! A process dies: the home can be opened, and has everything that was acknowledged.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt as _;

use super::kit::{bodies, bytes, check, copy, flip, forget_index, frames, open, open_with, put, run, sample, segment, small};
use crate::OpenError;

#[test]
fn cut_at_any_byte_of_the_last_batch_the_log_opens_with_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    sample(&home, None);
    forget_index(&home);
    let (places, whole) = (frames(&home), bytes(&home));
    let begin = places.iter().find(|place| place.batch == 2).unwrap().start;
    let end = places[places.len() - 1].end;
    for len in begin..=end {
        std::fs::write(segment(&home, 1), &whole[..len]).unwrap();
        let report = check(&home, None);
        let (journal, opened) = open(&home);
        let size = if len == end { 5 } else { 3 };
        assert_eq!((opened.size, report.size), (size, size), "cut at {len}");
        let torn = if len == end { &[][..] } else { &whole[begin..len] };
        let torn = torn.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
        assert_eq!((opened.recovered_bytes, report.torn_bytes), (torn, torn), "cut at {len}");
        // The log continues as if the torn batch had never been written.
        put(&journal, run(2), "more");
        journal.close().unwrap();
        assert_eq!(bodies(&home).last().unwrap(), "more");
        let after = check(&home, None);
        assert_eq!((after.holds(), after.size, after.torn_bytes), (true, size + 1, 0), "cut at {len}");
        forget_index(&home);
    }
}

#[test]
fn pages_of_the_last_batch_may_be_missing_in_any_place() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    sample(home, None);
    forget_index(home);
    let whole = bytes(home);
    let begin = frames(home).iter().find(|place| place.batch == 2).unwrap().start;
    let end = frames(home).last().unwrap().end;
    for hole in (begin..end).step_by(16) {
        let mut torn = whole.clone();
        torn[hole..(hole + 16).min(end)].fill(0);
        std::fs::write(segment(home, 1), &torn).unwrap();
        let (journal, opened) = open(home);
        assert_eq!(opened.size, 3, "hole at {hole}");
        assert!(opened.recovered_bytes > 0);
        drop(journal);
        assert_eq!(bytes(home)[begin..].iter().position(|byte| *byte != 0), None);
        let _ = std::fs::remove_file(home.join("journal.index"));
    }
}

#[test]
fn a_cut_batch_does_not_shine_through_a_later_one() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    sample(home, None);
    forget_index(home);
    let last = frames(home).iter().position(|place| place.batch == 2).unwrap();
    flip(&segment(home, 1), frames(home)[last].start, 1);
    let (journal, _) = open(home);
    put(&journal, run(2), "x");
    journal.close().unwrap();
    let end = frames(home).last().unwrap().end;
    assert_eq!(bytes(home)[end..].iter().position(|byte| *byte != 0), None);
}

#[test]
fn a_copy_taken_while_writing_opens_and_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let (journal, _) = open_with(&home, None, small()).unwrap();
    journal.open_run_key(run(1)).unwrap();
    for number in 0..60 {
        put(&journal, run(1), &format!("record {number}"));
        if number % 7 == 0 {
            let killed = dir.path().join(format!("killed-{number}"));
            copy(&home, &killed);
            let (reopened, opened) = open_with(&killed, None, small()).unwrap();
            assert_eq!((opened.size, reopened.open_runs().contains(&run(1))), (number + 1, true));
            // The run continues where it was, with its key.
            reopened.append(run(1), b"after".to_vec(), vec![b"sealed".to_vec().into()]).unwrap();
            reopened.close().unwrap();
            assert!(check(&killed, None).holds());
        }
    }
}

#[test]
fn a_segment_that_was_being_laid_out_is_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    sample(home, None);
    let unfinished = segment(home, 2).with_extension("new");
    std::fs::write(&unfinished, b"BWLOG").unwrap();
    assert_eq!(open(home).1.size, 5);
    assert!(!unfinished.exists());
}

#[test]
fn an_empty_last_segment_is_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    sample(home, None);
    let header = crate::frame::FrameHeader { log: check(home, None).log.unwrap(), number: 2, first: 5, begins: crate::frame::HEADER_END };
    home::create_new(&segment(home, 2)).unwrap().write_all_at(&header.encode(), 0).unwrap();
    let (journal, opened) = open(home);
    assert_eq!((opened.size, opened.recovered_bytes), (5, 0));
    put(&journal, run(2), "b3");
    journal.close().unwrap();
    assert_eq!(check(home, None).end.segment, 2);
    assert!(check(home, None).holds());
}

#[test]
fn a_torn_segment_that_is_not_the_last_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    sample(home, None);
    forget_index(home);
    let header = crate::frame::FrameHeader { log: check(home, None).log.unwrap(), number: 2, first: 5, begins: crate::frame::HEADER_END };
    home::create_new(&segment(home, 2)).unwrap().write_all_at(&header.encode(), 0).unwrap();
    let end = frames(home).last().unwrap().end;
    let file = OpenOptions::new().write(true).open(segment(home, 1)).unwrap();
    file.write_all_at(&[0], end as u64 - 2).unwrap();
    assert!(matches!(open_with(home, None, small()), Err(OpenError::Fault(_))));
}

#[test]
fn part_of_a_key_slot_is_cut() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    sample(home, None);
    let keys = home.join("keys");
    let mut bytes = std::fs::read(&keys).unwrap();
    assert_eq!(bytes.len(), 128);
    bytes.extend_from_slice(&[7; 50]);
    std::fs::write(&keys, &bytes).unwrap();
    let (journal, _) = open(home);
    journal.open_run_key(run(5)).unwrap();
    journal.append(run(5), b"e1".to_vec(), vec![b"sealed".to_vec().into()]).unwrap().ticket.wait_blocking().unwrap();
    let reader = journal.reader().unwrap();
    let record = reader.of_run(run(5)).next().unwrap().unwrap();
    assert_eq!(reader.payload(&record, 0).unwrap(), b"sealed");
}
