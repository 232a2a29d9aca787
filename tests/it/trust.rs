//! Trust and acceptance cover what runs, what is sent and what is asked: tested with the real program.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tests::guests::guest;
use tests::program::Program;
use tests::server::{Server, Step, response};

const FIRST: &str = "the-value-that-was-trusted";
const OTHER: &str = "a-value-of-somebody-else";

#[track_caller]
fn ends(program: &Program, args: &[&str], code: i32) -> String {
    let output = program.run(args);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    said
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[track_caller]
fn json(program: &Program, args: &[&str]) -> Value {
    let output = program.run(args);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|err| panic!("{err}: {}", said(&output)))
}

/// The last record of a kind.
#[track_caller]
fn record(program: &Program, kind: &str) -> Value {
    let said = ends(program, &["audit", "show", "--kind", kind, "--json"], 0);
    let last = said.lines().last().unwrap_or_else(|| panic!("no {kind} is on the record"));
    serde_json::from_str::<Value>(last).unwrap()["record"].take()
}

/// An agent that asks a server on loopback with a credential from this source.
fn sender(port: u16, source: &str) -> String {
    let wasm = guest("get").display().to_string();
    format!(
        "[agents.get]\ncomponent = {wasm:?}\n[[agents.get.http]]\nhost = \"127.0.0.1\"\nport = {port}\nscheme = \"http\"\nmethods = [\"GET\"]\n\
         paths = [\"/**\"]\ncredential = \"key\"\n[credentials.key]\nkind = \"bearer\"\nhosts = [\"127.0.0.1\"]\nscheme = \"http\"\nsource = {source}\n"
    )
}

/// An agent without authority, with its component in the folder of the configuration.
fn reader(more: &str) -> Program {
    let program = Program::new(&format!("[agents.env]\ncomponent = \"env.wasm\"\n{more}"));
    std::fs::copy(guest("reads_env"), program.config().with_file_name("env.wasm")).unwrap();
    program
}

fn write(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
}

fn rewrite(program: &Program, was: &str, now: &str) {
    let text = std::fs::read_to_string(program.config()).unwrap();
    assert!(text.contains(was), "{was} is not in {text}");
    write(&program.config(), &text.replace(was, now));
}

fn values(server: &Server) -> Vec<bool> {
    let of = |value: &str| format!("authorization: Bearer {value}");
    server.heard().iter().map(|heard| heard.has_header(&of(FIRST)) && !heard.head.contains(OTHER)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_became_another_file_after_trust_is_not_sent() {
    let server = Server::answering(|_, _| vec![Step::Say(response(200, b"ok"))]).await;
    let program = Program::new(&sender(server.port(), "\"file:secrets/token\""));
    let here = program.config().parent().unwrap().to_owned();
    let (secrets, token) = (here.join("secrets"), here.join("secrets/token"));
    std::fs::create_dir_all(&secrets).unwrap();
    std::fs::create_dir_all(here.join("elsewhere")).unwrap();
    for (file, value) in [(&token, FIRST), (&here.join("other"), OTHER), (&here.join("elsewhere/token"), OTHER)] {
        write(file, value);
    }
    let url = server.url("/a");
    let run = ["run", "get", "--json", "--", &url];
    ends(&program, &["trust"], 0);
    ends(&program, &run, 0);
    assert_eq!(values(&server), [true], "control: the trusted configuration");

    std::fs::remove_file(&token).unwrap();
    symlink("../other", &token).unwrap();
    let refused = ends(&program, &run, 2);
    assert!(refused.contains("not trusted") && refused.contains("here/other"), "{refused}");
    std::fs::remove_file(&token).unwrap();
    std::fs::hard_link(here.join("other"), &token).unwrap();
    assert!(ends(&program, &run, 0).contains("credential-unavailable"));
    std::fs::remove_file(&token).unwrap();
    write(&token, FIRST);
    ends(&program, &run, 0);
    std::fs::rename(&secrets, here.join("aside")).unwrap();
    symlink("elsewhere", &secrets).unwrap();
    ends(&program, &run, 2);
    assert_eq!(values(&server), [true, true], "nothing else reached the server");
}

/// At each use, the opened file is the one that was trusted. This is not checked only once for the whole run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_becomes_a_link_while_a_run_goes_on_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().canonicalize().unwrap().join("token");
    write(&token, FIRST);
    write(&folder.path().join("other"), OTHER);
    let place = token.clone();
    let server = Server::answering(move |number, _| {
        if number == 0 {
            std::fs::remove_file(&place).unwrap();
            symlink("other", &place).unwrap();
        }
        vec![Step::Say(response(200, b"ok"))]
    })
    .await;
    let program = Program::new(&sender(server.port(), &format!("\"file:{}\"", token.display())));
    let report = ends(&program, &["run", "get", "--trust", "--json", "--", &server.url("/a"), &server.url("/b")], 0);
    assert_eq!(values(&server), [true]);
    assert!(report.contains("credential-unavailable"), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_volume_of_kubernetes_is_replaced_under_trust_and_leads_nowhere_else() {
    let server = Server::answering(|_, _| vec![Step::Say(response(200, b"ok"))]).await;
    let program = Program::new(&sender(server.port(), "\"file:volume/token\""));
    let volume = program.config().with_file_name("volume");
    for (name, value) in [("volume/..first", OTHER), ("volume/..second", FIRST), ("outside", OTHER)] {
        let folder = program.config().with_file_name(name);
        std::fs::create_dir_all(&folder).unwrap();
        write(&folder.join("token"), value);
    }
    symlink("..first", volume.join("..data")).unwrap();
    symlink("..data/token", volume.join("token")).unwrap();
    ends(&program, &["trust"], 0);
    let lead = |to: &str| {
        std::fs::remove_file(volume.join("..data")).unwrap();
        symlink(to, volume.join("..data")).unwrap();
    };
    lead("..second");
    let url = server.url("/a");
    ends(&program, &["run", "get", "--", &url], 0);
    assert_eq!(values(&server), [true], "the new volume, without new trust");
    lead("../outside");
    ends(&program, &["run", "get", "--", &url], 2);
    assert_eq!(server.heard().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_prints_a_value_is_the_one_that_was_trusted() {
    use std::os::unix::fs::PermissionsExt as _;
    let server = Server::answering(|_, _| vec![Step::Say(response(200, b"ok"))]).await;
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().canonicalize().unwrap().join("print");
    let make = |value: &str| {
        write(&script, &format!("#!/bin/sh\necho {value}\n"));
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    };
    make(FIRST);
    let program = Program::new(&sender(server.port(), &format!("\"exec:{}\"", script.display())));
    let shown = ends(&program, &["trust"], 0).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(shown.contains("on this machine, and sends what it prints") && shown.contains("holds "), "{shown}");
    let url = server.url("/a");
    ends(&program, &["run", "get", "--", &url], 0);
    make(OTHER);
    ends(&program, &["run", "get", "--", &url], 2);
    assert_eq!(values(&server), [true]);
}

#[test]
fn a_component_that_was_exchanged_is_refused_with_what_is_other() {
    let program = reader("");
    let wasm = program.config().with_file_name("env.wasm");
    ends(&program, &["trust"], 0);
    ends(&program, &["run", "env"], 0);
    let was = vocabulary::Digest::of(&std::fs::read(&wasm).unwrap()).to_string();
    std::fs::copy(guest("get"), &wasm).unwrap();
    let now = vocabulary::Digest::of(&std::fs::read(&wasm).unwrap()).to_string();
    let refused = ends(&program, &["run", "env"], 2);
    for words in [&was, &now, "imports wasi:http/outgoing-handler"] {
        assert!(refused.contains(words), "`{words}` is not in: {refused}");
    }
    let components = program.place().home.join("components").join(format!("{}.wasm", now.trim_start_matches("sha256:")));
    assert!(!components.exists(), "the component was not kept, compiled or run");
    ends(&program, &["trust"], 0);
    ends(&program, &["run", "env", "--", "https://a.test/"], 0);

    // The accepted component is trusted from then on.
    std::fs::copy(guest("reads_env"), &wasm).unwrap();
    ends(&program, &["run", "env"], 2);
    ends(&program, &["accept", "env"], 0);
    ends(&program, &["run", "env"], 0);
    std::fs::copy(guest("get"), &wasm).unwrap();
    let refused = ends(&program, &["run", "env"], 4);
    assert!(refused.contains("+ imports wasi:http/outgoing-handler") && refused.contains("bailiwick accept"), "{refused}");
}

#[test]
fn acceptance_covers_everything_that_a_configuration_says() {
    const MORE: &str = "env = { CHOSEN = \"one\" }\nlimits = { memory = \"32MiB\" }\ndurable = false\nexpires = \"2100-01-01\"\n\
        [[agents.env.files]]\nguest = \"/src\"\nhost = \"src\"\nmode = \"read\"\n\
        [engagements.e]\ntargets = [\"a.test\"]\ntier = \"live\"\nwindow = { from = \"2026-01-01T00:00:00Z\", until = \"2099-01-01T00:00:00Z\" }\n\
        [network]\nresolvers = [\"127.0.0.1:53\"]\nroots = [\"roots.pem\"]\n";
    let program = reader(MORE);
    for folder in ["src", "other"] {
        std::fs::create_dir(program.config().with_file_name(folder)).unwrap();
    }
    let roots = program.config().with_file_name("roots.pem");
    write(&roots, "");
    ends(&program, &["trust"], 0);
    ends(&program, &["accept", "env"], 0);
    ends(&program, &["run", "env"], 0);
    for (was, now, told) in [
        ("CHOSEN = \"one\"", "CHOSEN = \"two\"", "+ environment CHOSEN=two"),
        ("memory = \"32MiB\"", "memory = \"64MiB\"", "- limits memory = 32MiB"),
        ("durable = false", "durable = true", "+ every run is kept"),
        ("2100-01-01\"\n[[", "2101-01-01\"\n[[", "+ may be started until 2101-01-01"),
        ("host = \"src\"", "host = \"other\"", "+ read "),
        ("targets = [\"a.test\"]", "targets = [\"b.test\"]", "+ the engagement e is live at b.test"),
        ("127.0.0.1:53", "127.0.0.2:53", "+ names are resolved by 127.0.0.2:53"),
        ("resolvers = [\"127.0.0.1:53\"]\n", "", "- names are resolved by 127.0.0.1:53"),
    ] {
        let before = std::fs::read_to_string(program.config()).unwrap();
        rewrite(&program, was, now);
        ends(&program, &["trust"], 0);
        let refused = ends(&program, &["run", "env"], 4);
        assert!(refused.contains(told), "`{told}` is not in: {refused}");
        write(&program.config(), &before);
        ends(&program, &["trust"], 0);
        ends(&program, &["run", "env"], 0);
    }
    write(&roots, "# another file\n");
    ends(&program, &["run", "env"], 2);
    ends(&program, &["trust"], 0);
    assert!(ends(&program, &["run", "env"], 4).contains("+ TLS also trusts"));
    ends(&program, &["accept", "env"], 0);
    ends(&program, &["run", "env"], 0);
}

#[test]
fn a_lock_holds_in_another_checkout_and_names_nothing_by_where_it_lies() {
    let program = reader("[[agents.env.files]]\nguest = \"/src\"\nhost = \"../shared\"\nmode = \"read\"\n");
    std::fs::create_dir(program.folder().join("shared")).unwrap();
    ends(&program, &["accept", "env", "--trust"], 0);
    let lock = std::fs::read_to_string(program.config().with_extension("lock")).unwrap();
    let whole = program.folder().canonicalize().unwrap().display().to_string();
    assert!(!lock.contains(&whole) && lock.contains("\"../shared\"") && lock.contains("\"env.wasm\""), "{lock}");

    let other = Program::new("");
    std::fs::create_dir(other.folder().join("shared")).unwrap();
    for file in ["bailiwick.toml", "bailiwick.lock", "env.wasm"] {
        std::fs::copy(program.config().with_file_name(file), other.config().with_file_name(file)).unwrap();
    }
    ends(&other, &["run", "env", "--trust"], 0);
    std::fs::copy(guest("get"), other.config().with_file_name("env.wasm")).unwrap();
    assert!(ends(&other, &["run", "env", "--trust"], 4).contains("held to the component"));
}

#[test]
fn an_acceptance_that_is_gone_from_the_lock_is_noticed() {
    let program = reader("");
    ends(&program, &["trust"], 0);
    ends(&program, &["accept", "env"], 0);
    let lock = program.config().with_extension("lock");
    let before = std::fs::read(&lock).unwrap();
    std::fs::remove_file(&lock).unwrap();
    let refused = ends(&program, &["run", "env"], 4);
    assert!(refused.contains("has no entry for it any more"), "{refused}");
    assert!(json(&program, &["accept", "ls", "--json"])[0]["in_lock"] == false);
    std::fs::write(&lock, &before).unwrap();
    ends(&program, &["run", "env"], 0);

    // Another person accepts another component elsewhere, and copies that component and its lock here.
    let other = reader("env = { CHOSEN = \"by them\" }\n");
    ends(&other, &["accept", "env", "--trust"], 0);
    for file in ["bailiwick.toml", "bailiwick.lock"] {
        std::fs::copy(other.config().with_file_name(file), program.config().with_file_name(file)).unwrap();
    }
    ends(&program, &["trust"], 0);
    let refused = ends(&program, &["run", "env"], 4);
    assert!(refused.contains("not the one that was accepted in this home"), "{refused}");
    ends(&program, &["accept", "env"], 0);
    ends(&program, &["run", "env"], 0);
}

#[test]
fn what_is_trusted_and_accepted_is_listed_and_can_be_taken_back() {
    let program = reader("");
    ends(&program, &["trust", "rm", "bailiwick.toml"], 2);
    ends(&program, &["accept", "rm", "env"], 2);
    ends(&program, &["trust"], 0);
    ends(&program, &["accept", "env"], 0);
    assert_eq!(record(&program, "agent-accepted")["agent"], "env");
    let listed = json(&program, &["trust", "ls", "--json"]);
    let digest = listed[0]["digest"].as_str().unwrap().to_owned();
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["now"]), (1, &Value::from("same")));
    assert!(ends(&program, &["trust", "ls"], 0).contains("bailiwick.toml"));
    let accepted = json(&program, &["accept", "ls", "--json"]);
    assert_eq!((&accepted[0]["agent"], &accepted[0]["in_lock"], &accepted[0]["here"]), (&"env".into(), &true.into(), &true.into()));

    ends(&program, &["trust", "rm", &digest[..digest.len() - 3]], 0);
    assert_eq!(record(&program, "config-untrusted")["config"], digest.as_str());
    ends(&program, &["run", "env"], 2);
    assert_eq!(json(&program, &["trust", "ls", "--json"]), Value::Array(Vec::new()));
    ends(&program, &["trust"], 0);
    ends(&program, &["trust", "rm", "./bailiwick.toml"], 0);
    ends(&program, &["run", "env"], 2);

    ends(&program, &["accept", "rm", "env"], 0);
    assert_eq!(record(&program, "agent-unaccepted")["agent"], "env");
    assert_eq!(json(&program, &["accept", "ls", "--json"]), Value::Array(Vec::new()));
    std::fs::copy(guest("get"), program.config().with_file_name("env.wasm")).unwrap();
    ends(&program, &["run", "env", "--trust"], 0);

    // Trust in a configuration that is gone can be revoked too.
    ends(&program, &["trust"], 0);
    std::fs::remove_file(program.config()).unwrap();
    assert_eq!(json(&program, &["trust", "ls", "--json"])[0]["now"], "gone");
    ends(&program, &["trust", "rm", "bailiwick.toml"], 0);
}

#[test]
fn trust_and_run_with_trust_show_all_that_is_caused_and_are_recorded() {
    let program = reader(
        "env = { CHOSEN = \"a\\u001b[2Jb\" }\n[[agents.env.http]]\nhost = \"a.test\"\nmethods = [\"GET\"]\npaths = [\"/**\"]\ncredential = \"one\"\n\
         [[agents.env.credentials]]\nname = \"two\"\nmay = [\"rotate\"]\n\
         [credentials.one]\nkind = \"bearer\"\nhosts = [\"a.test\"]\nsource = \"vault:secret/data/app#key\"\n\
         [credentials.two]\nkind = \"basic\"\nuser = \"svc\"\nhosts = [\"b.test\"]\n\
         rotate = { set = { method = \"PUT\", path = \"/users/svc\", field = \"password\" }, test = \"/whoami\" }\n\
         [vault]\naddress = \"https://vault.test\"\ntoken-file = \"../login\"\n",
    );
    let config = program.config().canonicalize().unwrap().display().to_string();
    let shown = |args: &[&str]| {
        let text = ends(&program, args, 0);
        let longest = text
            .lines()
            .filter(|line| line.contains(' ') && !line.contains(".toml"))
            .find(|line| line.trim().contains(' ') && line.chars().count() > 80);
        assert!(args[0] != "trust" || longest.is_none(), "{longest:?}");
        assert!(!text.contains('\u{1b}') && text.contains("CHOSEN=a\\u{1b}[2Jb"), "{text}");
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in ["login to https://vault.test", "PUT https://b.test/users/svc", "GET https://b.test/whoami", "held to the component"] {
            assert!(words.contains(part), "`{part}` is not in: {text}");
        }
    };
    shown(&["run", "env", "--trust"]);
    let once = record(&program, "config-trusted");
    assert_eq!((&once["once"], once["path"].as_str()), (&Value::from(true), Some(config.as_str())));
    ends(&program, &["run", "env"], 2);
    shown(&["trust"]);
    let ever = record(&program, "config-trusted");
    assert_eq!((&ever["once"], &ever["authority"]), (&Value::from(false), &once["authority"]));
}

#[test]
fn a_configuration_in_another_form_is_another_and_one_that_is_no_file_is_refused() {
    let program = reader("");
    ends(&program, &["trust"], 0);
    ends(&program, &["run", "env"], 0);
    let text = std::fs::read_to_string(program.config()).unwrap();
    for other in [text.replace('\n', "\r\n"), format!("\u{feff}{text}"), format!("{text} "), format!("{text}component = \"env.wasm\"\n")] {
        write(&program.config(), &other);
        ends(&program, &["run", "env"], 2);
    }
    // The same bytes through a link from elsewhere are another place.
    std::fs::create_dir(program.config().with_file_name("moved")).unwrap();
    let moved = program.config().with_file_name("moved").join("bailiwick.toml");
    write(&moved, &text);
    std::fs::remove_file(program.config()).unwrap();
    symlink("moved/bailiwick.toml", program.config()).unwrap();
    ends(&program, &["run", "env"], 2);
    std::fs::remove_file(program.config()).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, program.config(), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(ends(&program, &["run", "env"], 2).contains("not a regular file"));
    std::fs::remove_file(program.config()).unwrap();
    write(&program.config(), &text);
    ends(&program, &["run", "env"], 0);

    use std::os::unix::fs::PermissionsExt as _;
    let list = program.place().home.join("trust.toml");
    std::fs::set_permissions(&list, std::fs::Permissions::from_mode(0o622)).unwrap();
    assert!(ends(&program, &["run", "env"], 2).contains("trust.toml"));
}
