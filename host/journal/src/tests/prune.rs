//! Pruning: the rest of the log verifies, the archive verifies together with it, and no crash loses anything.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::kit::{Failing, Failure, bodies, check, copy, open, open_with, put, run, segment, small};
use crate::open::open_on;
use crate::segment::sweep;
use crate::{FaultKind, Journal, OpenError, PruneError, Pruning, Reader, log_run, verify_with};

/// A log of several segments, with a run that ended in the first, a run in the first two, and a run that is open since the fourth.
fn long(home: &Path, state: Option<&Path>) -> Journal {
    let (journal, _) = open_with(home, state, small()).unwrap();
    let filler = "x".repeat(900);
    journal.open_run_key(run(1)).unwrap();
    put(&journal, run(1), "short");
    journal.append_last(run(1), b"ends".to_vec(), Vec::new()).unwrap().ticket.wait_blocking().unwrap();
    journal.open_run(run(2)).unwrap();
    put(&journal, run(2), "begins");
    (0..4).for_each(|_| _ = put(&journal, log_run(), &filler));
    assert!(segment(home, 2).exists());
    put(&journal, run(2), "goes on");
    journal.append_last(run(2), b"ends".to_vec(), Vec::new()).unwrap().ticket.wait_blocking().unwrap();
    while !segment(home, 4).exists() {
        put(&journal, log_run(), &filler);
    }
    journal.open_run(run(3)).unwrap();
    put(&journal, run(3), "open");
    while !segment(home, 5).exists() {
        put(&journal, log_run(), &filler);
    }
    journal
}

fn pruned(journal: &Journal, until: u32, to: Option<&Path>) -> Result<crate::Pruned, PruneError> {
    let pruning = Pruning { until, to: to.map(Path::to_owned) };
    journal.prune(&pruning, |pruned| format!("pruned {}", pruned.size).into_bytes(), &mut |_, _| ControlFlow::Continue(()))
}

#[test]
fn what_is_left_verifies_and_what_was_archived_verifies_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (home, state, to) = (dir.path().join("home"), dir.path().join("state"), dir.path().join("to"));
    let journal = long(&home, Some(&state));
    let (all, size) = (bodies(&home), journal.size());
    let done = pruned(&journal, 2, Some(&to)).unwrap();
    assert!(!segment(&home, 1).exists() && segment(&to, 1).exists());
    assert!(done.size > 3 && done.size < size && (done.first, done.until) == (1, 2));
    // The log continues, and has a record of the prune.
    put(&journal, run(3), "after");
    journal.close().unwrap();
    let left = check(&home, None);
    assert!(left.holds(), "{:?}", left.fault);
    assert_eq!((left.size, left.base.as_ref().map(|base| base.size)), (size + 2, Some(done.size)));
    let read: Vec<String> = bodies(&home);
    assert_eq!(read[..read.len() - 2], all[usize::try_from(done.size).unwrap()..]);
    assert_eq!(read[read.len() - 2], format!("pruned {}", done.size));
    // Once more, into the same archive.
    let (journal, opened) = open_with(&home, Some(&state), small()).unwrap();
    assert_eq!((opened.size, opened.rebuilt), (size + 2, false));
    let done = pruned(&journal, 4, Some(&to)).unwrap();
    assert_eq!((done.first, done.until), (2, 4));
    journal.close().unwrap();
    assert!(check(&home, None).holds());
    // The archive alone, and both together.
    let archive = check(&to, None);
    assert!(archive.holds() && archive.size == done.size && archive.base.is_none(), "{:?}", archive.fault);
    let mut leaves = 0;
    let whole = verify_with((&home, Some(&to)), None, None, &mut |_| leaves += 1);
    assert!(whole.holds(), "{:?}", whole.fault);
    assert_eq!((whole.size, leaves, whole.base), (size + 3, size + 3, None));
    // If a segment is missing in the archive, or was changed, verifying fails.
    let bytes = fs::read(segment(&to, 2)).unwrap();
    fs::remove_file(segment(&to, 2)).unwrap();
    let missed = verify_with((&home, Some(&to)), None, None, &mut |_| {}).fault.unwrap();
    assert_eq!((missed.at.segment, missed.what), (2, FaultKind::SegmentMissing));
    fs::write(segment(&to, 2), &bytes).unwrap();
    super::kit::flip(&segment(&to, 2), bytes.len() / 2, 1);
    assert!(!verify_with((&home, Some(&to)), None, None, &mut |_| {}).holds());
}

#[test]
fn a_run_over_the_cut_is_followed_on_and_one_that_is_open_stays() {
    let dir = tempfile::tempdir().unwrap();
    let journal = long(dir.path(), None);
    let refused = pruned(&journal, 5, None).unwrap_err();
    assert!(matches!(refused, PruneError::Open { run: open } if open == run(3)), "{refused}");
    for until in [0, 1, 6, 99] {
        assert!(matches!(pruned(&journal, until, None), Err(PruneError::NoSuchSegment { .. })), "{until}");
    }
    assert_eq!(journal.reader().unwrap().records().count() as u64, journal.size(), "nothing was pruned");
    pruned(&journal, 2, None).unwrap();
    let of = |run| Reader::open(dir.path()).unwrap().proving().of_run(run).map(|record| record.unwrap().seq).collect::<Vec<_>>();
    assert_eq!((of(run(1)), of(run(2)), of(run(3))), (vec![], vec![2, 3], vec![1]));
    let base = crate::base(dir.path(), None).unwrap().unwrap();
    let runs: Vec<_> = base.heads.iter().map(|(run, ..)| *run).collect();
    assert_eq!(runs, [log_run(), run(2)]);
    // The next record of the log's own run must follow its last one before the cut.
    journal.close().unwrap();
    let forged = dir.path().join("journal.base");
    let text = fs::read_to_string(&forged).unwrap();
    fs::write(&forged, text.replacen(&run(2).to_string(), &run(3).to_string(), 1)).unwrap();
    assert_eq!(check(dir.path(), None).fault.unwrap().what, FaultKind::BaseForged);
    assert!(open_with(dir.path(), None, small()).is_err() && Reader::open(dir.path()).is_err());
    fs::remove_file(&forged).unwrap();
    assert_eq!(check(dir.path(), None).fault.unwrap().what, FaultKind::SegmentMissing);
    assert!(matches!(open_with(dir.path(), None, small()), Err(OpenError::Fault(fault)) if fault.what == FaultKind::SegmentMissing));
    fs::write(&forged, text).unwrap();
    assert!(check(dir.path(), None).holds());
}

#[test]
fn an_older_base_and_more_taken_away_by_hand_are_missed() {
    let dir = tempfile::tempdir().unwrap();
    let journal = long(dir.path(), None);
    pruned(&journal, 2, None).unwrap();
    let older = fs::read(dir.path().join("journal.base")).unwrap();
    pruned(&journal, 3, None).unwrap();
    journal.close().unwrap();
    let newer = fs::read(dir.path().join("journal.base")).unwrap();
    fs::write(dir.path().join("journal.base"), older).unwrap();
    assert_eq!(check(dir.path(), None).fault.unwrap().what, FaultKind::SegmentMissing);
    assert!(open_with(dir.path(), None, small()).is_err());
    fs::write(dir.path().join("journal.base"), newer).unwrap();
    fs::remove_file(segment(dir.path(), 3)).unwrap();
    assert_eq!(check(dir.path(), None).fault.unwrap().what, FaultKind::SegmentMissing);
    assert!(open_with(dir.path(), None, small()).is_err());
}

#[test]
fn whatever_fails_on_the_way_the_log_is_whole_and_nothing_is_lost_that_is_not_archived() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    let journal = long(&whole, None);
    let (size, log) = (journal.size(), journal.log());
    journal.close().unwrap();
    let mut failed = 0;
    for how in [Failure::Io, Failure::Short] {
        for at in 0.. {
            let (home, to) = (dir.path().join(format!("{how:?}{at}")), dir.path().join(format!("{how:?}{at}to")));
            copy(&whole, &home);
            let disk = Failing::new(at, how);
            let (journal, _) = open(&home);
            let pruning = Pruning { until: 3, to: Some(to.clone()) };
            let done = journal.prune_on(&*disk, &pruning, |_| b"pruned".to_vec(), &mut |_, _| ControlFlow::Continue(()));
            drop(journal);
            // The next opening removes what is left over, and the log is whole, alone or with the archive.
            let (journal, opened) = open_on(Arc::new(super::kit::Hasty), &home, None, small()).unwrap();
            assert_eq!(opened.log, log);
            journal.close().unwrap();
            let report = check(&home, None);
            assert!(report.holds() && report.size >= size, "{how:?} {at}: {:?}", report.fault);
            let with = report.base.is_some().then_some(&*to);
            let together = verify_with((&home, with), None, None, &mut |_| {});
            assert!(together.holds() && together.size >= size && together.base.is_none(), "{how:?} {at}: {:?}", together.fault);
            if !disk.failed() {
                done.unwrap();
                break;
            }
            failed += 1;
            // The prune can be repeated, into the same archive.
            let (journal, _) = open(&home);
            if report.base.is_none() {
                pruned(&journal, 3, Some(&to)).unwrap();
            }
            journal.close().unwrap();
            assert!(verify_with((&home, Some(&to)), None, None, &mut |_| {}).holds());
        }
    }
    assert!(failed > 10, "{failed}");
}

#[test]
fn what_is_left_of_segments_that_were_taken_away_does_not_count_and_goes() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    let journal = long(&home, None);
    let kept: Vec<_> = [1, 2].map(|number| fs::read(segment(&home, number)).unwrap()).into();
    pruned(&journal, 3, None).unwrap();
    journal.close().unwrap();
    let whole = bodies(&home);
    for (number, bytes) in (1..).zip(&kept) {
        fs::write(segment(&home, number), bytes).unwrap();
        fs::set_permissions(segment(&home, number), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    assert!(check(&home, None).holds());
    assert_eq!(bodies(&home), whole);
    assert!(crate::inspect(&home, None).is_ok() && segment(&home, 1).exists(), "inspecting changes nothing");
    open(&home).0.close().unwrap();
    assert!(!segment(&home, 1).exists() && !segment(&home, 2).exists());
    assert_eq!(sweep(&crate::disk::RealDisk, &home.join("journal"), 3).unwrap(), 0);
}

#[test]
fn an_archive_with_another_segment_of_that_name_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let (home, to) = (dir.path().join("home"), dir.path().join("to"));
    let journal = long(&home, None);
    home::make_folder(&to.join("journal")).unwrap();
    fs::write(segment(&to, 1), b"another").unwrap();
    fs::set_permissions(segment(&to, 1), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    assert!(matches!(pruned(&journal, 3, Some(&to)), Err(PruneError::OtherArchive(_))));
    assert_eq!(fs::read(segment(&to, 1)).unwrap(), b"another");
    assert!(segment(&home, 1).exists());
}

#[test]
fn the_index_is_used_after_pruning_and_a_damaged_segment_is_not_pruned() {
    let dir = tempfile::tempdir().unwrap();
    let journal = long(dir.path(), None);
    super::kit::flip(&segment(dir.path(), 2), 500, 1);
    assert!(matches!(pruned(&journal, 3, None), Err(PruneError::Fault(_))));
    super::kit::flip(&segment(dir.path(), 2), 500, 1);
    pruned(&journal, 3, None).unwrap();
    journal.close().unwrap();
    let (_, opened) = open(dir.path());
    assert!(!opened.rebuilt);
    assert_eq!(opened.frames_scanned, 0);
}

#[test]
fn keys_of_many_runs_are_forgotten_in_one_pass_and_open_runs_keep_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    for number in 1..5 {
        journal.open_run_key(run(number)).unwrap();
        let sealed = vec![b"sealed".to_vec().into()];
        let appended = journal.append(run(number), b"x".to_vec(), sealed).unwrap();
        appended.ticket.wait_blocking().unwrap();
        if number < 4 {
            journal.append_last(run(number), b"end".to_vec(), Vec::new()).unwrap().ticket.wait_blocking().unwrap();
        }
    }
    let (forgotten, ticket) = journal.forget_all(&[run(1), run(3), run(4), run(9)].into_iter().collect()).unwrap();
    ticket.wait_blocking().unwrap();
    assert_eq!(forgotten, 2);
    let reader = journal.reader().unwrap();
    let opens: Vec<bool> = reader.records().map(Result::unwrap).filter(|it| it.seq == 1).map(|it| reader.payload(&it, 0).is_ok()).collect();
    assert_eq!(opens, [false, true, false, true]);
    assert_eq!(reader.keyed_runs().unwrap(), [run(2), run(4)].into_iter().collect());
}

#[test]
fn it_is_ended_by_whoever_hears_of_it_as_long_as_nothing_was_taken_away() {
    let dir = tempfile::tempdir().unwrap();
    let (home, to) = (dir.path().join("home"), dir.path().join("to"));
    let journal = long(&home, None);
    let size = journal.size();
    for what in ["verified", "archived"] {
        let pruning = Pruning { until: 3, to: Some(to.clone()) };
        let mut hears = |said: &str, _: u32| if said == what { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
        let done = journal.prune(&pruning, |_| b"pruned".to_vec(), &mut hears);
        assert!(matches!(done, Err(PruneError::Ended)), "{what}: {done:?}");
        assert_eq!((journal.size(), segment(&home, 1).exists(), to.exists()), (size, true, what == "archived"), "{what}");
    }
    let left: Vec<_> = fs::read_dir(to.join("journal")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["00000001.seg"], "whole, and no part of another");
    let pruned = pruned(&journal, 3, Some(&to)).unwrap();
    assert_eq!((pruned.first, pruned.until, segment(&home, 1).exists()), (1, 3, false), "it is repeated, and done");
    journal.close().unwrap();
}
