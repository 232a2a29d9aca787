//! The same for an agent in Python, with the real componentize-py.

use std::net::TcpListener;
use std::process::Command;

use serde_json::Value;
use tests::guests::componentize_py;
use tests::program::Program;

use super::{AGENT, Project, ends_with, nobody_came};

const PYTHON: &str = r#"
import os, socket
import bailiwick

def tried(attempt):
    try:
        attempt()
        return "yes"
    except BaseException:
        return "no"

def write():
    with open("@SECRET@", "w") as file:
        file.write("evil")

SEEN = {
    "own": tried(lambda: open(os.path.join(os.path.dirname(__file__), "app.py")).read()),
    "secret": tried(lambda: open("@SECRET@").read()),
    "home": tried(lambda: os.listdir("@HOME@")),
    "write": tried(write),
    "connect": tried(lambda: socket.create_connection(("127.0.0.1", @PORT@), 1)),
    "start": tried(lambda: os.system("touch @SECRET@2") == 0 or 1 / 0),
    "token": tried(lambda: os.environ["GITHUB_TOKEN"]),
}

@bailiwick.agent
def run(input: dict) -> dict:
    return SEEN
"#;

/// Puts componentize-py on the operator's path, outside of the project.
fn with_componentize(command: &mut Command) -> Option<&mut Command> {
    let componentize = componentize_py()?;
    let folders = [componentize.parent().unwrap().to_owned()]
        .into_iter()
        .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap()).collect::<Vec<_>>());
    Some(command.env("PATH", std::env::join_paths(folders).unwrap()))
}

#[test]
fn a_hostile_module_in_python_reaches_nothing_while_it_is_built() {
    let project = Project::new(&[("agent.toml", &format!("{AGENT}[build]\npython = \"app\"\n"))]);
    let secret = project.program.folder().join("secret");
    std::fs::write(&secret, "hunter2").unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let home = project.program.place().home.to_str().unwrap().to_owned();
    let port = tcp.local_addr().unwrap().port().to_string();
    project.write("app.py", &PYTHON.replace("@SECRET@", secret.to_str().unwrap()).replace("@HOME@", &home).replace("@PORT@", &port));
    let mut command = project.program.command(&[], &["run", "x", "--trust", "--json"]);
    let Some(command) = with_componentize(command.env("GITHUB_TOKEN", "hunter2")) else { return };
    let output = command.output().unwrap();
    ends_with(&output, 0);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let seen = &report["claims"]["output"];
    assert_eq!(seen["own"], "yes", "{report}");
    for tried in ["secret", "home", "write", "connect", "start", "token"] {
        assert_eq!(seen[tried], "no", "{tried}: {report}");
    }
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "hunter2");
    assert!(nobody_came(|| tcp.set_nonblocking(true).and_then(|()| tcp.accept().map(drop))));
}

/// componentize-py makes different bytes each time, so the source is accepted and not the component.
#[test]
fn a_python_project_that_was_accepted_runs_again_and_after_its_build_is_gone() {
    let program = Program::new("");
    let bailiwick = |args: &[&str]| {
        let mut command = program.command(&[], args);
        let folder = program.folder().join("here");
        let inside = folder.join("say");
        command.current_dir(if inside.is_dir() { inside } else { folder });
        with_componentize(&mut command).map(|command| command.output().unwrap())
    };
    let Some(made) = bailiwick(&["new", "say", "--lang", "python"]) else { return };
    ends_with(&made, 0);
    for args in [&["trust"][..], &["accept", "say"], &["run", "say"], &["run", "say", "--sarif", "found.sarif"], &["run", "say"]] {
        ends_with(&bailiwick(args).unwrap(), 0);
    }
    std::fs::remove_dir_all(program.place().home.join("build")).unwrap();
    ends_with(&bailiwick(&["run", "say"]).unwrap(), 0);
    let app = program.folder().join("here/say/app.py");
    let changed = format!("{}\n# changed\n", std::fs::read_to_string(&app).unwrap());
    std::fs::write(&app, changed).unwrap();
    ends_with(&bailiwick(&["run", "say"]).unwrap(), 4);
}
