//! A person's settlement of acts with an unknown outcome: it is recorded at once, never changed, and enough to close a run that can't
//! continue.

use std::path::Path;
use std::process::{Output, Stdio};

use run::RunOrder;
use serde_json::Value;
use tests::host::{TestHost, loopback, records};
use tests::program::{Program, config};
use tests::server::{Server, Step, response};
use vocabulary::record::Record;
use vocabulary::{FilesGrant, FilesMode, Outcome, RunId};

/// A run that was killed while its requests were under way.
pub(crate) struct CutOff {
    pub(crate) program: Program,
    server: Server,
    pub(crate) run: String,
}

impl CutOff {
    /// Runs this guest with these arguments until the server has received this many requests, and then kills the program.
    pub(crate) async fn new(
        guest: &str,
        server: Server,
        bend: impl FnOnce(&mut RunOrder),
        limits: &str,
        args: &[&str],
        heard: usize,
    ) -> Self {
        let kit = TestHost::new();
        let mut order = kit.order(guest, args);
        loopback(&mut order.grants, server.port(), &["GET", "POST"], &["/**"]);
        bend(&mut order);
        let text = config("guest", &tests::guests::guest(guest), &order.grants);
        let program = Program::new(&text.replace("[agents.guest]\n", &format!("[agents.guest]\n{limits}\n")));
        let args = [&["run", "guest", "--trust", "--"], args].concat();
        let mut child = tokio::process::Command::from(program.command(&[], &args));
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        server.until(|counts| counts.heard == heard).await;
        child.start_kill().unwrap();
        child.wait().await.unwrap();
        let mut runs = journal::Reader::open(&program.place().home).unwrap().records().map(|record| record.unwrap().run);
        let run = runs.find(|run| *run != journal::log_run()).unwrap().to_string();
        Self { program, server, run }
    }

    /// Two POSTs at once; the server answers neither.
    pub(crate) async fn two_posts() -> Self {
        let server =
            Server::answering(|number, _| if number < 2 { vec![Step::Hang] } else { vec![Step::Say(response(201, b"made"))] }).await;
        let url = server.url("");
        Self::new("two_posts", server, |_| {}, "", &[&url], 2).await
    }

    /// The exit code, and everything that was printed.
    pub(crate) fn says(&self, args: &[&str]) -> (i32, String) {
        let Output { status, stdout, stderr } = self.program.run(args);
        let words = String::from_utf8_lossy(&stderr).into_owned() + &String::from_utf8_lossy(&stdout);
        (status.code().unwrap(), words.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// The operations that `ps` lists as not settled.
    fn unsettled(&self) -> Vec<u64> {
        let rows: Value = serde_json::from_slice(&self.program.run(&["ps", "--json"]).stdout).unwrap();
        rows.as_array()
            .unwrap()
            .iter()
            .flat_map(|row| row["unsettled"].as_array().unwrap())
            .map(|act| act["op"].as_u64().unwrap())
            .collect()
    }

    fn records(&self) -> Vec<Record> {
        records(&self.program.place().home, self.run.parse::<RunId>().unwrap())
    }

    /// The settlements on the record: the operation, and whether it happened.
    fn words(&self) -> Vec<(u64, bool)> {
        let records = self.records();
        records.iter().filter_map(|record| if let Record::ActSettled(word) = record { Some((word.op, word.did)) } else { None }).collect()
    }

    /// The reason why the run could not continue, from its end. The run must have been stopped.
    fn obstacle(&self) -> Option<String> {
        let records = self.records();
        let Some(Record::RunClosed(closed)) = records.last() else { panic!("{records:?}") };
        assert!(matches!(closed.outcome, Outcome::Stopped(_)), "{closed:?}");
        closed.obstacle.as_ref().map(ToString::to_string)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_server_does_only_once_is_asked_again_with_the_same_key_and_without_a_word() {
    let server = Server::answering(|number, _| if number < 2 { vec![Step::Hang] } else { vec![Step::Say(response(201, b"made"))] }).await;
    let (url, port) = (server.url(""), server.port());
    let program = Program::new(&format!(
        "[agents.guest]\ncomponent = {:?}\n\n[[agents.guest.http]]\nhost = \"127.0.0.1\"\nport = {port}\nscheme = \"http\"\nmethods = \
         [\"POST\"]\npaths = [\"/**\"]\nidempotency = \"Idempotency-Key\"\n",
        tests::guests::guest("two_posts").display().to_string()
    ));
    let shown = program.run(&["check", "--json"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("repeated with the same key in idempotency-key"), "{shown:?}");
    let mut child = tokio::process::Command::from(program.command(&[], &["run", "guest", "--trust", "--", &url]));
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    server.until(|counts| counts.heard == 2).await;
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    let rows: Value = serde_json::from_slice(&program.run(&["ps", "--json"]).stdout).unwrap();
    assert_eq!(rows[0]["state"], "cut-off", "nothing waits for a person: {rows}");
    let run = rows[0]["run"].as_str().unwrap().to_owned();
    let resumed = program.run(&["resume", &run]);
    assert_eq!(resumed.status.code(), Some(0), "{resumed:?}");
    let keys = |path: &str| {
        let heard = server.heard().into_iter().filter(|heard| heard.path == path);
        let key = |head: &str| head.lines().find_map(|line| Some(line.to_ascii_uppercase().strip_prefix("IDEMPOTENCY-KEY: ")?.to_owned()));
        heard.map(|heard| key(&heard.head)).collect::<Vec<_>>()
    };
    let (one, two) = (format!("{run}-1"), format!("{run}-2"));
    assert_eq!(keys("/one"), [Some(one.clone()), Some(one)]);
    assert_eq!(keys("/two"), [Some(two.clone()), Some(two)]);
    assert_eq!(program.run(&["replay", &run]).status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_word_settles_one_act_and_each_word_is_kept_as_it_is_said() {
    let cut = CutOff::two_posts().await;
    assert_eq!(cut.unsettled(), [1, 2]);
    // A single settlement for two acts settles neither, whichever command it comes from.
    for args in [&["resume", &cut.run, "--settle", "did"][..], &["stop", &cut.run, "--settle", "did"], &["stop", &cut.run]] {
        let (code, words) = cut.says(args);
        assert_eq!(code, 8, "{args:?}: {words}");
        assert!(words.contains("op 1 POST") && words.contains("op 2 POST") && words.contains("--op 1,2"), "{args:?}: {words}");
    }
    assert_eq!((cut.words(), cut.unsettled()), (vec![], vec![1, 2]));
    let (code, words) = cut.says(&["stop", &cut.run, "--settle", "did", "--op", "1"]);
    assert_eq!(code, 8, "the other one still waits: {words}");
    assert!(words.contains("recorded: op 1 did happen: POST"), "{words}");
    assert!(!words.contains("op 1 POST") && words.contains(&format!("bailiwick stop {} --settle did --op 2`", cut.run)), "{words}");
    assert_eq!((cut.words(), cut.unsettled()), (vec![(1, true)], vec![2]));
    assert_eq!(cut.server.heard().len(), 2, "nothing is sent while the outcome is unknown");
    let (code, words) = cut.says(&["resume", &cut.run, "--settle", "did-not"]);
    assert_eq!(code, 0, "{words}");
    let heard = cut.server.heard();
    assert_eq!((heard.len(), heard[2].path.as_str()), (3, "/two"), "only the request that did not happen is sent again");
    assert_eq!(cut.words(), [(1, true), (2, false)]);
    assert_eq!((cut.says(&["audit", "verify"]).0, cut.says(&["replay", &cut.run]).0), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_word_is_not_taken_back_and_one_on_an_act_that_needs_none_says_why() {
    let cut = CutOff::two_posts().await;
    let before = cut.records().len();
    let (code, words) = cut.says(&["stop", &cut.run, "--settle", "did", "--op", "1,7"]);
    assert!(code == 2 && words.contains("op 7") && words.contains("its last is op 2"), "{code} {words}");
    assert_eq!(cut.records().len(), before, "where one of several can't be settled, none is");
    assert_eq!(cut.says(&["stop", &cut.run, "--settle", "did-not", "--op", "1"]).0, 8);
    let (code, words) = cut.says(&["resume", &cut.run, "--settle", "did", "--op", "1,2"]);
    assert!(code == 2 && words.contains("op 1") && words.contains("settled as not happened at 20"), "{code} {words}");
    assert_eq!((cut.words(), cut.unsettled()), (vec![(1, false)], vec![2]));
    // The same settlement again changes nothing, and is not an error.
    let (code, words) = cut.says(&["stop", &cut.run, "--settle", "did-not", "--op", "1"]);
    assert!(code == 8 && words.contains("op 2 POST"), "{code} {words}");
    assert_eq!(cut.words(), [(1, false)]);
    // In the end both are settled.
    assert_eq!(cut.says(&["resume", &cut.run, "--settle", "did", "--op", "2"]).0, 0);
    let (code, words) = cut.says(&["stop", &cut.run, "--settle", "did"]);
    assert!(code == 2 && words.contains(&cut.run), "{code} {words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_acts_are_settled_in_one_command_and_an_act_that_may_be_repeated_needs_no_word() {
    for which in [&["--all"][..], &["--op", "1,2"], &["--op", "1-2"]] {
        let cut = CutOff::two_posts().await;
        let (code, words) = cut.says(&[&["stop", &cut.run, "--settle", "did"], which].concat());
        assert!(code == 0 && words.contains("has ended"), "{which:?}: {code} {words}");
        assert_eq!((cut.words(), cut.unsettled(), cut.obstacle()), (vec![(1, true), (2, true)], vec![], None), "{which:?}");
        assert_eq!(cut.says(&["audit", "verify"]).0, 0);
    }
    let server = Server::answering(|_, _| vec![Step::Hang]).await;
    let url = server.url("/a");
    let cut = CutOff::new("get", server, |_| {}, "", &[&url], 1).await;
    assert!(cut.unsettled().is_empty());
    for (op, why) in [("1", "asked again on resume"), ("9", "its last is op 1")] {
        let (code, words) = cut.says(&["stop", &cut.run, "--settle", "did", "--op", op]);
        assert!(code == 2 && words.contains(why), "{op}: {code} {words}");
    }
    let (code, words) = cut.says(&["stop", &cut.run, "--settle", "did"]);
    assert!(code == 2 && words.contains("needs to be settled"), "{code} {words}");
    assert_eq!((cut.says(&["stop", &cut.run]).0, cut.obstacle()), (0, None));
}

/// An obstacle for a run, a part of the text in its end, and the exit code of `audit verify` then.
type Obstacle = (&'static str, fn(&Path, &Path), &'static str, i32);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_can_not_go_on_is_closed_with_the_reason_and_no_word_is_lost() {
    let obstacles: [Obstacle; 3] = [
        ("a mount is gone", |_, mount| std::fs::remove_dir(mount).unwrap(), "which is granted as `/src`", 0),
        ("the component is lost", |home, _| std::fs::remove_dir_all(home.join("components")).unwrap(), "component", 0),
        ("its key was overwritten", |home, _| std::fs::write(home.join("keys"), vec![0; 128]).unwrap(), "key", 6),
    ];
    for (case, bend, reason, verified) in obstacles {
        let mount = tempfile::tempdir().unwrap();
        let mount = mount.path().join("src");
        std::fs::create_dir(&mount).unwrap();
        let files = FilesGrant { guest: "/src".to_owned(), host: mount.clone(), mode: FilesMode::Read };
        let server = Server::answering(|_, _| vec![Step::Hang]).await;
        let url = server.url("");
        let cut = CutOff::new("two_posts", server, |order| order.grants.files.push(files), "", &[&url], 2).await;
        bend(&cut.program.place().home, &mount);
        let (code, words) = cut.says(&["resume", &cut.run, "--settle", "did", "--op", "2"]);
        assert!(code != 0 && words.contains("op 2 did happen"), "{case}: {code} {words}");
        assert_eq!((cut.words(), cut.unsettled()), (vec![(2, true)], vec![1]), "{case}");
        assert_eq!(cut.says(&["stop", &cut.run]).0, 8, "{case}");
        let (code, words) = cut.says(&["stop", &cut.run, "--settle", "did-not"]);
        assert!(code == 0 && words.contains("has ended"), "{case}: {code} {words}");
        assert_eq!(cut.words(), [(2, true), (1, false)], "{case}");
        let obstacle = cut.obstacle().unwrap();
        assert!(obstacle.contains(reason), "{case}: {obstacle}");
        assert!(cut.says(&["show", &cut.run]).1.contains(&format!("it could not be resumed: {obstacle}")), "{case}");
        assert_eq!((cut.says(&["ps"]), cut.says(&["audit", "verify"]).0), ((0, "no run is open".to_owned()), verified), "{case}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_of_which_too_much_was_seen_is_settled_and_closed_too() {
    let big = vec![b'x'; 20_000];
    let server = Server::answering(move |number, _| match number {
        0 => vec![Step::Say(response(200, &big))],
        _ => vec![Step::Hang],
    })
    .await;
    let (get, post) = (server.url("/get"), server.url("/post"));
    let args = [format!("{{\"url\": {get:?}}}"), format!("{{\"url\": {post:?}, \"method\": \"POST\"}}")];
    let limits = "limits = { payload-bytes = \"1KiB\" }";
    let cut = CutOff::new("sends_each", server, |_| {}, limits, &args.each_ref().map(String::as_str), 2).await;
    assert_eq!(cut.unsettled(), [2]);
    let (code, words) = cut.says(&["resume", &cut.run, "--settle", "did"]);
    assert!(code == 2 && words.contains("op 2 did happen") && words.contains("bailiwick stop"), "{code} {words}");
    assert_eq!((cut.words(), cut.unsettled()), (vec![(2, true)], vec![]));
    assert!(cut.says(&["ps"]).1.contains("can't be resumed"), "{:?}", cut.says(&["ps"]));
    assert_eq!(cut.says(&["stop", &cut.run]).0, 0);
    assert!(cut.obstacle().unwrap().contains("payload-bytes"), "{:?}", cut.obstacle());
}
