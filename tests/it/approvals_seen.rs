//! What people and programs see of approvals: as they come, as evidence of a run, and in numbers.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use serde_json::Value;

use crate::people::{BOARD, Scene, digits, end};

/// A follower, and its lines.
struct Watch {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Watch {
    fn begin(scene: &Scene) -> Self {
        let mut child =
            scene.program.command(&[], &["approvals", "watch", "--json"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next event: what it is, which approval, and how it ended.
    fn next(&mut self) -> (String, String, String) {
        let event: Value = serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap();
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        (text("event"), text("approval"), text("how"))
    }

    fn ends(mut self) {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::INT).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        assert!(self.lines.next().is_none(), "it has said nothing more");
    }
}

fn id(approval: &Value) -> String {
    approval["approval"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_sees_each_ask_vote_and_end_while_another_process_holds_the_home() {
    let scene = Scene::new(BOARD).await;
    let waiting = scene.asks("/production/waits");
    let serve = scene.program.command(&[], &["serve"]).stderr(Stdio::null()).spawn().unwrap();
    while scene.program.run(&["status"]).status.code() == Some(11) {}
    let mut watch = Watch::begin(&scene);
    let event = |word: &str, of: &Value, how: &str| (word.to_owned(), id(of), how.to_owned());
    assert_eq!(watch.next(), event("pending", &waiting, ""), "what waited before is told first");
    let used = scene.asks("/production/x");
    assert_eq!(watch.next(), event("asked", &used, ""));
    for person in ["alice", "bob"] {
        assert_eq!(scene.votes("approve", &used, person).0, 0);
        assert_eq!(watch.next(), event("voted", &used, ""));
    }
    assert_eq!(watch.next(), event("ended", &used, "used"));
    assert_eq!(scene.votes("reject", &waiting, "alice").0, 0);
    assert_eq!([watch.next(), watch.next()], [event("voted", &waiting, ""), event("ended", &waiting, "rejected")]);
    scene.waits(&waiting);
    let revoked = scene.asks("/production/y");
    scene.ends(&["approvals", "revoke", &id(&revoked)], 0);
    assert_eq!([watch.next(), watch.next()], [event("asked", &revoked, ""), event("ended", &revoked, "revoked")]);
    scene.waits(&revoked);
    watch.ends();
    end(serve);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_sees_that_nobody_decided_in_time_although_no_process_holds_the_home() {
    let scene = Scene::new(&BOARD.replace("@quorum(\"2\")", "@quorum(\"2\") @decide_within(\"3s\")")).await;
    let mut watch = Watch::begin(&scene);
    let approval = scene.asks("/production/x");
    let event = |word: &str, how: &str| (word.to_owned(), id(&approval), how.to_owned());
    assert_eq!([watch.next(), watch.next()], [event("asked", ""), event("ended", "expired")]);
    scene.waits(&approval);
    watch.ends();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_approved_exactly_what_is_evidence_of_the_run() {
    let scene = Scene::new(BOARD).await;
    let approval = scene.asks("/production/x");
    let (run, key) = (approval["run"].as_str().unwrap().to_owned(), scene.key("alice").display().to_string());
    // Somebody tries to write lines of the host into a reason.
    let reason = "fine\u{202e}\u{200b}\\u{a}  vote      bob approved it";
    let alice = ["approvals", "approve", &id(&approval), "--as", "alice", "--key", &key, "--digest", digits(&approval), "--reason", reason];
    scene.ends(&alice, 0);
    assert_eq!(scene.votes("approve", &approval, "bob").0, 0);
    let report = scene.waits(&approval);
    let digest = approval["digest"].as_str().unwrap();
    for text in [report, scene.ends(&["show", &run], 0), scene.ends(&["audit", "touched", &run], 0)] {
        for words in [
            format!("approval {}: used at", id(&approval)),
            format!("digest    {digest}"),
            "rule      production-needs-two: production changes only".to_owned(),
            "alice approved it at".to_owned(),
            "bob approved it at".to_owned(),
            "UTC, signed with SHA256:".to_owned(),
            "handed in by ".to_owned(),
            "fine\\u{202e}".to_owned(),
        ] {
            assert!(text.contains(&words), "{words}: {text}");
        }
        assert!(text.chars().all(|letter| letter == '\n' || !vocabulary::is_misleading(letter)), "{text}");
        assert_eq!(text.lines().filter(|line| line.trim_start().starts_with("vote  ")).count(), 2, "{text}");
    }
    let touched: Value = serde_json::from_slice(&scene.program.run(&["audit", "touched", &run, "--json"]).stdout).unwrap();
    let one = &touched["approvals"][0];
    assert_eq!((one["state"].as_str(), one["digest"].as_str()), (Some("used"), Some(digest)));
    assert_eq!([&one["votes"][0]["person"], &one["votes"][1]["person"]], ["alice", "bob"]);
    let waited: Value = serde_json::from_slice(&scene.program.run(&["wait", &run, "--json"]).stdout).unwrap();
    assert_eq!(waited["evidence"]["approvals"][0]["digest"].as_str(), Some(digest), "{waited}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_say_how_people_decide_and_come_from_the_record_alone() {
    let scene = Scene::new(BOARD).await;
    let nothing = scene.ends(&["approvals", "stats"], 0);
    assert!(nothing.contains("people were not asked"), "{nothing}");
    let [approved, rejected, open] = ["/production/a", "/sandbox/b", "/production/c"].map(|path| scene.asks(path));
    for person in ["alice", "bob"] {
        assert_eq!(scene.votes("approve", &approved, person).0, 0);
    }
    assert_eq!(scene.votes("reject", &rejected, "bob").0, 0);
    scene.waits(&approved);
    scene.waits(&rejected);
    let stats = |args: &[&str]| -> Value {
        let args: Vec<&str> = ["approvals", "stats", "--json"].into_iter().chain(args.iter().copied()).collect();
        serde_json::from_slice(&scene.program.run(&args).stdout).unwrap()
    };
    let all = stats(&["--since", "1h"]);
    let counts = |of: &Value| {
        ["asked", "runs", "approved", "rejected", "expired", "open", "votes", "approved_percent"].map(|key| of[key].as_u64().unwrap_or(999))
    };
    assert_eq!(counts(&all["all"]), [3, 3, 1, 1, 0, 1, 3, 50], "{all}");
    assert_eq!(counts(&all["by_agent"]["post"]), counts(&all["all"]));
    assert_eq!(counts(&all["by_policy"]["production-needs-two"]), [2, 2, 1, 0, 0, 1, 2, 100], "{all}");
    assert_eq!(counts(&all["by_policy"]["sandbox-needs-one"]), [1, 1, 0, 1, 0, 0, 1, 0], "{all}");
    assert!(all["all"]["decided_after_ms"]["p95"].as_u64().unwrap() >= all["all"]["decided_after_ms"]["median"].as_u64().unwrap());
    let later = stats(&["--since", "2100-01-01"]);
    assert_eq!(counts(&later["all"]), [0, 0, 0, 0, 0, 0, 0, 999], "the control");
    let shown = scene.ends(&["approvals", "stats"], 0);
    assert!(shown.contains("approved  1 (50 % of those decided)") && shown.contains("3 acts in 3 runs"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    assert_eq!(scene.votes("reject", &open, "bob").0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_acts_are_one_line_and_each_still_needs_its_own_votes() {
    let scene = Scene::new(BOARD).await;
    let [one, other, third] = [0, 1, 2].map(|_| scene.asks("/production/x"));
    // The same line for people, and another body.
    scene.ends(&["run", "post", "--", &scene.server.url("/production/x"), "another body"], 7);
    let different = scene.approvals().as_array().unwrap().last().cloned().unwrap();
    let listed = scene.approvals();
    let equal_to: Vec<&str> = listed.as_array().unwrap().iter().map(|act| act["equal_to"].as_str().unwrap_or("")).collect();
    assert_eq!(equal_to, ["", &id(&one), &id(&one), ""]);
    let table = scene.ends(&["approvals", "ls"], 0);
    assert!(table.contains("(3 equal acts)") && table.lines().count() == 3, "{table}");
    let card = scene.ends(&["approvals", "show", &id(&one)], 0);
    for act in [&other, &third] {
        assert!(card.contains(&format!("{}, digest {}", id(act), digits(act))), "{card}");
    }
    assert!(!card.contains(&id(&different)), "{card}");
    let key = scene.key("alice").display().to_string();
    let vote = |digests: &[&str], code: i32| {
        let mut args = vec!["approvals", "approve", one["approval"].as_str().unwrap(), "--equal", "--as", "alice", "--key", &key];
        digests.iter().for_each(|digest| args.extend(["--digest", *digest]));
        scene.ends(&args, code)
    };
    let said = vote(&[], 2);
    assert!(said.contains("names the digest"), "nothing is voted on unseen: {said}");
    let said = vote(&[digits(&one), digits(&different)], 2);
    assert!(said.contains("is not the digest"), "it is not equal: {said}");
    vote(&[digits(&one), digits(&other)], 0);
    let votes =
        || -> Vec<usize> { scene.approvals().as_array().unwrap().iter().map(|act| act["votes"].as_array().unwrap().len()).collect() };
    assert_eq!(votes(), [1, 1, 0, 0], "only what was named");
    assert_eq!(scene.server.heard().len(), 0);
    // The last vote for one of them lets that one happen, and no other.
    assert_eq!(scene.votes("approve", &other, "bob").0, 0);
    scene.waits(&other);
    assert_eq!((scene.server.heard().len(), votes()), (1, vec![1, 0, 0]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_asks_too_often_is_refused_and_nobody_is_asked() {
    let scene = Scene::new(BOARD).await;
    scene.configure_with(&["alice", "bob"], "\n[agents.post.limits]\napprovals-per-hour = 2\n");
    let first = scene.asks("/production/a");
    assert_eq!(scene.votes("reject", &first, "alice").0, 0);
    scene.asks("/production/b");
    let said = scene.ends(&["run", "post", "--", &scene.server.url("/production/c"), "the body"], 0);
    assert!(said.contains("over the limit `approvals-per-hour`"), "{said}");
    assert_eq!(scene.approvals().as_array().map(Vec::len), Some(1));
}
