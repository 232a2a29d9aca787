//! Who gave an order: the user id that the kernel reports, whatever the environment or a client says.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

use run::{CredentialWord, own_principal};
use rustix::process::{Uid, geteuid};
use serde_json::Value;
use service::HostHandle;
use tests::guests::guest;
use tests::host::{options, place};
use tests::program::{Program, config};
use tests::tools::missing;
use vocabulary::record::Record;
use vocabulary::{Actor, Digest, Grants, Outcome, Principal};

/// A user that owns nothing here.
const NOBODY: u32 = 65_534;

/// Runs the program with an environment that claims to be another user's.
fn claimed(program: &Program, args: &[&str]) -> std::process::Output {
    let mut command = program.command(&[], args);
    for name in ["USER", "LOGNAME", "USERNAME", "SUDO_USER"] {
        command.env(name, "mallory");
    }
    command.env("SUDO_UID", "4242").env("SUDO_GID", "4242").output().unwrap()
}

/// The principals in all records of a home.
fn who(home: &Path) -> Vec<(&'static str, Principal)> {
    let user = |actor: Actor| match actor {
        Actor::User(user) => user,
        Actor::Agent(name) => panic!("no agent did that: {name}"),
    };
    let of = |record: Record| match record {
        Record::RunOpened(it) => Some(("run-opened", it.by)),
        Record::RunResumed(it) => Some(("run-resumed", it.by)),
        Record::ConfigTrusted(it) => Some(("config-trusted", it.by)),
        Record::CredentialChanged(it) => Some(("credential-changed", user(it.by))),
        Record::RollbackAccepted(it) => Some(("rollback-accepted", it.by)),
        Record::Restored(it) => Some(("restored", it.by)),
        Record::RunReleased(it) => Some(("run-released", it.by)),
        Record::LeaseRevoked(it) => Some(("lease-revoked", it.by)),
        Record::RunClosed(it) => match it.outcome {
            Outcome::Stopped(stopping) => Some(("stopped", stopping.by)),
            _ => None,
        },
        _ => None,
    };
    let records = journal::Reader::open(home).unwrap().records();
    records.filter_map(|record| of(Record::parse(&record.unwrap().body).unwrap())).collect()
}

#[test]
fn the_record_has_the_user_id_of_the_process_and_not_what_the_environment_says() {
    let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
    let ran = claimed(&program, &["run", "exits-with", "--trust", "--json", "--", "0"]);
    assert_eq!(ran.status.code(), Some(0), "{ran:?}");
    assert_eq!(claimed(&program, &["trust"]).status.code(), Some(0));
    assert_eq!(claimed(&program, &["audit", "accept-rollback"]).status.code(), Some(0));
    let own = own_principal();
    assert_eq!(own.uid, geteuid().as_raw());
    // The control: the name is the one that the system's own tool prints.
    let id = Command::new("id").arg("-un").output().unwrap();
    assert_eq!(own.name.as_ref().map(ToString::to_string).as_deref(), Some(String::from_utf8_lossy(&id.stdout).trim()));
    let seen = who(&program.place().home);
    assert_eq!(
        seen.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
        ["config-trusted", "run-opened", "config-trusted", "rollback-accepted"]
    );
    assert!(seen.iter().all(|(_, by)| *by == own), "{seen:?}");
    // The output for people and for programs agrees.
    let shown = [&["audit", "show"][..], &["audit", "show", "--json"]].map(|args| claimed(&program, args).stdout).concat();
    let (shown, report) = (String::from_utf8_lossy(&shown).into_owned(), serde_json::from_slice::<Value>(&ran.stdout).unwrap());
    // A digest may contain these digits by chance, so look for longer texts.
    let claims = ["mallory", "uid 4242", "\"uid\":4242"];
    assert!(shown.contains(&format!("by {own}")) && !claims.iter().any(|claim| shown.contains(claim)), "{shown}");
    assert_eq!(report.pointer("/by/uid"), Some(&Value::from(own.uid)), "{report}");
}

/// The answer of the socket to one line, after its welcome.
async fn told(socket: &Path, line: &str) -> String {
    let (socket, line) = (socket.to_owned(), format!("{line}\n"));
    let spoken = tokio::task::spawn_blocking(move || {
        let mut stream = UnixStream::connect(socket).unwrap();
        stream.write_all(line.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        BufReader::new(stream).lines().map_while(Result::ok).filter(|line| !line.starts_with("{\"alive\"")).nth(1).unwrap_or_default()
    });
    spoken.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_over_the_socket_has_the_user_of_its_peer_and_a_client_can_not_claim_another() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let here = HostHandle::find(&place, &options()).await.unwrap();
    let there = HostHandle::find(&place, &options()).await.unwrap();
    assert!(matches!(there, HostHandle::There(_)));
    let socket = place.home.join("host.sock");
    let digest = Digest::of(b"a configuration");
    let trusted = |path: &str| {
        format!(
            r#""verb":"record-trust","said":{{"path":"{path}","change":{{"trusted":{{"authority":"{digest}","config":"{digest}","once":false}}}}}}"#
        )
    };
    for claim in [r#""by":"mallory""#, r#""by":{"name":"mallory","uid":4242}"#, r#""uid":4242"#] {
        let said = told(&socket, &format!("{{{},{claim}}}", trusted("/x"))).await;
        assert!(said.contains("\"exit\":2"), "{claim}: {said}");
    }
    assert!(who(&place.home).is_empty(), "nothing was recorded");
    // The control: the same order without a claim, from a hand-written client and from the real one.
    let said = told(&socket, &format!("{{{}}}", trusted("/x"))).await;
    assert!(said.contains("true"), "{said}");
    let change = run::TrustChange::Trusted { authority: digest, config: digest, once: false };
    let said = run::TrustSaid { path: "/y".to_owned(), change };
    there.record_trust(said).await.unwrap();
    let change = vocabulary::record::CredentialChange::Set;
    there
        .record_credential(CredentialWord { destinations: Vec::new(), change, credential: "c".to_owned(), version: Some(1) })
        .await
        .unwrap();
    let seen = who(&place.home);
    assert_eq!((seen.len(), seen.iter().all(|(_, by)| *by == own_principal())), (3, true), "{seen:?}");
    drop(there);
    here.leave().await.unwrap();
}

/// Does something on a thread of another user; `None` after a message if this process may not change its user.
fn as_nobody<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let acted = std::thread::spawn(move || {
        let nobody = Some(Uid::from_raw(NOBODY));
        // This changes only this thread, because it is the system call and not the C library's function.
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).ok().map(|()| act())
    });
    let acted = acted.join().unwrap();
    if acted.is_none() {
        missing("the right to become another user (root)");
    }
    acted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_another_user_is_not_spoken_to() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let here = HostHandle::find(&place, &options()).await.unwrap();
    // The rights of the socket were widened while the home was held.
    let socket = place.home.join("host.sock");
    for (path, mode) in [(folder.path(), 0o755), (&place.home, 0o755), (&socket, 0o777)] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }
    let heard = move || {
        let mut said = String::new();
        let mut stream = BufReader::new(UnixStream::connect(&socket).unwrap());
        stream.read_line(&mut said).map(|_| said)
    };
    let own = heard.clone();
    let (others, own) = tokio::task::spawn_blocking(move || (as_nobody(heard), own())).await.unwrap();
    if let Some(others) = others {
        assert!(others.is_err() || others.is_ok_and(|said| said.is_empty()), "it was welcomed");
    }
    assert!(own.unwrap().starts_with("{\"welcome\":{"), "the control: a client of the same user is welcomed");
    here.leave().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_of_another_user_is_told_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let socket = place.home.join("host.sock");
    for path in [folder.path(), &place.home] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    }
    // The first line of a host of this version.
    let elsewhere = tempfile::tempdir().unwrap();
    let real = HostHandle::find(&tests::host::place(elsewhere.path()), &options()).await.unwrap();
    let path = elsewhere.path().join("home/host.sock");
    let welcome = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        BufReader::new(UnixStream::connect(path).unwrap()).read_line(&mut line).unwrap();
        line
    });
    let welcome = welcome.await.unwrap();
    real.leave().await.unwrap();
    // Welcomes each client as a host does, and keeps the lines that the client sends.
    let serve = |listener: UnixListener| {
        let welcome = welcome.clone();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.write_all(welcome.as_bytes());
            let mut line = String::new();
            let _ = BufReader::new(stream).read_line(&mut line);
            line
        })
    };
    let path = socket.clone();
    if let Some(listener) = as_nobody(move || UnixListener::bind(path).unwrap()) {
        let others = serve(listener);
        assert!(HostHandle::ask(&place).await.unwrap().is_none(), "it belongs to another user");
        assert_eq!(tokio::task::spawn_blocking(|| others.join().unwrap()).await.unwrap(), "");
        std::fs::remove_file(&socket).unwrap();
    }
    let own = serve(UnixListener::bind(&socket).unwrap());
    let holder = HostHandle::ask(&place).await.unwrap().expect("the control: a host of the same user is found");
    assert!(holder.going().await.is_err());
    assert!(tokio::task::spawn_blocking(|| own.join().unwrap()).await.unwrap().contains("going"));
}
