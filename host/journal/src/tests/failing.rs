//! Every operation on the disk fails once: the journal stops, and nothing that was acknowledged is lost.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use vocabulary::Digest;

use super::kit::{Failing, Failure, check, copy, open_with, run, small};
use crate::open::open_on;
use crate::{AppendError, Broken, FailedStep, Journal, OpenError, Options, Reader};

/// Uses everything that writes. Collects the leaves that were acknowledged, and returns the error that ended it.
fn scenario(journal: &Journal, acknowledged: &mut Vec<Digest>) -> Result<(), AppendError> {
    journal.open_run_key(run(7))?;
    for number in 0..24u8 {
        let payloads = vec![vec![number; 40].into()];
        let appended = journal.append(run(7), vec![number; 30], payloads)?;
        appended.ticket.wait_blocking()?;
        acknowledged.push(appended.leaf);
        if number == 9 {
            journal.snapshot(b"folded".to_vec())?;
        }
        if number == 14 {
            journal.open_run_key(run(8))?;
            let last = journal.append_last(run(8), b"short".to_vec(), Vec::new())?;
            journal.durable().wait_blocking()?;
            acknowledged.push(last.leaf);
            journal.forget(run(8))?.wait_blocking()?;
        }
    }
    Ok(())
}

/// Runs the scenario once, with operation `at` failing. Returns false if there is no such operation.
fn try_with(fresh: &Path, home: &Path, at: usize, how: Failure) -> bool {
    copy(fresh, &home.join("home"));
    let (home, state) = (home.join("home"), home.join("state"));
    let disk = Failing::new(at, how);
    let mut acknowledged = Vec::new();
    match open_on(disk.clone(), &home, Some(&state), small()) {
        Ok((journal, _)) => {
            let ended = scenario(&journal, &mut acknowledged);
            if let Err(err) = &ended {
                let again = journal.append(run(7), b"more".to_vec(), Vec::new());
                assert!(matches!(again, Err(AppendError::Broken(_))), "{at} {how:?}: went on after {err}");
                assert!(journal.durable().wait_blocking().is_err(), "{at} {how:?}");
                assert!(journal.broken().is_some() && disk.failed());
                // Nothing is written any more.
                let done = disk.done.load(Ordering::SeqCst);
                assert!(journal.open_run_key(run(9)).is_err() && journal.snapshot(Vec::new()).is_err());
                assert!(journal.clone().close().is_err());
                assert_eq!(disk.done.load(Ordering::SeqCst), done, "{at} {how:?}");
            }
        }
        Err(OpenError::Io { .. }) => assert!(disk.failed(), "{at} {how:?}"),
        Err(other) => panic!("{at} {how:?}: {other}"),
    }
    let failed = disk.failed();
    drop(disk);
    let (journal, opened) = open_with(&home, Some(&state), small()).unwrap();
    let there: Vec<Digest> = Reader::open(&home).unwrap().records().map(|record| record.unwrap().leaf).collect();
    assert_eq!(there.len() as u64, opened.size);
    assert!(there.len() >= acknowledged.len() && there.starts_with(&acknowledged), "{at} {how:?}: a record is lost");
    // The home continues without any repair by hand.
    journal.append(crate::log_run(), b"recovered".to_vec(), Vec::new()).unwrap().ticket.wait_blocking().unwrap();
    journal.close().unwrap();
    let report = check(&home, None);
    assert!(report.holds(), "{at} {how:?}: {:?}", report.fault);
    failed
}

#[track_caller]
fn fails_closed(how: Failure) {
    let dir = tempfile::tempdir().unwrap();
    let fresh = dir.path().join("fresh");
    home::make_folder(&fresh).unwrap();
    let mut at = 0;
    while try_with(&fresh, &dir.path().join(at.to_string()), at, how) {
        at += 1;
    }
    assert!(at > 60, "only {at} operations were made to fail");
}

#[test]
fn any_error_of_the_disk_stops_everything_and_loses_nothing() {
    fails_closed(Failure::Io);
}

#[test]
fn a_full_disk_stops_everything_and_loses_nothing() {
    fails_closed(Failure::NoSpace);
}

#[test]
fn a_short_write_stops_everything_and_loses_nothing() {
    fails_closed(Failure::Short);
}

#[test]
fn a_short_write_that_can_be_gone_on_with_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for at in 0..200 {
        let (home, disk) = (dir.path().join(at.to_string()), Failing::new(at, Failure::ShortOnce));
        home::make_folder(&home).unwrap();
        let (journal, _) = open_on(disk.clone(), &home, Some(&home.join("state")), small()).unwrap();
        let mut acknowledged = Vec::new();
        scenario(&journal, &mut acknowledged).unwrap();
        journal.close().unwrap();
        assert!(check(&home, None).holds() && acknowledged.len() == 25, "{at}");
        if !disk.failed() {
            assert!(at > 60, "only {at} operations were tried");
            return;
        }
    }
    panic!("the scenario has more operations than were tried");
}

#[test]
fn a_broken_journal_says_which_file_which_step_and_why() {
    let dir = tempfile::tempdir().unwrap();
    let (mut steps, mut at) = (Vec::new(), 0);
    loop {
        let (home, disk) = (dir.path().join(at.to_string()), Failing::new(at, Failure::NoSpace));
        home::make_folder(&home).unwrap();
        let state = home.join("state");
        if let Ok((journal, _)) = open_on(disk.clone(), &home, Some(&state), small())
            && let Err(AppendError::Broken(broken)) = scenario(&journal, &mut Vec::new())
        {
            let (file, text) = (broken.path.clone().unwrap(), format!("{broken}: {}", broken.cause.as_ref().unwrap()));
            assert!(file.starts_with(&home) && text.contains(&format!("`{}`", file.display())), "{text}");
            assert!(text.contains("no space left on the file system at `") && text.ends_with(" free"), "{text}");
            let name = file.strip_prefix(&home).unwrap().to_string_lossy().into_owned();
            let place = match broken.step {
                FailedStep::Write | FailedStep::Sync | FailedStep::Segment => name.starts_with("journal/0000"),
                FailedStep::Keys => name == "keys",
                FailedStep::State => name.starts_with("state/"),
                FailedStep::Exchanged | FailedStep::Number | FailedStep::Closed => false,
            };
            assert!(place, "{text}");
            steps.push(broken.step);
        }
        if !disk.failed() {
            break;
        }
        at += 1;
    }
    for step in [FailedStep::Write, FailedStep::Sync, FailedStep::Segment, FailedStep::Keys, FailedStep::State] {
        assert!(steps.contains(&step), "{step:?} never failed");
    }
}

#[test]
fn a_limit_below_what_was_reserved_makes_shorter_segments_and_one_below_a_batch_stops_everything() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Failing::new(usize::MAX, Failure::Io);
    let options = Options { segment_bytes: 64 << 10, ..Options::default() };
    let (journal, _) = open_on(disk.clone(), dir.path(), None, options.clone()).unwrap();
    let put =
        |bytes: usize| journal.append(crate::log_run(), vec![b'x'; bytes], Vec::new())?.ticket.wait_blocking().map_err(AppendError::Broken);
    (0..8).for_each(|_| put(4000).unwrap());
    assert_eq!(crate::segment::list(&dir.path().join("journal")).unwrap(), [1], "the record fits into the reserved space");
    disk.longest.store(16 << 10, Ordering::SeqCst);
    (0..8).for_each(|_| put(4000).unwrap());
    let numbers = crate::segment::list(&dir.path().join("journal")).unwrap();
    assert!(numbers.len() > 2, "{numbers:?}");
    disk.longest.store(3000, Ordering::SeqCst);
    let Err(AppendError::Broken(broken)) = put(4000) else { panic!("the record was accepted") };
    assert_eq!(broken.step, FailedStep::Segment);
    drop(journal);
    // If the home is opened under the limit, it continues in shorter segments as well.
    disk.longest.store(16 << 10, Ordering::SeqCst);
    let (journal, opened) = open_on(disk, dir.path(), None, options).unwrap();
    assert_eq!(opened.size, 16);
    journal.append(crate::log_run(), b"more".to_vec(), Vec::new()).unwrap().ticket.wait_blocking().unwrap();
    journal.close().unwrap();
    assert!(check(dir.path(), None).holds());
}

#[test]
fn a_sync_that_lost_its_pages_stops_everything_and_loses_nothing() {
    fails_closed(Failure::Lost);
}

#[test]
fn everybody_who_waits_for_a_failed_batch_is_told_why() {
    let dir = tempfile::tempdir().unwrap();
    let whole = Failing::new(usize::MAX, Failure::NoSpace);
    let (journal, _) = open_on(whole.clone(), dir.path(), None, small()).unwrap();
    let opening = whole.done.load(Ordering::SeqCst);
    journal.close().unwrap();
    std::fs::remove_dir_all(dir.path()).unwrap();

    let disk = Failing::new(opening, Failure::NoSpace);
    let (journal, _) = open_on(disk as Arc<dyn crate::disk::Disk>, dir.path(), None, small()).unwrap();
    let tickets: Vec<_> = (1..=8)
        .filter_map(|number| {
            journal.open_run(run(number)).ok()?;
            journal.append(run(number), b"x".to_vec(), Vec::new()).ok()
        })
        .collect();
    assert!(!tickets.is_empty());
    for appended in tickets {
        let broken: Broken = appended.ticket.wait_blocking().unwrap_err();
        assert_eq!(broken.step, FailedStep::Write);
        assert_eq!(broken.cause.as_ref().map(|cause| cause.kind()), Some(std::io::ErrorKind::StorageFull));
    }
    assert_eq!(journal.size(), 0);
}

#[test]
fn a_batch_that_may_be_in_memory_only_is_written_again_when_opened() {
    let dir = tempfile::tempdir().unwrap();
    super::kit::sample(dir.path(), None);
    let places = super::kit::frames(dir.path());
    let last: Vec<_> = places.iter().filter(|place| place.batch == 2).collect();
    let batch = (last[0].start as u64, last[last.len() - 1].end - last[0].start);
    let opened_writing = || {
        let disk = Failing::new(usize::MAX, Failure::Io);
        drop(open_on(disk.clone(), dir.path(), None, small()).unwrap());
        disk.writes.lock().unwrap().contains(&batch)
    };
    // The index was written after the sync, so the records that it covers need no further sync.
    assert!(!opened_writing());
    super::kit::forget_index(dir.path());
    assert!(opened_writing());
}
