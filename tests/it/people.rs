//! A program, a server, an agent under policies, and people with keys of `ssh-keygen`, for tests of approvals.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tests::host::records;
use tests::program::Program;
use tests::server::{Server, Step, response};
use vocabulary::RunId;
use vocabulary::record::{Record, RecordKind};

/// Everything may be asked. Production needs two of the board, and the sandbox needs one.
pub(crate) const BOARD: &str = r#"
@id("may-ask") permit (principal, action in Action::"http", resource);
@id("production-needs-two")
@approval("change-board") @quorum("2") @why("production changes only under change management")
forbid (principal, action in Action::"mutate", resource in Env::"production") unless { context.approvals.contains("change-board") };
@id("sandbox-needs-one")
@approval("change-board")
forbid (principal, action in Action::"mutate", resource in Env::"sandbox") unless { context.approvals.contains("change-board") };
"#;

/// A server, and agents that ask it under policies: `post` sends one body, `each` one request after the other, `two` two bodies at once.
/// `alice`, `bob` and the user of this process are of the board.
pub(crate) struct Scene {
    pub(crate) program: Program,
    pub(crate) server: Server,
}

impl Scene {
    pub(crate) async fn new(policy: &str) -> Self {
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

    pub(crate) fn here(&self) -> PathBuf {
        self.program.folder().join("here")
    }

    pub(crate) fn key(&self, person: &str) -> PathBuf {
        self.program.folder().join(person)
    }

    pub(crate) fn policies(&self, text: &str) {
        std::fs::write(self.here().join("policy/board.cedar"), text).unwrap();
    }

    /// Writes a configuration in which these people have keys, and trusts it.
    pub(crate) fn configure(&self, people: &[&str]) {
        self.configure_with(people, "");
    }

    /// The same, with more tables at the end.
    pub(crate) fn configure_with(&self, people: &[&str], more: &str) {
        let port = self.server.port();
        let own = run::own_principal().name.unwrap().to_string();
        let mut text = format!(
            "[policy]\nfiles = [\"policy/*.cedar\"]\n\n[people.own]\ngroups = [\"change-board\"]\nuser = {own:?}\n\n[environments.sandbox]\nmatch = \
             [{{ host = \"127.0.0.1\", paths = [\"/sandbox/**\"] }}]\n"
        );
        for (agent, guest) in [("post", "post"), ("each", "sends_each"), ("two", "two_posts")] {
            let guest = tests::guests::guest(guest).display().to_string();
            text.push_str(&format!(
                "\n[agents.{agent}]\ncomponent = {guest:?}\n\n[[agents.{agent}.http]]\nhost = \"127.0.0.1\"\nport = {port}\nscheme = \
                 \"http\"\nmethods = [\"GET\", \"POST\", \"PUT\"]\npaths = [\"/**\"]\n"
            ));
        }
        for person in people {
            let key = std::fs::read_to_string(self.key(person).with_extension("pub")).unwrap();
            text.push_str(&format!("\n[people.{person}]\ngroups = [\"change-board\"]\nkeys = [{:?}]\n", key.trim()));
        }
        text.push_str(more);
        std::fs::write(self.program.config(), text).unwrap();
        self.ends(&["trust"], 0);
    }

    /// Runs the program, which must end with this code. Returns what it printed on both streams.
    pub(crate) fn ends(&self, args: &[&str], code: i32) -> String {
        let output = self.program.run(args);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        said
    }

    /// Starts the agent, which is held back. Returns the approval.
    pub(crate) fn asks(&self, path: &str) -> Value {
        self.asks_by("post", &[&self.server.url(path), "the body"])
    }

    /// Starts an agent with these arguments, which is held back. Returns the last approval.
    pub(crate) fn asks_by(&self, agent: &str, args: &[&str]) -> Value {
        self.ends(&[&["run", agent, "--"], args].concat(), 7);
        let all = self.approvals();
        all.as_array().unwrap().last().cloned().unwrap()
    }

    pub(crate) fn approvals(&self) -> Value {
        let output = self.program.run(&["approvals", "ls", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Votes with the key of a person. Returns the exit code, and what was printed.
    pub(crate) fn votes(&self, word: &str, approval: &Value, person: &str) -> (i32, String) {
        let (id, key) = (approval["approval"].as_str().unwrap(), self.key(person).display().to_string());
        let output = self.program.run(&["approvals", word, id, "--as", person, "--key", &key, "--digest", digits(approval)]);
        (output.status.code().unwrap(), said(&output))
    }

    pub(crate) fn run_of(&self, approval: &Value) -> RunId {
        approval["run"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) fn kinds(&self, approval: &Value) -> Vec<RecordKind> {
        self.records(approval).iter().map(Record::kind).collect()
    }

    pub(crate) fn records(&self, approval: &Value) -> Vec<Record> {
        records(&self.program.place().home, self.run_of(approval))
    }

    /// The code of the reason for which the only act was refused.
    pub(crate) fn refused(&self, approval: &Value) -> String {
        let refused = self.records(approval).into_iter().find_map(|record| match record {
            Record::Refused(refused) => Some(refused.reason.to_string()),
            _ => None,
        });
        refused.unwrap_or_default()
    }

    /// Waits for the end of the run, and checks the whole record.
    pub(crate) fn waits(&self, approval: &Value) -> String {
        let said = self.ends(&["wait", &self.run_of(approval).to_string()], 0);
        self.ends(&["audit", "verify"], 0);
        self.ends(&["replay", &self.run_of(approval).to_string()], 0);
        said
    }
}

pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

pub(crate) fn digits(approval: &Value) -> &str {
    &approval["digest"].as_str().unwrap()["sha256:".len()..][..12]
}

/// Ends a process of the program, as a person does with Ctrl-C.
pub(crate) fn end(mut child: std::process::Child) {
    rustix::process::kill_process(rustix::process::Pid::from_child(&child), rustix::process::Signal::TERM).unwrap();
    child.wait().unwrap();
}
