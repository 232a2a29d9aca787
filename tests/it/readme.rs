//! The program accepts the commands in the documentation.

use std::process::Command;

use tests::host::bailiwick;
use tests::tools;

/// Lines of shell blocks that begin with the program's name, or with the way to build and run it.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
            continue;
        }
        let line = line.split('#').next().unwrap_or_default().trim();
        let line = line.strip_prefix("cargo run --release -p bailiwick -- ").map_or(line.to_owned(), |rest| format!("bailiwick {rest}"));
        if inside && let Some(arguments) = line.strip_prefix("bailiwick ") {
            found.push(arguments.split_whitespace().map(str::to_owned).collect());
        }
    }
    found
}

#[test]
fn each_command_that_is_shown_is_one_that_the_program_takes() {
    let read = |page: &str| std::fs::read_to_string(tools::root().join(page)).unwrap();
    let (readme, guide) =
        (commands(&read("README.md")), ["docs/writing-agents.md", "docs/credentials.md"].map(|page| commands(&read(page))).concat());
    assert!(readme.len() >= 8 && guide.len() >= 6, "{readme:?} {guide:?}");
    let commands = [readme, guide].concat();
    for arguments in commands {
        // Everything before `--help` is parsed first, so an unknown verb or option fails.
        let output = Command::new(bailiwick()).args(&arguments).arg("--help").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty(), "{arguments:?}");
    }
}

/// The main example of the README, on this repository with its own configuration.
#[test]
fn the_first_command_of_the_readme_does_the_main_job() {
    let text = std::fs::read_to_string(tools::root().join("README.md")).unwrap();
    let first = commands(&text).swap_remove(0);
    let folder = tempfile::tempdir().unwrap();
    let (home, mut command) = (tests::host::place(folder.path()).home, Command::new(bailiwick()));
    // The build is shared; the record of this run belongs to this test.
    assert!(tests::program::agent("leak-scan").is_file());
    tests::program::share_built(&home);
    command.args(&first).current_dir(tools::root()).env("BAILIWICK_HOME", &home).env("BAILIWICK_STATE", folder.path().join("state"));
    let output = command.output().unwrap();
    let report = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{report}");
    for words in ["DONE", "AGENT CLAIMS (unverified)", "HOST EVIDENCE", "/src", "none granted", "bailiwick audit verify"] {
        assert!(report.contains(words), "`{words}` is not in: {report}");
    }
}

#[test]
fn each_file_that_the_readme_names_is_there() {
    let text = std::fs::read_to_string(tools::root().join("README.md")).unwrap();
    let prose: String = text.split("```").step_by(2).collect();
    let inline = prose.split('`').skip(1).step_by(2).filter(|word| word.contains('/') && !word.contains(' ') && !word.contains("://"));
    let linked = text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.contains("://"));
    for path in inline.chain(linked) {
        assert!(tools::root().join(path).exists(), "{path}");
    }
}
