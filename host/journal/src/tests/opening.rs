//! Opening: a home has one holder; the index; the snapshot; the cost.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::kit::{bodies, check, copy, flip, forget_index, open, open_with, put, run, sample};
use crate::{AppendError, Journal, OpenError, Options, Position, log_run};

#[test]
fn a_home_has_one_holder() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let second = Journal::open(dir.path(), None, Options::default());
    assert!(matches!(second, Err(OpenError::Held { .. })));
    let clone = journal.clone();
    drop(journal);
    assert!(matches!(Journal::open(dir.path(), None, Options::default()), Err(OpenError::Held { .. })));
    clone.close().unwrap();
    assert!(Journal::open(dir.path(), None, Options::default()).is_ok());
}

const HOLD: &str = "JOURNAL_TEST_HOLD";

/// Not a test: this is the process that the next test kills.
#[test]
fn holder_for_the_next_test() {
    if let Some(home) = std::env::var_os(HOLD) {
        let (journal, _) = Journal::open(Path::new(&home), None, Options::default()).unwrap();
        put(&journal, log_run(), "held");
        std::io::Write::write_all(&mut std::io::stdout(), b"\nholding\n").unwrap();
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
    }
}

#[test]
fn the_lock_of_a_process_that_was_killed_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::opening::holder_for_the_next_test", "--nocapture"])
        .env(HOLD, dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map(Result::unwrap).any(|line| line == "holding"));
    assert!(matches!(Journal::open(dir.path(), None, Options::default()), Err(OpenError::Held { .. })));
    child.kill().unwrap();
    child.wait().unwrap();
    let (journal, opened) = Journal::open(dir.path(), None, Options::default()).unwrap();
    assert_eq!((opened.size, journal.size()), (1, 1));
}

#[test]
fn a_snapshot_comes_back_with_the_first_record_that_is_not_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path();
    sample(home, None);
    let (journal, opened) = open(home);
    assert_eq!((opened.snapshot, opened.unfolded), (None, Position::start()));
    put(&journal, run(2), "b3");
    journal.snapshot(b"up to b3".to_vec()).unwrap();
    // These are not yet durable, and not in the snapshot.
    journal.append(run(2), b"b4".to_vec(), Vec::new()).unwrap();
    journal.append(run(2), b"b5".to_vec(), Vec::new()).unwrap();
    journal.close().unwrap();

    let (journal, opened) = open(home);
    assert_eq!((opened.size, opened.rebuilt, opened.frames_scanned), (8, false, 0));
    assert_eq!((opened.snapshot.as_deref(), opened.unfolded.index), (Some(&b"up to b3"[..]), 6));
    let rest = journal.reader().unwrap().records_from(opened.unfolded);
    assert_eq!(rest.map(|record| record.unwrap().body).collect::<Vec<_>>(), [b"b4", b"b5"]);
}

#[test]
fn a_missing_or_changed_index_is_built_again_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    sample(&whole, None);
    let (journal, _) = open(&whole);
    journal.snapshot(b"ledger".to_vec()).unwrap();
    journal.close().unwrap();
    let (root, len) = (check(&whole, None).root, std::fs::metadata(whole.join("journal.index")).unwrap().len());
    for at in (0..usize::try_from(len).unwrap()).step_by(7).map(Some).chain([None]) {
        let home = dir.path().join(format!("{at:?}"));
        copy(&whole, &home);
        match at {
            Some(at) => flip(&home.join("journal.index"), at, 0x10),
            None => forget_index(&home),
        }
        let (journal, opened) = open(&home);
        assert_eq!((opened.rebuilt, opened.size, opened.root), (true, 5, root), "byte {at:?}");
        assert_eq!((opened.snapshot, opened.unfolded), (None, Position::start()));
        assert!(journal.wants_snapshot());
        assert_eq!(journal.open_runs().len(), 2);
        put(&journal, run(2), "again");
        journal.close().unwrap();
        assert!(check(&home, None).holds());
        assert!(!open(&home).1.rebuilt);
    }
    assert_eq!(open(&whole).1.snapshot.as_deref(), Some(&b"ledger"[..]));
}

#[test]
fn opening_reads_no_more_of_a_long_log_than_of_a_short_one() {
    let options = Options { index_batches: 10, ..Options::default() };
    for batches in [40, 400] {
        let dir = tempfile::tempdir().unwrap();
        let (home, killed) = (dir.path().join("home"), dir.path().join("killed"));
        let (journal, _) = open_with(&home, None, options.clone()).unwrap();
        journal.open_run(run(1)).unwrap();
        for number in 0..batches {
            put(&journal, run(1), &number.to_string());
            if number % 3 == 0 && journal.wants_snapshot() {
                journal.snapshot(number.to_string().into_bytes()).unwrap();
                journal.durable().wait_blocking().unwrap();
            }
        }
        // A copy is like a home whose process was killed here: it has no last index.
        copy(&home, &killed);
        let (_, opened) = open_with(&killed, None, options.clone()).unwrap();
        assert_eq!((opened.size, opened.rebuilt), (batches, false));
        // A batch of one record has two frames, and an index is written at least every twenty batches.
        assert!(opened.frames_scanned <= 44, "{batches} batches: {} frames", opened.frames_scanned);
        assert!(opened.size - opened.unfolded.index <= 16, "the snapshot is too far back");
        journal.close().unwrap();
        assert_eq!(open_with(&home, None, options.clone()).unwrap().1.frames_scanned, 0);
    }
}

#[test]
fn keys_that_belong_to_a_log_are_not_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path(), None);
    for key in ["journal.key", "home.key"] {
        let path = dir.path().join(key);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(open_with(dir.path(), None, Options::default()), Err(OpenError::Key { .. })), "{key}");
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    std::fs::remove_file(dir.path().join("journal.pub")).unwrap();
    assert_eq!(open(dir.path()).1.size, 5);
    assert!(check(dir.path(), None).holds());
}

#[test]
fn a_run_that_ended_takes_nothing_until_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path(), None);
    let (journal, _) = open(dir.path());
    let refused = journal.append(run(1), b"a4".to_vec(), Vec::new());
    assert!(matches!(refused, Err(AppendError::RunNotOpen { .. })));
    assert!(matches!(journal.reopen_run(run(9), None), Err(AppendError::RunNotOpen { .. })));
    assert_eq!(journal.reopen_run(run(1), None).unwrap(), 3);
    assert!(matches!(journal.reopen_run(run(1), None), Err(AppendError::RunOpen { .. })));
    let appended = journal.append(run(1), b"a4".to_vec(), vec![b"sealed again".to_vec().into()]).unwrap();
    assert_eq!((appended.seq_in_run, appended.index), (4, 5));
    journal.append_last(run(1), b"a5".to_vec(), Vec::new()).unwrap();
    journal.close().unwrap();
    assert!(check(dir.path(), None).holds());
    forget_index(dir.path());
    assert_eq!(open(dir.path()).1.size, 7);
    assert_eq!(bodies(dir.path()), ["a1", "b1", "a2", "b2", "a3", "a4", "a5"]);
}

#[test]
fn a_closed_journal_takes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let clone = journal.clone();
    journal.append(log_run(), b"last".to_vec(), Vec::new()).unwrap();
    journal.close().unwrap();
    assert_eq!(clone.size(), 1);
    let refused = clone.append(log_run(), b"late".to_vec(), Vec::new());
    assert!(matches!(refused, Err(AppendError::Broken(broken)) if broken.step == crate::FailedStep::Closed));
}
