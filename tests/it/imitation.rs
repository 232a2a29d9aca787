//! A guest that imitates a report of the host: each of its lines begins with its name, so that no line can pass for a line of the host.

use std::process::Command;

use tests::guests::guest;
use tests::program::{Program, config};
use tests::tools::tool;
use vocabulary::Grants;

const NAME: &str = "prints-a-report";
const MARK: &str = "prints-a-report: ";

fn program() -> Program {
    Program::new(&config(NAME, &guest("prints_a_report"), &Grants::default()))
}

/// The output of a shell script, both streams together.
fn shown(program: &Program, script: &str) -> String {
    let mut command = program.command(&["sh", "-c", script], &[]);
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).replace('\r', "")
}

/// Checks that every line either begins with the guest's name, or is in the host's report.
fn no_line_is_forged(shown: &str) {
    let (before, report) = shown.split_once("HOST REPORT. It has no line of the agent: ").expect("the report has a first line");
    // The lines about trust, which name the agent, come before the run begins.
    let before = before.find("\nrun 0").map_or(before, |at| before.split_at(at).1);
    let is_hosts = |line: &str| line.is_empty() || line.starts_with("run 0") || line.starts_with("starting ") || line.starts_with('\u{1b}');
    let forged: Vec<&str> = before.lines().filter(|line| !line.starts_with(MARK) && !is_hosts(line)).collect();
    assert!(forged.is_empty(), "{forged:#?} in {shown}");
    // The host prints this once; every other such line is marked.
    assert_eq!(report.lines().filter(|line| line.starts_with("HOST EVIDENCE")).count(), 1, "{shown}");
    assert!(before.contains(&format!("{MARK}HOST EVIDENCE")), "the guest did print it: {shown}");
}

#[test]
fn lines_of_a_guest_carry_its_name_on_a_terminal_and_where_both_streams_are_one() {
    let program = program();
    no_line_is_forged(&shown(&program, &format!("exec 2>&1; \"$0\" run {NAME} --trust")));
    let Some(script) = tool("script") else { return };
    for columns in [80, 40, 20, 200] {
        let run = format!("stty cols {columns} rows 24; exec '{}' run {NAME} --trust", tests::host::bailiwick().display());
        let words = format!("exec {} -qec {} /dev/null </dev/null", script.display(), quoted(&run));
        let shown = shown(&program, &words);
        assert!(shown.contains("HOST REPORT"), "{shown}");
        // Progress lines are erased before a permanent line is written.
        let guests: Vec<&str> =
            shown.lines().filter_map(|line| line.rsplit("\u{1b}[2K").next()).filter(|line| line.contains("xx")).collect();
        let fits = |line: &&str| line.starts_with(MARK) && line.chars().count() <= columns.max(20);
        assert!(guests.len() >= 4 && guests.iter().all(fits), "{columns}: {guests:#?}");
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[test]
fn what_a_guest_prints_goes_to_another_program_as_it_is() {
    let program = program();
    let output = program.run(&["run", NAME, "--trust"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("HOST REPORT") && text.ends_with("HOST EVIDENCE") && !text.contains(MARK), "{text}");
    let json = program.run(&["run", NAME, "--trust", "--json"]);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let output = report.pointer("/claims/output").and_then(serde_json::Value::as_str).unwrap();
    assert!(output.starts_with("HOST REPORT") && !output.contains(MARK));
}

#[test]
fn what_was_said_is_marked_when_it_is_read_back_too() {
    let program = program();
    assert!(program.run(&["run", NAME, "--trust"]).status.success());
    let shown = shown(&program, "exec 2>&1; \"$0\" logs latest");
    let bare: Vec<&str> = shown.lines().filter(|line| !line.starts_with(MARK)).collect();
    assert!(bare.is_empty() && shown.contains("HOST EVIDENCE"), "{bare:?}");
    let control = Command::new("sh").args(["-c", "printf 'HOST EVIDENCE\\n'"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&control.stdout).starts_with(MARK));
}
