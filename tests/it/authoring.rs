//! The first ten minutes of an author: runs each shell block of `docs/writing-agents.md` as it is, for a user who has nothing yet.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tests::guests::NOT_FOR_CARGO;
use tests::host::bailiwick;
use tests::tools::{may_install, missing, root};

/// The shell blocks beneath a heading of the guide.
fn blocks(heading: &str) -> Vec<String> {
    let guide = std::fs::read_to_string(root().join("docs/writing-agents.md")).unwrap();
    let section = guide.split("\n## ").find(|section| section.starts_with(heading)).unwrap_or_else(|| panic!("{heading}"));
    let blocks = section.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(str::to_owned).collect()
}

/// A shell in a new home folder, with this version of the program on its path.
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
        // The language tools are installed already; everything else is new.
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

/// The whole page in one shell, except for commands that wait for Ctrl-C.
#[test]
fn the_guide_from_top_to_bottom() {
    if !may_install() {
        return missing("componentize-py (nothing may be installed)");
    }
    let newcomer = Newcomer::new();
    let here = newcomer.home.path();
    let sections = ["The first one, in Rust", "The same in Python", "Writing it"];
    let all: String = sections.iter().flat_map(|heading| blocks(heading)).collect();
    let script: String = all.lines().filter(|line| !line.contains("--watch")).map(|line| format!("{line}\n")).collect();
    let said = newcomer.does(here, &script);
    for words in [
        "a_file_that_is_too_long_is_a_finding ... ok",
        r#""files":1"#,
        "declared",
        "Ran 1 test",
        "say-lines 0.1.0",
        r#""unread":"#,
        "long-file",
        "run-closed",
        "count-lines/own-source  ok",
    ] {
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }
    watched(&newcomer, &here.join("count-lines"));
}

/// A process that ends with the test, even if the test fails.
struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Watching {
    fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap()).lines();
        let (tell, lines) = channel();
        std::thread::spawn(move || said.map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { child, lines }
    }

    /// The lines until the program waits for a change.
    fn round(&self) -> Vec<String> {
        let mut said = Vec::new();
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(300)).unwrap_or_else(|err| panic!("{err}: {said:#?}"));
            if line.starts_with("watching ") {
                return said;
            }
            said.push(line);
        }
    }
}

/// Writes a file as editors do, so that no reader ever sees half of it.
fn write(file: &Path, text: &str) {
    let new = file.with_extension("rs~");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, file).unwrap();
}

/// A change is built and run, a mistake is reported, and its correction is built and run. Files that the program itself writes do not
/// count as changes.
fn watched(newcomer: &Newcomer, project: &Path) {
    let mut watching = Watching::start(newcomer.command(project, "exec bailiwick run count-lines --watch --sarif found.sarif"));
    let source = project.join("src/lib.rs");
    let before = std::fs::read_to_string(&source).unwrap();
    let count = |text: &str| format!("\"lines\":{}", text.lines().count());
    let has = |said: &[String], words: &str| said.iter().any(|line| line.contains(words));
    let said = watching.round();
    assert!(has(&said, &count(&before)), "{said:#?}");
    let longer = format!("{before}\n// One more.\n");
    write(&source, &longer);
    let said = watching.round();
    assert!(has(&said, "building") && has(&said, &count(&longer)), "{said:#?}");
    write(&source, "mistake");
    let said = watching.round();
    assert!(has(&said, "error") && !has(&said, "DONE"), "{said:#?}");
    write(&source, &before);
    assert!(has(&watching.round(), &count(&before)));
    assert!(project.join("found.sarif").is_file());
    kill_process(Pid::from_child(&watching.child), Signal::INT).unwrap();
    assert_eq!(watching.child.wait().unwrap().code(), Some(130));
    assert!(watching.lines.try_iter().all(|line| !line.contains("run ")), "it waited, and ran nothing more");
}

#[test]
fn a_project_that_can_not_be_made_is_told_and_nothing_is_left() {
    let newcomer = Newcomer::new();
    let here = &newcomer.home.path().join("here");
    std::fs::create_dir_all(here.join("there")).unwrap();
    for (name, words) in [
        ("there", "already exists"),
        ("../up", "change to the parent folder first"),
        ("fn", "keyword"),
        ("class", "keyword"),
        ("--", "required"),
        ("a b", "not a valid agent name"),
    ] {
        let output = newcomer.command(here, r#"bailiwick new "$NAME""#).env("NAME", name).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {said}");
        assert!(said.contains(words), "{name}: {said}");
    }
    assert!(std::fs::read_dir(here.join("there")).unwrap().next().is_none());
    assert!(!here.parent().unwrap().join("up").exists() && !here.join("fn").exists());
    let watched = newcomer.does(here, "bailiwick new x-1 && cd x-1 && ! bailiwick run x-1 --trust --watch --input - < /dev/null 2>&1");
    assert!(watched.contains("standard input can be read only once"), "{watched}");
}
