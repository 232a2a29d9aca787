//! Appending, waiting and reading back.

use std::future::Future as _;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use super::kit::{bodies, check, flip, frames, open, open_with, put, run, sample, segment, small};
use crate::{AppendError, BODY_BYTES_MAX, Entry, FaultKind, Leaf, Payload, ReadError, Reader, log_run};

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[test]
fn a_ticket_can_be_awaited() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    let mut ticket = pin!(journal.append(log_run(), b"x".to_vec(), Vec::new()).unwrap().ticket);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    while ticket.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        std::thread::park();
    }
    assert_eq!(journal.size(), 1);
}

#[test]
fn records_of_many_threads_keep_the_order_of_their_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open_with(dir.path(), None, small()).unwrap();
    std::thread::scope(|scope| {
        for number in 1..=8u8 {
            let journal = &journal;
            scope.spawn(move || {
                journal.open_run(run(number)).unwrap();
                for record in 1..=25u64 {
                    let appended = journal.append(run(number), vec![number; 20], Vec::new()).unwrap();
                    assert_eq!(appended.seq_in_run, record);
                    if record % 4 == 0 {
                        appended.ticket.wait_blocking().unwrap();
                    }
                }
            });
        }
    });
    journal.close().unwrap();
    let report = check(dir.path(), None);
    assert_eq!((report.holds(), report.size, report.runs, report.not_ended.len()), (true, 200, 8, 8));
    let seqs: Vec<u64> = Reader::open(dir.path()).unwrap().of_run(run(3)).map(|record| record.unwrap().seq).collect();
    assert_eq!(seqs, (1..=25).collect::<Vec<_>>());
}

#[test]
fn what_is_read_back_is_what_was_appended() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path(), None);
    let reader = Reader::open(dir.path()).unwrap();
    let records: Vec<_> = reader.records().map(Result::unwrap).collect();
    let told: Vec<_> = records.iter().map(|record| (record.at.index, record.run, record.seq, record.ends)).collect();
    let expected = [(0, 1, 1, false), (1, 2, 1, false), (2, 1, 2, false), (3, 2, 2, false), (4, 1, 3, true)];
    assert_eq!(told, expected.map(|(index, number, seq, ends)| (index, run(number), seq, ends)));
    assert_eq!(records[2].prev, records[0].leaf);
    for record in &records {
        assert_eq!(&reader.fetch(record.at).unwrap(), record);
        // Reading can begin at any record, also in the middle of a batch.
        assert_eq!(reader.records_from(record.at).next().unwrap().unwrap(), *record);
        assert_eq!(reader.records_from_index(record.at.index).unwrap().next().unwrap().unwrap(), *record);
    }
    assert!(reader.records_from_index(5).unwrap().next().is_none());
    let mut seen = Vec::new();
    crate::verify(dir.path(), None, None, &mut |leaf: &Leaf<'_>| seen.push((leaf.at, leaf.leaf, leaf.body.to_vec())));
    assert_eq!(seen, records.iter().map(|one| (one.at, one.leaf, one.body.clone())).collect::<Vec<_>>());
}

#[test]
fn a_payload_opens_with_the_runs_key_alone() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path(), None);
    let reader = Reader::open(dir.path()).unwrap();
    let record = reader.of_run(run(1)).next().unwrap().unwrap();
    assert_eq!((record.payloads(), reader.payload(&record, 0).unwrap()), (1, b"secret".to_vec()));
    assert!(matches!(reader.payload(&record, 1), Err(ReadError::NotThere)));
    let raw = std::fs::read(segment(dir.path(), 1)).unwrap();
    assert!(!raw.windows(6).any(|window| window == b"secret"));
}

/// Missing, damaged, forgotten and unreadable keys are distinguished, and the error names the file.
#[test]
fn why_a_payload_does_not_open_is_said() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path(), None);
    let reader = Reader::open(dir.path()).unwrap();
    let record = reader.of_run(run(1)).next().unwrap().unwrap();
    let (home_key, keys) = (dir.path().join("home.key"), dir.path().join("keys"));
    for (path, length) in [(&home_key, 31), (&keys, 127)] {
        let right = std::fs::read(path).unwrap();
        let read = || reader.payload(&record, 0).unwrap_err();
        std::fs::remove_file(path).unwrap();
        assert!(matches!(read(), ReadError::KeyMissing { path: at, .. } if at == *path));
        // The file is there, but the system can't read it.
        std::fs::create_dir(path).unwrap();
        assert!(matches!(read(), ReadError::Io { path: at, .. } if at == *path));
        std::fs::remove_dir(path).unwrap();
        let put = |bytes: &[u8]| {
            std::fs::write(path, bytes).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        put(&right.iter().map(|byte| byte ^ 1).collect::<Vec<_>>());
        assert!(matches!(read(), ReadError::KeyDamaged { .. }));
        put(&right[..length]);
        assert!(matches!(read(), ReadError::KeyMissing { .. } | ReadError::KeyDamaged { .. }));
        if *path == keys {
            put(&vec![0; right.len()]);
            assert!(matches!(read(), ReadError::KeyForgotten { .. }));
        }
        put(&right);
        assert_eq!(reader.payload(&record, 0).unwrap(), b"secret", "the control");
    }
}

#[test]
fn a_forgotten_run_is_unreadable_and_the_log_still_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    for number in [1, 2] {
        journal.open_run_key(run(number)).unwrap();
        let payloads = vec![Payload(vec![number; 100]), Payload(vec![number; 10])];
        journal.append(run(number), b"body".to_vec(), payloads).unwrap();
    }
    let digest = journal.keyed_digest(run(1), b"value").unwrap();
    assert_eq!(journal.keyed_digest(run(1), b"value").unwrap(), digest);
    assert_ne!(journal.keyed_digest(run(2), b"value").unwrap(), digest);
    let mut pieces = journal.keyed_hasher(run(1)).unwrap();
    pieces.update(b"val");
    pieces.update(b"ue");
    assert_eq!(pieces.finish(), digest);

    journal.forget(run(1)).unwrap().wait_blocking().unwrap();
    assert!(matches!(journal.keyed_digest(run(1), b"value"), Err(AppendError::NoKey { .. })));
    let refused = journal.append(run(1), b"body".to_vec(), vec![Payload(vec![1])]);
    assert!(matches!(refused, Err(AppendError::NoKey { .. })));
    put(&journal, run(1), "goes on without payloads");
    journal.close().unwrap();

    let reader = Reader::open(dir.path()).unwrap();
    let read = |number| reader.payload(&reader.of_run(run(number)).next().unwrap().unwrap(), 1);
    assert!(matches!(read(1), Err(ReadError::KeyForgotten { .. })));
    assert_eq!(read(2).unwrap(), [2; 10]);
    assert!(check(dir.path(), None).holds());
    let (journal, _) = open(dir.path());
    assert!(matches!(journal.keyed_digest(run(1), b"value"), Err(AppendError::NoKey { .. })));
    assert!(journal.keyed_digest(run(2), b"value").is_ok());
    // The key of a run that is not open is found in the file.
    journal.append_last(run(2), b"end".to_vec(), Vec::new()).unwrap();
    journal.forget(run(2)).unwrap().wait_blocking().unwrap();
    assert!(matches!(read(2), Err(ReadError::KeyForgotten { .. })));
    assert_eq!(std::fs::read(dir.path().join("keys")).unwrap(), [0; 256]);
}

#[test]
fn a_reader_follows_a_live_log_across_segments() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open_with(dir.path(), None, small()).unwrap();
    journal.open_run(run(1)).unwrap();
    let mut records = journal.reader().unwrap().records();
    for number in 0..40u64 {
        assert!(records.next().is_none());
        put(&journal, run(1), &number.to_string());
        if number % 3 == 0 {
            put(&journal, log_run(), "own");
            assert_eq!(records.next().unwrap().unwrap().run, run(1));
            assert_eq!(records.next().unwrap().unwrap().run, log_run());
        } else {
            assert_eq!(records.next().unwrap().unwrap().body, number.to_string().into_bytes());
        }
    }
    assert!(check(dir.path(), None).segments > 3);
}

#[test]
fn a_reader_tells_damage_from_a_write_in_progress() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path(), None);
    let places = frames(dir.path());
    let last = places.iter().find(|place| place.batch == 2).unwrap();
    flip(&segment(dir.path(), 1), last.start + 20, 1);
    assert_eq!(bodies(dir.path()), ["a1", "b1", "a2"]);
    let middle = places.iter().find(|place| place.batch == 1).unwrap();
    flip(&segment(dir.path(), 1), last.start + 20, 1);
    flip(&segment(dir.path(), 1), middle.start + 20, 1);
    let fault = Reader::open(dir.path()).unwrap().records().find_map(Result::err).unwrap();
    let ReadError::Fault(fault) = fault else { panic!("{fault}") };
    assert_eq!((fault.at.offset, fault.what), (middle.start as u64, FaultKind::FrameBroken));
}

#[test]
fn a_reader_takes_no_batch_whose_checkpoint_is_of_another_place() {
    let dir = tempfile::tempdir().unwrap();
    sample(dir.path(), None);
    let trailer = frames(dir.path()).into_iter().find(|place| place.kind == crate::frame::TRAILER).unwrap();
    super::kit::splice(dir.path(), trailer.start..trailer.end, &[]);
    let fault = Reader::open(dir.path()).unwrap().records().find_map(Result::err).unwrap();
    assert!(matches!(fault, ReadError::Fault(fault) if fault.what == FaultKind::TrailerMoved));
}

#[test]
fn a_record_that_is_refused_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open(dir.path());
    journal.open_run(run(1)).unwrap();
    let large = Entry::new(run(1), vec![0; BODY_BYTES_MAX + 1]);
    let refused = journal.append_all(vec![Entry::new(run(1), b"first".to_vec()), large]);
    assert!(matches!(refused, Err(AppendError::TooLarge { .. })));
    // The second record has a payload and the run has no key: the first record is not accepted either.
    let sealed = Entry { payloads: vec![Payload(vec![1])], ..Entry::new(run(1), b"second".to_vec()) };
    let refused = journal.append_all(vec![Entry::new(run(1), b"first".to_vec()), sealed]);
    assert!(matches!(refused, Err(AppendError::NoKey { .. })));
    // No record follows a run's last record, not even in the same call.
    let ends = Entry { ends: true, ..Entry::new(run(1), b"last".to_vec()) };
    let refused = journal.append_all(vec![ends, Entry::new(run(1), b"after".to_vec())]);
    assert!(matches!(refused, Err(AppendError::RunNotOpen { .. })));
    let appended = journal.append(run(1), vec![b'x'; BODY_BYTES_MAX], Vec::new()).unwrap();
    assert_eq!((appended.seq_in_run, appended.index), (1, 0));
    journal.close().unwrap();
    assert!(check(dir.path(), None).holds());
}

#[test]
fn records_appended_together_lie_in_one_batch() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open_with(dir.path(), None, crate::Options { batch_bytes: 1, ..small() }).unwrap();
    (1..=3).for_each(|number| journal.open_run(run(number)).unwrap());
    let together = [3, 1, 2, 1].map(|number| Entry::new(run(number), vec![number; 9]));
    let appended = journal.append_all(together.to_vec()).unwrap();
    let told: Vec<_> = appended.iter().map(|one| (one.index, one.seq_in_run)).collect();
    assert_eq!(told, [(0, 1), (1, 1), (2, 1), (3, 2)]);
    journal.close().unwrap();
    assert_eq!((check(dir.path(), None).size, check(dir.path(), None).batches), (4, 1));
}

#[test]
fn a_batch_larger_than_a_segment_gets_one_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = open_with(dir.path(), None, small()).unwrap();
    journal.open_run_key(run(1)).unwrap();
    put(&journal, run(1), "small");
    journal.append(run(1), b"large".to_vec(), vec![Payload(vec![5; 3 << 20])]).unwrap();
    put(&journal, run(1), "small");
    journal.close().unwrap();
    let report = check(dir.path(), None);
    assert_eq!((report.holds(), report.size), (true, 3));
    let reader = Reader::open(dir.path()).unwrap();
    let large = reader.records().nth(1).unwrap().unwrap();
    assert_eq!(reader.payload(&large, 0).unwrap().len(), 3 << 20);
}

#[test]
fn a_full_queue_holds_back_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options = crate::Options { queue_bytes: 2000, ..small() };
    let (journal, _) = open_with(dir.path(), None, options).unwrap();
    std::thread::scope(|scope| {
        for number in 1..=4u8 {
            let journal = &journal;
            scope.spawn(move || {
                journal.open_run(run(number)).unwrap();
                (0..50).for_each(|_| drop(journal.append(run(number), vec![number; 600], Vec::new()).unwrap()));
            });
        }
    });
    journal.close().unwrap();
    assert_eq!((check(dir.path(), None).holds(), check(dir.path(), None).size), (true, 200));
}

#[test]
fn a_log_that_is_being_written_verifies() {
    const RECORDS: u64 = 3000;
    let dir = tempfile::tempdir().unwrap();
    // Many batches in one segment, so that reading them takes longer than writing some.
    let (journal, _) = open(dir.path());
    journal.open_run(run(1)).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..RECORDS {
                let appended = journal.append(run(1), vec![b'x'; 300], Vec::new()).unwrap();
                appended.ticket.wait_blocking().unwrap();
            }
        });
        let mut size = 0;
        while size < RECORDS {
            let report = check(dir.path(), None);
            assert!(report.fault.is_none(), "{report:?}");
            assert!(report.size >= size);
            size = report.size;
        }
    });
}
