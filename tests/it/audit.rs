//! Attacks on the record, through the whole host: copies, changed bytes, records in an impossible order, and a full disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gate::{Ledger, OrderFault, OrderFaultKind};
use journal::{Journal, Options, PublicKey, VerifyReport, verify};
use run::{LocalHost, RunError};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tests::dice::Dice;
use tests::host::{TestHost, loopback, mount, options, place, printed, records, report};
use tests::seen::asked;
use tests::server::{Server, Step, response};
use tokio::sync::Semaphore;
use vocabulary::record::{Answered, HttpOutcome, Record, RecordKind, Settled, VERSION};
use vocabulary::{Outcome, RunId};

use crate::child;

/// A host with some runs on its record, closed cleanly.
async fn used() -> TestHost {
    let host = TestHost::new();
    let tree = tempfile::tempdir().unwrap();
    fs::write(tree.path().join("a.txt"), "alpha\n").unwrap();
    let server = Server::doing(vec![Step::Say(response(200, b"hello"))]).await;
    for _ in 0..3 {
        let mut order = host.order("get", &[&server.url("/a"), &server.url("/b")]);
        loopback(&mut order.grants, server.port(), &["GET"], &["/a"]);
        assert_eq!(host.run(order).await.outcome, Outcome::Done);
        let mut order = host.order("reads_files", &["/src"]);
        mount(&mut order, "/src", tree.path());
        assert_eq!(host.run(order).await.outcome, Outcome::Done);
    }
    host.house.close().unwrap();
    host
}

/// Copies only the segments and the public key, as for an auditor.
fn copied(home: &Path, to: &Path) {
    fs::create_dir_all(to.join("journal")).unwrap();
    fs::copy(home.join("journal.pub"), to.join("journal.pub")).unwrap();
    for entry in fs::read_dir(home.join("journal")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join("journal").join(path.file_name().unwrap())).unwrap();
    }
}

/// Runs both verifiers: of bytes, and of the order of kinds.
fn verified(folder: &Path, key: Option<&PublicKey>, state: Option<&Path>) -> (VerifyReport, Vec<OrderFault>) {
    let (mut ledger, mut faults) = (Ledger::new(), Vec::new());
    let report = verify(folder, key, state, &mut |leaf| faults.extend(ledger.fold(leaf.run, leaf.seq, leaf.body).err()));
    (report, faults)
}

fn state_of(host: &TestHost) -> PathBuf {
    let place = host.place();
    journal::state_path(&place.state, journal::Reader::open(&place.home).unwrap().log())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_elsewhere_is_verified_with_nothing_but_the_public_key() {
    let (host, elsewhere) = (used().await, tempfile::tempdir().unwrap());
    copied(&host.place().home, elsewhere.path());
    let size = journal::Reader::open(&host.place().home).unwrap().records().count() as u64;
    let (report, faults) = verified(elsewhere.path(), None, Some(&state_of(&host)));
    assert!(report.holds() && faults.is_empty(), "{report:?} {faults:?}");
    assert_eq!((report.size, report.torn_bytes, report.not_ended.len(), report.evidence.state), (size, 0, 0, Some(size)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bit_that_was_flipped_anywhere_is_found_or_cuts_the_last_batch() {
    let (host, elsewhere) = (used().await, tempfile::tempdir().unwrap());
    copied(&host.place().home, elsewhere.path());
    let (whole, _) = verified(elsewhere.path(), None, None);
    let segment = elsewhere.path().join("journal/00000001.seg");
    let bytes = fs::read(&segment).unwrap();
    let end = usize::try_from(whole.end.offset).unwrap();
    let state = state_of(&host);
    let dice = Dice::new(5);
    let mut cut = 0;
    // Only the used part is written: reserved space has no meaning.
    let mut bent = bytes[..end].to_vec();
    for _ in 0..200 {
        let (at, bit) = (dice.roll(end as u64) as usize, dice.roll(8));
        bent[at] ^= 1 << bit;
        fs::write(&segment, &bent).unwrap();
        let (report, _) = verified(elsewhere.path(), None, None);
        if report.holds() {
            cut += 1;
            assert!(report.size < whole.size && report.torn_bytes > 0, "byte {at}, bit {bit}: {report:?}");
        } else {
            // The reported place is not behind the changed byte.
            assert!(report.end.offset <= at as u64, "byte {at}: {:?}", report.fault);
        }
        // A reader that knows the earlier size of the log always finds the change.
        assert!(!verified(elsewhere.path(), None, Some(&state)).0.holds(), "byte {at}, bit {bit}");
        bent[at] ^= 1 << bit;
    }
    assert!(cut < 100, "{cut} of 200 were in the last batch");
    fs::write(&segment, &bent).unwrap();
    assert!(verified(elsewhere.path(), None, Some(&state)).0.holds());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_house_does_not_open_on_a_record_that_was_bent_and_says_where() {
    let host = used().await;
    let place = host.place();
    let segment = place.home.join("journal/00000001.seg");
    let bytes = fs::read(&segment).unwrap();
    let records: Vec<_> = journal::Reader::open(&place.home).unwrap().records().map(|record| record.unwrap().at).collect();
    // Bytes within the frames of two records, neither of which is in the last batch.
    let within = [records[0], records[records.len() / 2]].map(|at| {
        let bent = usize::try_from(at.offset).unwrap() + 40;
        (bent, format!("segment {}, byte {}, record {}: the frame is damaged", at.segment, at.offset, at.index))
    });
    let header = (0, "segment 1, byte 0, record 0: the segment's header is damaged".to_owned());
    for (at, place_of_it) in [header].into_iter().chain(within) {
        let mut bent = bytes.clone();
        bent[at] ^= 1;
        fs::write(&segment, &bent).unwrap();
        // An opening with an index does not read everything again, since only `verify` proves the whole log. Without an index, it does.
        let _ = fs::remove_file(place.home.join("journal.index"));
        let err = LocalHost::open(&place, &options()).err().expect("it does not open");
        assert_eq!(err.exit(), 6, "{}", err.chain());
        assert!(err.chain().ends_with(&place_of_it), "{} does not name {place_of_it}", err.chain());
    }
    fs::write(&segment, &bytes).unwrap();
    let house = LocalHost::open(&place, &options()).unwrap();
    house.close().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_home_put_back_to_an_earlier_day_is_refused() {
    let (host, earlier) = (used().await, tempfile::tempdir().unwrap());
    let place = host.place();
    let segment = place.home.join("journal/00000001.seg");
    fs::copy(&segment, earlier.path().join("segment")).unwrap();
    let house = LocalHost::open(&place, &options()).unwrap();
    let mut order = host.order("lists_mounts", &[]);
    order.durable = true;
    let running = TestHost { house, folder: tempfile::tempdir().unwrap() };
    assert_eq!(running.run(order).await.outcome, Outcome::Done);
    running.house.close().unwrap();
    fs::copy(earlier.path().join("segment"), &segment).unwrap();
    let err = LocalHost::open(&place, &options()).err().expect("it does not open");
    assert_eq!(err.exit(), 6, "{}", err.chain());
}

#[test]
fn an_answer_without_an_intent_is_a_fault_for_the_verifier_and_for_the_house() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    home::make_folder(&place.state).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // The first record of a real run, and then a record that can't follow it.
    let opened = runtime.block_on(async {
        let host = TestHost::new();
        let report = host.run(host.order("lists_mounts", &[])).await;
        host.records(report.run).swap_remove(0)
    });
    let Record::RunOpened(body) = &opened else { panic!("{opened:?}") };
    let run = body.run;
    let answered = Answered {
        at: 1,
        detail: vocabulary::SafeText::default(),
        how: Settled::Http(HttpOutcome::Response.into()),
        kind: RecordKind::Answered,
        op: 1,
        reason: None,
        spent_ms: 0,
        v: VERSION,
    };
    let (journal, _) = Journal::open(&place.home, Some(&place.state), Options::default()).unwrap();
    journal.open_run(run).unwrap();
    for record in [opened.clone(), answered.into()] {
        journal.append(run, record.to_bytes(), Vec::new()).unwrap();
    }
    journal.close().unwrap();
    let (report, faults) = verified(&place.home, None, None);
    assert!(report.holds(), "the bytes are as they were signed: {report:?}");
    assert_eq!(faults, [OrderFault { run, seq: 2, what: OrderFaultKind::NoIntent }]);
    let err = LocalHost::open(&place, &options()).err().expect("it does not open");
    assert!(matches!(err, RunError::Order(_)), "{}", err.chain());
    assert_eq!(err.exit(), 6);
}

/// Limits the length of the files of a process; the part below the limit can still be written.
fn starve(child: &tokio::process::Child, bytes: Option<u64>) {
    let pid = Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: bytes, maximum: None }).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_takes_no_more_ends_the_run_before_anything_further_is_asked() {
    let kit = TestHost::new();
    let turn = Arc::new(Semaphore::new(0));
    let own = Arc::clone(&turn);
    let server = Server::answering(move |_, _| vec![Step::Until(Arc::clone(&own)), Step::Say(response(200, b"hello"))]).await;
    let urls: Vec<String> = (0..6).map(|n| server.url(&format!("/{n}"))).collect();
    let mut order = kit.order("get", &urls.iter().map(String::as_str).collect::<Vec<_>>());
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    let mut last: Option<RunId> = None;
    for full_at in 1..=4 {
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path());
        package::store::put(&place.home, &fs::read(tests::guests::guest("get")).unwrap()).unwrap();
        let start = server.counts().heard;
        let mut child = child::start(folder.path(), &order);
        for heard in 1..=full_at {
            server.until(|counts| counts.heard >= start + heard).await;
            if heard == full_at {
                // Less than any batch takes with the beginning of a segment: no batch fits into the last segment or into a new one.
                starve(&child, Some(512));
            }
            turn.add_permits(1);
        }
        assert_eq!(child.wait().await.unwrap().code(), Some(6), "exit 6: the record can't be written");
        assert_eq!(server.counts().heard, start + full_at, "nothing was asked without a record of it");

        // With space again, the log opens as it is, and the run continues to its end.
        turn.add_permits(100);
        let house = LocalHost::open(&place, &options()).unwrap();
        let reader = journal::Reader::open(&place.home).unwrap();
        let run = reader.records().map(|record| record.unwrap().run).find(|run| *run != journal::log_run()).unwrap();
        let intents = asked(&records(&place.home, run)).count();
        assert_eq!(intents, full_at);
        let running = house.resume(run, run::own_principal(), &run::Surroundings::default()).await.unwrap();
        let report = report(running).await;
        assert_eq!(report.outcome, Outcome::Done, "{report:?}");
        assert_eq!(printed(&report).lines().filter(|line| line.contains("\"status\":200")).count(), 6);
        house.close().unwrap();
        assert!(verified(&place.home, None, None).0.holds());
        turn.forget_permits(1000);
        assert_ne!(last.replace(run), Some(run));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_home_without_room_for_a_log_starts_nothing_and_is_none_the_worse() {
    let kit = TestHost::new();
    let server = Server::doing(vec![Step::Say(response(200, b"hello"))]).await;
    let mut order = kit.order("get", &[&server.url("/")]);
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    package::store::put(&place.home, &fs::read(tests::guests::guest("get")).unwrap()).unwrap();
    let mut child = child::start_starved(folder.path(), &order);
    let code = child.wait().await.unwrap().code();
    assert_eq!(code, Some(6));
    assert_eq!(server.counts().accepted, 0);
    let output = child::start(folder.path(), &order).wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(server.heard().len(), 1);
}
