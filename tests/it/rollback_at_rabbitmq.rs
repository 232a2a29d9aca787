//! A rollback as a user does it: the program, a real RabbitMQ, and an agent that `bailiwick build` has built.

use std::process::Output;

use serde_json::{Value, json};
use tests::program::Program;
use tests::rabbitmq::RabbitMq;
use tests::tools::root;

const PASSWORD: &str = "admin-password-8c1d4e";

fn config(component: &str, port: u16) -> String {
    format!(
        "[agents.takes-back]\ncomponent = {component:?}\nundo = true\n[[agents.takes-back.http]]\nhost = \"127.0.0.1\"\nport = {port}\n\
         scheme = \"http\"\nmethods = [\"GET\", \"PUT\", \"DELETE\"]\npaths = [\"/api/vhosts/*\", \"/api/users/*\"]\ncredential = \"broker\"\n\
         [credentials.broker]\nkind = \"basic\"\nuser = \"admin\"\nsource = \"local\"\nhosts = [\"127.0.0.1\"]\nscheme = \"http\"\nport = {port}\n"
    )
}

/// The output on both streams of a command that must end with this code.
#[track_caller]
fn said(output: &Output, code: i32) -> String {
    let said = String::from_utf8([output.stdout.as_slice(), &output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

/// Makes the project of the agent, with the source of the guest of that name. `run` builds it.
fn project(program: &Program) {
    said(&program.run(&["new", "takes-back"]), 0);
    let (from, to) = (root().join("tests/guests/sdk-agents/takes_back"), program.folder().join("here/takes-back"));
    for file in ["agent.toml", "src/lib.rs"] {
        std::fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

/// Lets the agent do these steps, and returns what it was told and the run.
#[track_caller]
fn does(program: &Program, steps: &Value) -> (Vec<Value>, String) {
    let output = program.run(&["run", "takes-back", "--json", "--input", &json!({ "steps": steps }).to_string()]);
    said(&output, 0);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let told = report["claims"]["output"]["told"].as_array().unwrap().clone();
    (told, report["run"].as_str().unwrap().to_owned())
}

#[test]
fn a_virtual_host_and_a_changed_user_are_taken_back_at_rabbitmq() {
    let Some(rabbit) = RabbitMq::start("admin", PASSWORD) else { return };
    let program = Program::new(&config("takes-back", rabbit.port()));
    project(&program);
    said(&program.run(&["trust"]), 0);
    let stdin = program.folder().join("stdin");
    std::fs::write(&stdin, format!("{PASSWORD}\n")).unwrap();
    let at = format!("http://127.0.0.1:{}", rabbit.port());
    let mut set = program.command(&[], &["credentials", "set", "--weak", "broker", "--for", &at]);
    said(&set.stdin(std::fs::File::open(&stdin).unwrap()).output().unwrap(), 0);
    let (old, new) = (r#"{"tags":"management","password":"reports-password"}"#, r#"{"tags":"","password":"reports-password"}"#);
    assert_eq!(rabbit.put_user("reports", old, ("admin", PASSWORD)).status, 201);

    let (vhost, user) = (format!("{at}/api/vhosts/reports"), format!("{at}/api/users/reports"));
    let headers = json!([["content-type", "application/json"]]);
    let send = |method: &str, url: &str, body: &str| json!({ "what": "send", "act": [method, url], "body": body, "headers": headers });
    let steps = json!([
        { "what": "register", "act": ["PUT", vhost], "request": ["DELETE", vhost], "done_at": [404], "words": "deletes the virtual host" },
        send("PUT", &vhost, "{}"),
        { "what": "register", "act": ["PUT", user], "request": ["PUT", user], "headers": headers, "body": old, "pre_image": old,
          "words": "restores the tags" },
        send("PUT", &user, new),
        send("GET", &vhost, ""),
    ]);
    let (told, run) = does(&program, &steps);
    assert_eq!(told, ["1", "201", "2", "204", "200"].map(Value::from));
    let is_let_in = || rabbit.who_am_i("reports", "reports-password").status;
    assert_eq!(is_let_in(), 401, "it has no tag any more");

    let done = said(&program.run(&["rollback", &run]), 0);
    assert!(done.contains("undo 2: done, status 204") && done.contains("undo 1: done, status 204"), "{done}");
    assert_eq!(is_let_in(), 200, "its tag is there again");
    let (told, _) = does(&program, &json!([send("GET", &vhost, "")]));
    assert_eq!(told, [Value::from("404")], "the virtual host is gone");
    said(&program.run(&["audit", "verify"]), 0);
    let printed = [said(&program.run(&["show", &run, "--full"]), 0), said(&program.run(&["audit", "show", "--json"]), 0), done].concat();
    assert!(!printed.contains(PASSWORD), "the host's own value is nowhere");
}
