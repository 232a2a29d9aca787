//! Mounts that agents may change: with the program, and a guest that uses the ordinary functions of the standard library.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use tests::host::records;
use tests::program::Program;
use vocabulary::record::{Record, RecordKind};

/// A folder, and an agent that may change it.
struct Scene {
    program: Program,
    tree: PathBuf,
}

impl Scene {
    fn new(mode: &str, policy: Option<&str>, files: &[(&str, &str)]) -> Self {
        let program = Program::new("");
        let tree = program.folder().join("tree");
        std::fs::create_dir(&tree).unwrap();
        let scene = Self { program, tree };
        files.iter().for_each(|(path, text)| std::fs::write(scene.tree.join(path), text).unwrap());
        let guest = tests::guests::guest("changes_files").display().to_string();
        let host = if mode.starts_with("state") { String::new() } else { format!("host = {:?}\n", scene.tree.display().to_string()) };
        let (mode, quota) = mode.split_once(' ').unwrap_or((mode, ""));
        let mut text =
            format!("[agents.mend]\ncomponent = {guest:?}\n\n[[agents.mend.files]]\nguest = \"/w\"\n{host}mode = {mode:?}\n{quota}\n");
        if let Some(policy) = policy {
            let own = run::own_principal().name.unwrap().to_string();
            std::fs::create_dir(scene.program.folder().join("here/policy")).unwrap();
            std::fs::write(scene.program.folder().join("here/policy/files.cedar"), policy).unwrap();
            let key = scene.program.folder().join("bob");
            let made = std::process::Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status().unwrap();
            assert!(made.success());
            let key = std::fs::read_to_string(key.with_extension("pub")).unwrap();
            text = format!(
                "[policy]\nfiles = [\"policy/*.cedar\"]\n\n[people.own]\ngroups = [\"board\"]\nuser = {own:?}\n\n[people.bob]\ngroups = \
                 [\"board\"]\nkeys = [{:?}]\n\n{text}",
                key.trim()
            );
        }
        std::fs::write(scene.program.config(), text).unwrap();
        scene.ends(&["trust"], 0);
        scene
    }

    fn ends(&self, args: &[&str], code: i32) -> Output {
        let output = self.program.run(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        output
    }

    /// Runs the agent, which must end with this code. Returns the results of its words, and the report.
    fn runs(&self, words: &[&str], code: i32) -> (Vec<Value>, Value) {
        let args: Vec<&str> = ["run", "mend", "--json", "--"].iter().chain(words).copied().collect();
        let output = self.ends(&args, code);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let text = report.pointer("/claims/output").and_then(Value::as_str).unwrap_or_default();
        (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), report)
    }

    fn tree(&self) -> BTreeMap<String, String> {
        let entries = std::fs::read_dir(&self.tree).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.is_file()).map(|path| (name(&path), std::fs::read_to_string(path).unwrap())).collect()
    }

    fn records(&self, report: &Value) -> Vec<Record> {
        records(&self.program.place().home, report["run"].as_str().unwrap().parse().unwrap())
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

#[test]
fn ordinary_programs_change_a_folder_and_the_folder_is_changed_when_they_have_ended() {
    let scene = Scene::new("stage", None, &[("a", "one\n"), ("b", "two\n"), ("gone", "x"), ("index", "old")]);
    let words = [
        "append|/w/a|more\n",
        "rename|/w/b|/w/c",
        "rm|/w/gone",
        "mkdir|/w/d",
        "new|/w/d/e|deep",
        "new|/w/a|never",
        "lock|/w/index|new",
        "transact|/w/db|rows",
        "transact|/w/db|more rows",
        "size|/w/a|3",
        "read|/w/a",
        "list|/w",
        "rmdir|/w/d",
    ];
    let (said, report) = scene.runs(&words, 0);
    assert_eq!(said[5]["err"], "AlreadyExists");
    assert_eq!((&said[8]["ok"], &said[10]["ok"]), (&Value::from("more rows"), &Value::from("one")));
    assert_eq!(said[11]["ok"], serde_json::json!(["a", "c", "d", "db", "index"]));
    assert!(said[12]["err"].is_string(), "it is not empty");
    let expected = [("a", "one"), ("c", "two\n"), ("db", "more rows"), ("index", "new")];
    assert_eq!(scene.tree(), expected.map(|(path, text)| (path.to_owned(), text.to_owned())).into());
    assert_eq!(std::fs::read_to_string(scene.tree.join("d/e")).unwrap(), "deep");
    let asked = scene.records(&report).into_iter().find_map(|record| if let Record::Asked(asked) = record { Some(asked) } else { None });
    assert!(asked.unwrap().ask.resource.to_string().starts_with("changes of /w: "), "the commit is an act on the record");
    // The record says all of it, and an audit changes nothing.
    std::fs::write(scene.tree.join("a"), "changed since").unwrap();
    scene.ends(&["replay", report["run"].as_str().unwrap()], 0);
    assert_eq!(scene.tree()["a"], "changed since");
}

#[test]
fn a_run_that_fails_changes_nothing_and_a_mount_that_is_only_read_is_not_changed_either() {
    let scene = Scene::new("stage", None, &[("a", "one\n")]);
    scene.runs(&["write|/w/a|two", "fail"], 3);
    assert_eq!(scene.tree()["a"], "one\n");
    let scene = Scene::new("read", None, &[("a", "one\n")]);
    let (said, _) = scene.runs(&["write|/w/a|two", "rm|/w/a", "mkdir|/w/d"], 0);
    assert!(said.iter().all(|said| said["err"] == "PermissionDenied"), "{said:?}");
    assert_eq!(scene.tree()["a"], "one\n");
}

/// People look at what is written.
const EYES: &str = r#"
@id("small") permit (principal, action == Action::"files.commit", resource);
@id("eyes") @approval("board") @why("what agents write is read by people")
forbid (principal, action == Action::"files.commit", resource == Folder::"/w")
when { context.changes.endings.contains(".conf") } unless { context.approvals.contains("board") };
@id("never") forbid (principal, action == Action::"files.commit", resource) when { context.changes.tops.contains("secret") };
"#;

#[test]
fn a_policy_wants_eyes_on_what_is_written_and_exactly_that_is_committed_once() {
    let scene = Scene::new("stage", Some(EYES), &[("x.conf", "a = 1\n"), ("free", "")]);
    scene.runs(&["write|/w/free|1"], 0);
    assert_eq!(scene.tree()["free"], "1", "the control: nobody is asked");
    scene.runs(&["write|/w/secret|1"], 4);
    assert!(!scene.tree().contains_key("secret"));

    scene.ends(&["run", "mend", "--", "read|/w/x.conf", "write|/w/x.conf|a = 2\n"], 7);
    let all: Value = serde_json::from_slice(&scene.ends(&["approvals", "ls", "--json"], 0).stdout).unwrap();
    let (id, digest) = (all[0]["approval"].as_str().unwrap(), &all[0]["digest"].as_str().unwrap()["sha256:".len()..][..12]);
    let card = said(&scene.ends(&["approvals", "show", id], 0));
    for part in ["changes of /w: 0 created, 1 changed", "policy eyes", "-a = 1", "+a = 2"] {
        assert!(card.contains(part), "{part}: {card}");
    }
    assert_eq!(scene.tree()["x.conf"], "a = 1\n", "nothing is changed while people decide");
    let key = scene.program.folder().join("bob").display().to_string();
    scene.ends(&["approvals", "approve", id, "--as", "bob", "--key", &key, "--digest", digest], 0);
    scene.ends(&["wait", all[0]["run"].as_str().unwrap()], 0);
    assert_eq!(scene.tree()["x.conf"], "a = 2\n");
    let records = records(&scene.program.place().home, all[0]["run"].as_str().unwrap().parse().unwrap());
    assert_eq!(records.iter().filter(|record| record.kind() == RecordKind::Asked).count(), 1);
}

#[test]
fn a_folder_that_was_changed_while_people_decided_is_not_overwritten() {
    let scene = Scene::new("stage", Some(EYES), &[("x.conf", "a = 1\n")]);
    scene.ends(&["run", "mend", "--", "read|/w/x.conf", "write|/w/x.conf|a = 2\n"], 7);
    std::fs::write(scene.tree.join("x.conf"), "theirs\n").unwrap();
    let all: Value = serde_json::from_slice(&scene.ends(&["approvals", "ls", "--json"], 0).stdout).unwrap();
    let (id, digest) = (all[0]["approval"].as_str().unwrap(), &all[0]["digest"].as_str().unwrap()["sha256:".len()..][..12]);
    let key = scene.program.folder().join("bob").display().to_string();
    let approve = scene.program.run(&["approvals", "approve", id, "--as", "bob", "--key", &key, "--digest", digest]);
    let run = all[0]["run"].as_str().unwrap();
    let resumed = scene.program.run(&["resume", run]);
    assert!(said(&resumed).contains("changed meanwhile") || said(&approve).contains("changed meanwhile"), "{approve:?} {resumed:?}");
    assert_eq!(scene.tree()["x.conf"], "theirs\n");
}

#[test]
fn an_agent_keeps_a_folder_of_its_own_between_its_runs_and_within_its_quota() {
    let scene = Scene::new("state quota = \"1KiB\"", None, &[]);
    let (said, _) = scene.runs(&["list|/w", "write|/w/seen|one"], 0);
    assert_eq!(said[0]["ok"], serde_json::json!([]));
    let (said, report) = scene.runs(&["read|/w/seen", "append|/w/seen|, two"], 0);
    assert_eq!(said[0]["ok"], "one");
    scene.runs(&["write|/w/seen|lost", "fail"], 3);
    let (said, _) = scene.runs(&["read|/w/seen", "size|/w/seen|2000", "read|/w/seen"], 0);
    assert_eq!((&said[0]["ok"], &said[2]["ok"]), (&Value::from("one, two"), &Value::from("one, two")), "a failed run keeps nothing");
    assert_eq!(said[1]["err"], "StorageFull");
    let version = |record: Record| match record {
        Record::Asked(asked) => serde_json::to_value(asked.ask.resource).unwrap().pointer("/commit/version").cloned(),
        _ => None,
    };
    let found = scene.records(&report).into_iter().find_map(version);
    assert!(
        found.is_some_and(|version| version.as_str().is_some_and(|version| version.starts_with("sha256:"))),
        "each version is on the record"
    );
    assert_eq!(scene.tree(), BTreeMap::new(), "the folder of the project is not touched");
}

/// The calls by which a commit changes the folder. The program is killed at each of them, once before and then ever later.
const CALLS: [&str; 3] = ["syncfs", "renameat2", "mkdirat"];

#[test]
fn a_host_that_is_killed_in_the_middle_of_a_commit_finishes_it_when_the_run_is_resumed() {
    let Some(strace) = tests::tools::tool("strace") else { return };
    let strace = strace.display().to_string();
    let words = ["append|/w/a|more", "rename|/w/b|/w/c", "rm|/w/gone", "mkdir|/w/d", "new|/w/d/e|deep"];
    let (mut killed, mut half) = (0, 0);
    for call in CALLS {
        for at in 1..20 {
            let scene = Scene::new("stage", None, &[("a", "one\n"), ("b", "two\n"), ("gone", "x")]);
            // A home and a compiled component, so that no other call comes first.
            scene.runs(&["list|/w"], 0);
            let (before, trace) = (scene.tree(), format!("trace={call}"));
            let inject = format!("inject={call}:signal=SIGKILL:when={at}");
            let traced = [strace.as_str(), "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
            let args: Vec<&str> = ["run", "mend", "--"].into_iter().chain(words).collect();
            let ended = scene.program.command(&traced, &args).output().unwrap();
            let after: BTreeMap<String, String> =
                [("a", "one\nmore"), ("c", "two\n")].map(|(path, text)| (path.to_owned(), text.to_owned())).into();
            if ended.status.code() == Some(0) {
                assert_eq!(scene.tree(), after);
                break;
            }
            killed += 1;
            half += u64::from(![&before, &after].contains(&&scene.tree()));
            scene.ends(&["resume", "latest"], 0);
            assert_eq!(scene.tree(), after, "{call} {at}");
            assert_eq!(std::fs::read_dir(&scene.tree).unwrap().count(), 3, "nothing of the commit's own is left");
            scene.ends(&["replay", "latest"], 0);
        }
    }
    assert!(killed > 5 && half > 0, "the control: it was killed {killed} times, and {half} times the folder was changed in part");
}
