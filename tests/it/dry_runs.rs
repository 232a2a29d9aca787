//! Dry runs: looks happen, and what would change something is decided, shown and not sent.

use serde_json::Value;
use tests::guests::guest;
use tests::host::{loopback, records};
use tests::program::{Program, config};
use tests::server::{Server, Step, response};
use vocabulary::record::{Record, RecordKind};
use vocabulary::{Grants, RunId, exit};

fn said(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

struct Scene {
    program: Program,
    server: Server,
}

impl Scene {
    /// An agent that may send requests of these methods, under these policies if there are any.
    async fn new(component: &str, methods: &[&str], policy: Option<&str>) -> Self {
        let server = Server::answering(|_, _| vec![Step::Say(response(200, b"done"))]).await;
        let mut grants = Grants::default();
        loopback(&mut grants, server.port(), methods, &["/**"]);
        let mut text = config("acts", &guest(component), &grants);
        if policy.is_some() {
            let people = "[people.alice]\ngroups = [\"board\"]\nkeys = [\"ssh-ed25519 \
                          AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ\"]\n";
            text = format!("[policy]\nfiles = [\"a.cedar\"]\n{people}{text}");
        }
        let program = Program::new(&text);
        if let Some(policy) = policy {
            std::fs::write(program.config().with_file_name("a.cedar"), policy).unwrap();
        }
        assert_eq!(program.run(&["trust"]).status.code(), Some(0), "{}", said(&program.run(&["trust"])));
        Self { program, server }
    }

    #[track_caller]
    fn dry(&self, args: &[&str], code: u8) -> String {
        let output = self.program.run(&[&["run", "acts", "--dry-run"][..], args].concat());
        assert_eq!(output.status.code(), Some(i32::from(code)), "{}", said(&output));
        said(&output)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_sends_nothing_that_changes_something_and_shows_what_it_decided() {
    let scene = Scene::new("post", &["GET", "POST"], None).await;
    let url = scene.server.url("/x");
    let shown = scene.dry(&["--", &url, "the body"], exit::DONE);
    assert_eq!(scene.server.heard().len(), 0, "nothing was sent");
    for words in ["dry run", "1 would be permitted, 0 would ask people, 0 refused", "dry run: this act was decided and is not done"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(shown.lines().filter(|line| line.contains("would be permitted, 0")).all(|line| line.len() <= 80), "{shown}");
    let output = scene.program.run(&["run", "acts", "--dry-run", "--json", "--", &url, "the body"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["dry_run"], serde_json::json!({ "permitted": 1, "asked": 0, "refused": 0, "more": 0 }));
    assert_eq!(report["evidence"]["dry_run"], true);
    let run: RunId = report["run"].as_str().unwrap().parse().unwrap();
    let all = records(&scene.program.place().home, run);
    assert!(matches!(&all[0], Record::RunOpened(opened) if opened.dry_run), "the record says so");
    assert!(all.iter().all(|record| record.kind() != RecordKind::Asked));
    for args in [&["audit", "verify"][..], &["replay", &run.to_string()]] {
        let output = scene.program.run(args);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
    // The control: the same run without the flag.
    let output = scene.program.run(&["run", "acts", "--", &url, "the body"]);
    assert_eq!((output.status.code(), scene.server.heard().len()), (Some(0), 1), "{}", said(&output));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looks_of_a_dry_run_happen() {
    let scene = Scene::new("get", &["GET"], None).await;
    scene.dry(&["--", &scene.server.url("/x")], exit::DONE);
    assert_eq!(scene.server.heard().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_asks_nobody_and_says_what_people_would_be_asked() {
    let policy = r#"@id("all") permit (principal, action, resource);
@id("board") @approval("board") forbid (principal, action in Action::"mutate", resource) unless { context.approvals.contains("board") };
@id("never") @tell("ask the owner of /never") forbid (principal, action in Action::"http", resource) when { context.request.path == "/never" };"#;
    let scene = Scene::new("post", &["POST"], Some(policy)).await;
    let shown = scene.dry(&["--", &scene.server.url("/x"), "the body"], exit::WAITING);
    assert!(shown.contains("0 would be permitted, 1 would ask people, 0 refused"), "{shown}");
    assert!(shown.contains("it would wait for the yes of 1 of board"), "{shown}");
    let open = scene.program.run(&["approvals", "ls", "--json"]);
    assert_eq!(String::from_utf8_lossy(&open.stdout).trim(), "[]", "no approval is open");
    assert_eq!(String::from_utf8_lossy(&scene.program.run(&["ps", "--json"]).stdout).trim(), "[]");
    let refused = scene.dry(&["--", &scene.server.url("/never"), "the body"], exit::REFUSED);
    assert!(refused.contains("ask the owner of /never") && refused.contains("0 would ask people, 1 refused"), "{refused}");
    assert_eq!(scene.server.heard().len(), 0);
}
