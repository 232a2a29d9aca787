//! The first ten minutes of an author: each block of shell in `docs/writing-agents.md` is run as it stands, by somebody who has nothing yet.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tests::guests::NOT_FOR_CARGO;
use tests::host::bailiwick;
use tests::tools::{may_install, missing, root};

/// The blocks of shell beneath a heading of the guide.
fn blocks(heading: &str) -> Vec<String> {
    let guide = std::fs::read_to_string(root().join("docs/writing-agents.md")).unwrap();
    let section = guide.split("\n## ").find(|section| section.starts_with(heading)).unwrap_or_else(|| panic!("{heading}"));
    let blocks = section.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(str::to_owned).collect()
}

/// A shell in a home where nobody has been, with this version of the program on its path.
struct Newcomer {
    home: tempfile::TempDir,
}

impl Newcomer {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn command(&self, folder: &Path, script: &str) -> Command {
        let of_machine = |name: &str, beneath: &str| {
            let home = || std::path::PathBuf::from(std::env::var_os("HOME").unwrap()).join(beneath);
            std::env::var_os(name).map_or_else(home, Into::into)
        };
        let path = format!("{}:{}", bailiwick().parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command.args(["-euc", script]).current_dir(folder).env("PATH", path);
        // The language's own tools were there before; everything else is new.
        command.env("CARGO_HOME", of_machine("CARGO_HOME", ".cargo")).env("RUSTUP_HOME", of_machine("RUSTUP_HOME", ".rustup"));
        command.env("PYENV_ROOT", of_machine("PYENV_ROOT", ".pyenv"));
        let of_ours = ["BAILIWICK_HOME", "BAILIWICK_STATE", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"];
        for name in NOT_FOR_CARGO.iter().chain(&of_ours) {
            command.env_remove(name);
        }
        command.env("HOME", self.home.path());
        command
    }

    #[track_caller]
    fn does(&self, folder: &Path, script: &str) -> String {
        let Output { status, stdout, stderr } = self.command(folder, script).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert!(status.success(), "{script}\n{status}\n{said}");
        said
    }
}

#[test]
fn the_guide_shows_what_new_writes() {
    let guide = std::fs::read_to_string(root().join("docs/writing-agents.md")).unwrap();
    let template = std::fs::read_to_string(root().join("sdk/rust/template/src/lib.rs")).unwrap();
    let (code, _) = template.split_once("\n#[cfg(test)]").unwrap();
    assert!(guide.contains(code.trim_end()), "the first block of Rust is that of the template");
}

#[test]
fn the_first_agent_in_rust_as_the_guide_has_it() {
    let newcomer = Newcomer::new();
    let here = newcomer.home.path();
    let first = blocks("The first one, in Rust").concat();
    let said = newcomer.does(here, &first);
    for words in ["a_file_that_is_too_long_is_a_finding ... ok", "DONE", r#""files":1"#, "declared", "files"] {
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }
    let project = here.join("count-lines");
    let ending =
        |script: String| -> String { script.lines().filter(|line| !line.contains("--watch")).map(|line| format!("{line}\n")).collect() };
    let [writing, keeping] = blocks("Writing it").try_into().unwrap();
    let said = newcomer.does(&project, &ending(writing));
    assert!(said.contains("long-file") && said.contains("run-opened"), "{said}");
    let said = newcomer.does(&project, &ending(keeping));
    assert!(said.contains("count-lines/own-source  ok"), "{said}");
    watched(&newcomer, &project);
}

/// A change is built and run, a mistake is told, and its mending is built and run again.
fn watched(newcomer: &Newcomer, project: &Path) {
    let mut command = newcomer.command(project, "exec bailiwick run count-lines --watch");
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut round = || -> Vec<String> {
        let mut said = Vec::new();
        loop {
            let line = lines.next().unwrap_or_else(|| panic!("it ended: {said:#?}")).unwrap();
            if line.starts_with("watching ") {
                return said;
            }
            said.push(line);
        }
    };
    let source = project.join("src/lib.rs");
    let before = std::fs::read_to_string(&source).unwrap();
    let count = |text: &str| format!("\"lines\":{}", text.lines().count());
    let has = |said: &[String], words: &str| said.iter().any(|line| line.contains(words));
    let said = round();
    assert!(has(&said, &count(&before)) && !has(&said, "building"), "nothing had changed: {said:#?}");
    let longer = format!("{before}\n// One more.\n");
    std::fs::write(&source, &longer).unwrap();
    let said = round();
    assert!(has(&said, "building") && has(&said, &count(&longer)), "{said:#?}");
    std::fs::write(&source, "mistake").unwrap();
    let said = round();
    assert!(has(&said, "error") && !has(&said, "DONE"), "{said:#?}");
    std::fs::write(&source, &before).unwrap();
    assert!(has(&round(), &count(&before)));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn the_first_agent_in_python_as_the_guide_has_it() {
    if !may_install() {
        return missing("componentize-py (nothing may be installed)");
    }
    let newcomer = Newcomer::new();
    let said = newcomer.does(newcomer.home.path(), &blocks("The same in Python").concat());
    for words in ["Ran 1 test", "OK", "DONE", r#""unread":"#, "declared"] {
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }
}

#[test]
fn a_project_that_can_not_be_made_is_told_and_nothing_is_left() {
    let newcomer = Newcomer::new();
    let here = newcomer.home.path();
    std::fs::create_dir(here.join("there")).unwrap();
    for (name, words) in [
        ("there", "is there already"),
        ("../up", "go to where it should lie"),
        ("fn", "keyword"),
        ("class", "keyword"),
        ("--", "required"),
        ("a b", "no name"),
    ] {
        let output = newcomer.command(here, r#"bailiwick new "$NAME""#).env("NAME", name).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(said.contains(words), "{name}: {said}");
    }
    assert!(std::fs::read_dir(here.join("there")).unwrap().next().is_none());
    assert!(!here.parent().unwrap().join("up").exists() && !here.join("fn").exists());
    let watched = newcomer.does(here, "bailiwick new x-1 && cd x-1 && ! bailiwick run x-1 --trust --watch --input - < /dev/null 2>&1");
    assert!(watched.contains("standard input is read once"), "{watched}");
}
