//! What an operator learns about trust and acceptance, from `check`, from the lists, and from the errors of `run`.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tests::guests::guest;
use tests::program::Program;
use tests::tools::tool;

/// The output with one blank between words, since line breaks are not tested here.
#[track_caller]
fn ends(program: &Program, args: &[&str], code: i32) -> String {
    let output = program.run(args);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    said.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn json(program: &Program, args: &[&str]) -> Value {
    let output = program.run(args);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|err| panic!("{err}: {output:?}"))
}

/// An agent whose component lies beside the configuration, and the path of the component.
fn reader(more: &str) -> (Program, PathBuf) {
    let program = Program::new(&format!("[agents.env]\ncomponent = \"env.wasm\"\n{more}"));
    let wasm = program.config().with_file_name("env.wasm");
    std::fs::copy(guest("reads_env"), &wasm).unwrap();
    (program, wasm)
}

/// Checks that `check` and `run` print the same text if `run` refuses.
#[track_caller]
fn both_refuse(program: &Program, code: i32, words: &str) {
    let ran = ends(program, &["run", "env"], code);
    let checked = ends(program, &["check"], 2);
    assert!(ran.contains(words), "`{words}` is not in: {ran}");
    assert!(checked.contains(words) && checked.contains("`run` would refuse"), "`{words}` is not in: {checked}");
}

#[test]
fn check_says_of_each_component_what_run_would_say() {
    let (program, wasm) = reader("");
    let exchange = |with: &str| std::fs::copy(guest(with), &wasm).unwrap();
    ends(&program, &["check"], 0);
    ends(&program, &["trust"], 0);
    assert!(ends(&program, &["check"], 0).contains("and trusted"), "the control");

    exchange("get");
    let checked = ends(&program, &["check"], 2);
    assert!(checked.contains("is not the one that was trusted") && checked.contains("bailiwick trust"), "{checked}");
    ends(&program, &["run", "env"], 2);
    exchange("reads_env");
    ends(&program, &["check"], 0);

    ends(&program, &["accept", "env"], 0);
    exchange("get");
    let checked = ends(&program, &["check"], 2);
    assert!(checked.contains("is not what was accepted by ") && checked.contains("+ imports wasi:http/outgoing-handler"), "{checked}");
    ends(&program, &["run", "env"], 4);
    exchange("reads_env");
    ends(&program, &["check"], 0);

    std::fs::write(&wasm, "no component").unwrap();
    for trusted in [true, false] {
        let checked = ends(&program, &["check"], 2);
        assert!(checked.contains("can't run here") && checked.contains("unknown"), "{checked}");
        if trusted {
            ends(&program, &["trust", "rm", "bailiwick.toml"], 0);
        }
    }
    std::fs::remove_file(&wasm).unwrap();
    let checked = ends(&program, &["check"], 2);
    assert!(checked.contains("could not open") && checked.contains("env.wasm"), "{checked}");
}

#[test]
fn check_says_that_an_acceptance_is_gone_and_that_an_agent_has_expired() {
    let (program, _) = reader("");
    ends(&program, &["trust"], 0);
    ends(&program, &["accept", "env"], 0);
    let lock = program.config().with_extension("lock");
    assert_eq!(std::fs::metadata(&lock).unwrap().permissions().mode() & 0o777, 0o644, "the lock is meant to be checked in");
    std::fs::remove_file(&lock).unwrap();
    assert!(ends(&program, &["check"], 2).contains("has no entry for it any more"));
    ends(&program, &["accept", "rm", "env"], 0);
    ends(&program, &["check"], 0);
    let text = std::fs::read_to_string(program.config()).unwrap();
    std::fs::write(program.config(), text + "expires = \"2020-01-01\"\n").unwrap();
    ends(&program, &["trust"], 0);
    both_refuse(&program, 2, "2020-01-01");
}

#[test]
fn a_component_that_appeared_or_vanished_since_trust_is_changed() {
    let (program, wasm) = reader("");
    let now = || json(&program, &["trust", "ls", "--json"])[0]["now"].clone();
    std::fs::remove_file(&wasm).unwrap();
    let said = ends(&program, &["trust"], 0);
    assert!(said.contains("the component of agent env is not trusted with it") && said.contains("`bailiwick trust` again"), "{said}");
    let said = json(&program, &["trust", "--json"]);
    assert_eq!(said["missing"].as_array().map(Vec::len), Some(1), "{said}");
    assert_eq!(now(), "same", "the control: the output was right");
    std::fs::copy(guest("reads_env"), &wasm).unwrap();
    assert_eq!(now(), "changed");
    assert!(ends(&program, &["run", "env"], 2).contains("there was no component that could be read"));
    assert_eq!(json(&program, &["trust", "--json"])["missing"], serde_json::json!([]));
    assert_eq!(now(), "same");
    std::fs::remove_file(&wasm).unwrap();
    assert_eq!(now(), "changed");
}

#[test]
fn a_folder_that_became_a_link_is_told_with_what_was_trusted_before() {
    let (program, _) = reader("[[agents.env.files]]\nguest = \"/src\"\nhost = \"shop\"\nmode = \"read\"\n");
    let shop = program.config().with_file_name("shop");
    std::fs::create_dir(&shop).unwrap();
    let said = ends(&program, &["run", "env"], 2);
    assert!(said.contains("is not trusted") && !said.contains("it was trusted by"), "the control: nothing was trusted: {said}");
    ends(&program, &["trust"], 0);
    std::fs::remove_dir(&shop).unwrap();
    symlink("/usr", &shop).unwrap();
    let said = ends(&program, &["run", "env"], 2);
    let whole = program.config().parent().unwrap().canonicalize().unwrap().join("shop");
    for part in ["it was trusted by ", "although it has not", &format!("- read {} as /src", whole.display()), "+ read /usr as /src"] {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }
    // For a changed file, the changed lines are named.
    std::fs::remove_file(&shop).unwrap();
    std::fs::create_dir(&shop).unwrap();
    let text = std::fs::read_to_string(program.config()).unwrap();
    std::fs::write(program.config(), text.replace("/src", "/sources")).unwrap();
    let said = ends(&program, &["run", "env"], 2);
    assert!(said.contains("and was changed since") && said.contains("as /sources"), "{said}");
}

#[test]
fn a_project_that_was_moved_is_told_from_where_and_its_old_rows_say_that_they_are_gone() {
    let (program, _) = reader("");
    ends(&program, &["trust"], 0);
    ends(&program, &["accept", "env"], 0);
    assert_eq!(json(&program, &["accept", "ls", "--json"])[0]["gone"], false, "the control");
    let (here, moved) = (program.config().parent().unwrap().to_owned(), program.folder().join("moved"));
    let was = program.config().canonicalize().unwrap();
    std::fs::rename(&here, &moved).unwrap();
    std::fs::create_dir(&here).unwrap();
    let file = moved.join("bailiwick.toml");
    let file = file.to_str().unwrap();
    let said = ends(&program, &["run", "env", "--config", file], 2);
    assert!(said.contains("these bytes were trusted by ") && said.contains(&format!("as `{}`, which is gone", was.display())), "{said}");
    let listed = ends(&program, &["accept", "ls"], 0);
    assert!(listed.contains("CONFIGURATION GONE") && listed.contains("bailiwick accept rm env --config "), "{listed}");
    ends(&program, &["accept", "rm", "env", "--config", was.to_str().unwrap()], 0);
    assert_eq!(json(&program, &["accept", "ls", "--json"]), serde_json::json!([]));
}

#[test]
fn an_empty_list_says_so_in_words() {
    let program = Program::new("");
    for (args, words) in [
        (&["trust", "ls"][..], "nothing is trusted in this home"),
        (&["accept", "ls"], "no agent was accepted"),
        (&["ps"], "no run is open"),
        (&["check"], "names no agent"),
    ] {
        let said = ends(&program, args, 0);
        assert!(said.contains(words) && !said.contains("CONFIGURATION") && !said.contains("AGENT"), "{args:?}: {said}");
    }
    // A program gets an empty list, and no text.
    for args in [["trust", "ls", "--json"], ["accept", "ls", "--json"]] {
        assert_eq!(json(&program, &args), serde_json::json!([]));
    }
}

#[test]
fn errors_point_to_what_whoever_has_only_the_program_can_use() {
    let program = Program::new("");
    std::fs::remove_file(program.config()).unwrap();
    let said = ends(&program, &["check"], 2);
    assert!(said.contains("`bailiwick init`") && !said.contains(".md"), "{said}");
    ends(&program, &["init"], 0);

    let (program, _) = reader("limits = { memory = \"9TiB\" }\n");
    let said = ends(&program, &["check"], 2);
    assert!(said.contains("4GiB at most") && !said.contains(".md"), "{said}");
    let (program, _) = reader("limits = { memroy = \"1MiB\" }\n");
    let said = ends(&program, &["check"], 2);
    assert!(said.contains("active-timeout") && said.contains("memory") && !said.contains(".md"), "{said}");

    let (program, _) = reader("");
    ends(&program, &["run", "env", "--trust"], 0);
    for part in [&["--answers"][..], &["--grants"], &["--full"], &[]] {
        let said = ends(&program, &[&["show", "latest", "--raw"], part].concat(), 2);
        assert!(said.contains("`--raw` prints the bytes of one body or one input"), "{part:?}: {said}");
    }
    ends(&program, &["show", "latest", "--input", "--raw"], 0);
    assert!(ends(&program, &["stop", "latest"], 2).contains("has ended already"));
}

/// The output lines of a verb in a terminal of this width.
fn in_terminal(program: &Program, columns: usize, args: &str) -> Option<Vec<String>> {
    let script = tool("script")?;
    let run = format!("stty cols {columns} rows 24; exec '{}' {args}", tests::host::bailiwick().display());
    let mut command = Command::new(script);
    command.args(["-qec", &run, "/dev/null"]).current_dir(program.config().parent().unwrap()).stdin(Stdio::null());
    command.env("BAILIWICK_HOME", &program.place().home).env("BAILIWICK_STATE", &program.place().state);
    let output = command.output().unwrap();
    Some(String::from_utf8_lossy(&output.stdout).replace('\r', "").lines().map(str::to_owned).collect())
}

#[test]
fn tables_errors_and_help_lines_are_broken_between_words_at_the_width_of_the_terminal() {
    let more = "[[agents.env.http]]\nhost = \"a.test\"\nmethods = [\"GET\", \"HEAD\", \"POST\", \"PUT\"]\npaths = [\"/a/**\", \"/b/**\", \"/c/**\"]\n\
                addresses = [\"192.0.2.0/24\", \"198.51.100.0/24\"]\n";
    let (program, _) = reader(more);
    ends(&program, &["trust"], 0);
    let words_of = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    // The length of words that also fit into a column of a table.
    for (columns, longest) in [(60, 10), (80, 24)] {
        for args in ["check", "trust ls", "run nobody", "show 01K8M3", "trust rm nothing"] {
            let plain = program.run(&args.split(' ').collect::<Vec<_>>());
            let plain = words_of(&(String::from_utf8_lossy(&plain.stdout).into_owned() + &String::from_utf8_lossy(&plain.stderr)));
            let Some(lines) = in_terminal(&program, columns, args) else { return };
            assert!(lines.iter().all(|line| line.chars().count() <= columns), "{columns} {args}: {lines:#?}");
            let shown = words_of(&lines.join("\n"));
            // Each word of the plain output is also in the terminal, unless it does not fit into a line of a table.
            for word in plain.iter().filter(|word| word.chars().count() <= longest) {
                assert!(shown.contains(word), "{columns} {args}: `{word}` is broken: {lines:#?}");
            }
        }
    }
}
