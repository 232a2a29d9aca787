//! A user's first day: a first configuration, missing tools, completions, the manual, findings for other tools, and a pinned component.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tests::guests::guest;
use tests::program::{Program, agent, config};
use tests::tools::{target, tool};
use vocabulary::{FilesGrant, FilesMode, Grants};

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn ends_with(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}\n{}", String::from_utf8_lossy(&output.stdout), words(output));
}

#[track_caller]
fn document(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|err| panic!("{err}: {output:?}"))
}

fn files(host: &Path) -> Grants {
    Grants { files: vec![FilesGrant { guest: "/src".to_owned(), host: host.to_owned(), mode: FilesMode::Read }], ..Grants::default() }
}

#[test]
fn init_writes_a_configuration_that_holds_and_never_writes_over_one() {
    let program = Program::new("");
    let file = program.config();
    std::fs::remove_file(&file).unwrap();
    ends_with(&program.run(&["init"]), 0);
    let written = std::fs::read_to_string(&file).unwrap();
    // The configuration is valid; the component that it names does not exist yet.
    let checked = program.run(&["check"]);
    ends_with(&checked, 2);
    assert!(words(&checked).contains("is well formed") && words(&checked).contains("my-agent.wasm"), "{}", words(&checked));
    let again = program.run(&["init", "--json"]);
    ends_with(&again, 2);
    assert!(document(&again).pointer("/error/what").is_some_and(|what| what.to_string().contains("bailiwick.toml")));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), written);
}

#[test]
fn doctor_tells_what_is_there_and_what_is_missing() {
    let program = Program::new("");
    let told = document(&program.run(&["doctor", "--json"]));
    let of =
        |what: &str| told.as_array().unwrap().iter().find(|it| it["what"] == what).unwrap_or_else(|| panic!("{what} is not in {told}"));
    assert_eq!(of("engine")["ok"], true);
    assert_eq!(of("home")["ok"], true);
    assert_eq!(of("wasm32-wasip2")["ok"], true, "the tests build guests with it");
    let alone = program.command(&[], &["doctor", "--json"]).env("PATH", "/nonexistent").output().unwrap();
    ends_with(&alone, 0);
    let rustup = document(&alone).as_array().unwrap().iter().find(|it| it["what"] == "rustup").cloned().unwrap();
    assert_eq!((&rustup["ok"], &rustup["needed"]), (&Value::from(false), &Value::from(false)));
    // Without address space the engine can't start, and nothing runs.
    let mut starved = Command::new("/bin/sh");
    starved.args(["-c", "ulimit -v 4000000; exec \"$@\"", "sh"]).arg(tests::host::bailiwick()).args(["doctor"]);
    starved.env("BAILIWICK_HOME", &program.place().home).env("BAILIWICK_STATE", &program.place().state);
    let starved = starved.output().unwrap();
    ends_with(&starved, 1);
    assert!(String::from_utf8_lossy(&starved.stdout).contains("MISSING"), "{starved:?}");
}

#[test]
fn shells_and_manuals_have_every_verb() {
    let program = Program::new("");
    let verbs = [
        "run",
        "trust",
        "check",
        "inspect",
        "build",
        "ps",
        "show",
        "logs",
        "stop",
        "resume",
        "replay",
        "audit",
        "test",
        "init",
        "new",
        "accept",
        "doctor",
        "credentials",
    ];
    for shell in ["bash", "zsh", "fish"] {
        let script = program.run(&["completions", shell]);
        ends_with(&script, 0);
        let script = String::from_utf8_lossy(&script.stdout).into_owned();
        assert!(verbs.iter().all(|verb| script.contains(verb)), "{shell}");
    }
    let folder = program.folder().join("man");
    ends_with(&program.run(&["man", folder.to_str().unwrap()]), 0);
    for verb in verbs {
        let page = std::fs::read_to_string(folder.join(format!("bailiwick-{verb}.1"))).unwrap();
        assert!(page.contains("Examples") || page.contains("EXAMPLES"), "{verb}");
    }
}

/// SARIF's published schema, from a package of the npm registry; `None` after a message if npm is missing.
fn sarif_schema() -> Option<Value> {
    const PACKAGE: &str = "@microsoft/jest-sarif@1.0.0-beta.0";
    let folder = target().join("tests-sarif");
    let file = folder.join("package/lib/schemas/sarif-2.1.0-rtm.5.json");
    if !file.is_file() {
        let (npm, tar) = (tool("npm")?, tool("tar")?);
        std::fs::create_dir_all(&folder).unwrap();
        let packed = Command::new(npm).args(["pack", "--silent", PACKAGE]).current_dir(&folder).output().unwrap();
        assert!(packed.status.success(), "npm: {}", words(&packed));
        let name = String::from_utf8(packed.stdout).unwrap();
        let unpacked = Command::new(tar).arg("xzf").arg(name.trim()).current_dir(&folder).status().unwrap();
        assert!(unpacked.success());
    }
    Some(serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap())
}

/// A folder with one leaked token, in a file whose name is not a valid URI reference without escaping.
fn leaky() -> (tempfile::TempDir, PathBuf) {
    let tree = tempfile::tempdir().unwrap();
    let file = tree.path().join("a b?.txt");
    std::fs::write(&file, format!("first line\nkey = \"AK{}{}\"\n", "IA", "Q3RTY5UIOPASDF7G")).unwrap();
    (tree, file)
}

#[test]
fn findings_become_sarif_of_the_published_schema_and_a_number_to_end_with() {
    let (tree, _) = leaky();
    let program = Program::new(&config("leak-scan", &agent("leak-scan"), &files(tree.path())));
    let sarif = program.folder().join("found.sarif");
    let path = sarif.to_str().unwrap();
    for (level, code) in [("critical", 0), ("high", 10), ("low", 10)] {
        ends_with(&program.run(&["run", "leak-scan", "--trust", "--sarif", path, "--fail-on", level]), code);
    }
    ends_with(&program.run(&["run", "leak-scan", "--trust", "--fail-on", "dreadful"]), 2);
    let found: Value = serde_json::from_slice(&std::fs::read(&sarif).unwrap()).unwrap();
    let result = found.pointer("/runs/0/results/0").unwrap_or_else(|| panic!("{found}"));
    assert_eq!(result.pointer("/locations/0/physicalLocation/artifactLocation/uri"), Some(&Value::from("a%20b%3F.txt")));
    assert_eq!(result.pointer("/locations/0/physicalLocation/region/startLine"), Some(&Value::from(2)));
    assert_eq!(result.pointer("/taxa/0/id"), Some(&Value::from("CWE-798")));
    assert!(result.get("partialFingerprints").is_some());
    let Some(schema) = sarif_schema() else { return };
    let validator = jsonschema::options().build(&schema).unwrap();
    let errors: Vec<String> = validator.iter_errors(&found).map(|err| format!("{}: {err}", err.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    assert!(!validator.is_valid(&serde_json::json!({ "version": "2.1.0", "runs": [{ "results": [] }] })), "the schema rejects this");
}

/// Each shard is a run of its own, and all findings are in one report and one document.
#[test]
fn shards_share_the_work_and_make_one_report() {
    let tree = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..24).map(|at| format!("file-{at:02}.txt")).collect();
    for name in &names {
        std::fs::write(tree.path().join(name), format!("key = \"AK{}{}\"\n", "IA", "Q3RTY5UIOPASDF7G")).unwrap();
    }
    let program = Program::new(&config("leak-scan", &agent("leak-scan"), &files(tree.path())));
    ends_with(&program.run(&["trust"]), 0);
    let sarif = program.folder().join("found.sarif");
    let told = program.run(&["run", "leak-scan", "--shard", "3", "--json", "--sarif", sarif.to_str().unwrap(), "--fail-on", "high"]);
    ends_with(&told, 10);
    let told = document(&told);
    let shards = told["shards"].as_array().unwrap();
    let of = |pointer: &str| shards.iter().map(|shard| shard.pointer(pointer).unwrap().clone()).collect::<Vec<_>>();
    let scanned: Vec<u64> = of("/claims/output/files_scanned").iter().map(|files| files.as_u64().unwrap()).collect();
    assert!(scanned.iter().sum::<u64>() == 24 && scanned.iter().all(|files| *files > 0), "{scanned:?}");
    let found: Value = serde_json::from_slice(&std::fs::read(&sarif).unwrap()).unwrap();
    let uris = found.pointer("/runs/0/results").unwrap().as_array().unwrap().iter();
    let mut uris: Vec<&str> =
        uris.map(|result| result.pointer("/locations/0/physicalLocation/artifactLocation/uri").unwrap().as_str().unwrap()).collect();
    uris.sort_unstable();
    assert_eq!(uris, names);
    let on_record: Vec<&Value> =
        found.pointer("/runs/0/properties/runs").unwrap().as_array().unwrap().iter().map(|run| &run["run"]).collect();
    assert_eq!(on_record, of("/run").iter().collect::<Vec<_>>());
    assert_eq!(found["runs"].as_array().map(Vec::len), Some(1));

    let words_of = |args: &[&str]| words(&program.run(args));
    let report = words_of(&["run", "leak-scan", "--shard", "2"]);
    for expected in ["24 findings", "/src  24 read", "file-00.txt"] {
        assert!(report.contains(expected), "`{expected}` is not in {report}");
    }
    assert_eq!((report.matches("DONE").count(), report.matches("audit verify").count()), (2, 2), "{report}");

    // An agent that does not support shards is not started several times.
    ends_with(&program.run(&["run", "leak-scan", "--shard", "2", "--input", r#"{"shard":{"index":0,"of":2}}"#]), 2);
    ends_with(&program.run(&["run", "leak-scan", "--shard", "0"]), 2);
    let other = Program::new(&config("x", &guest("asks_through_sdk"), &Grants::default()));
    let refused = other.run(&["run", "x", "--trust", "--shard", "2"]);
    ends_with(&refused, 2);
    assert!(words(&refused).contains("has no key `shard`"), "{}", words(&refused));
}

#[test]
fn what_was_accepted_is_what_runs_until_something_else_is() {
    let tree = tempfile::tempdir().unwrap();
    let component = tempfile::tempdir().unwrap();
    let wasm = component.path().join("agent.wasm");
    std::fs::copy(guest("reads_files"), &wasm).unwrap();
    let program = Program::new(&config("reads-files", &wasm, &files(tree.path())));
    ends_with(&program.run(&["trust"]), 0);
    ends_with(&program.run(&["run", "reads-files", "--", "/src"]), 0);
    let accepted = document(&program.run(&["accept", "reads-files", "--json"]));
    assert!(accepted["difference"].is_null() && accepted["authority"].to_string().contains("/src"), "{accepted}");
    ends_with(&program.run(&["run", "reads-files", "--", "/src"]), 0);

    // The bytes of the component changed.
    std::fs::write(&wasm, tests::bombs::with_section(&std::fs::read(&wasm).unwrap(), "note", b"other")).unwrap();
    let refused = program.run(&["run", "reads-files", "--", "/src"]);
    ends_with(&refused, 4);
    assert!(words(&refused).contains("bailiwick accept"), "{}", words(&refused));
    let accepted = document(&program.run(&["accept", "reads-files", "--json"]));
    assert!(accepted.pointer("/difference/digest_was").is_some_and(Value::is_string), "{accepted}");
    ends_with(&program.run(&["run", "reads-files", "--", "/src"]), 0);

    // The configuration grants more.
    let more = std::fs::read_to_string(program.config()).unwrap()
        + &format!("\n[[agents.reads-files.files]]\nguest = \"/more\"\nhost = {:?}\nmode = \"read\"\n", tree.path().display().to_string());
    std::fs::write(program.config(), more).unwrap();
    ends_with(&program.run(&["trust"]), 0);
    let refused = program.run(&["run", "reads-files", "--", "/src"]);
    ends_with(&refused, 4);
    assert!(words(&refused).contains("+ read") && words(&refused).contains("/more"), "{}", words(&refused));
    std::fs::write(program.config().with_extension("lock"), "agents = 1\n").unwrap();
    ends_with(&program.run(&["run", "reads-files", "--", "/src"]), 2);
}

#[test]
fn a_run_that_was_kept_is_replayed_without_its_files_or_its_server() {
    let tree = tempfile::tempdir().unwrap();
    std::fs::write(tree.path().join("a.txt"), "alpha\n").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let wasm = folder.path().join("agent.wasm");
    std::fs::copy(guest("reads_files"), &wasm).unwrap();
    let program = Program::new(&config("reads-files", &wasm, &files(tree.path())));
    ends_with(&program.run(&["trust"]), 0);
    ends_with(&program.run(&["test"]), 2);
    let run = |args: &[&str]| document(&program.run(args))["run"].as_str().unwrap().to_owned();
    let forgotten = run(&["run", "reads-files", "--json", "--", "/src"]);
    ends_with(&program.run(&["test", "reads-files", "--keep", &forgotten]), 2);
    let kept = run(&["run", "reads-files", "--durable", "--json", "--", "/src"]);
    ends_with(&program.run(&["test", "reads-files", "--keep", &kept, "--name", "../out"]), 2);
    ends_with(&program.run(&["test", "reads-files", "--keep", &kept, "--name", "one-file"]), 0);
    let case = folder.path().join("agent.cases/one-file.json");
    assert!(case.is_file());

    // Another home and another content of the mount: still the same authority.
    std::fs::write(tree.path().join("a.txt"), "other\n").unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let there = tests::host::place(elsewhere.path());
    let tested = |args: &[&str]| {
        let mut command = program.command(&[], args);
        command.env("BAILIWICK_HOME", &there.home).env("BAILIWICK_STATE", &there.state).output().unwrap()
    };
    let same = tested(&["test", "--trust", "--json"]);
    ends_with(&same, 0);
    assert_eq!(document(&same)["same"], true);

    // Another component is recognised as different.
    std::fs::copy(guest("reads_metadata"), &wasm).unwrap();
    let differs = tested(&["test", "reads-files", "--trust"]);
    ends_with(&differs, 9);
    assert!(String::from_utf8_lossy(&differs.stdout).contains("DIFFERS"));

    std::fs::write(&case, "{}").unwrap();
    ends_with(&tested(&["test", "--trust"]), 2);
}
