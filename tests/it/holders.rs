//! The process that holds a home goes away while it runs other clients' runs: the clients continue their runs, and nothing is done twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use service::{Continuation, HostHandle, ServiceError};
use tests::guests::guest;
use tests::host::{TestHost, loopback, records};
use tests::named::{admitted, start, trust, written};
use tests::program::{Program, config};
use tests::server::{Heard, Server, Step, response};
use tokio::sync::Semaphore;
use vocabulary::Outcome;
use vocabulary::record::Record;

use crate::terminals::Terminal;

/// How many requests a run sends: two POSTs with a GET between them, which the server holds until the test releases it.
const ASKED: usize = 3;

/// A server that holds `/…/2`, a program, and the guest's requests.
struct Scene {
    program: Arc<Program>,
    server: Server,
    turn: Arc<Semaphore>,
}

impl Scene {
    /// Makes a scene; `is_slow` says which requests wait for the test.
    async fn new(is_slow: fn(&Heard) -> bool) -> Self {
        let turn = Arc::new(Semaphore::new(0));
        let own = Arc::clone(&turn);
        let server = Server::answering(move |_, heard| {
            let answer = Step::Say(response(200, b"done"));
            if is_slow(heard) { vec![Step::Until(Arc::clone(&own)), answer] } else { vec![answer] }
        })
        .await;
        let kit = TestHost::new();
        let mut order = kit.order("sends_each", &[]);
        loopback(&mut order.grants, server.port(), &["GET", "POST"], &["/**"]);
        let program = Program::new(&config("sends-each", &guest("sends_each"), &order.grants));
        Self { program: Arc::new(program), server, turn }
    }

    /// Starts a run that sends `POST /NAME/1`, `GET /NAME/2`, `POST /NAME/3`.
    async fn run(&self, name: &str) -> Terminal {
        let asked = [("POST", 1), ("GET", 2), ("POST", 3)]
            .map(|(method, n)| serde_json::json!({ "method": method, "url": self.server.url(&format!("/{name}/{n}")) }).to_string());
        let mut words = vec!["run", "sends-each", "--trust", "--"];
        words.extend(asked.iter().map(String::as_str));
        let command = self.program.command(&[], &words);
        tokio::task::spawn_blocking(|| Terminal::running(command)).await.unwrap()
    }

    /// Returns when the server has received this many requests for this path.
    async fn heard(&self, path: &str, times: usize) {
        let (server, path) = (self.server.clone(), path.to_owned());
        self.server.until(|_| server.heard().iter().filter(|heard| heard.path == path).count() >= times).await;
    }

    /// How often the server received each POST.
    fn posts(&self) -> BTreeMap<String, usize> {
        let mut posts = BTreeMap::new();
        for heard in self.server.heard().into_iter().filter(|heard| heard.method == "POST") {
            *posts.entry(heard.path).or_default() += 1;
        }
        posts
    }

    fn outcome(&self, run: &str) -> Option<Outcome> {
        records(&self.program.place().home, run.parse().unwrap()).into_iter().find_map(|record| match record {
            Record::RunClosed(closed) => Some(closed.outcome),
            _ => None,
        })
    }

    async fn verified(&self) {
        let program = Arc::clone(&self.program);
        let verified = tokio::task::spawn_blocking(move || program.run(&["audit", "verify"])).await.unwrap();
        assert_eq!(verified.status.code(), Some(0), "{verified:?}");
    }
}

async fn ended(terminal: Terminal) -> (i32, String) {
    tokio::task::spawn_blocking(|| terminal.ends_saying()).await.unwrap()
}

async fn said(mut terminal: Terminal, words: &'static str) -> Terminal {
    tokio::task::spawn_blocking(move || {
        terminal.until(words);
        terminal
    })
    .await
    .unwrap()
}

/// Three runs; the first one's process holds the home. `ends` ends that process, which must not end the other runs.
async fn others_go_on(ends: impl AsyncFnOnce(Terminal)) {
    let scene = Scene::new(|heard| heard.path.ends_with("/2")).await;
    let holder = scene.run("a").await;
    let others = [scene.run("b").await, scene.run("c").await];
    let runs = [others[0].run.clone(), others[1].run.clone()];
    for path in ["/a/2", "/b/2", "/c/2"] {
        scene.heard(path, 1).await;
    }
    ends(holder).await;
    // A GET may be asked again, so each GET has arrived twice.
    scene.heard("/b/2", 2).await;
    scene.heard("/c/2", 2).await;
    scene.turn.add_permits(100);
    for other in others {
        let (code, said) = ended(other).await;
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("continuing run"), "{said}");
    }
    let posts = scene.posts();
    for path in ["/a/1", "/b/1", "/b/3", "/c/1", "/c/3"] {
        assert_eq!(posts.get(path), Some(&1), "{path}: {posts:?}");
    }
    for run in runs {
        assert_eq!(scene.outcome(&run), Some(Outcome::Done));
        let asked = records(&scene.program.place().home, run.parse().unwrap());
        let asked = asked.iter().filter(|record| matches!(record, Record::Asked(asked) if !asked.again)).count();
        assert_eq!(asked, ASKED);
    }
    scene.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_of_others_go_on_when_their_holder_is_killed() {
    others_go_on(async |holder| tokio::task::spawn_blocking(|| holder.kill()).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_of_others_go_on_when_their_holder_is_told_twice_to_end() {
    others_go_on(async |holder| {
        holder.signal(Signal::INT);
        let holder = said(holder, "staying until runs of other processes have ended").await;
        holder.signal(Signal::INT);
        let (code, said) = ended(holder).await;
        assert_eq!(code, 130, "{said}");
        assert!(said.contains("to the commands that attend them"), "{said}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_of_others_wait_for_a_holder_that_is_stopped_and_go_on_once_it_is_gone() {
    let scene = Scene::new(|heard| heard.path.ends_with("/2")).await;
    let (holder, other) = (scene.run("a").await, scene.run("b").await);
    scene.heard("/b/2", 1).await;
    holder.signal(Signal::STOP);
    let pid = holder.pid();
    let other = tokio::task::spawn_blocking(move || {
        let mut other = other;
        let line = other.until("waiting for process");
        assert!(line.contains(&format!("process {pid} (`bailiwick run`, stopped), which runs it")), "{line}");
        other
    })
    .await
    .unwrap();
    tokio::task::spawn_blocking(|| holder.kill()).await.unwrap();
    scene.heard("/b/2", 2).await;
    scene.turn.add_permits(100);
    let (code, said) = ended(other).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(scene.posts().get("/b/3"), Some(&1));
    scene.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_a_holder_that_goes_on_again_notices_nothing() {
    let scene = Scene::new(|heard| heard.path.ends_with("/2")).await;
    let (holder, other) = (scene.run("a").await, scene.run("b").await);
    scene.heard("/a/2", 1).await;
    scene.heard("/b/2", 1).await;
    holder.signal(Signal::STOP);
    let other = said(other, "waiting for process").await;
    holder.signal(Signal::CONT);
    scene.turn.add_permits(100);
    for terminal in [other, holder] {
        let (code, said) = ended(terminal).await;
        assert_eq!(code, 0, "{said}");
    }
    assert_eq!(scene.server.heard().len(), 2 * ASKED, "nothing was asked twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_under_way_when_its_holder_is_killed_is_left_to_a_person() {
    let scene = Scene::new(|heard| heard.path == "/b/3" || heard.path == "/a/2").await;
    let (holder, other) = (scene.run("a").await, scene.run("b").await);
    let run = other.run.clone();
    scene.heard("/b/3", 1).await;
    tokio::task::spawn_blocking(|| holder.kill()).await.unwrap();
    let (code, said) = ended(other).await;
    assert_eq!(code, 8, "{said}");
    assert!(said.contains("settle"), "{said}");
    assert_eq!(scene.outcome(&run), None, "it stays open");
    assert_eq!(scene.posts().get("/b/3"), Some(&1));
    let program = Arc::clone(&scene.program);
    let listed = tokio::task::spawn_blocking(move || program.run(&["ps"])).await.unwrap();
    assert!(String::from_utf8_lossy(&listed.stdout).contains("needs settling"), "{listed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_under_way_when_its_holder_leaves_is_answered_first_and_needs_nobodys_word() {
    let scene = Scene::new(|heard| heard.path == "/b/3" || heard.path == "/a/2").await;
    let (holder, other) = (scene.run("a").await, scene.run("b").await);
    let run = other.run.clone();
    scene.heard("/b/3", 1).await;
    holder.signal(Signal::INT);
    let holder = said(holder, "staying until runs of other processes have ended").await;
    holder.signal(Signal::INT);
    let holder = said(holder, "when open requests are answered").await;
    scene.turn.add_permits(100);
    assert_eq!(ended(holder).await.0, 130);
    let (code, said) = ended(other).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(scene.posts().get("/b/3"), Some(&1));
    assert_eq!(scene.outcome(&run), Some(Outcome::Done));
    scene.verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_leaves_asks_nothing_more() {
    // The guest of `b` would ask for `/b/3` as soon as it has the answer to `/b/2`.
    let scene = Scene::new(|heard| heard.path.ends_with("/2")).await;
    let (holder, other) = (scene.run("a").await, scene.run("b").await);
    let run = other.run.clone();
    scene.heard("/b/2", 1).await;
    // Its client is stopped (SIGSTOP), so nobody continues the run for now.
    other.signal(Signal::STOP);
    holder.signal(Signal::INT);
    let holder = said(holder, "staying until runs of other processes have ended").await;
    holder.signal(Signal::INT);
    let holder = said(holder, "when open requests are answered").await;
    scene.turn.add_permits(100);
    assert_eq!(ended(holder).await.0, 130);
    assert_eq!(scene.posts().get("/b/3"), None, "a host that leaves must not send it");
    assert_eq!(scene.outcome(&run), None);
    other.signal(Signal::CONT);
    let (code, said) = ended(other).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(scene.posts().get("/b/3"), Some(&1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_ends_a_run_whose_holder_went_away() {
    let scene = Scene::new(|heard| heard.path.ends_with("/2")).await;
    let (holder, other) = (scene.run("a").await, scene.run("b").await);
    let run = other.run.clone();
    scene.heard("/b/2", 1).await;
    tokio::task::spawn_blocking(|| holder.kill()).await.unwrap();
    let other = said(other, "continuing run").await;
    scene.heard("/b/2", 2).await;
    let (program, stopped) = (Arc::clone(&scene.program), run.clone());
    let stopped = tokio::task::spawn_blocking(move || program.run(&["stop", &stopped])).await.unwrap();
    assert_eq!(stopped.status.code(), Some(0), "{stopped:?}");
    assert_eq!(ended(other).await.0, 143);
    assert!(matches!(scene.outcome(&run), Some(Outcome::Stopped(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_somebody_removed_is_made_again() {
    let scene = Scene::new(|heard| heard.path.ends_with("/2")).await;
    let holder = scene.run("a").await;
    std::fs::remove_file(scene.program.place().home.join("host.sock")).unwrap();
    let program = Arc::clone(&scene.program);
    let listed = tokio::task::spawn_blocking(move || program.run(&["ps", "--json"])).await.unwrap();
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.pointer("/0/state"), Some(&"running".into()), "{listed}");
    scene.turn.add_permits(100);
    assert_eq!(ended(holder).await.0, 0);
}

/// Only an endless wait takes this long.
const WITHOUT_END: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_ended_while_its_holder_went_away_tells_its_end_from_the_record() {
    let folder = tempfile::tempdir().unwrap();
    let place = tests::host::place(folder.path());
    let file = written(&folder.path().join("here"), ("prints-a-report", &guest("prints_a_report")), &vocabulary::Grants::default(), "");
    trust(&place, &file);
    let run = admitted(&place, &file, "prints-a-report", &[]);
    let as_begun = Continuation::Started(Box::new(run.request().clone()));
    let here = HostHandle::find(&place, &tests::host::options()).await.unwrap();
    let report = tests::host::report(start(&here, &run).await).await;
    // As a client that did not learn of the end.
    let taken = here.continue_run(report.run, &as_begun).await.unwrap().gone_ahead();
    let told = tokio::time::timeout(WITHOUT_END, tests::host::report(taken)).await.unwrap();
    let shown =
        |report: &run::RunReport| (report.run, report.outcome.clone(), report.claims.output.clone(), report.evidence.record.entries);
    assert_eq!(shown(&told), shown(&report));
    assert_eq!(
        journal::Reader::open(&place.home).unwrap().records().count() as u64,
        report.evidence.record.size,
        "nothing was recorded anew"
    );
    // An unknown run begins anew from its order. If this client did not start it, it is an error.
    let unknown = "01M83DA0REQ40DXRGC9AB0ZHM8".parse().unwrap();
    let began = here.continue_run(unknown, &as_begun).await.unwrap().gone_ahead();
    assert_eq!(tests::host::report(began).await.outcome, Outcome::Done);
    let resumed = here.continue_run(unknown, &Continuation::Resumed { config: None }).await;
    assert!(matches!(resumed, Err(ServiceError::Run(run::RunError::NoSuchRun(_)))));
    here.leave().await.unwrap();
}
