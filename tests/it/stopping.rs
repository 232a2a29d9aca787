//! Agents that are stopped as a whole: their runs are ended, and nothing of them runs until a person enables it. With a host that goes on,
//! and with commands that find no host.

use std::path::{Path, PathBuf};

use run::{StopReport, own_principal};
use service::{HostHandle, ServiceError};
use tests::guests::guest;
use tests::host::{loopback, options, place, records, report};
use tests::named::{admitted, start, trust, written};
use tests::program::{Program, config};
use tests::server::{Server, Step, response};
use vocabulary::record::{Record, RecordKind};
use vocabulary::{Digest, Grants, Means, Outcome, SafeText, Stoppable, exit};

fn grants(server: &Server) -> Grants {
    let mut grants = Grants::default();
    loopback(&mut grants, server.port(), &["GET"], &["/**"]);
    grants
}

/// The records of the log that belong to no run.
fn of_log(home: &Path) -> Vec<Record> {
    records(home, journal::log_run())
}

/// A host in this process, and a client of it as other commands are.
struct Scene {
    here: HostHandle,
    there: HostHandle,
    folder: tempfile::TempDir,
    server: Server,
}

impl Scene {
    /// The server never answers what is asked at `/hangs`.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let here = HostHandle::find(&place(folder.path()), &options()).await.unwrap();
        let there = HostHandle::find(&place(folder.path()), &options()).await.unwrap();
        let hangs = |_, heard: &tests::server::Heard| match heard.path == "/hangs" {
            true => vec![Step::Hang],
            false => vec![Step::Say(response(200, b"done"))],
        };
        Self { here, there, folder, server: Server::answering(hangs).await }
    }

    fn home(&self) -> PathBuf {
        place(self.folder.path()).home
    }

    /// A trusted configuration with this agent.
    fn agent(&self, name: &str, component: &str) -> PathBuf {
        let file = written(&self.folder.path().join(name), (name, &guest(component)), &grants(&self.server), "");
        trust(&place(self.folder.path()), &file);
        file
    }

    async fn try_start(&self, host: &HostHandle, file: &Path, name: &str, path: &str) -> Result<run::Running, ServiceError> {
        let admitted = admitted(&place(self.folder.path()), file, name, &[&self.server.url(path)]);
        host.start(&admitted).await.map(run::Running::gone_ahead)
    }
}

fn named(name: &str) -> Stoppable {
    Stoppable::Agent(SafeText::new(name, 64))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_agent_is_cut_off_and_runs_again_only_when_a_person_enables_it() {
    let scene = Scene::new().await;
    let (file, other) = (scene.agent("first", "get"), scene.agent("second", "get"));
    let place = place(scene.folder.path());
    let running = start(&scene.there, &admitted(&place, &file, "first", &[&scene.server.url("/hangs")])).await;
    let beside = start(&scene.here, &admitted(&place, &other, "second", &[&scene.server.url("/hangs")])).await;
    scene.server.until(|counts| counts.heard == 2).await;
    let run = running.run;
    let stopped = scene.there.stop_agents(named("first")).await.unwrap();
    assert_eq!(stopped, StopReport { ended: vec![run], ..StopReport::default() });
    let ended = report(running).await;
    assert!(matches!(&ended.outcome, Outcome::Stopped(stopping) if stopping.means == Means::Stop), "{:?}", ended.outcome);
    // The server sees that its connection is closed. The other agent has the same component, and goes on.
    scene.server.until(|counts| counts.closed == 1).await;
    assert!(scene.here.going().await.unwrap().iter().any(|(going, _)| *going == beside.run));
    // Neither a client nor the host itself starts it.
    for host in [&scene.there, &scene.here] {
        let err = scene.try_start(host, &file, "first", "/").await.err().unwrap();
        assert_eq!(err.exit(), exit::REFUSED);
        let (said, help) = (err.chain(), err.help().unwrap_or_default());
        assert!(said.contains("the agent `first` is stopped, by") && help.contains("bailiwick enable --agent first"), "{said} {help}");
    }
    assert!(scene.there.stop_agents(named("first")).await.unwrap().was_stopped);
    // It is on the record who stopped it, before its run ended.
    let by_log: Vec<Record> = of_log(&scene.home());
    let stops: Vec<_> = by_log.iter().filter(|record| record.kind() == RecordKind::AgentsStopped).collect();
    assert!(matches!(stops.as_slice(), [Record::AgentsStopped(stopped)] if stopped.by == own_principal()), "{stops:?}");
    assert!(scene.there.enable_agents(named("first")).await.unwrap());
    assert!(!scene.there.enable_agents(named("first")).await.unwrap(), "it was enabled already");
    let again = scene.try_start(&scene.there, &file, "first", "/").await.unwrap();
    assert_eq!(report(again).await.outcome, Outcome::Done);
    // By its component, both are meant.
    let digest = Digest::of(&std::fs::read(guest("get")).unwrap());
    let stopped = scene.there.stop_agents(Stoppable::Digest(digest)).await.unwrap();
    assert_eq!(stopped.ended, [beside.run]);
    drop(report(beside).await);
    for (file, name) in [(&file, "first"), (&other, "second")] {
        assert_eq!(scene.try_start(&scene.there, file, name, "/").await.err().unwrap().exit(), exit::REFUSED, "{name}");
    }
    // Each stop is lifted by itself.
    assert!(!scene.there.enable_agents(Stoppable::All).await.unwrap());
    assert!(scene.there.enable_agents(Stoppable::Digest(digest)).await.unwrap());
    assert!(scene.there.stop_agents(Stoppable::All).await.unwrap().ended.is_empty());
    assert_eq!(scene.try_start(&scene.there, &other, "second", "/").await.err().unwrap().exit(), exit::REFUSED);
    assert!(scene.there.enable_agents(Stoppable::All).await.unwrap());
    drop(report(scene.try_start(&scene.there, &other, "second", "/").await.unwrap()).await);
}

fn said(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Runs the program, which must end with this code.
#[track_caller]
fn ends(program: &Program, args: &[&str], code: u8) -> String {
    let output = program.run(args);
    assert_eq!(output.status.code(), Some(i32::from(code)), "{args:?}: {}", said(&output));
    said(&output)
}

#[test]
fn a_suspended_run_of_a_stopped_agent_is_ended_and_no_command_starts_the_agent() {
    let program = Program::new(&config("sleeps", &guest("sleeps"), &Grants::default()));
    ends(&program, &["trust"], exit::DONE);
    let run = ["run", "sleeps", "--durable", "--detach", "--", "3600000"];
    ends(&program, &run, exit::WAITING);
    let stopped = ends(&program, &["stop", "--agent", "sleeps"], exit::DONE);
    for words in ["the agent `sleeps` is stopped", "1 run has ended", "bailiwick enable --agent sleeps"] {
        assert!(stopped.contains(words), "{words}: {stopped}");
    }
    assert!(stopped.lines().all(|line| line.len() <= 80), "{stopped}");
    assert_eq!(ends(&program, &["ps", "--json"], exit::DONE).trim(), "[]");
    let refused = ends(&program, &run, exit::REFUSED);
    assert!(refused.contains("is stopped, by") && refused.contains("bailiwick enable --agent sleeps"), "{refused}");
    // The control: something else that is enabled does not enable it.
    ends(&program, &["enable", "--agent", "other"], exit::USAGE);
    ends(&program, &["enable", "--all"], exit::USAGE);
    ends(&program, &run, exit::REFUSED);
    ends(&program, &["enable", "--agent", "sleeps"], exit::DONE);
    ends(&program, &run, exit::WAITING);
    let all = program.run(&["stop", "--all", "--json"]);
    let all: serde_json::Value = serde_json::from_slice(&all.stdout).unwrap();
    assert_eq!((&all["what"], all["ended"].as_array().map(Vec::len)), (&serde_json::json!("all"), Some(1)), "{all}");
    ends(&program, &run, exit::REFUSED);
    ends(&program, &["enable", "--all"], exit::DONE);
    ends(&program, &["audit", "verify"], exit::DONE);
    let shown = ends(&program, &["audit", "show", "--kind", "agents-enabled"], exit::DONE);
    assert_eq!(shown.matches("may run again, by").count(), 2, "{shown}");
}

#[test]
fn what_is_to_be_stopped_is_said_in_one_way() {
    let program = Program::new(&config("sleeps", &guest("sleeps"), &Grants::default()));
    for args in [
        &["stop"][..],
        &["stop", "--agent", "Not A Name"],
        &["stop", "--digest", "sha256:00"],
        &["stop", "--agent", "a", "--all"],
        &["stop", "01K8", "--agent", "a"],
        &["stop", "--all", "--settle", "did"],
        &["enable"],
        &["enable", "--agent", "a", "--all"],
    ] {
        ends(&program, args, exit::USAGE);
    }
    // None of them stopped anything.
    ends(&program, &["trust"], exit::DONE);
    ends(&program, &["run", "sleeps"], exit::DONE);
}
