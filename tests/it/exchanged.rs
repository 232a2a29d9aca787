//! The lock, the log or the keys of a home are removed or exchanged: nothing that was acknowledged is lost, and the program reports it.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use journal::{Journal, OpenError, Options};
use run::LocalHost;
use tests::guests::guest;
use tests::host::{TestHost, loopback, options, place, report};
use tests::program::{Program, config};
use tests::server::{Server, Step, response};
use tokio::sync::Semaphore;
use vocabulary::{Grants, Outcome};

use crate::damaged::{both, ends};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removing_the_lock_lets_nobody_else_in_and_ends_the_run_without_losing_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let house = LocalHost::open(&place, &options()).unwrap();
    let turn = Arc::new(Semaphore::new(0));
    let own = Arc::clone(&turn);
    let server = Server::answering(move |_, _| vec![Step::Until(Arc::clone(&own)), Step::Say(response(200, b"hello"))]).await;
    let urls: Vec<String> = (0..3).map(|n| server.url(&format!("/{n}"))).collect();
    let wasm = fs::read(guest("get")).unwrap();
    let mut order = TestHost::order_in(&place, "get", &wasm, &urls.iter().map(String::as_str).collect::<Vec<_>>());
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    let running = house.start(order, run::own_principal()).await.unwrap();
    let run = running.run;
    server.until(|counts| counts.heard == 1).await;
    fs::remove_file(place.home.join("lock")).unwrap();
    let second = Journal::open(&place.home, Some(&place.state), Options::default());
    assert!(matches!(second, Err(OpenError::Held { .. })), "{second:?}");
    turn.add_permits(100);
    let ended = report(running).await;
    assert_eq!(ended.outcome, Outcome::RecordBroken, "{ended:?}");
    assert_eq!(server.counts().heard, 1, "nothing was asked without a record of it");
    assert!(house.close().is_err());
    house.idle().await;
    drop(house);
    let house = LocalHost::open(&place, &options()).unwrap();
    let running = house.resume(run, run::own_principal(), &run::Surroundings::default()).await.unwrap();
    assert_eq!(report(running).await.outcome, Outcome::Done);
    house.close().unwrap();
    assert!(journal::verify_home(&place.home, &place.state, None, &mut |_| {}).unwrap().holds());
}

fn ran() -> Program {
    let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
    assert!(program.run(&["trust"]).status.success());
    ends(&program, &["run", "exits-with", "--", "0"], 0);
    program
}

const LOOKS: [&[&str]; 6] =
    [&["run", "exits-with", "--", "0"], &["doctor"], &["audit", "verify"], &["ps"], &["audit", "show"], &["audit", "touched"]];

#[test]
fn a_home_that_was_removed_and_begun_anew_is_noticed_by_everybody() {
    let program = ran();
    let log = journal::Reader::open(&program.place().home).unwrap().log().to_string();
    fs::remove_dir_all(&program.place().home).unwrap();
    // The trusted configurations are gone with the home.
    let [_, others @ ..] = LOOKS;
    for args in [&["trust"][..], &["run", "--trust", "exits-with", "--", "0"]].into_iter().chain(others) {
        let said = ends(&program, args, 6);
        assert!(said.contains(&log) && said.contains("audit accept-rollback"), "{args:?}: {said}");
    }
    for key in ["journal.key", "journal.pub", "home.key", "keys"] {
        assert!(!program.place().home.join(key).exists(), "{key}");
    }
    let said = ends(&program, &["audit", "accept-rollback"], 0);
    assert!(said.contains("another log") && said.contains(&log), "{said}");
    ends(&program, &["trust"], 0);
    ends(&program, &["run", "exits-with", "--", "0"], 0);
    assert!(ends(&program, &["audit", "show", "--kind", "rollback-accepted"], 0).contains(&log));
    assert!(ends(&program, &["audit", "verify"], 0).contains("WHOLE"));
}

fn put_in(from: &Path, to: &Path, names: &[&str]) {
    for name in names {
        let (from, to) = (from.join(name), to.join(name));
        if from.is_dir() {
            fs::remove_dir_all(&to).unwrap();
        }
        assert!(std::process::Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
    }
}

#[test]
fn the_log_and_the_keys_of_another_home_are_noticed_by_everybody() {
    let (program, other) = (ran(), ran());
    let home = &program.place().home;
    put_in(&other.place().home, home, &["journal", "journal.key", "journal.pub", "home.key", "keys", "journal.index"]);
    let _ = fs::remove_file(home.join("journal.touched"));
    for args in LOOKS {
        let said = ends(&program, args, 6);
        assert!(said.contains("had log") && said.contains("audit accept-rollback"), "{args:?}: {said}");
    }
    ends(&program, &["audit", "accept-rollback"], 0);
    for args in LOOKS {
        ends(&program, args, 0);
    }
}

#[test]
fn a_wrong_key_overwrites_nothing() {
    let (program, other) = (ran(), ran());
    let home = &program.place().home;
    let public = fs::read(home.join("journal.pub")).unwrap();
    put_in(&other.place().home, home, &["journal.key"]);
    for args in [&LOOKS[0], &LOOKS[1], &LOOKS[2]] {
        let said = ends(&program, args, 6);
        assert!(said.contains("journal.key` is of log"), "{args:?}: {said}");
    }
    assert_eq!(fs::read(home.join("journal.pub")).unwrap(), public);
}

#[test]
fn lost_and_wrong_keys_are_said_where_something_runs_by_doctor_and_by_verify() {
    for (key, is_lost, words) in [
        ("home.key", true, "home.key` is missing"),
        ("journal.key", true, "journal.key` is missing"),
        ("keys", true, "keys`"),
        ("home.key", false, "opens none of the keys of runs"),
        ("keys", false, "opens none of the keys of runs"),
    ] {
        let (program, other) = (ran(), ran());
        let home = &program.place().home;
        if is_lost {
            fs::remove_file(home.join(key)).unwrap();
        } else {
            put_in(&other.place().home, home, &[key]);
        }
        let segment = fs::read(home.join("journal/00000001.seg")).unwrap();
        for args in [&LOOKS[0], &LOOKS[1], &LOOKS[2]] {
            let said = ends(&program, args, 6);
            assert!(said.contains(words) && said.contains("help: ") | said.contains(';'), "{key} {is_lost}, {args:?}: {said}");
        }
        assert_eq!(fs::read(home.join("journal/00000001.seg")).unwrap(), segment, "nothing was written");
    }
}

/// Sealed payloads are evidence as well: the removal of their keys is noticed.
#[test]
fn keys_of_runs_that_were_overwritten_are_no_keys_that_were_forgotten() {
    let program = ran();
    ends(&program, &["run", "exits-with", "--durable", "--", "0"], 0);
    ends(&program, &["run", "exits-with", "--durable", "--", "0"], 0);
    let keys = program.place().home.join("keys");
    let right = fs::read(&keys).unwrap();
    assert_eq!(right.len() % 128, 0);
    assert!(ends(&program, &["audit", "verify"], 0).contains("WHOLE"), "the control");
    let with = |slot: usize, byte: &dyn Fn(u8) -> u8| {
        let mut bytes = right.clone();
        bytes[slot * 128..(slot + 1) * 128].iter_mut().for_each(|at| *at = byte(*at));
        fs::write(&keys, bytes).unwrap();
    };
    let slots = right.len() / 128;
    assert!(slots >= 3, "{slots}");
    for slot in 1..slots {
        with(slot, &|_| 0);
        let said = ends(&program, &["audit", "verify"], 6);
        assert!(said.contains("OVERWRITTEN for 1 of") && said.contains("but only for 0 according to the record"), "{slot}: {said}");
        with(slot, &|at| at ^ 1);
        let said = ends(&program, &["audit", "verify"], 6);
        assert!(said.contains("has no valid keys for 1 run"), "{slot}: {said}");
    }
    fs::write(&keys, right).unwrap();
    assert!(ends(&program, &["audit", "verify"], 0).contains("WHOLE"));
    // If a person accepts the loss of the keys, which is recorded, the record is whole.
    fs::remove_file(&keys).unwrap();
    ends(&program, &["audit", "verify"], 6);
    ends(&program, &["audit", "accept-rollback"], 0);
    ends(&program, &["run", "exits-with", "--durable", "--", "0"], 0);
    assert!(ends(&program, &["audit", "verify"], 0).contains("OVERWRITTEN for 3 of"));
}

#[test]
fn a_home_in_memory_works_and_doctor_says_that_it_does_not_last() {
    let program = ran();
    assert!(ends(&program, &["doctor"], 0).contains("disk"));
    let shm = Path::new("/dev/shm");
    if home::ground(shm).is_ok_and(|ground| ground.name == "tmpfs") {
        let folder = tempfile::tempdir_in(shm).unwrap();
        let output =
            program.command(&[], &["run", "exits-with", "--trust", "--", "0"]).env("BAILIWICK_HOME", folder.path().join("home")).output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", both(&output));
        let output = program.command(&[], &["doctor"]).env("BAILIWICK_HOME", folder.path().join("home")).output().unwrap();
        let said = both(&output);
        assert!(said.contains("weak") && said.contains("home: tmpfs, which is lost with the machine's memory"), "{said}");
    }
}
