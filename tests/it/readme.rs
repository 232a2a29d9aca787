//! What the documentation tells people to type is what the program takes.

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
fn each_command_of_the_readme_is_one_that_the_program_takes() {
    let text = std::fs::read_to_string(tools::root().join("README.md")).unwrap();
    let commands = commands(&text);
    assert!(commands.len() >= 8, "{commands:?}");
    for arguments in commands {
        // Everything is parsed before `--help` is answered, up to it: an unknown verb or option fails.
        let output = Command::new(bailiwick()).args(&arguments).arg("--help").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty(), "{arguments:?}");
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
