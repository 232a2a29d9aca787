//! Approvals under abuse: votes that are edited, handed in at once or while the disk is full, bodies that look alike, cards that an agent tries
//! to forge, and acts that it splits up or repeats.

use std::process::{Command, Stdio};

use rustix::io::Errno;
use serde_json::Value;
use tests::fault::plan::{Fault, Lasting, Plan};
use tests::fault::trace::{End, Nobody, trace};
use tests::program::Program;
use vocabulary::record::{Record, RecordKind};

use crate::people::{BOARD, Scene, digits, said};

fn id(approval: &Value) -> &str {
    approval["approval"].as_str().unwrap()
}

/// How many votes are on the record of the run.
fn votes(scene: &Scene, approval: &Value) -> usize {
    scene.kinds(approval).iter().filter(|kind| **kind == RecordKind::ApprovalVoted).count()
}

/// Signs a vote as a person does who has only `ssh-keygen`. Returns the files of the statement and of the signature.
fn signed(scene: &Scene, approval: &Value, person: &str) -> [String; 2] {
    let statement = scene.program.run(&["approvals", "statement", id(approval), "--as", person]).stdout;
    let file = scene.program.folder().join("vote.json");
    std::fs::write(&file, &statement).unwrap();
    let signature = format!("{}.sig", file.display());
    let _ = std::fs::remove_file(&signature);
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-q", "-Y", "sign", "-n", "bailiwick-vote", "-f"]).arg(scene.key(person)).arg(&file);
    assert!(sign.stderr(Stdio::null()).status().unwrap().success());
    [file.display().to_string(), signature]
}

fn hands_in(scene: &Scene, word: &str, approval: &Value, (person, signature): (&str, &str), code: i32) -> String {
    scene.ends(&["approvals", word, id(approval), "--as", person, "--signature", signature, "--digest", digits(approval)], code)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edited_vote_file_does_not_count() {
    let scene = Scene::new(BOARD).await;
    let approval = scene.asks("/production/x");
    let [_, file] = signed(&scene, &approval, "alice");
    let good = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = good.lines().collect();
    // One letter, in each line of the signature in turn.
    for n in 1..lines.len() - 1 {
        let mut edited: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        let letter = if edited[n].as_bytes()[3] == b'A' { "B" } else { "A" };
        edited[n].replace_range(3..4, letter);
        std::fs::write(&file, edited.join("\n")).unwrap();
        hands_in(&scene, "approve", &approval, ("alice", &file), 4);
    }
    for text in [String::new(), lines[..2].join("\n"), good.repeat(2), good.replace("SSH SIGNATURE", "PGP SIGNATURE")] {
        std::fs::write(&file, text).unwrap();
        let output = scene.program.run(&[
            "approvals",
            "approve",
            id(&approval),
            "--as",
            "alice",
            "--signature",
            &file,
            "--digest",
            digits(&approval),
        ]);
        assert!(matches!(output.status.code(), Some(2 | 4)), "{}", said(&output));
    }
    std::fs::write(&file, &good).unwrap();
    // A yes is no no, and that of one person is not that of another.
    hands_in(&scene, "reject", &approval, ("alice", &file), 4);
    hands_in(&scene, "approve", &approval, ("bob", &file), 4);
    assert_eq!(votes(&scene, &approval), 0);
    let said = hands_in(&scene, "approve", &approval, ("alice", &file), 0);
    assert!(said.contains("so far 1 of 2"), "the control: {said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vote_that_is_handed_in_again_in_any_order_counts_once() {
    let scene = Scene::new(BOARD).await;
    let approval = scene.asks("/production/x");
    let alice = std::fs::read(&signed(&scene, &approval, "alice")[1]).unwrap();
    let bob = std::fs::read(&signed(&scene, &approval, "bob")[1]).unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let file = scene.program.folder().join(name);
        std::fs::write(&file, bytes).unwrap();
        file.display().to_string()
    };
    let (alice, bob) = (file("alice.vote", &alice), file("bob.vote", &bob));
    // Bob's was signed last and comes first; alice's is replayed.
    hands_in(&scene, "approve", &approval, ("bob", &bob), 0);
    for _ in 0..2 {
        hands_in(&scene, "approve", &approval, ("bob", &bob), 4);
    }
    let last = hands_in(&scene, "approve", &approval, ("alice", &alice), 0);
    assert!(last.contains("it is approved"), "{last}");
    scene.waits(&approval);
    // After its use, and for the same body asked again.
    hands_in(&scene, "approve", &approval, ("alice", &alice), 2);
    let next = scene.asks("/production/x");
    for (person, vote) in [("alice", &alice), ("bob", &bob)] {
        hands_in(&scene, "approve", &next, (person, vote), 4);
    }
    assert_eq!((scene.server.heard().len(), votes(&scene, &approval), votes(&scene, &next)), (1, 2, 0));
}

/// Starts these commands at once, and returns their exit codes, sorted.
fn at_once(program: &Program, commands: &[Vec<String>]) -> Vec<i32> {
    let start = |args: &Vec<String>| {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        program.command(&[], &args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let started: Vec<_> = commands.iter().map(start).collect();
    let mut codes: Vec<i32> = started.into_iter().map(|mut child| child.wait().unwrap().code().unwrap()).collect();
    codes.sort_unstable();
    codes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn votes_at_the_same_moment_are_counted_one_by_one() {
    let scene = Scene::new(BOARD).await;
    let serve = scene.program.command(&[], &["serve"]).stderr(Stdio::null()).spawn().unwrap();
    while scene.program.run(&["status"]).status.code() == Some(11) {}
    let approval = scene.asks("/production/x");
    let vote = |person: &str| -> Vec<String> {
        let key = scene.key(person).display().to_string();
        ["approvals", "approve", id(&approval), "--as", person, "--key", &key, "--digest", digits(&approval)].map(str::to_owned).to_vec()
    };
    // Four times the same person: one counts, and it does not make a quorum of two.
    assert_eq!(at_once(&scene.program, &vec![vote("alice"); 4]), [0, 4, 4, 4]);
    assert_eq!((votes(&scene, &approval), scene.server.heard().len()), (1, 0));
    // The last vote twice: the run continues once.
    let codes = at_once(&scene.program, &vec![vote("bob"); 3]);
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    scene.waits(&approval);
    assert_eq!((votes(&scene, &approval), scene.server.heard().len()), (2, 1));
    crate::people::end(serve);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_yes_and_a_no_at_the_same_moment_have_one_outcome_and_the_record_says_which() {
    let scene = Scene::new(&BOARD.replace("@quorum(\"2\")", "@quorum(\"1\")")).await;
    let serve = scene.program.command(&[], &["serve"]).stderr(Stdio::null()).spawn().unwrap();
    while scene.program.run(&["status"]).status.code() == Some(11) {}
    for round in 0..4 {
        let (before, approval) = (scene.server.heard().len(), scene.asks("/production/x"));
        let vote = |word: &str, person: &str| -> Vec<String> {
            let key = scene.key(person).display().to_string();
            ["approvals", word, id(&approval), "--as", person, "--key", &key, "--digest", digits(&approval)].map(str::to_owned).to_vec()
        };
        let mut both = vec![vote("approve", "alice"), vote("reject", "bob")];
        both.rotate_left(round % 2);
        let codes = at_once(&scene.program, &both);
        assert!(codes[0] == 0 && codes[1] != 0, "one of them comes first: {codes:?}");
        scene.waits(&approval);
        let approved = scene.records(&approval).iter().any(|record| matches!(record, Record::ApprovalVoted(voted) if voted.approved));
        assert_eq!((votes(&scene, &approval), scene.server.heard().len() - before), (1, usize::from(approved)));
    }
    crate::people::end(serve);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_while_somebody_votes_loses_no_vote_and_counts_none_twice() {
    let scene = Scene::new(&BOARD.replace("@quorum(\"2\")", "@quorum(\"1\")")).await;
    let approval = scene.asks("/production/x");
    let key = scene.key("alice").display().to_string();
    let args = ["approvals", "approve", id(&approval), "--as", "alice", "--key", &key, "--digest", digits(&approval)];
    let place = scene.program.place();
    let kept = scene.program.folder().join("kept");
    let copy = |from: &std::path::Path, to: &std::path::Path| {
        let _ = std::fs::remove_dir_all(to);
        assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
    };
    std::fs::create_dir(&kept).unwrap();
    copy(&place.home, &kept.join("home"));
    copy(&place.state, &kept.join("state"));
    let back = || {
        copy(&kept.join("home"), &place.home);
        copy(&kept.join("state"), &place.state);
    };
    let launcher = std::path::Path::new(env!("CARGO_BIN_EXE_campaign"));
    let watched = [place.home.clone(), place.state.clone()];
    let traced = |plan: Option<Plan>| {
        let streams = [Stdio::null(), Stdio::null(), Stdio::null()];
        trace(launcher, &scene.program.command(&[], &args), streams, &watched, plan, &mut Nobody).unwrap()
    };
    let whole = traced(None);
    assert_eq!(whole.end, End::Code(0), "the control");
    scene.waits(&approval);
    let (calls, once) = (whole.calls.len(), scene.server.heard().len());
    assert_eq!(once, 1);
    let (mut lost, mut kept_votes) = (0, 0);
    // A sample of all calls, with a different distance for each fault.
    for (fault, every) in [(Fault::Fail(Errno::NOSPC, Lasting::Once), 5), (Fault::Fail(Errno::NOSPC, Lasting::FromThenOn), 7)] {
        for at in (1..=calls).step_by(every) {
            back();
            let before = scene.server.heard().len();
            let faulty = traced(Some(Plan { at, fault, share: 128 }));
            let (code, sent) = (faulty.end, scene.server.heard().len() - before);
            assert!(matches!(code, End::Code(_)), "{fault} at {at}: {code:?}");
            let there = votes(&scene, &approval);
            assert!(there <= 1 && sent <= there, "{fault} at {at}: {there} votes, {sent} sent");
            assert!(code != End::Code(0) || there == 1, "{fault} at {at}: the vote was acknowledged, and is not on the record");
            if there == 0 {
                lost += 1;
                scene.ends(&args, 0);
            } else {
                kept_votes += 1;
            }
            // The act happens once, or nobody knows whether it did and a person is asked.
            let run = scene.run_of(&approval).to_string();
            let waited = scene.program.run(&["resume", &run]);
            let settled = if waited.status.code() == Some(8) {
                let heard = scene.server.heard().len() - before;
                scene.program.run(&["resume", &run, "--settle", if heard == 0 { "did-not" } else { "did" }]).status.code()
            } else {
                waited.status.code()
            };
            // `resume` ends with 2 if the run has ended already.
            assert!(matches!(settled, Some(0 | 2)), "{fault} at {at}: {}", said(&waited));
            assert_eq!((votes(&scene, &approval), scene.server.heard().len() - before), (1, 1), "{fault} at {at}");
            scene.ends(&["audit", "verify"], 0);
        }
    }
    assert!(lost > 0 && kept_votes > 0, "both came to pass: {lost} {kept_votes} of {calls} calls");
}

/// What policies see of `kind` is `harmless`, and the card shows the body as it is.
const BY_BODY: &str = r#"
@id("may-ask") permit (principal, action in Action::"http", resource);
@id("held") @approval("change-board")
forbid (principal, action == Action::"http.write", resource)
when { context.request.body.hasTag("kind") && context.request.body.getTag("kind").contains("disable") }
unless { context.approvals.contains("change-board") };
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_bodies_that_look_alike_are_two_acts_and_one_that_reads_in_two_ways_is_refused() {
    let scene = Scene::new(BOARD).await;
    // Composed and decomposed letters, another space, a zero-width space: each is another act, and its card does not show them as the same.
    let bodies = ["{\"to\":\"caf\u{e9}\"}", "{\"to\":\"cafe\u{301}\"}", "{\"to\": \"caf\u{e9}\"}", "{\"to\":\"caf\u{e9}\u{200b}\"}"];
    let url = scene.server.url("/production/x");
    let all: Vec<Value> = bodies.iter().map(|body| scene.asks_by("post", &[&url, body])).collect();
    let digests: std::collections::BTreeSet<&str> = all.iter().map(|approval| approval["digest"].as_str().unwrap()).collect();
    assert_eq!(digests.len(), bodies.len());
    let cards: std::collections::BTreeSet<String> = all
        .iter()
        .map(|approval| {
            let shown = scene.ends(&["approvals", "show", id(approval)], 0);
            shown.lines().find(|line| line.trim_start().starts_with("body")).unwrap().to_owned()
        })
        .collect();
    assert_eq!(cards.len(), bodies.len(), "people see the difference: {cards:#?}");
    assert!(cards.iter().all(|card| !card.contains('\u{200b}')), "{cards:#?}");
    // A key twice: one server takes the first, another one the last.
    scene.policies(BY_BODY);
    scene.ends(&["trust"], 0);
    for body in [r#"{"kind":"list","kind":"disable"}"#, r#"{"kind":"list","k\u0069nd":"disable"}"#] {
        let said = scene.ends(&["run", "post", "--", &url, body], 0);
        assert!(said.contains("Denied"), "{body}: {said}");
    }
    assert_eq!(scene.server.heard().len(), 0);
    let held = scene.asks_by("post", &[&url, r#"{"k\u0069nd":"disable"}"#]);
    assert_eq!(held["state"], "pending", "the control: it is read as servers read it");
    scene.ends(&["run", "post", "--", &url, r#"{"kind":"list"}"#], 0);
    assert_eq!(scene.server.heard().len(), 1, "the control");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_of_an_agent_can_not_pass_for_lines_of_the_card() {
    let scene = Scene::new(BOARD).await;
    let forged =
        "nothing\n  needs         0 of the group change-board\r\n  state         approved\u{1b}[2K\u{1b}[1A\u{202e}drawkcab\u{2066}";
    let approval = scene.asks_by("post", &[&scene.server.url("/production/x?a=%0A%20%20state%20approved"), forged]);
    for args in [&["approvals", "show", id(&approval)][..], &["approvals", "ls"]] {
        let shown = scene.ends(args, 0);
        assert!(
            !shown.chars().any(|letter| (letter.is_control() && letter != '\n') || ('\u{202a}'..='\u{2069}').contains(&letter)),
            "{shown:?}"
        );
        let lines = |start: &str| shown.lines().filter(|line| line.trim_start().starts_with(start)).count();
        if args[1] == "show" {
            assert_eq!((lines("needs"), lines("state"), lines("digest")), (1, 1, 1), "{shown}");
            assert!(shown.contains("2 of the group change-board") && shown.contains("pending"), "the control: {shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_that_is_split_into_many_or_repeated_after_a_no_needs_a_yes_for_each_part() {
    let scene = Scene::new(&BOARD.replace("@quorum(\"2\")", "@quorum(\"1\")")).await;
    let serve = scene.program.command(&[], &["serve"]).stderr(Stdio::null()).spawn().unwrap();
    while scene.program.run(&["status"]).status.code() == Some(11) {}
    let part = |n: usize| serde_json::json!({ "method": "POST", "url": scene.server.url(&format!("/production/part/{n}")) }).to_string();
    let parts = [part(0), part(1), part(1), part(2)];
    let approval = scene.asks_by("each", &parts.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(scene.votes("approve", &approval, "alice").0, 0);
    let pending = |before: &Value| loop {
        let all = scene.approvals();
        if let Some(found) = all.as_array().unwrap().iter().find(|other| other["digest"] != before["digest"]) {
            break found.clone();
        }
    };
    let second = pending(&approval);
    assert_eq!(scene.server.heard().len(), 1, "one yes, one part");
    assert_eq!(scene.votes("reject", &second, "alice").0, 0);
    // The same part once more is refused without asking anybody; the next one is asked.
    let third = pending(&second);
    assert!(third["asks"].as_str().unwrap().ends_with("/production/part/2"), "{third}");
    assert_eq!(scene.votes("approve", &third, "alice").0, 0);
    let report = scene.waits(&third);
    let heard: Vec<String> = scene.server.heard().iter().map(|heard| heard.path.clone()).collect();
    assert_eq!(heard, ["/production/part/0", "/production/part/2"], "{report}");
    let asked = scene.kinds(&third).iter().filter(|kind| **kind == RecordKind::ApprovalAsked).count();
    assert_eq!((asked, report.matches("Denied").count()), (3, 2), "{report}");
    crate::people::end(serve);
}
