//! Acts that are held back until people have approved them: with the program, a real server on loopback, and keys of `ssh-keygen`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tests::host::records;
use tests::program::Program;
use tests::server::{Server, Step, response};
use vocabulary::RunId;
use vocabulary::record::{Record, RecordKind};

/// Everything may be asked. Production needs two of the board, and the sandbox needs one.
const BOARD: &str = r#"
@id("may-ask") permit (principal, action in Action::"http", resource);
@id("production-needs-two")
@approval("change-board") @quorum("2") @why("production changes only under change management")
forbid (principal, action in Action::"mutate", resource in Env::"production") unless { context.approvals.contains("change-board") };
@id("sandbox-needs-one")
@approval("change-board")
forbid (principal, action in Action::"mutate", resource in Env::"sandbox") unless { context.approvals.contains("change-board") };
"#;

/// A server, and an agent that sends one body to it under policies. `alice`, `bob` and the user of this process are of the board.
struct Scene {
    program: Program,
    server: Server,
}

impl Scene {
    async fn new(policy: &str) -> Self {
        let server = Server::answering(|_, _| vec![Step::Say(response(200, b"done"))]).await;
        let program = Program::new("");
        let scene = Self { program, server };
        for person in ["alice", "bob", "mallory"] {
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(scene.key(person)).status().unwrap();
            assert!(made.success());
        }
        std::fs::create_dir(scene.here().join("policy")).unwrap();
        scene.policies(policy);
        scene.configure(&["alice", "bob"]);
        scene
    }

    fn here(&self) -> PathBuf {
        self.program.folder().join("here")
    }

    fn key(&self, person: &str) -> PathBuf {
        self.program.folder().join(person)
    }

    fn policies(&self, text: &str) {
        std::fs::write(self.here().join("policy/board.cedar"), text).unwrap();
    }

    /// Writes a configuration in which these people have keys, and trusts it.
    fn configure(&self, people: &[&str]) {
        let (guest, port) = (tests::guests::guest("post").display().to_string(), self.server.port());
        let own = run::own_principal().name.unwrap().to_string();
        let mut text = format!(
            "[policy]\nfiles = [\"policy/*.cedar\"]\n\n[people.own]\ngroups = [\"change-board\"]\nuser = {own:?}\n\n[environments.sandbox]\nmatch = \
             [{{ host = \"127.0.0.1\", paths = [\"/sandbox/**\"] }}]\n\n[agents.post]\ncomponent = {guest:?}\n\n[[agents.post.http]]\nhost = \
             \"127.0.0.1\"\nport = {port}\nscheme = \"http\"\nmethods = [\"GET\", \"POST\", \"PUT\"]\npaths = [\"/**\"]\n"
        );
        for person in people {
            let key = std::fs::read_to_string(self.key(person).with_extension("pub")).unwrap();
            text.push_str(&format!("\n[people.{person}]\ngroups = [\"change-board\"]\nkeys = [{:?}]\n", key.trim()));
        }
        std::fs::write(self.program.config(), text).unwrap();
        self.ends(&["trust"], 0);
    }

    /// Runs the program, which must end with this code. Returns what it printed on both streams.
    fn ends(&self, args: &[&str], code: i32) -> String {
        let output = self.program.run(args);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        said
    }

    /// Starts the agent, which is held back. Returns the approval.
    fn asks(&self, path: &str) -> Value {
        self.ends(&["run", "post", "--", &self.server.url(path), "the body"], 7);
        let all = self.approvals();
        all.as_array().unwrap().last().cloned().unwrap()
    }

    fn approvals(&self) -> Value {
        let output = self.program.run(&["approvals", "ls", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Votes with the key of a person. Returns the exit code, and what was printed.
    fn votes(&self, word: &str, approval: &Value, person: &str) -> (i32, String) {
        let (id, key) = (approval["approval"].as_str().unwrap(), self.key(person).display().to_string());
        let output = self.program.run(&["approvals", word, id, "--as", person, "--key", &key, "--digest", digits(approval)]);
        (output.status.code().unwrap(), said(&output))
    }

    fn run_of(&self, approval: &Value) -> RunId {
        approval["run"].as_str().unwrap().parse().unwrap()
    }

    fn kinds(&self, approval: &Value) -> Vec<RecordKind> {
        self.records(approval).iter().map(Record::kind).collect()
    }

    fn records(&self, approval: &Value) -> Vec<Record> {
        records(&self.program.place().home, self.run_of(approval))
    }

    /// The code of the reason for which the only act was refused.
    fn refused(&self, approval: &Value) -> String {
        let refused = self.records(approval).into_iter().find_map(|record| match record {
            Record::Refused(refused) => Some(refused.reason.to_string()),
            _ => None,
        });
        refused.unwrap_or_default()
    }

    /// Waits for the end of the run, and checks the whole record.
    fn waits(&self, approval: &Value) -> String {
        let said = self.ends(&["wait", &self.run_of(approval).to_string()], 0);
        self.ends(&["audit", "verify"], 0);
        self.ends(&["replay", &self.run_of(approval).to_string()], 0);
        said
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn digits(approval: &Value) -> &str {
    &approval["digest"].as_str().unwrap()["sha256:".len()..][..12]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_act_waits_for_two_signed_votes_and_happens_once() {
    let scene = Scene::new(BOARD).await;
    let approval = scene.asks("/production/x");
    assert_eq!((approval["state"].as_str(), approval["environment"].as_str()), (Some("pending"), Some("production")));
    assert_eq!(scene.server.heard().len(), 0, "nothing was sent");
    let shown = scene.ends(&["approvals", "show", approval["approval"].as_str().unwrap()], 0);
    for words in ["POST http://127.0.0.1", "production-needs-two: production changes only", "the body", "2 of the group change-board"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(shown.lines().all(|line| line.len() <= 110), "{shown}");
    let (code, first) = scene.votes("approve", &approval, "alice");
    assert!(code == 0 && first.contains("so far 1 of 2 in change-board"), "{code} {first}");
    let (code, twice) = scene.votes("approve", &approval, "alice");
    assert!(code == 4 && twice.contains("has voted already"), "{code} {twice}");
    assert_eq!(scene.server.heard().len(), 0, "one vote is not enough");
    // No process holds the home, so the command with the last vote resumes the run.
    let (code, last) = scene.votes("approve", &approval, "bob");
    assert!(code == 0 && last.contains("it is approved, and the run continues"), "{code} {last}");
    let report = scene.waits(&approval);
    assert!(report.contains("\"status\":200"), "{report}");
    assert_eq!(scene.server.heard().len(), 1);
    let kinds = scene.kinds(&approval);
    for (kind, times) in
        [(RecordKind::ApprovalAsked, 1), (RecordKind::ApprovalVoted, 2), (RecordKind::Asked, 1), (RecordKind::RunSuspended, 1)]
    {
        assert_eq!(kinds.iter().filter(|known| **known == kind).count(), times, "{kind:?} in {kinds:?}");
    }
    let used = scene.records(&approval).iter().any(
        |record| matches!(record, Record::Asked(asked) if asked.approval.map(|digest| digest.to_string()).as_deref() == approval["digest"].as_str()),
    );
    assert!(used, "the intent names the approval that it uses up");
    assert_eq!(scene.approvals(), Value::Array(Vec::new()));
    let (code, late) = scene.votes("approve", &approval, "alice");
    assert!(code == 2 && late.contains("approvals ls"), "{code} {late}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rejection_refuses_the_act_and_answering_is_not_approving() {
    let scene = Scene::new(BOARD).await;
    let approval = scene.asks("/production/x");
    assert_eq!(scene.votes("approve", &approval, "alice").0, 0);
    let (code, said) = scene.votes("reject", &approval, "bob");
    assert!(code == 0 && said.contains("it is rejected"), "{code} {said}");
    let report = scene.waits(&approval);
    assert!(report.contains("Denied"), "{report}");
    assert_eq!(
        (scene.server.heard().len(), scene.refused(&approval)),
        (0, "people had to approve it, and the approval was rejected".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_out_is_a_refusal_and_never_a_yes() {
    let scene = Scene::new(&BOARD.replace("@quorum(\"2\")", "@quorum(\"2\") @decide_within(\"1s\")")).await;
    let approval = scene.asks("/production/x");
    scene.waits(&approval);
    assert_eq!(
        (scene.server.heard().len(), scene.refused(&approval)),
        (0, "people had to approve it, and the approval was expired".to_owned())
    );
    assert!(scene.kinds(&approval).contains(&RecordKind::ApprovalClosed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_votes_while_the_policies_are_not_there() {
    let scene = Scene::new(BOARD).await;
    let approval = scene.asks("/production/x");
    let hidden = scene.program.folder().join("hidden");
    std::fs::rename(scene.here().join("policy"), &hidden).unwrap();
    let (code, said) = scene.votes("approve", &approval, "alice");
    assert!(code == 2 && said.contains("those of now can't be used"), "{code} {said}");
    std::fs::rename(&hidden, scene.here().join("policy")).unwrap();
    assert_eq!(scene.votes("approve", &approval, "alice").0, 0, "the control");
}

fn end(mut child: std::process::Child) {
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn votes_of_strangers_of_other_keys_and_without_a_digest_do_not_count() {
    let scene = Scene::new(BOARD).await;
    let approval = scene.asks("/production/x");
    let id = approval["approval"].as_str().unwrap();
    let mallory = scene.key("mallory").display().to_string();
    let digest = digits(&approval);
    for (args, code, words) in [
        (&["approvals", "approve", id, "--as", "alice", "--key", &mallory, "--digest", digest][..], 4, "does not have for `alice`"),
        (&["approvals", "approve", id, "--as", "mallory", "--key", &mallory, "--digest", digest], 4, "has no `mallory`"),
        (&["approvals", "approve", id, "--as", "alice", "--digest", digest], 4, "must be signed"),
        (&["approvals", "approve", id, "--as", "own", "--digest", digest], 4, "started the run"),
        (&["approvals", "approve", id, "--as", "alice"], 2, "names the digest of what you have seen"),
        (&["approvals", "approve", id, "--as", "alice", "--digest", "000000000000"], 2, "is not the digest"),
        (&["approvals", "approve", id, "--as", "alice", "--digest", &digest[..11]], 2, "less than twelve digits"),
        (&["approvals", "approve", "01", "--as", "alice", "--digest", digest], 4, "must be signed"),
        (&["approvals", "show", "ZZ"], 2, "no act that waits"),
    ] {
        let said = scene.ends(args, code);
        assert!(said.contains(words), "{args:?}: {said}");
    }
    assert_eq!((scene.server.heard().len(), scene.approvals()[0]["votes"].as_array().map(Vec::len)), (0, Some(0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vote_for_one_act_is_no_vote_for_another() {
    let scene = Scene::new(BOARD).await;
    let (one, other) = (scene.asks("/production/x"), scene.asks("/production/x"));
    assert_ne!(one["digest"], other["digest"], "the same body in another run is another act");
    let id = |of: &Value| of["approval"].as_str().unwrap().to_owned();
    let statement = scene.program.run(&["approvals", "statement", &id(&one), "--as", "alice"]).stdout;
    let file = scene.program.folder().join("vote.json");
    std::fs::write(&file, &statement).unwrap();
    let mut sign = Command::new("ssh-keygen");
    sign.args(["-q", "-Y", "sign", "-n", "bailiwick-vote", "-f"]).arg(scene.key("alice")).arg(&file);
    assert!(sign.stderr(Stdio::null()).status().unwrap().success());
    let signature = format!("{}.sig", file.display());
    let votes = |of: &Value, code: i32, words: &str| {
        let said = scene.ends(&["approvals", "approve", &id(of), "--as", "alice", "--signature", &signature, "--digest", digits(of)], code);
        assert!(said.contains(words), "{said}");
    };
    votes(&other, 4, "not for this vote");
    votes(&one, 0, "so far 1 of 2");
    votes(&one, 4, "has voted already");
    assert_eq!(scene.server.heard().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_the_sandbox_an_account_is_enough_but_not_that_of_who_started_the_run() {
    let scene = Scene::new(BOARD).await;
    let approval = scene.asks("/sandbox/x");
    let said =
        scene.ends(&["approvals", "approve", approval["approval"].as_str().unwrap(), "--as", "own", "--digest", digits(&approval)], 4);
    assert!(said.contains("started the run"), "{said}");
    let (code, said) = scene.votes("approve", &approval, "alice");
    assert!(code == 0 && said.contains("it is approved"), "{code} {said}");
    scene.waits(&approval);
    assert_eq!(scene.server.heard().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_who_was_taken_out_of_the_board_does_not_count_any_more() {
    let scene = Scene::new(BOARD).await;
    let approval = scene.asks("/production/x");
    assert_eq!(scene.votes("approve", &approval, "alice").0, 0);
    scene.configure(&["bob", "mallory"]);
    let (code, said) = scene.votes("approve", &approval, "bob");
    assert!(code == 0 && said.contains("so far 1 of 2"), "alice does not count: {code} {said}");
    assert_eq!(scene.server.heard().len(), 0);
    let (code, said) = scene.votes("approve", &approval, "mallory");
    assert!(code == 0 && said.contains("it is approved"), "{code} {said}");
    scene.waits(&approval);
    assert_eq!(scene.server.heard().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_changes_before_the_vote_decides_again() {
    let scene = Scene::new(BOARD).await;
    let approval = scene.asks("/production/x");
    assert_eq!(scene.votes("approve", &approval, "alice").0, 0);
    scene.policies(&format!("{BOARD}\n@id(\"closed\") forbid (principal, action in Action::\"mutate\", resource);"));
    let (code, said) = scene.votes("approve", &approval, "bob");
    assert!(code == 2 && said.contains("is not trusted"), "what is not trusted is not in force: {code} {said}");
    scene.ends(&["trust"], 0);
    let (code, said) = scene.votes("approve", &approval, "bob");
    assert!(code == 2 && said.contains("the policies have changed"), "{code} {said}");
    scene.waits(&approval);
    assert_eq!(
        (scene.server.heard().len(), scene.refused(&approval)),
        (0, "forbidden by the policy `closed`, `production-needs-two`".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_is_revoked_and_the_act_is_refused() {
    let scene = Scene::new(BOARD).await;
    let approval = scene.asks("/production/x");
    let said = scene.ends(&["approvals", "revoke", approval["approval"].as_str().unwrap()], 0);
    assert!(said.contains("is revoked"), "{said}");
    scene.waits(&approval);
    assert_eq!(
        (scene.server.heard().len(), scene.refused(&approval)),
        (0, "people had to approve it, and the approval was revoked".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_continues_a_run_as_soon_as_the_last_vote_is_there() {
    let scene = Scene::new(BOARD).await;
    let serve = scene.program.command(&[], &["serve"]).stderr(Stdio::null()).spawn().unwrap();
    while scene.program.run(&["status"]).status.code() == Some(11) {}
    let approval = scene.asks("/production/x");
    for person in ["alice", "bob"] {
        assert_eq!(scene.votes("approve", &approval, person).0, 0);
    }
    scene.server.until(|counts| counts.heard == 1).await;
    scene.waits(&approval);
    end(serve);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_killed_between_the_votes_forgets_none_and_sends_once() {
    let scene = Scene::new(BOARD).await;
    let serve = || {
        let serve = scene.program.command(&[], &["serve"]).stderr(Stdio::null()).spawn().unwrap();
        while scene.program.run(&["status"]).status.code() == Some(11) {}
        serve
    };
    let mut first = serve();
    let approval = scene.asks("/production/x");
    assert_eq!(scene.votes("approve", &approval, "alice").0, 0);
    first.kill().unwrap();
    first.wait().unwrap();
    let mut second = serve();
    assert_eq!(scene.approvals()[0]["votes"][0]["person"], "alice");
    assert_eq!(scene.votes("approve", &approval, "bob").0, 0);
    scene.server.until(|counts| counts.heard == 1).await;
    second.kill().unwrap();
    second.wait().unwrap();
    // If its answer was not durable yet, the run was cut off during the act, and it is unknown whether it happened.
    let _ = scene.program.run(&["wait", &scene.run_of(&approval).to_string()]);
    assert_eq!(scene.server.heard().len(), 1, "an approval is used once");
    scene.ends(&["audit", "verify"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_whose_policies_are_gone_is_not_resumed_without_them() {
    let scene = Scene::new(&BOARD.replace("@quorum(\"2\")", "@quorum(\"2\") @decide_within(\"2s\")")).await;
    let approval = scene.asks("/production/x");
    let config = std::fs::read_to_string(scene.program.config()).unwrap();
    let without =
        config.split_once("[environments").map(|(_, rest)| format!("[environments{}", rest.split("\n[people").next().unwrap())).unwrap();
    std::fs::write(scene.program.config(), without).unwrap();
    scene.ends(&["trust"], 0);
    // Its time to wait for people ends, and then it would be resumed.
    let said = scene.ends(&["resume", &scene.run_of(&approval).to_string()], 2);
    assert!(said.contains("a run does not lose its policies"), "{said}");
    assert_eq!(scene.server.heard().len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_faulty_policy_is_told_with_its_place_and_what_was_trusted_stays() {
    let scene = Scene::new(BOARD).await;
    scene.policies(&format!("{BOARD}\n@id(\"x\") permit (principal, action == Action::\"http.raed\", resource);"));
    let said = scene.ends(&["check"], 2);
    assert!(said.contains("board.cedar:10") && said.contains("http.raed"), "{said}");
    scene.ends(&["run", "post", "--", &scene.server.url("/production/x")], 2);
    scene.policies(BOARD);
    scene.asks("/production/x");
    assert!(Path::new(&scene.program.config()).exists());
}
