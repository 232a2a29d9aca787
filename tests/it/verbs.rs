//! Each verb of the real program: its output, its records, and its exit code.

use std::path::Path;
use std::process::Output;

use serde_json::Value;
use tests::guests::guest;
use tests::program::{Program, config};
use vocabulary::{FilesGrant, FilesMode, Grants};

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn data(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The one JSON document that a verb printed.
#[track_caller]
fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|err| panic!("{err}: {output:?}"))
}

/// The JSON documents that a verb printed, one per line.
#[track_caller]
fn documents(output: &Output) -> Vec<Value> {
    data(output).lines().map(|line| serde_json::from_str(line).unwrap_or_else(|err| panic!("{err}: {line}"))).collect()
}

#[track_caller]
fn ends_with(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}\n{}", data(output), words(output));
}

#[track_caller]
fn says(text: &str, each: &[&str]) {
    for one in each {
        assert!(text.contains(one), "`{one}` is not in: {text}");
    }
}

fn files(host: &Path) -> Grants {
    Grants { files: vec![FilesGrant { guest: "/src".to_owned(), host: host.to_owned(), mode: FilesMode::Read }], ..Grants::default() }
}

/// A program whose one agent reads files, and a folder for it to read.
fn reader() -> (Program, tempfile::TempDir) {
    let tree = tempfile::tempdir().unwrap();
    std::fs::write(tree.path().join("a.txt"), "alpha\n").unwrap();
    let program = Program::new(&config("reads-files", &guest("reads_files"), &files(tree.path())));
    (program, tree)
}

fn run_id(report: &Value) -> String {
    report.get("run").and_then(Value::as_str).unwrap().to_owned()
}

#[test]
fn nothing_of_a_configuration_is_used_before_it_is_trusted_and_again_after_it_was_changed() {
    let (program, _tree) = reader();
    let refused = program.run(&["run", "reads-files", "--", "/src"]);
    ends_with(&refused, 2);
    says(&words(&refused), &["not trusted", "/src", "bailiwick trust"]);
    assert!(!program.place().home.join("journal").exists(), "nothing ran, so nothing is on the record");

    let trusted = program.run(&["trust", "--json"]);
    ends_with(&trusted, 0);
    says(&document(&trusted).to_string(), &["/src", "bailiwick.toml", "sha256:"]);
    ends_with(&program.run(&["run", "reads-files", "--", "/src"]), 0);
    let recorded = documents(&program.run(&["audit", "show", "--kind", "config-trusted", "--json"]));
    assert_eq!(recorded.len(), 1, "{recorded:?}");

    let file = program.config();
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + "# changed\n").unwrap();
    let refused = program.run(&["run", "reads-files", "--", "/src"]);
    ends_with(&refused, 2);
    says(&words(&refused), &["not trusted"]);
    // Trusted for this run only.
    ends_with(&program.run(&["run", "reads-files", "--trust", "--", "/src"]), 0);
    ends_with(&program.run(&["run", "reads-files", "--", "/src"]), 2);
}

#[test]
fn a_configuration_that_is_none_is_an_error_with_its_place() {
    let (program, tree) = reader();
    let good = std::fs::read_to_string(program.config()).unwrap();
    let home = program.place().home.display().to_string();
    let mount = |host: &str| good.replace(&tree.path().display().to_string(), host);
    std::fs::write(tree.path().join("file"), "").unwrap();
    let cases: [(String, &[&str]); 7] = [
        (good.clone() + "surprise = 1\n", &["surprise", "bailiwick.toml:"]),
        (good.clone() + "\n[agents.reads-files]\ncomponent = \"x.wasm\"\n", &["duplicate", "bailiwick.toml:"]),
        (good.replace("mode = \"read\"", "mode = \"write\""), &["mode", "bailiwick.toml:"]),
        (mount(&home), &["home"]),
        (mount(&tree.path().join("absent").display().to_string()), &["absent"]),
        (mount(&tree.path().join("file").display().to_string()), &["file"]),
        ("[agents.\n".to_owned(), &["bailiwick.toml:1"]),
    ];
    for (text, expected) in cases {
        std::fs::write(program.config(), &text).unwrap();
        let refused = program.run(&["run", "reads-files", "--trust", "--", "/src"]);
        assert_eq!(refused.status.code(), Some(2), "{text}\n{}", words(&refused));
        says(&words(&refused), expected);
        assert!(refused.stdout.is_empty());
    }
}

#[test]
fn check_and_inspect_show_the_authority_and_run_nothing() {
    let (program, tree) = reader();
    let checked = program.run(&["check"]);
    ends_with(&checked, 0);
    says(&data(&checked), &["AGENT", "EFFECTIVE", "reads-files", "files", "/src"]);
    says(&words(&checked), &["not trusted", "bailiwick trust"]);
    let matrix = document(&program.run(&["check", "--json"]));
    assert_eq!(matrix.pointer("/agents/0/name"), Some(&Value::from("reads-files")));
    assert_eq!(matrix.get("trusted"), Some(&Value::from(false)));

    let component = guest("reads_files").display().to_string();
    for what in ["reads-files", component.as_str()] {
        let inspected = program.run(&["inspect", what]);
        ends_with(&inspected, 0);
        says(&data(&inspected), &["sha256:", "command", "wasi:filesystem/types@0.2", "imported   yes", "declared   no"]);
        let document = document(&program.run(&["inspect", what, "--json"]));
        assert_eq!(document.get("kind"), Some(&Value::from("command")));
        let granted = document.pointer("/capabilities/0/granted").map(ToString::to_string).unwrap_or_default();
        assert_eq!(granted.contains("/src"), what == "reads-files", "{document}");
    }
    assert!(tree.path().join("a.txt").exists() && !program.place().home.join("journal").exists());

    let core = program.folder().join("core.wasm");
    std::fs::write(&core, b"\0asm\x01\0\0\0").unwrap();
    let refused = program.run(&["inspect", core.to_str().unwrap()]);
    ends_with(&refused, 4);
    says(&words(&refused), &["core module"]);
}

#[test]
fn each_way_a_run_can_end_has_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["exits_with", "panics_with_message", "tries_sockets", "spins_forever"];
    let mut text: String = names.iter().map(|name| config(&name.replace('_', "-"), &guest(name), &Grants::default())).collect();
    text += &format!("\n[agents.core]\ncomponent = {:?}\n", folder.path().join("core.wasm").display().to_string());
    std::fs::write(folder.path().join("core.wasm"), b"\0asm\x01\0\0\0").unwrap();
    let spins = "[agents.spins-forever]\n";
    let program = Program::new(&text.replace(spins, &format!("{spins}limits = {{ active-timeout = \"50ms\" }}\n")));
    ends_with(&program.run(&["trust"]), 0);
    let cases: [(&[&str], i32, &[&str]); 8] = [
        (&["run", "exits-with", "--", "0"], 0, &["DONE"]),
        (&["run", "exits-with", "--", "7"], 3, &["FAILED", "status 7"]),
        (&["run", "panics-with-message", "--", "so it goes"], 3, &["TRAPPED", "so it goes", ".rs:"]),
        (&["run", "tries-sockets", "--", "127.0.0.1:9", "localhost"], 0, &["DONE", "refusal"]),
        (&["run", "tries-sockets", "--strict", "--", "127.0.0.1:9", "localhost"], 4, &["DONE", "refusal"]),
        (&["run", "spins-forever"], 5, &["LIMIT REACHED", "active-timeout"]),
        (&["run", "core"], 4, &["core module"]),
        (&["run", "nobody"], 2, &["nobody"]),
    ];
    for (args, code, expected) in cases {
        let output = program.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", words(&output));
        says(&words(&output), expected);
    }
}

#[test]
fn show_logs_and_audit_tell_the_same_run_for_people_and_for_programs() {
    let program = Program::new(&config("tries-sockets", &guest("tries_sockets"), &Grants::default()));
    let ran = program.run(&["run", "tries-sockets", "--trust", "--json", "--", "127.0.0.1:9", "localhost"]);
    ends_with(&ran, 0);
    let report = document(&ran);
    let run = run_id(&report);
    let refusals = report.pointer("/evidence/refused").and_then(Value::as_array).unwrap();
    assert!(!refusals.is_empty());

    let shown = documents(&program.run(&["show", &run, "--json"]));
    assert_eq!(shown.len() as u64, report.pointer("/evidence/record/entries").and_then(Value::as_u64).unwrap());
    let text = data(&program.run(&["show", &run]));
    assert_eq!(text.lines().count(), shown.len());
    says(&text, &["run-opened", "refused", "run-closed"]);

    let seq = refusals[0].get("seq").and_then(Value::as_u64).unwrap();
    let full = data(&program.run(&["show", &format!("{run}/{seq}")]));
    says(&full, &["leaf sha256:", "refused because", "what would have allowed it"]);
    let full = document(&program.run(&["show", &format!("{run}/{seq}"), "--json"]));
    assert!(full.get("would_have_allowed").is_some_and(Value::is_array), "{full}");
    ends_with(&program.run(&["show", &format!("{run}/9999")]), 2);
    ends_with(&program.run(&["show", "0000000000"]), 2);

    let all = documents(&program.run(&["audit", "show", "--json"]));
    assert!(shown.iter().all(|record| all.contains(record)));
    let touched = document(&program.run(&["audit", "touched", &run, "--json"]));
    assert_eq!(touched.get("refused"), report.pointer("/evidence/refused"));
    says(&data(&program.run(&["audit", "touched", &run])), &["REFUSED", "create-tcp-socket"]);
}

#[test]
fn what_an_agent_said_is_in_its_logs() {
    let program = Program::new(&config("floods-log", &guest("floods_log"), &Grants::default()));
    let ran = program.run(&["run", "floods-log", "--trust", "--json", "--", "3", "5"]);
    ends_with(&ran, 0);
    let run = run_id(&document(&ran));
    for args in [&["logs", &run][..], &["logs", &run, "-f"]] {
        let logs = program.run(args);
        ends_with(&logs, 0);
        assert_eq!(data(&logs).matches("xxxxx").count(), 3, "{}", data(&logs));
    }
    assert_eq!(documents(&program.run(&["logs", &run, "--json"])).len(), 3);
}

#[test]
fn a_replay_reads_again_and_names_what_differs() {
    let (program, tree) = reader();
    ends_with(&program.run(&["trust"]), 0);
    let run = run_id(&document(&program.run(&["run", "reads-files", "--json", "--", "/src"])));
    let replayed = program.run(&["replay", &run]);
    ends_with(&replayed, 0);
    says(&data(&replayed), &["identical", "looks at files"]);
    assert_eq!(document(&program.run(&["replay", &run, "--json"])).get("identical"), Some(&Value::from(true)));

    std::fs::write(tree.path().join("a.txt"), "ALPHA\n").unwrap();
    let replayed = program.run(&["replay", &run]);
    ends_with(&replayed, 9);
    says(&data(&replayed), &["differs at record", "recorded", "now"]);

    std::fs::write(tree.path().join("a.txt"), "alpha\n").unwrap();
    let other = guest("reads_metadata").display().to_string();
    let replayed = program.run(&["replay", &run, "--with", &other]);
    ends_with(&replayed, 9);
    ends_with(&program.run(&["replay", &run]), 0);
}

#[test]
fn a_copy_is_verified_and_a_record_that_went_back_is_taken_only_on_a_persons_word() {
    let (program, _tree) = reader();
    ends_with(&program.run(&["trust"]), 0);
    ends_with(&program.run(&["run", "reads-files", "--", "/src"]), 0);
    let (home, state) = (&program.place().home, &program.place().state);
    let segment = Path::new("journal/00000001.seg");
    let copy = tempfile::tempdir().unwrap();
    std::fs::create_dir(copy.path().join("journal")).unwrap();
    for file in [segment, Path::new("journal.pub")] {
        std::fs::copy(home.join(file), copy.path().join(file)).unwrap();
    }
    let folder = copy.path().display().to_string();
    let key = home.join("journal.pub").display().to_string();
    let bare = program.run(&["audit", "verify", &folder]);
    ends_with(&bare, 0);
    says(&(data(&bare) + &words(&bare)), &["signer"]);
    ends_with(&program.run(&["audit", "verify", &folder, "--key", &key]), 0);

    // The home is used further, and then the copy is put back.
    ends_with(&program.run(&["run", "reads-files", "--", "/src"]), 0);
    let state_file = journal::state_path(state, journal::Reader::open(home).unwrap().log()).display().to_string();
    ends_with(&program.run(&["audit", "verify", &folder, "--key", &key]), 0);
    ends_with(&program.run(&["audit", "verify", &folder, "--key", &key, "--state", &state_file]), 6);
    std::fs::copy(copy.path().join(segment), home.join(segment)).unwrap();
    let refused = program.run(&["run", "reads-files", "--", "/src"]);
    ends_with(&refused, 6);
    says(&words(&refused), &["accept-rollback"]);
    ends_with(&program.run(&["audit", "verify"]), 6);
    let accepted = document(&program.run(&["audit", "accept-rollback", "--json"]));
    assert!(accepted.pointer("/was/size").and_then(Value::as_u64) > accepted.pointer("/now/size").and_then(Value::as_u64), "{accepted}");
    ends_with(&program.run(&["run", "reads-files", "--", "/src"]), 0);
    ends_with(&program.run(&["audit", "verify"]), 0);

    // A flipped bit in the middle is found, and its place is named.
    let mut bytes = std::fs::read(home.join(segment)).unwrap();
    let at = bytes.windows(10).position(|window| window == b"run-opened").unwrap();
    bytes[at] ^= 1;
    std::fs::write(home.join(segment), bytes).unwrap();
    let broken = program.run(&["audit", "verify", "--json"]);
    ends_with(&broken, 6);
    says(&document(&broken).to_string(), &["segment"]);
}

#[test]
fn audit_touched_and_the_log_of_nginx_agree() {
    let Some(nginx) = tests::apps::App::nginx_public(&[("a.txt", b"alpha"), ("b.txt", b"beta")]) else { return };
    let http = vocabulary::HttpGrant {
        credential: None,
        addresses: Vec::new(),
        headers: Vec::new(),
        host: "127.0.0.1".parse().unwrap(),
        methods: vec![vocabulary::Method::new("GET").unwrap()],
        paths: vec!["/public/**".parse().unwrap()],
        port: Some(nginx.port()),
        scheme: vocabulary::Scheme::Http,
        until: None,
        within: vocabulary::HttpBounds::default(),
    };
    let program = Program::new(&config("get", &guest("get"), &Grants { http: vec![http], ..Grants::default() }));
    let paths = ["/public/a.txt", "/public/b.txt", "/public/a.txt", "/public/none", "/secret"];
    let urls = paths.map(|path| nginx.url(path));
    let args: Vec<&str> = ["run", "get", "--trust", "--json", "--"].into_iter().chain(urls.iter().map(String::as_str)).collect();
    let ran = program.run(&args);
    ends_with(&ran, 0);
    let touched = document(&program.run(&["audit", "touched", &run_id(&document(&ran)), "--json"]));
    let mut recorded: Vec<String> = Vec::new();
    for one in touched.get("http").and_then(Value::as_array).unwrap() {
        let (http, bytes) = (&one["resource"]["http"], one["bytes"].as_u64().unwrap());
        let (method, path) = (http["method"].as_str().unwrap(), http["path"].as_str().unwrap());
        for (status, times) in one["statuses"].as_object().unwrap() {
            let times = times.as_u64().unwrap();
            recorded.extend((0..times).map(|_| format!("{method} {path} {status} {}", bytes / times)));
        }
    }
    let mut logged = nginx.stop();
    recorded.sort();
    logged.sort();
    assert_eq!(recorded, logged);
    assert_eq!(logged.len(), 4, "ungranted requests never reached it");
    assert!(touched.to_string().contains("/secret"), "and is on the record");
}
