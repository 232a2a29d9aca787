//! A whole rotation as a user does it: the program, a real RabbitMQ, and an agent that never sees either password.

use std::process::Output;

use serde_json::{Value, json};
use tests::guests::guest;
use tests::program::Program;
use tests::rabbitmq::RabbitMq;
use vault::Local;

use crate::rotation::{assert_nowhere, assert_nowhere_in, text_of};

const FIRST: &str = "first-password-61f0ce";

fn config(port: u16) -> String {
    let wasm = guest("rotates").display().to_string();
    format!(
        "[agents.rotates]\ncomponent = {wasm:?}\n[[agents.rotates.credentials]]\nname = \"broker\"\nmay = [\"rotate\"]\n\
         [credentials.broker]\nkind = \"basic\"\nuser = \"service\"\nsource = \"local\"\nhosts = [\"127.0.0.1\"]\nscheme = \"http\"\nport = {port}\n\
         [credentials.broker.rotate]\ntest = \"/api/whoami\"\n[credentials.broker.rotate.set]\nmethod = \"PUT\"\n\
         path = \"/api/users/service\"\nbody = '{{\"tags\": \"administrator\"}}'\nfield = \"password\"\n"
    )
}

/// The output on both streams of a command that must succeed.
#[track_caller]
fn said(output: &Output) -> String {
    let said = [output.stdout.as_slice(), &output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    said
}

#[test]
fn rabbitmq_refuses_the_old_password_after_an_agent_rotated_it_that_saw_neither() {
    let Some(rabbit) = RabbitMq::start("service", FIRST) else { return };
    let program = Program::new(&config(rabbit.port()));
    let stdin = program.folder().join("stdin");
    std::fs::write(&stdin, format!("{FIRST}\n")).unwrap();
    let mut set =
        program.command(&[], &["credentials", "set", "--weak", "broker", "--for", &format!("http://127.0.0.1:{}", rabbit.port())]);
    let mut all = vec![said(&set.stdin(std::fs::File::open(&stdin).unwrap()).output().unwrap())];

    let input = json!({ "name": "broker", "steps": ["create", "set", "test", "finish"] }).to_string();
    let output = program.run(&["run", "rotates", "--trust", "--json", "--input", &input]);
    all.push(said(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let told = &report["claims"]["output"]["steps"];
    assert_eq!((&told[0]["version"], &told[1]["status"], &told[2]["accepted"]), (&json!(2), &json!(204), &json!(true)), "{told}");
    assert_eq!(told[3], json!({ "version": 2, "old_refused": true, "status": 401 }));

    // Ask RabbitMQ directly about both passwords. A 401 has two possible reasons; here it is the password.
    let (new, version) = Local::new(&program.place().home).get("broker").unwrap();
    let new = text_of(&new);
    assert_eq!((version, rabbit.who_am_i("service", &new).status), (2, 200));
    let old = rabbit.who_am_i("service", FIRST);
    assert!(old.status == 401 && old.body.contains("Login failed"), "{old:?}");
    let untagged = rabbit.put_user("plain", "{\"tags\": \"\", \"password\": \"plain-password\"}", ("service", &new));
    assert_eq!(untagged.status, 201, "{untagged:?}");
    let untagged = rabbit.who_am_i("plain", "plain-password");
    assert!(untagged.status == 401 && untagged.body.contains("Not management user"), "{untagged:?}");

    let touched = program.run(&["audit", "touched", "--json"]);
    all.push(said(&touched));
    let touched: Value = serde_json::from_slice(&touched.stdout).unwrap();
    let lease = &touched["leases"][0];
    assert_eq!(lease["credential"], "broker", "{touched}");
    assert_eq!(lease["probes"], json!([{ "refused": true, "status": 401, "version": 1 }]), "{touched}");
    for args in [&["audit", "show", "--kind", "lease-probed"][..], &["show", report["run"].as_str().unwrap()], &["audit", "touched"]] {
        let printed = said(&program.run(args));
        let line = printed.lines().find(|line| line.contains("broker") && line.contains("refused") && line.contains("401"));
        assert!(line.is_some_and(|line| line.contains("version 1") || line.contains("v1 ")), "{args:?}: {printed}");
        all.push(printed);
    }
    for args in [&["replay", "latest"][..], &["audit", "verify"], &["audit", "show", "--json"], &["credentials", "ls"], &["check"]] {
        all.push(said(&program.run(args)));
    }
    assert!(all.iter().any(|said| said.contains("identical")), "{all:?}");

    assert_nowhere("what was printed", all.concat().as_bytes(), &[FIRST, &new]);
    assert_nowhere_in(program.place(), report["run"].as_str().unwrap().parse().unwrap(), &[FIRST, &new]);
    assert_eq!(rabbit.said(), "", "RabbitMQ reported no errors");
}
