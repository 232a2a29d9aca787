//! What a run did is taken back: with the program, an agent that registers undos, and servers on loopback.

use std::process::{Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tests::host::records;
use tests::program::Program;
use tests::server::{Server, Step, response};
use vocabulary::record::{Record, RecordKind, UndoEnd};
use vocabulary::{RunId, UndoRegistration};

/// Things by their paths, which a server keeps. `PUT` makes or replaces one, `DELETE` removes one that is there.
type Things = Arc<Mutex<Vec<(String, String)>>>;

/// The public key of somebody who may vote.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

/// A server with things, and an agent that changes them and registers how that can be taken back.
struct Scene {
    program: Program,
    server: Server,
    things: Things,
    /// The status of each answer to a `DELETE`, if it is not 0. With 1, the connection is cut off.
    deletes: Arc<AtomicU16>,
}

fn answer(things: &Things, deletes: u16, heard: &tests::server::Heard) -> Vec<Step> {
    let mut things = things.lock().unwrap();
    let at = things.iter().position(|(path, _)| *path == heard.path);
    let status = match (heard.method.as_str(), at) {
        ("DELETE", _) if deletes == 1 => return vec![Step::Close],
        ("DELETE", _) if deletes > 0 => deletes,
        ("DELETE", Some(at)) => {
            things.remove(at);
            204
        }
        ("DELETE", None) => 404,
        ("PUT", _) if heard.path.ends_with("/refused") => 409,
        ("PUT", Some(at)) => {
            things[at].1 = String::from_utf8_lossy(&heard.body).into_owned();
            204
        }
        ("PUT", None) => {
            things.push((heard.path.clone(), String::from_utf8_lossy(&heard.body).into_owned()));
            201
        }
        _ => 200,
    };
    vec![Step::Say(response(status, b""))]
}

impl Scene {
    async fn new(policy: &str) -> Self {
        let (things, deletes) = (Things::default(), Arc::new(AtomicU16::new(0)));
        let (kept, says) = (Arc::clone(&things), Arc::clone(&deletes));
        let server = Server::answering(move |_, heard| answer(&kept, says.load(Ordering::Relaxed), heard)).await;
        let scene = Self { program: Program::new(""), server, things, deletes };
        std::fs::create_dir(scene.program.folder().join("here/policy")).unwrap();
        scene.configure(policy, r#""PUT", "DELETE", "POST", "GET""#);
        scene
    }

    /// Writes a configuration with these policies and methods, and trusts it.
    fn configure(&self, policy: &str, methods: &str) {
        let (guest, port) = (tests::guests::guest("takes_back").display().to_string(), self.server.port());
        std::fs::write(self.program.folder().join("here/policy/all.cedar"), policy).unwrap();
        let own = run::own_principal().name.unwrap().to_string();
        let people =
            format!("[people.own]\ngroups = [\"board\"]\nuser = {own:?}\n\n[people.carol]\ngroups = [\"board\"]\nkeys = [{KEY:?}]\n\n");
        let rules = if policy.is_empty() { String::new() } else { format!("[policy]\nfiles = [\"policy/*.cedar\"]\n\n{people}") };
        let text = format!(
            "{rules}[agents.takes-back]\ncomponent = {guest:?}\nundo = true\n\n[[agents.takes-back.http]]\nhost = \"127.0.0.1\"\nport = {port}\n\
             scheme = \"http\"\nmethods = [{methods}]\npaths = [\"/things/**\"]\n"
        );
        std::fs::write(self.program.config(), text).unwrap();
        self.ends(&["trust"], 0);
    }

    fn url(&self, name: &str) -> String {
        self.server.url(&format!("/things/{name}"))
    }

    fn register(&self, name: &str, undo: (&str, &str)) -> Value {
        json!({ "what": "register", "act": ["PUT", self.url(name)], "request": [undo.0, self.url(undo.1)], "done_at": [404],
                "words": format!("takes {name} back"), "pre_image": "nothing" })
    }

    fn put(&self, name: &str) -> Value {
        json!({ "what": "send", "act": ["PUT", self.url(name)], "body": "new" })
    }

    /// Runs the program, which must end with this code. Returns what it printed on both streams.
    #[track_caller]
    fn ends(&self, args: &[&str], code: i32) -> String {
        let output = self.program.run(args);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        said
    }

    /// Runs the agent. Returns the run, and what it was told.
    #[track_caller]
    fn does(&self, steps: &[Value], code: i32) -> (String, Vec<String>) {
        let input = json!({ "steps": steps }).to_string();
        let output = self.program.run(&["run", "takes-back", "--json", "--input", &input]);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let told = report["claims"]["output"]["told"].as_array().cloned().unwrap_or_default();
        (report["run"].as_str().unwrap().to_owned(), told.iter().map(|word| word.as_str().unwrap().to_owned()).collect())
    }

    /// Makes these things, each with an undo.
    #[track_caller]
    fn makes(&self, names: &[&str]) -> String {
        let steps: Vec<Value> = names.iter().flat_map(|name| [self.register(name, ("DELETE", name)), self.put(name)]).collect();
        let (run, told) = self.does(&steps, 0);
        assert!(told.iter().skip(1).step_by(2).all(|word| word == "201"), "{told:?}");
        run
    }

    fn names(&self) -> Vec<String> {
        self.things.lock().unwrap().iter().map(|(path, _)| path.trim_start_matches("/things/").to_owned()).collect()
    }

    fn heard(&self, method: &str) -> Vec<String> {
        let of = self.server.heard().into_iter().filter(|heard| heard.method == method);
        of.map(|heard| heard.path.trim_start_matches("/things/").to_owned()).collect()
    }

    fn records(&self, run: &str) -> Vec<Record> {
        records(&self.program.place().home, run.parse::<RunId>().unwrap())
    }

    /// The rollback that was opened last, with the ends of its undos.
    fn ends_of_undos(&self) -> (String, Vec<(u64, UndoEnd, Option<u16>)>) {
        let all = self.program.run(&["audit", "show", "--kind", "run-opened", "--json"]).stdout;
        let opened: Vec<Value> = String::from_utf8(all).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let last = opened.iter().rfind(|line| line.to_string().contains("rolls_back")).unwrap();
        let run = last["run"].as_str().unwrap().to_owned();
        let ends = self.records(&run).into_iter().filter_map(|record| match record {
            Record::UndoDone(done) => Some((done.id, done.end, done.status)),
            _ => None,
        });
        let ends = ends.collect();
        (run, ends)
    }

    /// Checks the whole record, and rebuilds a run from it.
    #[track_caller]
    fn holds(&self, run: &str) {
        self.ends(&["audit", "verify"], 0);
        let said = self.ends(&["replay", run], 0);
        assert!(said.contains("identical"), "{said}");
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_run_made_is_taken_back_in_reverse_order_and_nothing_twice() {
    let scene = Scene::new("").await;
    let run = scene.makes(&["a", "b", "c"]);
    assert_eq!(scene.names(), ["a", "b", "c"]);
    let plan = scene.ends(&["rollback", &run, "--plan"], 0);
    for words in ["can be taken back, in this order:", "undo 3  DELETE", "the agent says (unverified): takes c back"] {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    assert_eq!(scene.heard("DELETE").len(), 0, "a plan sends nothing");
    let done = scene.ends(&["rollback", &run], 0);
    assert!(done.contains("undo 1: done, status 204"), "{done}");
    assert_eq!((scene.names().len(), scene.heard("DELETE")), (0, ["c", "b", "a"].map(str::to_owned).to_vec()));
    let (rollback, ends) = scene.ends_of_undos();
    assert_eq!(ends, [3, 2, 1].map(|id| (id, UndoEnd::Done, Some(204))));
    scene.holds(&rollback);
    scene.holds(&run);
    let again = scene.ends(&["rollback", &run], 2);
    assert!(again.contains("nothing is left that could be taken back"), "{again}");
    let of_rollback = scene.ends(&["rollback", &rollback], 2);
    assert!(of_rollback.contains("it is a rollback itself"), "{of_rollback}");
    assert_eq!(scene.heard("DELETE").len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_record_keeps_an_undo_sealed_and_names_it_with_its_act() {
    let scene = Scene::new("").await;
    let run = scene.makes(&["a"]);
    let records = scene.records(&run);
    let kinds: Vec<RecordKind> = records.iter().map(Record::kind).collect();
    let place = |kind| kinds.iter().position(|known| *known == kind);
    assert!(place(RecordKind::UndoRegistered) < place(RecordKind::Asked), "it is on the record before the intent: {kinds:?}");
    let uses = records.iter().find_map(|record| if let Record::Asked(asked) = record { asked.bounds.undo } else { None });
    assert_eq!(uses, Some(1));
    let shown = scene.ends(&["show", &run, "--full"], 0);
    for words in ["undo-registered", "> DELETE http://", "pre-image", "nothing"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let reader = journal::Reader::open(&scene.program.place().home).unwrap();
    let mut found = 0;
    for record in reader.of_run(run.parse().unwrap()) {
        let record = record.unwrap();
        if matches!(Record::parse(&record.body), Ok(Record::UndoRegistered(_))) {
            let undo = UndoRegistration::from_canonical_bytes(&gate::sealed(&reader, &record).unwrap()).unwrap();
            assert_eq!((&undo.pre_image[..], undo.request.method.as_str()), (&b"nothing"[..], "DELETE"));
            assert!(!String::from_utf8_lossy(&record.body).contains("nothing"), "the pre-image is only sealed");
            found += 1;
        }
    }
    assert_eq!(found, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_taken_back_is_listed_first_and_needs_a_word() {
    let scene = Scene::new("").await;
    let (run, _) = scene.does(&[scene.put("bare"), scene.register("a", ("DELETE", "a")), scene.put("a"), scene.put("refused")], 0);
    let refused = scene.ends(&["rollback", &run], 4);
    let (first, then) = (refused.find("can't be taken back:").unwrap(), refused.find("can be taken back, in").unwrap());
    assert!(first < then && refused.contains("--partial") && refused.contains("/things/bare"), "{refused}");
    assert!(!refused.contains("/things/refused"), "its server refused it: {refused}");
    assert_eq!(scene.heard("DELETE").len(), 0);
    scene.ends(&["rollback", &run, "--partial"], 0);
    assert_eq!(scene.names(), ["bare"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undo_that_fails_half_way_stops_the_rollback_and_the_next_one_continues() {
    let scene = Scene::new("").await;
    let run = scene.makes(&["a", "b", "c"]);
    scene.things.lock().unwrap().retain(|(path, _)| path != "/things/c");
    scene.deletes.store(500, Ordering::Relaxed);
    let failed = scene.ends(&["rollback", &run], 3);
    assert!(failed.contains("undo 3: NOT DONE, status 500") && failed.contains("0 of 3 undos are done"), "{failed}");
    assert_eq!(scene.heard("DELETE"), ["c"], "nothing after it was begun");
    scene.deletes.store(0, Ordering::Relaxed);
    // The third is not there any more, which the agent had said means that it is taken back.
    scene.ends(&["rollback", &run], 0);
    assert_eq!(scene.heard("DELETE"), ["c", "c", "b", "a"]);
    let (rollback, ends) = scene.ends_of_undos();
    assert_eq!(ends, [(3, UndoEnd::Done, Some(404)), (2, UndoEnd::Done, Some(204)), (1, UndoEnd::Done, Some(204))]);
    scene.holds(&rollback);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undo_with_an_unknown_outcome_is_settled_by_a_person_and_not_repeated_before() {
    let scene = Scene::new("").await;
    let run = scene.makes(&["a", "b"]);
    scene.deletes.store(1, Ordering::Relaxed);
    let unknown = scene.ends(&["rollback", &run], 8);
    assert!(unknown.contains("undo 2: UNKNOWN"), "{unknown}");
    scene.deletes.store(0, Ordering::Relaxed);
    let waits = scene.ends(&["rollback", &run], 8);
    assert!(waits.contains("unknown whether an undo was done: undo 2"), "{waits}");
    assert_eq!(scene.heard("DELETE"), ["b"], "it was not sent a second time");
    let nothing = scene.ends(&["rollback", &scene.makes(&["z"]), "--settle", "did"], 2);
    assert!(nothing.contains("nothing to settle"), "{nothing}");
    scene.ends(&["rollback", &run, "--settle", "did-not"], 0);
    assert_eq!((scene.heard("DELETE"), scene.names()), (["b", "b", "a"].map(str::to_owned).to_vec(), vec!["z".to_owned()]));
    let (rollback, ends) = scene.ends_of_undos();
    assert_eq!(ends[0], (2, UndoEnd::NotDone, None), "the person's word is on the record");
    scene.holds(&rollback);
    // The control: with the other word it is not sent again.
    let run = scene.makes(&["a", "b"]);
    scene.deletes.store(1, Ordering::Relaxed);
    scene.ends(&["rollback", &run], 8);
    scene.deletes.store(0, Ordering::Relaxed);
    scene.ends(&["rollback", &run, "--settle", "did"], 0);
    assert_eq!(scene.heard("DELETE"), ["b", "b", "a", "b", "a"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_that_is_killed_continues_and_sends_no_undo_twice() {
    let scene = Scene::new("").await;
    let run = scene.makes(&["a", "b", "c"]);
    let before = scene.server.counts().heard;
    let mut child = scene.program.command(&[], &["rollback", &run]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    scene.server.until(|counts| counts.heard > before).await;
    kill_process(Pid::from_child(&child), Signal::KILL).unwrap();
    child.wait().unwrap();
    // It may be unknown whether the undo that was under way was done. Then only a person's word lets it continue.
    let mut output = scene.program.run(&["rollback", &run]);
    if output.status.code() == Some(8) {
        let sent = scene.heard("DELETE");
        let last = sent.last().unwrap();
        let word = if scene.names().contains(last) { "did-not" } else { "did" };
        output = scene.program.run(&["rollback", &run, "--settle", word]);
        if output.status.code() == Some(3) {
            output = scene.program.run(&["rollback", &run]);
        }
    }
    let said = said(&output);
    assert!(matches!(output.status.code(), Some(0)) || said.contains("nothing is left"), "{said}");
    assert_eq!(scene.names(), Vec::<String>::new());
    assert_eq!(scene.heard("DELETE"), ["c", "b", "a"], "each was sent once");
    scene.ends(&["audit", "verify"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_registrations_are_refused_and_on_the_record() {
    let scene = Scene::new("").await;
    let elsewhere = json!({ "what": "register", "act": ["PUT", scene.url("a")], "request": ["DELETE", "http://elsewhere.test/things/a"] });
    let other_path = json!({ "what": "register", "act": ["PUT", scene.url("a")], "request": ["DELETE", scene.server.url("/other")] });
    let injected = json!({ "what": "register", "act": ["PUT", scene.url("a")], "request": ["DELETE", scene.url("a")],
                           "headers": [["x-a", "1\r\nhost: evil.test"]] });
    let host = json!({ "what": "register", "act": ["PUT", scene.url("a")], "request": ["DELETE", scene.url("a")],
                       "headers": [["host", "evil.test"]] });
    let large = json!({ "what": "register", "act": ["PUT", scene.url("a")], "request": ["DELETE", scene.url("a")], "large": 65_537 });
    let claims = json!({ "what": "register", "act": ["PUT", scene.url("a")], "request": ["DELETE", scene.url("a")], "done_at": [403] });
    let discharge = |id: u64| json!({ "what": "discharge", "id": id });
    let steps = [
        elsewhere,
        other_path,
        scene.register("a", ("GET", "a")),
        injected,
        host,
        large,
        claims,
        discharge(1),
        // The control.
        scene.register("a", ("DELETE", "a")),
        discharge(1),
        discharge(1),
        discharge(99),
    ];
    let (run, told) = scene.does(&steps, 0);
    let expected = [
        "not-granted",
        "not-granted",
        "malformed",
        "malformed",
        "not-granted",
        "over-limit",
        "malformed",
        "malformed",
        "1",
        "withdrawn",
        "malformed",
        "malformed",
    ];
    assert_eq!(told, expected);
    let refused = scene.records(&run).into_iter().filter(|record| record.kind() == RecordKind::Refused).count();
    assert_eq!(refused, 10, "each refusal is on the record");
    scene.holds(&run);
    let nothing = scene.ends(&["rollback", &run], 2);
    assert!(nothing.contains("nothing is left"), "{nothing}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undo_is_not_withdrawn_once_its_act_has_happened() {
    let scene = Scene::new("").await;
    let discharge = |id: u64| json!({ "what": "discharge", "id": id });
    let steps = [
        scene.register("a", ("DELETE", "a")),
        scene.put("a"),
        discharge(1),
        scene.register("refused", ("DELETE", "refused")),
        scene.put("refused"),
        discharge(2),
    ];
    let (run, told) = scene.does(&steps, 0);
    assert_eq!(told, ["1", "201", "malformed", "2", "409", "withdrawn"]);
    scene.ends(&["rollback", &run], 0);
    assert_eq!(scene.names(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_registers_a_bounded_number_of_undos() {
    let scene = Scene::new("").await;
    let many = json!({ "what": "register", "times": 257, "act": ["PUT", scene.url("a")], "request": ["DELETE", scene.url("a")] });
    let large = json!({ "what": "register", "times": 65, "act": ["PUT", scene.url("a")], "request": ["DELETE", scene.url("a")],
                        "large": 64 << 10 });
    let (run, told) = scene.does(&[many], 0);
    assert_eq!((told[255].as_str(), told[256].as_str()), ("256", "over-limit"));
    scene.holds(&run);
    let (run, told) = scene.does(&[large], 0);
    assert_eq!((told[63].as_str(), told[64].as_str()), ("64", "over-limit"), "four MiB in all");
    scene.holds(&run);
}

/// Policies under which nothing is changed without an undo.
const DEMANDS: &str = r#"@id("may-ask") permit (principal, action in Action::"http", resource);
@id("can-be-undone") forbid (principal, action == Action::"http.write", resource)
unless { context.undo_registered || context.run.rolls_back };"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_can_demand_an_undo() {
    let scene = Scene::new(DEMANDS).await;
    let (run, told) =
        scene.does(&[scene.put("a"), scene.register("a", ("DELETE", "a")), scene.put("b"), scene.put("a"), scene.put("a")], 0);
    assert!(told[0].contains("Refused") && told[2].contains("Refused"), "without an undo of its own: {told:?}");
    assert_eq!((told[1].as_str(), told[3].as_str()), ("1", "201"));
    assert!(told[4].contains("Refused"), "one undo is for one act: {told:?}");
    scene.ends(&["rollback", &run], 0);
    assert_eq!(scene.names(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_and_policies_of_now_decide_about_a_rollback() {
    let scene = Scene::new(DEMANDS).await;
    let run = scene.makes(&["a", "b"]);
    scene.configure(&format!("{DEMANDS}\n@id(\"closed\") forbid (principal, action == Action::\"http.write\", resource) when {{ context.request.method == \"DELETE\" }};"), r#""PUT", "DELETE""#);
    let refused = scene.ends(&["rollback", &run], 4);
    assert!(refused.contains("undo 2: NOT DONE") && refused.contains("closed"), "{refused}");
    scene.configure(DEMANDS, r#""PUT""#);
    let refused = scene.ends(&["rollback", &run], 4);
    assert!(refused.contains("undo 2: NOT DONE"), "the grants do not have the method any more: {refused}");
    assert_eq!(scene.heard("DELETE").len(), 0);
    scene.configure(DEMANDS, r#""PUT", "DELETE""#);
    scene.ends(&["rollback", &run], 0);
    assert_eq!(scene.heard("DELETE"), ["b", "a"], "the control");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollback_of_a_run_that_has_not_ended_is_refused() {
    let scene = Scene::new(r#"@id("may-ask") permit (principal, action in Action::"http", resource);
@id("asks") @approval("board") forbid (principal, action == Action::"http.write", resource) unless { context.approvals.contains("board") };"#).await;
    let input = json!({ "steps": [scene.register("a", ("DELETE", "a")), scene.put("a")] }).to_string();
    scene.ends(&["run", "takes-back", "--input", &input], 7);
    let approvals: Value = serde_json::from_slice(&scene.program.run(&["approvals", "ls", "--json"]).stdout).unwrap();
    let (run, id) = (approvals[0]["run"].as_str().unwrap(), approvals[0]["approval"].as_str().unwrap());
    let card = scene.ends(&["approvals", "show", id], 0);
    assert!(card.contains("can be undone yes, by DELETE http://") && card.contains("the agent says (unverified): takes a back"), "{card}");
    let refused = scene.ends(&["rollback", run], 2);
    assert!(refused.contains("it has not ended"), "{refused}");
    scene.ends(&["stop", run], 0);
    let nothing = scene.ends(&["rollback", run], 2);
    assert!(nothing.contains("nothing is left"), "its act never began: {nothing}");
}
