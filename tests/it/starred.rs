//! Sealed payloads of a run are shown without values that could let somebody in: those in the vault, and those that were in it.

use serde_json::Value;
use tests::guests::guest;
use tests::program::{Program, config};
use vocabulary::Grants;

const OLD: &str = "Zk9vQ2x7pL3mT8rW1nYb5";
const NEW: &str = "b7Hs0KqPz4uXe6VdJc2Rf";

fn set(program: &Program, value: &str) {
    let output = program.run_with(&["credentials", "set", "key", "--for", "https://a.example.com"], value);
    assert!(output.status.success(), "{output:?}");
}

/// The output of each form of `show` for a run.
fn shown(program: &Program, run: &str) -> Vec<(String, String)> {
    let one = format!("{run}/1");
    let ways = [
        vec!["show", run, "--input"],
        vec!["show", run, "--input", "--raw"],
        vec!["show", run, "--input", "--json"],
        vec!["show", run, "--full"],
        vec!["show", run, "--full", "--json"],
        vec!["show", run, "--grants"],
        vec!["show", &one],
        vec!["show", &one, "--full"],
        vec!["show", &one, "--body"],
        vec!["show", &one, "--body", "--raw"],
        vec!["show", &one, "--json"],
    ];
    let said = |args: &Vec<&str>| {
        let output = program.run(args);
        (args[2..].join(" "), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    ways.iter().map(said).collect()
}

#[test]
fn a_value_that_was_replaced_revoked_or_removed_is_starred_in_whatever_show_prints() {
    for (how, args, stdin) in [
        ("replaced", &["credentials", "set", "key"][..], NEW),
        ("rotated", &["credentials", "rotate", "key"], NEW),
        ("revoked", &["credentials", "revoke", "key"], ""),
        ("removed", &["credentials", "rm", "key"], ""),
    ] {
        let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
        set(&program, OLD);
        let output = program.run(&["run", "exits-with", "--trust", "--json", "--", "0", &format!("one {OLD} two")]);
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let run = report["run"].as_str().unwrap();
        assert!(program.run_with(args, stdin).status.success());
        let told = shown(&program, run);
        for (way, text) in &told {
            assert!(!text.contains(OLD), "{how}, {way}: {text}");
        }
        // The control: the text around the value is shown, with stars in the value's place.
        let stars = format!("one {} two", "*".repeat(OLD.len()));
        assert!(told[0].1.contains(&stars) && told[2].1.contains(&stars) && told[3].1.contains(&stars), "{how}: {told:?}");
    }
}

#[test]
fn where_the_list_of_values_does_not_open_nothing_that_lies_sealed_is_shown() {
    let program = Program::new(&config("exits-with", &guest("exits_with"), &Grants::default()));
    set(&program, OLD);
    set(&program, NEW);
    assert!(program.run(&["run", "exits-with", "--trust", "--", "0", OLD]).status.success());
    let list = program.place().home.join("vault.live");
    let whole = std::fs::read(&list).unwrap();
    let mut bent = whole.clone();
    bent[20] ^= 1;
    bent[100] ^= 1;
    std::fs::write(&list, &bent).unwrap();
    let output = program.run(&["show", "latest", "--input"]);
    let said = String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("vault.live") && !said.contains(OLD), "{output:?}");
    std::fs::write(&list, &whole).unwrap();
    assert_eq!(program.run(&["show", "latest", "--input"]).status.code(), Some(0), "the control");
}
