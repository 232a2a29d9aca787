//! Rotation, and identifying values, by an agent that never sees a value. The target is a server of the test, which behaves like a
//! service, or wrongly.

use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use run::{LocalHost, RunError, RunOrder, RunReport, Settlement, Which};
use serde_json::{Value, json};
use tests::host::{TestHost, mount, options, place, records};
use tests::program::Program;
use tests::server::{Heard, Server, Step, response};
use vault::{Local, LocalError, Outgoing, Secret};
use vocabulary::record::Record;
use vocabulary::{Binding, May, Method, Outcome, Placement, Rotation, RotationSet, RunId, Scheme, Source};

use crate::child;
use crate::ending::{done, ended};

const OLD: &str = "first-value-4d1b7e";
const USER: &str = "service";
const SET: &str = "/api/users/service";
const ALL: [&str; 4] = ["create", "set", "test", "finish"];

/// The text of a value in the vault. Only the code that places a value can see it, so this places it.
pub(crate) fn text_of(secret: &Secret) -> String {
    let (mut target, mut headers, mut body) =
        (vocabulary::HttpTarget::parse(Scheme::Https, "a.test", "/").unwrap(), Vec::new(), bytes::Bytes::new());
    let method = Method::new("GET").unwrap();
    let mut outgoing = Outgoing { method: &method, target: &mut target, headers: &mut headers, body: &mut body };
    vault::place(secret, &Placement::Bearer, &mut outgoing, 0).unwrap();
    let header = String::from_utf8(headers[0].value.clone()).unwrap();
    header.strip_prefix("Bearer ").unwrap().to_owned()
}

/// Checks that no value is in the files of a run, neither as it is nor in the form in which it is sent.
#[track_caller]
pub(crate) fn assert_nowhere(where_: &str, bytes: &[u8], values: &[&str]) {
    let forms = values.iter().flat_map(|value| {
        let hex = value.bytes().map(|byte| format!("{byte:02x}")).collect();
        [(*value).to_owned(), STANDARD.encode(value).trim_end_matches('=').to_owned(), STANDARD.encode(format!("{USER}:{value}")), hex]
    });
    for form in forms {
        assert!(!tests::tools::contains(bytes, form.as_bytes()), "`{form}` is in {where_}");
    }
}

/// Checks that no value is in any file of these folders, nor in the opened payloads beside the record of a run.
pub(crate) fn assert_nowhere_in(place: &run::HomePlace, run: RunId, values: &[&str]) {
    let mut folders = vec![place.home.clone(), place.state.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
            match entry.file_type().unwrap() {
                kind if kind.is_dir() => folders.push(entry.path()),
                kind if kind.is_file() => {
                    assert_nowhere(&entry.path().display().to_string(), &std::fs::read(entry.path()).unwrap(), values);
                }
                _ => {}
            }
        }
    }
    let reader = journal::Reader::open(&place.home).unwrap();
    let mut leaves = 0;
    for leaf in gate::leaves(&reader, run) {
        let leaf = leaf.unwrap();
        leaves += 1;
        assert_nowhere("a record", &leaf.body, values);
        leaf.payloads.iter().for_each(|payload| assert_nowhere("a payload", payload, values));
    }
    assert!(leaves > 0);
}

/// How a target behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It accepts only the new value.
    Honest,
    /// It continues to accept the old value.
    KeepsOld,
    /// It says that it set the new value, but did not.
    Forgets,
    /// It sets the new value, but never answers.
    NeverAnswers,
}

/// A service with one user that repeats everything that it receives.
async fn target(manner: Manner) -> Server {
    let good = Arc::new(Mutex::new(vec![OLD.to_owned()]));
    Server::answering(move |_, heard| {
        let mut good = good.lock().unwrap();
        let said = |status| vec![Step::Say(response(status, [heard.head.as_bytes(), &heard.body].concat().as_slice()))];
        if !good.contains(&password(heard)) {
            return said(401);
        }
        if heard.method != "PUT" {
            return said(200);
        }
        let body: Value = serde_json::from_slice(&heard.body).unwrap();
        assert_eq!((&body["tags"], heard.path.as_str()), (&json!("administrator"), SET));
        let new = body["password"].as_str().unwrap().to_owned();
        match manner {
            Manner::Forgets => {}
            Manner::KeepsOld => good.push(new),
            Manner::Honest | Manner::NeverAnswers => *good = vec![new],
        }
        if manner == Manner::NeverAnswers { vec![Step::Hang] } else { said(204) }
    })
    .await
}

/// The password of a request.
fn password(heard: &Heard) -> String {
    let header = heard.head.lines().find_map(|line| line.strip_prefix("authorization: Basic ")).unwrap_or_default();
    let pair = String::from_utf8(STANDARD.decode(header).unwrap()).unwrap();
    pair.strip_prefix("service:").unwrap_or_default().to_owned()
}

fn bound(name: &str, port: u16) -> Binding {
    let set = RotationSet {
        method: Method::new("PUT").unwrap(),
        path: SET.to_owned(),
        body: json!({ "tags": "administrator" }).to_string(),
        field: "password".to_owned(),
    };
    Binding {
        scheme: Scheme::Http,
        port: Some(port),
        rotation: Some(Rotation { set, test_path: "/api/whoami".to_owned() }),
        ..Binding::new(name, vec!["127.0.0.1".parse().unwrap()], Placement::Basic { user: USER.to_owned() }, Source::Local)
    }
}

fn vault(place: &run::HomePlace) -> Local {
    let vault = Local::new(&place.home);
    for (name, value) in [("broker", OLD), ("other", "other-value-91c0")] {
        vault.set_for(name, Secret::new(value.as_bytes().to_vec()).unwrap(), &tests::asks::loopback(), 1).unwrap();
    }
    vault
}

/// The order for the agent with these steps for `broker`, which it may rotate.
fn order(mut order: RunOrder, port: u16, steps: &[&str]) -> RunOrder {
    order.grants.credentials = vec![bound("broker", port)];
    order.grants.may = [("broker".to_owned(), vec![May::Rotate])].into();
    order.input = json!({ "name": "broker", "steps": steps }).to_string();
    order
}

fn output(report: &RunReport) -> &Value {
    report.claims.output.as_ref().unwrap()
}

fn is_refused(told: &Value, code: &str) -> bool {
    told["refusal"].as_str().is_some_and(|text| text.starts_with(&format!("refused as `{code}`")))
}

fn version(vault: &Local) -> u64 {
    vault.get("broker").unwrap().1
}

/// The changes and the probes on the record, in order.
fn changes(records: &[Record]) -> Vec<(&'static str, u64, Option<u16>)> {
    let one = |record: &Record| match record {
        Record::CredentialChanged(changed) => Some(("changed", changed.version.unwrap(), None)),
        Record::LeaseProbed(probed) => Some((if probed.refused { "refused" } else { "not refused" }, probed.version, probed.status)),
        _ => None,
    };
    records.iter().filter_map(one).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_step_goes_out_under_the_value_that_it_is_about_and_neither_is_left_anywhere() {
    let host = TestHost::new();
    let vault = vault(&host.place());
    let server = target(Manner::Honest).await;
    let report = done(&host, order(host.order("rotates", &[]), server.port(), &ALL)).await;
    let told = &output(&report)["steps"];
    let expected = json!([
        { "version": 2 },
        { "accepted": true, "status": 204 },
        { "accepted": true, "status": 200 },
        { "version": 2, "old_refused": true, "status": 401 },
    ]);
    assert_eq!(told, &expected);
    let granted = json!([{ "name": "broker", "kind": "basic", "hosts": ["127.0.0.1"], "may": ["rotate"] }]);
    assert_eq!(output(&report)["granted"], granted);
    let (new, version) = vault.get("broker").unwrap();
    let new = text_of(&new);
    assert!(version == 2 && new != OLD);
    let heard: Vec<_> = server.heard().iter().map(|heard| (heard.method.clone(), heard.path.clone(), password(heard))).collect();
    let get = |value: &str| ("GET".to_owned(), "/api/whoami".to_owned(), value.to_owned());
    assert_eq!(heard, [("PUT".to_owned(), SET.to_owned(), OLD.to_owned()), get(&new), get(&new), get(OLD)]);
    assert_eq!(changes(&host.records(report.run)), [("changed", 2, None), ("refused", 1, Some(401))]);
    assert_nowhere("the report", &serde_json::to_vec(&report).unwrap(), &[OLD, &new]);
    assert_nowhere_in(&host.place(), report.run, &[OLD, &new]);
    let rebuilt = host.house.rebuild(&run::Rebuilding { run: report.run, with: None }).await.unwrap();
    assert!(rebuilt.divergence.is_none(), "{:?}", rebuilt.divergence);
    assert_eq!(server.heard().len(), 4, "a rebuild asks nobody");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_before_its_turn_is_malformed_and_nothing_is_sent() {
    let host = TestHost::new();
    let vault = vault(&host.place());
    let server = target(Manner::Honest).await;
    let report = done(&host, order(host.order("rotates", &[]), server.port(), &["set", "test", "finish"])).await;
    let told = output(&report)["steps"].as_array().unwrap();
    assert!(told.len() == 3 && told.iter().all(|told| is_refused(told, "malformed")), "{told:?}");
    assert_eq!((server.heard().len(), version(&vault)), (0, 1));
    assert!(changes(&host.records(report.run)).is_empty());
    // The control: the agent's steps work, and a finished rotation can't be finished twice.
    let again = done(&host, order(host.order("rotates", &[]), server.port(), &["create", "set", "finish", "finish"])).await;
    let told = &output(&again)["steps"];
    assert!(told[2]["old_refused"] == true && is_refused(&told[3], "malformed"), "{told}");
    assert_eq!((server.heard().len(), version(&vault)), (3, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_that_the_target_does_not_accept_takes_nobodys_place() {
    let host = TestHost::new();
    let vault = vault(&host.place());
    let server = target(Manner::Forgets).await;
    let report = done(&host, order(host.order("rotates", &[]), server.port(), &ALL)).await;
    let told = &output(&report)["steps"];
    assert_eq!((&told[1], &told[2]), (&json!({ "accepted": true, "status": 204 }), &json!({ "accepted": false, "status": 401 })));
    assert!(is_refused(&told[3], "malformed"), "{told}");
    let (value, version) = vault.get("broker").unwrap();
    assert_eq!((text_of(&value).as_str(), version), (OLD, 1));
    assert!(changes(&host.records(report.run)).is_empty());
    assert!(!server.heard()[1..].iter().any(|heard| password(heard) == OLD), "the old value is tried only if the new one is accepted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_value_that_still_lets_in_is_told_and_recorded_as_not_refused() {
    let host = TestHost::new();
    let vault = vault(&host.place());
    let server = target(Manner::KeepsOld).await;
    let report = done(&host, order(host.order("rotates", &[]), server.port(), &ALL)).await;
    assert_eq!(output(&report)["steps"][3], json!({ "version": 2, "old_refused": false, "status": 200 }));
    assert_eq!(version(&vault), 2);
    assert_eq!(changes(&host.records(report.run)), [("changed", 2, None), ("not refused", 1, Some(200))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_value_that_waits_is_not_made_a_second_time() {
    let host = TestHost::new();
    let vault = vault(&host.place());
    let server = target(Manner::Honest).await;
    let one = done(&host, order(host.order("rotates", &[]), server.port(), &["create", "create"])).await;
    assert_eq!(output(&one)["steps"], json!([{ "version": 2 }, { "version": 2 }]));
    let waits = text_of(&vault.staged("broker").unwrap().0);
    let other = done(&host, order(host.order("rotates", &[]), server.port(), &["create"])).await;
    assert_eq!(output(&other)["steps"], json!([{ "version": 2 }]), "nor in another run");
    assert_eq!((text_of(&vault.staged("broker").unwrap().0), version(&vault), server.heard().len()), (waits, 1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_may_not_is_not_admitted_or_refused_and_nothing_is_sent() {
    let program = Program::new(&format!("[agents.rotates]\ncomponent = {:?}\n", tests::guests::guest("rotates").display().to_string()));
    let refused = program.run(&["run", "rotates", "--trust", "--input", "{}"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("credentials"), "{:?} {said}", refused.status);

    let host = TestHost::new();
    let vault = vault(&host.place());
    let server = target(Manner::Honest).await;
    for (may, code) in
        [(vec![("other", vec![May::Rotate])], "of another one"), (vec![("broker", vec![May::Identify])], "for something else")]
    {
        let mut order = order(host.order("rotates", &[]), server.port(), &ALL);
        order.grants.credentials.push(bound("other", server.port()));
        order.grants.may = may.into_iter().map(|(name, may)| (name.to_owned(), may)).collect();
        let report = ended(&host, order).await;
        let told = output(&report)["steps"].as_array().unwrap();
        assert!(told.len() == 4 && told.iter().all(|told| is_refused(told, "not-granted")), "{code}: {told:?}");
        let codes = tests::seen::codes(&host.records(report.run));
        assert_eq!(codes, ["credential-use-not-granted"; 4], "{code}");
    }
    assert!(matches!(vault.staged("broker"), Err(LocalError::NotStaged(_))));
    assert_eq!((server.heard().len(), version(&vault)), (0, 1));
}

/// A home with a vault, and the order of a whole rotation.
pub(crate) async fn ready(folder: &Path, manner: Manner) -> (Server, RunOrder, Local) {
    let place = place(folder);
    let (vault, server) = (vault(&place), target(manner).await);
    let wasm = std::fs::read(tests::guests::guest("rotates")).unwrap();
    let order = order(TestHost::order_in(&place, "rotates", &wasm, &[]), server.port(), &ALL);
    (server, order, vault)
}

/// A home in which a run was killed after the target had set the new value, and before it had answered.
async fn cut_off_while_setting(folder: &Path) -> (Server, RunId, Local) {
    let (server, order, vault) = ready(folder, Manner::NeverAnswers).await;
    let place = place(folder);
    let mut child = child::start(folder, &order);
    server.until(|counts| counts.heard == 1).await;
    child.start_kill().unwrap();
    child.wait().await.unwrap();
    let reader = journal::Reader::open(&place.home).unwrap();
    let run = reader.records().map(|record| record.unwrap().run).find(|run| *run != journal::log_run()).unwrap();
    (server, run, vault)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_set_of_which_nobody_knows_waits_for_a_person_and_the_new_value_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (server, run, vault) = cut_off_while_setting(folder.path()).await;
    let place = place(folder.path());
    let house = LocalHost::open(&place, &options()).unwrap();
    let resume = async || house.resume(run, run::own_principal(), &run::Surroundings::default()).await;
    for _ in 0..2 {
        let ended = match resume().await {
            Ok(running) => tests::host::report(running).await.outcome,
            Err(RunError::Unsettled { acts, .. }) => {
                assert!(acts.len() == 1 && acts[0].what.as_str().contains("set broker"), "{acts:?}");
                continue;
            }
            Err(other) => panic!("{other:?}"),
        };
        assert!(matches!(ended, Outcome::Unsettled { .. }), "{ended:?}");
    }
    let (new, staged) = vault.staged("broker").unwrap();
    let new = text_of(&new);
    assert_eq!((server.heard().len(), version(&vault), staged), (1, 1, 2), "nothing is sent again, and nothing is lost");
    house.settle(run, &Settlement { acts: Which::Only, did: true }, &run::own_principal()).await.unwrap();
    let report = tests::host::report(resume().await.unwrap()).await;
    let told = &output(&report)["steps"];
    assert!(is_refused(&told[1], "malformed") && told[2]["accepted"] == true && told[3]["old_refused"] == true, "{told}");
    assert_eq!(told[0]["version"], 2);
    assert_eq!((text_of(&vault.get("broker").unwrap().0), version(&vault)), (new.clone(), 2));
    assert_eq!(server.heard().iter().filter(|heard| heard.method == "PUT").count(), 1);
    assert_eq!(changes(&records(&place.home, run)), [("changed", 2, None), ("refused", 1, Some(401))]);
    house.close().unwrap();
    assert_nowhere_in(&place, run, &[OLD, &new]);
}

/// The order for the agent, which may identify the lines of a file.
fn asking(host: &TestHost, found: &Path, may: &[(&str, &[May])]) -> RunOrder {
    let mut order = order(host.order("rotates", &[]), 1, &[]);
    order.grants.credentials.push(bound("other", 1));
    order.grants.may = may.iter().map(|(name, may)| ((*name).to_owned(), may.to_vec())).collect();
    order.input = json!({ "look_in": "/found/values" }).to_string();
    mount(&mut order, "/found", found);
    order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_value_is_known_again_only_for_whom_that_was_granted_and_is_not_kept() {
    let host = TestHost::new();
    let _ = vault(&host.place());
    let found = tempfile::tempdir().unwrap();
    let values = [OLD, "nobodys-value-77aa", "other-value-91c0", "first-value-4d1b7", "seven77"];
    // The record keeps the content of the file, which has the values backwards, so that only the ask could leave a value there.
    let turned = values.map(|value| value.chars().rev().collect::<String>());
    std::fs::write(found.path().join("values"), turned.join("\n")).unwrap();
    let both: &[(&str, &[May])] = &[("broker", &[May::Identify]), ("other", &[May::Rotate])];
    let report = done(&host, asking(&host, found.path(), both)).await;
    let told = output(&report)["found"].as_array().unwrap();
    assert_eq!(told[..4], [json!({ "name": "broker", "version": 1 }), json!({}), json!({}), json!({})]);
    assert!(is_refused(&told[4], "malformed"), "{told:?}");
    assert_nowhere("the report", &serde_json::to_vec(&report).unwrap(), &values);
    assert_nowhere_in(&host.place(), report.run, &values);
    let rebuilt = host.house.rebuild(&run::Rebuilding { run: report.run, with: None }).await.unwrap();
    assert!(rebuilt.divergence.is_none(), "{:?}", rebuilt.divergence);
    // The grant (`identify`) decides, not the value.
    let report = done(&host, asking(&host, found.path(), &[("other", &[May::Identify])])).await;
    assert_eq!(output(&report)["found"][2], json!({ "name": "other", "version": 1 }));
    assert_eq!(output(&report)["found"][0], json!({}));
    let report = done(&host, asking(&host, found.path(), &[("other", &[May::Rotate])])).await;
    let told = output(&report)["found"].as_array().unwrap();
    assert!(told[..4].iter().all(|told| is_refused(told, "not-granted")), "{told:?}");
}

/// Sixty are allowed at once, and then one per second: as long as the agent asks faster than that, some asks are refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_whose_a_value_is_again_and_again_is_held_back() {
    let host = TestHost::new();
    let _ = vault(&host.place());
    let found = tempfile::tempdir().unwrap();
    std::fs::write(found.path().join("values"), "nobodys-value-77aa\n".repeat(600)).unwrap();
    let may: &[(&str, &[May])] = &[("broker", &[May::Identify])];
    let report = done(&host, asking(&host, found.path(), may)).await;
    let told = output(&report)["found"].as_array().unwrap();
    let refused = told.iter().position(|told| is_refused(told, "over-limit"));
    assert!(refused.is_some_and(|first| first >= 60), "{refused:?}");
    assert!(told.iter().all(|told| *told == json!({}) || is_refused(told, "over-limit")));
    // Another run of the same agent shares the rate.
    let again = done(&host, asking(&host, found.path(), may)).await;
    let told = output(&again)["found"].as_array().unwrap();
    assert!(told[..60].iter().any(|told| is_refused(told, "over-limit")), "{told:?}");
}
