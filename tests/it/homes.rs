//! Homes that were changed by hand, and runs that continue after a crash: what a restart does not reset.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use run::LocalHost;
use tests::host::{TestHost, loopback, options, place, records, report};
use tests::program::{Program, config};
use tests::seen::asked;
use tests::server::{Server, Step, response};
use vocabulary::Outcome;
use vocabulary::record::Record;

use crate::child;

#[tokio::test]
async fn a_key_of_compiled_components_that_was_cut_is_made_anew_and_one_open_to_others_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let key = place.home.join("cache.key");
    let open = || LocalHost::open(&place, &options());
    for cut in [&b""[..], b"short"] {
        std::fs::write(&key, cut).unwrap();
        open().unwrap().close().unwrap();
        assert_eq!(std::fs::read(&key).unwrap().len(), 32);
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    let Err(err) = open() else { panic!("it is open to others") };
    assert!(matches!(home::Exposed::of(&err), Some(home::Exposed::Mode { mode: 0o640, .. })), "{}", err.chain());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_that_a_run_went_on_counts_after_a_restart() {
    let kit = TestHost::new();
    let server = Server::answering(|number, _| match number {
        0 => vec![Step::Wait(Duration::from_millis(400)), Step::Say(response(200, b"first"))],
        1 => vec![Step::Hang],
        _ => vec![Step::Say(response(200, b"later"))],
    })
    .await;
    let mut order = kit.order("get", &[&server.url("/a"), &server.url("/b")]);
    loopback(&mut order.grants, server.port(), &["GET"], &["/**"]);
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    package::store::put(&place.home, &std::fs::read(tests::guests::guest("get")).unwrap()).unwrap();
    let mut child = child::start(folder.path(), &order);
    server.until(|counts| counts.heard == 2).await;
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    let house = LocalHost::open(&place, &options()).unwrap();
    let run = house.place().clone();
    let run = journal::Reader::open(&run.home)
        .unwrap()
        .records()
        .map(|record| record.unwrap().run)
        .find(|run| *run != journal::log_run())
        .unwrap();
    let before = records(&place.home, run);
    let (Some(Record::RunOpened(opened)), Some(last)) = (before.first(), asked(&before).last()) else { panic!("{before:?}") };
    let spent = last.at - opened.at;
    assert!(spent >= 300, "the first answer took this long: {spent}");
    let running = house.resume(run, run::own_principal(), &run::Surroundings::default()).await.unwrap();
    let report = report(running).await;
    assert_eq!(report.outcome, Outcome::Done, "{report:?}");
    assert!(report.active_ms >= spent, "{} of {spent}", report.active_ms);
    house.close().unwrap();
}

#[test]
fn too_much_input_is_too_much_whichever_way_it_comes() {
    use std::io::Write as _;
    let text = config("reads-stdin", &tests::guests::guest("reads_stdin"), &vocabulary::Grants::default());
    let program = Program::new(&text.replace("[agents.reads-stdin]\n", "[agents.reads-stdin]\nlimits = { input-bytes = \"1KiB\" }\n"));
    let big = "\u{e4}".repeat(600);
    let file = program.folder().join("big");
    std::fs::write(&file, &big).unwrap();
    for given in [big.clone(), format!("@{}", file.display()), "-".to_owned()] {
        let mut command = program.command(&[], &["run", "reads-stdin", "--trust", "--input", &given]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // The program may have ended before it read everything.
        let _ = child.stdin.take().unwrap().write_all(big.as_bytes());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(String::from_utf8_lossy(&output.stderr).contains("input-bytes"));
    }
    assert!(!program.place().home.join("journal").exists(), "nothing was started");
}
