//! Rules on the source itself: which room uses which, where permits are made, what no file may contain.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tests::tools::root;

/// The rooms from the lowest up: each may use those before it.
const ROOMS: &[&str] = &[
    "vocabulary",
    "home",
    "key",
    "journal",
    "policy",
    "package",
    "permit",
    "effects",
    "gate",
    "vault",
    "net",
    "broker",
    "sandbox",
    "run",
    "service",
    "cli",
];

/// Rooms that may use less than everything before them.
const NO_MORE_THAN: &[(&str, &[&str])] = &[
    ("vocabulary", &[]),
    ("home", &[]),
    ("key", &["vocabulary", "home"]),
    ("journal", &["vocabulary", "home", "key"]),
    ("policy", &["vocabulary"]),
    ("package", &["vocabulary", "home", "policy"]),
    ("permit", &["vocabulary"]),
    // Has the type of a permit, and does not re-export its constructor.
    ("effects", &["vocabulary", "permit"]),
    ("gate", &["vocabulary", "journal", "policy", "permit", "effects"]),
    ("vault", &["vocabulary", "home", "key"]),
    ("net", &["vocabulary", "policy"]),
    // SECURITY: the broker can't name the record or the code that decides, and can't make a permit.
    ("broker", &["vocabulary", "policy", "effects", "vault", "net"]),
    ("sandbox", &["vocabulary", "home"]),
    ("service", &["vocabulary", "home", "journal", "package", "run", "sandbox"]),
];

/// Crates that only these rooms may use.
const ONLY_IN: &[(&str, &[&str])] = &[
    ("argon2", &["key"]),
    ("cap-std", &["broker"]),
    ("clap", &["cli"]),
    ("hickory-resolver", &["net"]),
    ("hyper", &["net"]),
    ("hyper-util", &["net"]),
    ("indicatif", &["cli"]),
    ("landlock", &["sandbox"]),
    ("linux-keyutils", &["key"]),
    ("rustls", &["net"]),
    ("seccompiler", &["sandbox"]),
    // SECURITY: only the gate makes permits. `effects` re-exports only the type.
    ("permit", &["effects", "gate"]),
    ("tokio", &["effects", "gate", "vault", "net", "broker", "sandbox", "run", "service", "cli"]),
    ("tokio-rustls", &["net"]),
    ("wasmtime", &["sandbox"]),
];

/// Every file of the repository, with its path from the root, except built files, git's own files and the kept homes.
fn files(ending: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("it can be listed").map(|entry| entry.expect("it is there")) {
            let (path, name) = (entry.path(), entry.file_name());
            let kind = entry.file_type().expect("it is there");
            if kind.is_dir() && !["target", ".git", "__pycache__", "node_modules", "homes"].iter().any(|skipped| name == *skipped) {
                folders.push(path);
            } else if kind.is_file() && name.to_string_lossy().ends_with(ending) {
                let text = fs::read(&path).map(String::from_utf8);
                if let Ok(Ok(text)) = text {
                    found.push((shown(&path), text));
                }
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no file ends in `{ending}`");
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}

#[test]
fn each_source_file_says_first_what_it_is_for() {
    // A file that is included into another one can't begin with its own documentation.
    let included = |path: &str| path == "wit/locate.rs";
    let silent: Vec<_> =
        files(".rs").into_iter().filter(|(path, text)| !included(path) && !text.starts_with("//! ")).map(|(path, _)| path).collect();
    none("these do not begin with a `//!` line", &silent);
}

#[test]
fn no_test_is_left_out_and_no_lint_is_waved_through() {
    let words = [
        concat!("#[ig", "nore"),
        concat!("#[should_", "panic"),
        concat!("#[al", "low("),
        concat!("#![al", "low("),
        concat!("thread::sl", "eep"),
    ];
    let mut found = Vec::new();
    for (path, text) in files(".rs") {
        for word in words {
            // The ticker of the engine has to sleep between its ticks. In the sandbox a sleep is a recorded wait.
            let may_sleep = ["host/sandbox/src/engine.rs", "tests/guests/", "agents/"].iter().any(|place| path.starts_with(place));
            if text.contains(word) && !(word.contains("sleep") && may_sleep) {
                found.push(format!("{path}: {word}"));
            }
        }
    }
    none("these are not to be found here", &found);
}

/// The dependencies of a room that are built into it, by name.
fn dependencies(room: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(format!("host/{room}/Cargo.toml"))).expect("it has a manifest");
    let mut inside = false;
    let mut names = Vec::new();
    for line in text.lines() {
        if line.starts_with('[') {
            inside = line.ends_with("dependencies]") && !line.contains("dev-") && !line.contains("build-");
        } else if inside && let Some((name, _)) = line.split_once(['.', ' ', '=']) {
            names.push(name.to_owned());
        }
    }
    names
}

#[test]
fn a_room_uses_only_rooms_below_it() {
    let folders = fs::read_dir(root().join("host")).unwrap().map(|entry| entry.unwrap().path());
    let mut rooms: Vec<_> =
        folders.filter(|path| path.is_dir()).map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    rooms.sort();
    let mut known: Vec<_> = ROOMS.to_vec();
    known.sort_unstable();
    assert_eq!(rooms, known, "every room is in the list");
    let mut wrong = Vec::new();
    for (height, room) in ROOMS.iter().enumerate() {
        let bound = NO_MORE_THAN.iter().find(|(name, _)| name == room).map_or(&ROOMS[..height], |(_, rooms)| *rooms);
        let used = dependencies(room);
        let ours = used.iter().filter(|name| ROOMS.contains(&name.as_str()) || name.starts_with("bailiwick"));
        wrong.extend(ours.filter(|name| !bound.contains(&name.as_str())).map(|name| format!("{room} uses {name}")));
        for (library, rooms) in ONLY_IN {
            if used.iter().any(|name| name == library) && !rooms.contains(room) {
                wrong.push(format!("{room} uses {library}"));
            }
        }
    }
    none("these go the wrong way", &wrong);
}

/// Types can't express this: only the gate, and the room that re-exports the type, depend on the crate that makes permits.
#[test]
fn only_the_gate_makes_permits() {
    let (make, name) = (concat!("permit::", "issue"), "permit::");
    let mut makers = Vec::new();
    for (path, text) in files(".rs").into_iter().filter(|(path, _)| path.starts_with("host/") && !path.contains("/tests")) {
        let code = text.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
        let of_it: Vec<&str> = code.filter(|line| line.contains(name)).collect();
        if path.starts_with("host/effects/") {
            let only_the_type = of_it.iter().all(|line| ["pub use permit::Permit;", "use permit::Permit;"].contains(line));
            assert!(only_the_type, "{path} re-exports more than the type: {of_it:?}");
        } else if of_it.iter().any(|line| line.contains(make)) {
            makers.push(path);
        }
    }
    makers.sort();
    // One for acts, one for the host's own requests, one for looks.
    assert_eq!(makers, ["host/gate/src/ask.rs", "host/gate/src/host_request.rs", "host/gate/src/live/observer.rs"]);
}

#[test]
fn agents_and_what_they_are_made_with_use_nothing_of_the_host() {
    let mut wrong = Vec::new();
    let of_guests = |path: &str, text: &str| ["sdk/", "agents/"].iter().any(|of| path.starts_with(of)) || text.contains("bailiwick-sdk");
    for (path, text) in files("Cargo.toml").into_iter().filter(|(path, text)| path.contains('/') && of_guests(path, text)) {
        let uses = |line: &&str| ROOMS.iter().any(|room| line.starts_with(&format!("{room}.")) || line.starts_with(&format!("{room} =")));
        wrong.extend(text.lines().filter(uses).map(|line| format!("{path}: {line}")));
    }
    none("these use the host", &wrong);
}

#[test]
fn each_crate_says_what_it_is_in_a_sentence_of_its_own() {
    let mut said = BTreeMap::new();
    let mut wrong = Vec::new();
    for (path, text) in files("Cargo.toml").into_iter().filter(|(_, text)| text.contains("[package]")) {
        let description = text.lines().find_map(|line| line.strip_prefix("description = \"")?.strip_suffix("\"")).unwrap_or_default();
        if description.len() < 20 || !description.ends_with('.') || !description.starts_with(|first: char| first.is_ascii_uppercase()) {
            wrong.push(format!("{path}: `{description}`"));
        }
        if let Some(other) = said.insert(description.to_owned(), path.clone()) {
            wrong.push(format!("{path}: as {other}"));
        }
    }
    none("each of these needs `description = \"A sentence.\"`, as no other crate has it", &wrong);
}

#[test]
fn landing_pages_that_others_would_read_have_an_example_that_runs() {
    let missing = ["sdk/rust/src/lib.rs", "host/vocabulary/src/lib.rs", "host/journal/src/lib.rs", "host/policy/src/lib.rs"]
        .into_iter()
        .filter(|path| {
            let text = fs::read_to_string(root().join(path)).expect("it is there");
            let page = text.lines().take_while(|line| line.starts_with("//!"));
            !page.collect::<Vec<_>>().contains(&"//! ```")
        });
    none("these have none", &missing.map(str::to_owned).collect::<Vec<_>>());
}

#[test]
fn actions_of_the_workflow_are_pinned_by_commit_and_its_token_only_reads() {
    let workflow = fs::read_to_string(root().join(".github/workflows/ci.yml")).expect("it is there");
    let pinned = |action: &str| {
        action.rsplit_once('@').is_some_and(|(_, commit)| commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let uses: Vec<_> = workflow.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("uses: ")).collect();
    assert!(!uses.is_empty());
    none("these are not pinned", &uses.into_iter().filter(|action| !pinned(action)).map(str::to_owned).collect::<Vec<_>>());
    assert!(workflow.contains("\npermissions:\n  contents: read\n"), "its token may do more than read");
    assert!(!workflow.contains("write"), "its token may write");
    assert!(workflow.contains("- run: .ci/run\n"), "the workflow does not run `.ci/run`");
}

#[test]
fn doors_are_pinned() {
    let mark = concat!("reason = \"do", "or: ");
    let mut doors = Vec::new();
    for (path, text) in files(".rs") {
        for line in text.lines() {
            if let Some((_, reason)) = line.split_once(mark) {
                let reason = reason.split('"').next().unwrap_or_default();
                doors.push(format!("{path}: {reason}"));
            }
        }
    }
    doors.sort();
    crate::golden::check(&root().join("tests/golden/doors.txt"), &(doors.join("\n") + "\n"));
}

#[test]
fn nothing_is_printed_outside_the_program() {
    let words = [concat!("print", "ln!("), concat!("eprint", "!("), concat!(" print", "!("), concat!("d", "bg!(")];
    let mut found = Vec::new();
    for (path, text) in files(".rs") {
        // A build script talks to cargo by printing.
        let elsewhere = path.ends_with("/build.rs") || path.contains("/benches/") || path.contains("/tests/");
        if !path.starts_with("host/") || path.starts_with("host/cli/") || elsewhere {
            continue;
        }
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{path}: {}", line.trim()));
            }
        }
    }
    none("these print", &found);
}

/// The items of a WIT interface without documentation or `@since` in the lines before them.
fn undocumented(path: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let (mut documented, mut dated, mut depth) = (false, false, 0_usize);
    for line in text.lines().map(str::trim) {
        if line.starts_with("///") {
            documented = true;
            continue;
        }
        if line.starts_with("@since(") {
            dated = true;
            continue;
        }
        let opens = line.ends_with('{');
        let named = ["interface ", "world ", "record ", "enum ", "variant ", "flags ", "resource ", "type "]
            .iter()
            .any(|word| line.starts_with(word));
        let function = depth == 1 && line.contains(": func(");
        if named || function {
            if !documented {
                wrong.push(format!("{path}: `{line}` has no `///`"));
            }
            if !dated {
                wrong.push(format!("{path}: `{line}` has no `@since`"));
            }
        }
        if opens {
            depth += 1;
        } else if line.starts_with('}') {
            depth = depth.saturating_sub(1);
        }
        (documented, dated) = (false, false);
    }
    wrong
}

#[test]
fn every_item_of_the_contracts_says_what_it_is_and_since_when() {
    let contracts = files(".wit").into_iter().filter(|(path, _)| path.starts_with("wit/"));
    let wrong: Vec<_> = contracts.flat_map(|(path, text)| undocumented(&path, &text)).collect();
    none("these lack documentation or `@since`", &wrong);
}

#[test]
fn no_file_names_a_machine() {
    // Paths that exist on one machine only: a home folder, a work folder, a user's folder.
    let marks = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("/wo", "rk/"), concat!("\"/t", "mp/")];
    let mut found = Vec::new();
    for (path, text) in files("") {
        for line in text.lines() {
            for mark in marks {
                let stands_alone =
                    |at: usize| at == 0 || !line.as_bytes()[at - 1].is_ascii_alphanumeric() && !b"/_-.}".contains(&line.as_bytes()[at - 1]);
                if line.match_indices(mark).any(|(at, _)| stands_alone(at)) {
                    found.push(format!("{path}: {}", line.trim()));
                }
            }
        }
    }
    none("these name a machine's folders", &found);
}

#[test]
fn every_manifest_of_an_agent_can_be_read() {
    let mut wrong = Vec::new();
    for (path, text) in files("agent.toml") {
        // A template of `new` has no name yet.
        if let Err(err) = package::AuthoredManifest::parse(&root().join(&path), &text.replace("{{name}}", "name")) {
            wrong.push(format!("{path}: {err}"));
        }
    }
    none("these are broken", &wrong);
}

#[test]
fn files_are_short_enough_to_be_read() {
    let lengths: BTreeMap<_, _> = files(".rs").into_iter().map(|(path, text)| (path, text.lines().count())).collect();
    let long: Vec<_> = lengths.iter().filter(|(_, lines)| **lines > 450).map(|(path, lines)| format!("{path}: {lines}")).collect();
    none("these files are too long to read", &long);
}
