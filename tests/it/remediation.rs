//! The remediation of a leak, end to end: a leaked password is found, identified, and rotated, first in the sandbox and then in production, under
//! policies and with people who approve it. RabbitMQ and the tracker are real, the configuration is that of `examples/remediation`, and the agents
//! are built from their folders.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tests::clock::MachineClock;
use tests::program::{Program, agent};
use tests::rabbitmq::RabbitMq;
use tests::roundup::Roundup;
use tests::tools::{contains, root};
use vault::Local;
use vocabulary::RunId;

use crate::rotation::{assert_in_no_file, assert_nowhere, assert_nowhere_in, text_of};

const ADMIN: (&str, &str) = ("admin", "admin-word-2b81d7c4e0");
const LEAKED: &str = "Xq7vTn2LkZ09-sWdRb4";
const SANDBOX: &str = "m3PzKd81_vYtQh6Jw5Lc";
const DAY_S: i64 = 86_400;

/// The company: a broker with a login for each environment, a tracker, a repository with a leak, a change board.
struct Company {
    program: Program,
    rabbit: RabbitMq,
    tracker: Roundup,
    clock: MachineClock,
    /// Everything that any command printed.
    printed: Vec<u8>,
}

impl Company {
    fn new() -> Option<Self> {
        let (rabbit, tracker) = (RabbitMq::start(ADMIN.0, ADMIN.1)?, Roundup::start()?);
        for (host, login, password) in [("production", "billing", LEAKED), ("sandbox", "billing-sandbox", SANDBOX)] {
            let all = "{\"configure\": \".*\", \"write\": \".*\", \"read\": \".*\"}";
            let user = json!({ "tags": "administrator", "password": password }).to_string();
            assert_eq!(rabbit.put(&format!("/api/vhosts/{host}"), "{}", ADMIN).status, 201);
            assert_eq!(rabbit.put_user(login, &user, ADMIN).status, 201);
            assert_eq!(rabbit.put(&format!("/api/permissions/{host}/{login}"), all, ADMIN).status, 201);
        }
        let mut company = Self { program: Program::new(""), rabbit, tracker, clock: MachineClock::new(), printed: Vec::new() };
        company.configure();
        for (name, value, port) in [
            ("billing", LEAKED, company.rabbit.port()),
            ("billing-sandbox", SANDBOX, company.rabbit.port()),
            ("tracker", company.tracker.password(), company.tracker.port()),
        ] {
            let output = company.program.run_with(&["credentials", "set", name, "--for", &format!("http://127.0.0.1:{port}")], value);
            assert!(output.status.success(), "{}", said(&output));
        }
        Some(company)
    }

    fn here(&self) -> PathBuf {
        self.program.folder().join("here")
    }

    fn key(&self, person: &str) -> PathBuf {
        self.program.folder().join(person)
    }

    /// The configuration of the example, with the ports of this test, its keys, and a third person of the board: who starts the runs.
    fn configure(&mut self) {
        let example = root().join("examples/remediation");
        let mut text = std::fs::read_to_string(example.join("bailiwick.toml")).unwrap();
        for (from, to) in [("18461", self.rabbit.port().to_string()), ("18462", self.tracker.port().to_string())] {
            assert!(text.contains(from));
            text = text.replace(from, &to);
        }
        for name in ["leak-scan", "rotate-secret"] {
            text = text.replace(&format!("../../agents/{name}"), &agent(name).display().to_string());
        }
        for person in ["alice", "bob", "own"] {
            let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(self.key(person)).status().unwrap();
            assert!(made.success());
            let key = std::fs::read_to_string(self.key(person).with_extension("pub")).unwrap();
            text = text.replace(&format!("KEY-OF-{}", person.to_uppercase()), key.trim());
            if person == "own" {
                let user = run::own_principal().name.unwrap().to_string();
                text.push_str(&format!("\n[people.own]\ngroups = [\"change-board\"]\nuser = {user:?}\nkeys = [{:?}]\n", key.trim()));
            }
        }
        std::fs::write(self.program.config(), text).unwrap();
        let copied = Command::new("cp").arg("-r").arg(example.join("policy")).arg(self.here()).status().unwrap();
        assert!(copied.success());
        let cases = self.here().join("policy/tests/remediation.toml");
        let text = std::fs::read_to_string(&cases).unwrap();
        std::fs::write(&cases, text.replace("18462", &self.tracker.port().to_string())).unwrap();
        std::fs::create_dir_all(self.here().join("src/deploy")).unwrap();
        let leak = format!("# settings of the service\nBROKER_URL=amqp://billing:{LEAKED}@rabbit.internal/production\n");
        std::fs::write(self.here().join("src/deploy/billing.env"), leak).unwrap();
        self.ends(&["trust"], 0);
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.program.command(&[], args);
        self.clock.give(&mut command);
        command
    }

    /// Runs the program, which must end with this code. Returns what it printed on standard output and on both streams.
    fn both(&mut self, args: &[&str], code: i32) -> (String, String) {
        let output = self.command(args).output().unwrap();
        let said = said(&output);
        self.printed.extend_from_slice(said.as_bytes());
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        (String::from_utf8(output.stdout).unwrap(), said)
    }

    fn ends(&mut self, args: &[&str], code: i32) -> String {
        self.both(args, code).1
    }

    fn json(&mut self, args: &[&str], code: i32) -> Value {
        let (out, said) = self.both(args, code);
        serde_json::from_str(&out).unwrap_or_else(|err| panic!("{args:?}: {err}: {said}"))
    }

    /// Votes with the key of a person.
    fn votes(&mut self, approval: &Value, person: &str, code: i32) -> String {
        let (id, key) = (approval["approval"].as_str().unwrap().to_owned(), self.key(person).display().to_string());
        let digest = approval["digest"].as_str().unwrap()["sha256:".len()..][..12].to_owned();
        self.ends(&["approvals", "approve", &id, "--as", person, "--key", &key, "--digest", &digest], code)
    }

    /// A host that stays.
    fn serve(&mut self) -> Child {
        let serve = self.command(&["serve"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while self.command(&["status"]).output().unwrap().status.code() == Some(11) {}
        serve
    }

    /// Whether the broker lets these in: billing with the leaked password, and billing-sandbox with its first one.
    fn lets_in(&self) -> [bool; 2] {
        [("billing", LEAKED), ("billing-sandbox", SANDBOX)].map(|(login, password)| {
            let answer = self.rabbit.who_am_i(login, password);
            assert!(answer.status == 200 || answer.body.contains("Login failed"), "{answer:?}");
            answer.status == 200
        })
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_leak_is_rotated_in_the_sandbox_first_and_in_production_when_two_of_the_board_have_signed() {
    let Some(mut company) = Company::new() else { return };
    let cases = company.ends(&["policy", "test"], 0);
    assert!(cases.contains("6 cases, 0 failed"), "{cases}");
    let leaks = company.json(&["run", "leak-scan", "--json", "--input", "{\"root\": \"/src\"}"], 0);
    let finding = &leaks["claims"]["findings"][0];
    assert_eq!((&finding["rule"], &finding["location"]["uri"]), (&json!("database-login"), &json!("/src/deploy/billing.env")), "{leaks}");
    let input = |stand_ins: Value| {
        let tracker = json!({ "url": format!("http://127.0.0.1:{}/demo/", company.tracker.port()), "login": Roundup::LOGIN });
        json!({ "finding": finding, "stand-ins": stand_ins, "tracker": tracker }).to_string()
    };

    // A control: an input that passes production off as a sandbox. The host knows better, and nobody is even asked.
    let passed_off = input(json!({ "other": "billing" }));
    let right = input(json!({ "billing": "billing-sandbox" }));
    let report = company.json(&["run", "rotate-secret", "--json", "--input", &passed_off], 0);
    assert_eq!(report["claims"]["output"]["done"], false);
    let reason = report["evidence"]["refused"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("`sandbox-first`"), "{report}");
    assert_eq!((company.lets_in(), company.json(&["approvals", "ls", "--json"], 0)), ([true, true], json!([])));

    // The sandbox is rotated at once, and production waits for people.
    let waits = company.ends(&["run", "rotate-secret", "--input", &right], 7);
    assert_eq!(company.lets_in(), [true, false], "{waits}");
    let approval = company.json(&["approvals", "ls", "--json"], 0)[0].clone();
    let run = approval["run"].as_str().unwrap().to_owned();
    assert_eq!((&approval["environment"], &approval["state"]), (&json!("production"), &json!("pending")), "{approval}");
    let card = company.ends(&["approvals", "show", approval["approval"].as_str().unwrap()], 0);
    for words in ["set billing", "production-needs-two: production changes only under change management", "2 of the group change-board"] {
        assert!(card.contains(words), "{words}: {card}");
    }
    let tickets = company.tracker.tickets();
    let open: Vec<&Value> = tickets.iter().filter(|ticket| ticket["status"]["name"] == "unread").collect();
    assert!(open.len() == 1 && open[0]["title"].as_str().unwrap().starts_with("Rotate billing: leaked at /src/deploy"), "{tickets:?}");

    // A control: who started the run is of the board, and can't vote. A vote is not enough. The host is killed between the votes, and the
    // machine's clock is set forward by two days, and back by three.
    let refused = company.votes(&approval, "own", 4);
    assert!(refused.contains("started the run"), "{refused}");
    let first = company.serve();
    let one = company.votes(&approval, "alice", 0);
    assert!(one.contains("so far 1 of 2"), "{one}");
    company.clock.set(2 * DAY_S);
    end(first);
    let second = company.serve();
    let still = company.json(&["approvals", "ls", "--json"], 0)[0].clone();
    assert_eq!(
        (&still["state"], &still["votes"][0]["person"], &still["digest"]),
        (&json!("pending"), &json!("alice"), &approval["digest"])
    );
    assert_eq!(company.lets_in(), [true, false], "one vote changes nothing");
    company.clock.set(-DAY_S);
    company.votes(&approval, "bob", 0);
    let report = company.json(&["wait", &run, "--json"], 0);
    end(second);
    assert_eq!(company.lets_in(), [false, false]);

    let output = &report["claims"]["output"];
    assert_eq!((&output["credential"], &output["done"], &output["ticket"]["closed"]), (&json!("billing"), &json!(true), &json!(true)));
    let rotated = |at: usize| (&output["rotations"][at]["stage"], &output["rotations"][at]["old_refused"]);
    assert_eq!([rotated(0), rotated(1)], [(&json!("sandbox"), &json!(true)), (&json!("production"), &json!(true))]);
    let tickets = company.tracker.tickets();
    let id = output["ticket"]["id"].as_str().unwrap();
    let ticket = tickets.iter().find(|ticket| ticket["id"] == id).unwrap();
    assert_eq!((tickets.len(), &ticket["status"]["name"]), (1, &json!("resolved")), "{tickets:?}");
    let messages: Vec<String> =
        ticket["messages"].as_array().unwrap().iter().map(|message| company.tracker.message(message["id"].as_str().unwrap())).collect();
    assert!(
        messages.last().unwrap().contains("production: billing was rotated, version 2; the old value was refused (401)"),
        "{messages:?}"
    );

    evidence(&mut company, &report, &approval);
    nowhere(&mut company, &run, &messages.concat());
}

/// The host's own account of the run: for each credential and for the approval.
fn evidence(company: &mut Company, report: &Value, approval: &Value) {
    let run = report["run"].as_str().unwrap().to_owned();
    let leases = report["evidence"]["leases"].as_array().unwrap();
    for name in ["billing", "billing-sandbox"] {
        let lease = leases.iter().find(|lease| lease["credential"] == name).unwrap_or_else(|| panic!("{report}"));
        assert_eq!(lease["probes"], json!([{ "refused": true, "status": 401, "version": 1 }]), "{lease}");
    }
    let scopes = report["evidence"]["credentials"].as_array().unwrap();
    let scope = |name: &str| scopes.iter().find(|scope| scope["credential"] == name).unwrap();
    assert_eq!((&scope("billing")["environment"], &scope("billing-sandbox")["environment"]), (&json!("production"), &json!("sandbox")));
    assert_eq!((&scope("billing")["may"], &scope("tracker")["may"]), (&json!(["identify", "rotate"]), &json!(["send"])));

    // Who, when, and what exactly.
    let approvals = report["evidence"]["approvals"].as_array().unwrap();
    let [used] = &approvals[..] else { panic!("{approvals:?}") };
    assert_eq!((&used["digest"], &used["state"], &used["approval"]), (&approval["digest"], &json!("used"), &approval["approval"]));
    let votes = used["votes"].as_array().unwrap();
    let who: Vec<&str> = votes.iter().map(|vote| vote["person"].as_str().unwrap()).collect();
    assert!(who == ["alice", "bob"] && votes.iter().all(|vote| vote["key"].as_str().unwrap().starts_with("SHA256:")), "{used}");
    assert!(votes.iter().all(|vote| vote["at"].as_u64().unwrap() > 0) && used["ended_ms"].as_u64().unwrap() > 0, "{used}");
    let shown = company.ends(&["wait", &run], 0);
    for words in [
        "billing: for 127.0.0.1 in production, used by the host ×",
        "lease ended with the run, version 1 refused with 401",
        "set billing in production",
        ", once",
        "production-needs-two: production changes only under change management",
        "2 of change-board, asked at ",
        "alice approved it at ",
        "bob approved it at ",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(company.ends(&["audit", "verify"], 0).contains("WHOLE"));
    assert!(company.ends(&["replay", &run], 0).contains("identical"));
}

/// No password is anywhere but where it belongs: the leaked one in the leaked file, and those in use at the servers and, sealed, in the vault.
fn nowhere(company: &mut Company, run: &str, messages: &str) {
    let vault = Local::new(&company.program.place().home);
    let new: Vec<String> = ["billing", "billing-sandbox"].iter().map(|name| text_of(&vault.get(name).unwrap().0)).collect();
    for (name, value) in ["billing", "billing-sandbox"].iter().zip(&new) {
        assert_eq!(company.rabbit.who_am_i(name, value).status, 200, "the control: these are the passwords");
    }
    let run: RunId = run.parse().unwrap();
    for args in [&["audit", "show", "--json"][..], &["audit", "touched"], &["show", &run.to_string()], &["credentials", "ls"], &["ps"]] {
        company.ends(args, 0);
    }
    let password = company.tracker.password().to_owned();
    let all = [LEAKED, SANDBOX, &new[0], &new[1], &password];
    assert_nowhere("what was printed", &company.printed, &all);
    assert_nowhere("the ticket", messages.as_bytes(), &all);
    // The agent read the leaked file, so what leaked is sealed beside the record, like all that a run reads. The others are not even there.
    assert_in_no_file(company.program.place(), &all);
    assert_nowhere_in(company.program.place(), run, &all[1..]);
    let leak = std::fs::read(company.here().join("src/deploy/billing.env")).unwrap();
    assert!(contains(&leak, LEAKED.as_bytes()), "the control");
}
