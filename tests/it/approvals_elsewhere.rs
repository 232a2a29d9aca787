//! Faults that approvals have had in other products, each as what must hold here. The name of each test says the claim, the comment says
//! what went wrong elsewhere, and each test has a control: the same with a person who really said yes.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use serde_json::{Value, json};
use vocabulary::record::RecordKind;

use crate::people::{BOARD, Scene, digits, end};

/// Only what goes to `/production` is held back, for one of the board.
const ONE_BY_ONE: &str = r#"
@id("may-ask") permit (principal, action in Action::"http", resource);
@id("held") @approval("change-board")
forbid (principal, action in Action::"http", resource) when { context.request.path like "/production/*" }
unless { context.approvals.contains("change-board") };
"#;

fn id(approval: &Value) -> &str {
    approval["approval"].as_str().unwrap()
}

fn heard(scene: &Scene) -> Vec<String> {
    scene.server.heard().iter().map(|heard| format!("{} {}", heard.method, heard.path)).collect()
}

fn approves(scene: &Scene, approval: &Value, person: &str) {
    let (code, said) = scene.votes("approve", approval, person);
    assert_eq!(code, 0, "{said}");
}

/// A process that holds the home in the background, and continues runs.
fn serves(scene: &Scene) -> std::process::Child {
    let serve = scene.program.command(&[], &["serve"]).stderr(Stdio::null()).spawn().unwrap();
    while scene.program.run(&["status"]).status.code() == Some(11) {}
    serve
}

/// The next approval of the same run. There is one when the run has continued and is held back again.
fn next(scene: &Scene, before: &Value) -> Value {
    loop {
        let all = scene.approvals();
        let is_next = |other: &&Value| other["run"] == before["run"] && other["digest"] != before["digest"];
        if let Some(found) = all.as_array().unwrap().iter().find(is_next) {
            return found.clone();
        }
    }
}

/// The arguments of the agent `each` for these requests, one after the other.
fn requests(scene: &Scene, of: &[(&str, &str)]) -> Vec<String> {
    let one = |(method, path): &(&str, &str)| json!({ "method": method, "url": scene.server.url(path), "body": "the body" }).to_string();
    of.iter().map(one).collect()
}

fn asks_each(scene: &Scene, of: &[(&str, &str)]) -> Value {
    let args = requests(scene, of);
    scene.asks_by("each", &args.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Kestra: a pause whose time was over resumed the flow as if somebody had approved it (kestra#8242), and its own tutorial approved itself
/// after 30 seconds (kestra#18680).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_out_refuses_and_no_setting_makes_it_a_yes() {
    let scene = Scene::new(&BOARD.replace("@quorum(\"2\")", "@quorum(\"2\") @decide_within(\"1s\")")).await;
    let (late, in_time) = (scene.asks("/production/x"), scene.asks("/sandbox/x"));
    let report = scene.waits(&late);
    assert!(report.contains("Denied"), "the agent hears that it was refused: {report}");
    assert_eq!(scene.refused(&late), "people had to approve it, and the approval was expired");
    let (code, said) = scene.votes("approve", &late, "alice");
    assert!(code == 2 && heard(&scene).is_empty(), "a vote after the end changes nothing: {code} {said}");
    approves(&scene, &in_time, "alice");
    scene.waits(&in_time);
    assert_eq!(heard(&scene), ["POST /sandbox/x"], "the control");
    for setting in ["@on_timeout(\"approve\")", "@default(\"approve\")", "@decide_within(\"never\")", "@decide_within(\"0s\")"] {
        scene.policies(&BOARD.replace("@quorum(\"2\")", &format!("@quorum(\"2\") {setting}")));
        let said = scene.ends(&["check"], 2);
        assert!(said.contains("board.cedar:"), "{setting}: {said}");
    }
}

/// Kestra: a timer that was left over from an approved pause resumed the flow a second time (kestra#18507).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_that_ends_after_the_approval_does_nothing_more() {
    let scene = Scene::new(&BOARD.replace("@quorum(\"2\")", "@quorum(\"1\") @decide_within(\"2s\")")).await;
    let serve = serves(&scene);
    // The second one expires after the time of the first is over too: that is how it is known that the time was over.
    let (first, second) = (scene.asks("/production/a"), scene.asks("/production/b"));
    approves(&scene, &first, "alice");
    scene.waits(&first);
    let before = scene.kinds(&first);
    scene.waits(&second);
    assert_eq!((scene.kinds(&first), heard(&scene)), (before, vec!["POST /production/a".to_owned()]));
    assert!(scene.kinds(&second).contains(&RecordKind::ApprovalClosed), "the control: its time was over");
    end(serve);
}

/// Activepieces: mail scanners opened the links for yes and for no before a person saw the mail (activepieces#14024). Elastic: a GET resumes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_only_reads_or_opens_what_is_shown_decides_nothing() {
    let scene = Scene::new(ONE_BY_ONE).await;
    let serve = serves(&scene);
    let approval = scene.asks("/production/x");
    let before = scene.kinds(&approval);
    let mut shown = String::new();
    for _ in 0..3 {
        for args in [
            &["approvals", "ls"][..],
            &["approvals", "ls", "--json"],
            &["approvals", "show", id(&approval)],
            &["approvals", "show", id(&approval), "--json"],
            &["approvals", "statement", id(&approval), "--as", "alice"],
        ] {
            shown.push_str(&scene.ends(args, 0));
        }
    }
    // No link decides, because there is none: what looks like one is the address that the agent asks for.
    for link in shown.split("http").skip(1).filter(|rest| rest.starts_with("://") || rest.starts_with("s://")) {
        assert!(format!("http{link}").starts_with(&scene.server.url("")), "{link}");
    }
    // A program that asks the host itself for such a page is not answered.
    for line in
        [format!("GET /approvals/{}/approve HTTP/1.1", id(&approval)), format!("POST /approvals/{}/approve HTTP/1.1", id(&approval))]
    {
        let mut socket = std::os::unix::net::UnixStream::connect(scene.program.place().home.join("host.sock")).unwrap();
        let _ = socket.write_all(format!("{line}\r\nHost: localhost\r\n\r\n").as_bytes());
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!((scene.kinds(&approval), heard(&scene)), (before, Vec::new()), "nothing was decided");
    approves(&scene, &approval, "alice");
    scene.waits(&approval);
    assert_eq!(heard(&scene), ["POST /production/x"], "the control");
    end(serve);
}

/// StackStorm: `succeeded()` of a question meant that it was answered, so `approved: false` went on as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_says_no_is_not_taken_for_a_yes_and_stays() {
    let scene = Scene::new(ONE_BY_ONE).await;
    let no = scene.asks("/production/x");
    let (code, said) = scene.votes("reject", &no, "alice");
    assert_eq!(code, 0, "{said}");
    assert_ne!(scene.votes("approve", &no, "bob").0, 0, "the first decision stands");
    let report = scene.waits(&no);
    assert!(report.contains("Denied"), "the agent does not take it for a success: {report}");
    assert_eq!((heard(&scene), scene.refused(&no).as_str()), (Vec::new(), "people had to approve it, and the approval was rejected"));
    let yes = scene.asks("/production/x");
    approves(&scene, &yes, "bob");
    scene.waits(&yes);
    assert_eq!(heard(&scene), ["POST /production/x"], "the control");
}

/// Tracecat: `required_approvers`, `approver_groups` and `approve_if` could be written, and nothing read them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quorum_and_a_group_count_as_written_and_words_that_nothing_reads_are_refused() {
    let scene = Scene::new(BOARD).await;
    let two = scene.asks("/production/x");
    approves(&scene, &two, "alice");
    assert_eq!((heard(&scene).len(), scene.approvals()[0]["state"].as_str()), (0, Some("pending")), "one of two");
    approves(&scene, &two, "bob");
    scene.waits(&two);
    assert_eq!(heard(&scene), ["POST /production/x"], "the control: two of two");
    // Three can never come together, because who started the run does not count: nobody is asked, and nothing hangs.
    scene.policies(&BOARD.replace("@quorum(\"2\")", "@quorum(\"3\")"));
    scene.ends(&["trust"], 0);
    let said = scene.ends(&["run", "post", "--", &scene.server.url("/production/x")], 0);
    assert!(said.contains("Denied") && heard(&scene).len() == 1, "{said}");
    for (from, to) in [
        ("@quorum(\"2\")", "@quorom(\"2\")"),
        ("@quorum(\"2\")", "@quorum(\"two\")"),
        ("@quorum(\"2\")", "@quorum(\"0\")"),
        ("@quorum(\"2\")", "@required_approvers(\"2\")"),
        ("@quorum(\"2\")", "@approve_if(\"true\")"),
        ("@approval(\"change-board\") @quorum(\"2\")", "@approval(\"nobody-is-in-it\") @quorum(\"2\")"),
    ] {
        scene.policies(&BOARD.replace(from, to));
        let said = scene.ends(&["check"], 2);
        assert!(said.contains("board.cedar:"), "{to}: {said}");
    }
}

/// Windmill: who started a flow may approve it, unless one pays for the setting (windmill#8440).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_started_the_run_never_approves_it_with_any_key_and_by_any_setting() {
    let scene = Scene::new(ONE_BY_ONE).await;
    let config = std::fs::read_to_string(scene.program.config()).unwrap();
    let key = std::fs::read_to_string(scene.key("mallory").with_extension("pub")).unwrap();
    std::fs::write(scene.program.config(), config.replace("[people.own]\n", &format!("[people.own]\nkeys = [{:?}]\n", key.trim())))
        .unwrap();
    scene.ends(&["trust"], 0);
    let approval = scene.asks("/production/x");
    let signed = scene.key("mallory").display().to_string();
    for with in [&["--key", signed.as_str()][..], &[]] {
        let args = [&["approvals", "approve", id(&approval), "--as", "own", "--digest", digits(&approval)], with].concat();
        let said = scene.ends(&args, 4);
        assert!(said.contains("started the run"), "{said}");
    }
    // Neither does the key open the name of somebody else.
    let said = scene.ends(&["approvals", "approve", id(&approval), "--as", "alice", "--key", &signed, "--digest", digits(&approval)], 4);
    assert!(said.contains("does not have for `alice`"), "{said}");
    assert!(heard(&scene).is_empty());
    approves(&scene, &approval, "alice");
    scene.waits(&approval);
    assert_eq!(heard(&scene), ["POST /production/x"], "the control");
    let trusted = std::fs::read_to_string(scene.program.config()).unwrap();
    for setting in ["self-approval = true", "self_approval = true", "prevent-self-review = false"] {
        std::fs::write(scene.program.config(), trusted.replace("[policy]\n", &format!("[policy]\n{setting}\n"))).unwrap();
        scene.ends(&["check"], 2);
    }
    scene.policies(&ONE_BY_ONE.replace("@approval(\"change-board\")", "@approval(\"change-board\") @self_approval(\"true\")"));
    std::fs::write(scene.program.config(), trusted).unwrap();
    scene.ends(&["check"], 2);
}

/// LangGraph: a step with a question is run again from its start after the answer, so what it did before happens twice (langgraph#6729).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_agent_did_before_it_was_held_back_is_not_done_again_after_the_answer() {
    let scene = Scene::new(ONE_BY_ONE).await;
    let serve = serves(&scene);
    let before = ["POST /before/a", "GET /before/b", "POST /before/c"];
    let approval = asks_each(
        &scene,
        &[
            ("POST", "/before/a"),
            ("GET", "/before/b"),
            ("POST", "/before/c"),
            ("POST", "/production/x"),
            ("POST", "/after"),
            ("POST", "/production/y"),
        ],
    );
    assert_eq!(heard(&scene), before);
    approves(&scene, &approval, "alice");
    let next = next(&scene, &approval);
    assert_eq!(heard(&scene), [&before[..], &["POST /production/x", "POST /after"]].concat());
    approves(&scene, &next, "bob");
    scene.waits(&next);
    assert_eq!(heard(&scene), [&before[..], &["POST /production/x", "POST /after", "POST /production/y"]].concat(), "the control");
    end(serve);
}

/// LangChain: decisions are matched with questions by their order, not by what was asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_decision_is_for_the_act_that_it_names_and_not_for_the_next_in_order() {
    let scene = Scene::new(ONE_BY_ONE).await;
    let serve = serves(&scene);
    scene.asks_by("two", &[&scene.server.url("/production")]);
    let all = scene.approvals();
    let of = |path: &str| {
        let asks = |approval: &&Value| approval["asks"].as_str().is_some_and(|asks| asks.ends_with(path));
        all.as_array().unwrap().iter().find(asks).cloned().unwrap()
    };
    let (first, second) = (of("/one"), of("/two"));
    approves(&scene, &second, "alice");
    scene.server.until(|counts| counts.heard == 1).await;
    assert_eq!(scene.votes("reject", &first, "alice").0, 0);
    let report = scene.waits(&first);
    assert_eq!(heard(&scene), ["POST /production/two"], "{report}");
    assert!(report.contains("Denied") && report.contains("\"status\":200"), "each has its own answer: {report}");
    end(serve);
}

/// Several products: "always allow", and an approval of a session that lasts for all that follows in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_covers_one_act_and_never_widens_itself() {
    let scene = Scene::new(ONE_BY_ONE).await;
    let serve = serves(&scene);
    let same = [("POST", "/production/x"), ("POST", "/production/x")];
    let first = asks_each(&scene, &same);
    approves(&scene, &first, "alice");
    // The same act once more is another act.
    let second = next(&scene, &first);
    assert_eq!(heard(&scene), ["POST /production/x"], "the approval covers one");
    // Nor does it cover the same act of another run, of another agent, or one that differs a little.
    for (agent, args) in [
        ("each", requests(&scene, &same)),
        ("post", vec![scene.server.url("/production/x"), "the body".to_owned()]),
        ("post", vec![scene.server.url("/production/x?all=1"), "the body".to_owned()]),
        ("post", vec![scene.server.url("/production/x"), "the body".to_owned(), "PUT".to_owned()]),
    ] {
        scene.asks_by(agent, &args.iter().map(String::as_str).collect::<Vec<_>>());
    }
    assert_eq!((scene.approvals().as_array().map(Vec::len), heard(&scene).len()), (Some(5), 1));
    approves(&scene, &second, "alice");
    scene.waits(&second);
    assert_eq!(heard(&scene).len(), 2, "the control: its own approval covers the second");
    end(serve);
}
