//! Tests pages that show a terminal: runs their commands, and compares the output with the page.

use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::{host, tools};

/// A separator before the output of each command. No command prints it.
const MARK: char = '\u{1e}';

/// A terminal of a user who has this version of the program on the path, and an empty home folder.
pub struct Console<'a> {
    /// The user's home folder, without links. Its name becomes `~`.
    pub home: &'a Path,
    /// The folder in which the commands are typed.
    pub folder: PathBuf,
    /// Folders that come before the machine's on the `PATH`.
    pub programs: Vec<PathBuf>,
}

impl Console<'_> {
    /// Runs all commands of a page in one shell, and compares their output with the page. With `BLESS=1` in the environment the page is
    /// written anew.
    ///
    /// # Panics
    /// If the output differs from the page, or no shell starts.
    pub fn shows(&self, page: &Path) {
        let text = std::fs::read_to_string(page).expect("the page is there");
        let now = self.played(&text);
        if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
            std::fs::write(page, &now).expect("the page can be written");
        } else {
            // Line breaks and widths of columns depend on the length of paths, and a repository may lie anywhere.
            let is_anywhere = !self.folder.starts_with(self.home);
            let [now, text] = [now, text].map(|page| if is_anywhere { without_blanks(&page) } else { page });
            assert_eq!(now, text, "if `{}` should show this, run the same test with `BLESS=1`", page.display());
        }
    }

    /// The page with the present output of each of its commands.
    fn played(&self, page: &str) -> String {
        let consoles = page.split("\n```console\n").skip(1).filter_map(|rest| rest.split("\n```").next());
        let mut said = self.said(consoles.flat_map(str::lines).filter_map(|line| line.strip_prefix("$ "))).into_iter();
        let mut out = String::new();
        let mut in_console = false;
        for line in page.lines() {
            if line.starts_with("```") {
                in_console = line == "```console";
            }
            let is_command = in_console && line.starts_with("$ ");
            if in_console && !is_command && !line.starts_with("```") {
                continue;
            }
            let _ = writeln!(out, "{line}");
            if let Some(said) = is_command.then(|| said.next()).flatten().filter(|said| !said.is_empty()) {
                let _ = writeln!(out, "{said}");
            }
        }
        out
    }

    /// The output of each command.
    fn said<'c>(&self, commands: impl Iterator<Item = &'c str>) -> Vec<String> {
        let mut script = String::from("exec 2>&1\n");
        for command in commands {
            // The next command may ask for the exit code of the one before.
            let _ = writeln!(script, "ended=$?; printf '{MARK}'; (exit $ended)\n{command}");
        }
        // A file, because a pipe would wait for background processes.
        let file = self.home.join("printed");
        let mut command = self.shell(&script);
        let shell = command.stdin(Stdio::null()).stdout(File::create(&file).expect("a file")).process_group(0).spawn();
        let mut shell = shell.expect("a shell starts");
        let group = Pid::from_child(&shell);
        shell.wait().expect("the shell ends");
        // Ends background processes of a page that failed half-way.
        let _ = kill_process_group(group, Signal::KILL);
        let printed = std::fs::read(&file).expect("the file is there");
        String::from_utf8_lossy(&printed).split(MARK).skip(1).map(|said| self.alike(said.trim_end())).collect()
    }

    fn shell(&self, script: &str) -> Command {
        let own = [host::bailiwick().parent().map(Path::to_owned).unwrap_or_default()];
        let of_machine = std::env::var_os("PATH").unwrap_or_default();
        let path = self.programs.iter().cloned().chain(own).chain(std::env::split_paths(&of_machine));
        let mut command = Command::new("sh");
        command.args(["-c", script]).current_dir(&self.folder).env("PATH", std::env::join_paths(path).expect("a path"));
        for name in ["BAILIWICK_HOME", "BAILIWICK_STATE", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
            command.env_remove(name);
        }
        // The language tools of the real user stay usable.
        for (name, beneath) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup"), ("PYENV_ROOT", ".pyenv")] {
            let there = PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(beneath);
            command.env(name, std::env::var_os(name).map_or(there, PathBuf::from));
        }
        command.env("HOME", self.home).env("TMPDIR", self.home);
        command
    }

    /// Replaces everything that differs between runs: ids, digests, times, and the folder of the test.
    fn alike(&self, text: &str) -> String {
        let text = text.replace(&tools::root().display().to_string(), "~/bailiwick");
        let text = text.replace(&self.home.display().to_string(), "~").replace(&run::own_principal().to_string(), "alice (uid 1000)");
        text.lines().map(|line| alike_line(line).trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }
}

/// The page with each run of blanks replaced by one line end.
fn without_blanks(page: &str) -> String {
    page.split_whitespace().collect::<Vec<_>>().join("\n")
}

fn alike_line(line: &str) -> String {
    if let Some(at) = moment(line) {
        let (head, tail) = line.split_at(at);
        return format!("{}2026-11-26 12:00:00{}", alike_line(head), alike_line(tail.get(MOMENT.len()..).unwrap_or_default()));
    }
    // Durations of runs: in the report, and in the record that closes a run.
    let ended = line.strip_suffix(" s").filter(|head| head.contains("   run 01"));
    if let Some((before, _)) = ended.and_then(|head| head.rsplit_once(' ')) {
        return format!("{} 0.02 s", alike_line(before));
    }
    for after in [" s, "] {
        if let Some((head, tail)) = line.split_once(after)
            && let Some((before, number)) = head.rsplit_once(' ')
            && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        {
            return format!("{} 0.02{after}{tail}", alike_line(before));
        }
    }
    if let Some((head, tail)) = line.split_once("\"spent_ms\": ") {
        return format!("{head}\"spent_ms\": 20{}", tail.trim_start_matches(|letter: char| letter.is_ascii_digit()));
    }
    // The offset of a record depends on the length of paths in the record before it.
    if let Some((head, tail)) = line.split_once(", byte ")
        && let Some((_, after)) = tail.split_once(", record ")
    {
        return format!("{head}, byte 586, record {after}");
    }
    let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '.';
    let (mut out, mut rest) = (String::new(), line);
    while let Some(begin) = rest.find(is_of_word) {
        let (before, after) = rest.split_at(begin);
        let (word, after) = after.split_at(after.find(|letter| !is_of_word(letter)).unwrap_or(after.len()));
        let _ = write!(out, "{before}{}", alike_word(word));
        rest = after;
    }
    out + rest
}

/// The format of a printed time: `d` stands for a digit.
const MOMENT: &[u8] = b"dddd-dd-dd dd:dd:dd";

/// Where a time begins in a line.
fn moment(line: &str) -> Option<usize> {
    let is = |byte: u8, form: u8| if form == b'd' { byte.is_ascii_digit() } else { byte == form };
    line.as_bytes().windows(MOMENT.len()).position(|window| window.iter().zip(MOMENT).all(|(byte, form)| is(*byte, *form)))
}

fn alike_word(word: &str) -> String {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_id = word.len() == 26 && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    let is_hex = word.len() >= 12 && word.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    let is_moment = word.len() >= 13 && digits(word);
    match word {
        _ if is_id => "01K8M3QZ5W7V9T2R4X6Y8B0C1D".to_owned(),
        _ if is_moment => "1790000000000".to_owned(),
        _ if is_hex => "4c1f08a2b7d3e596".repeat(4).chars().take(word.len()).collect(),
        word => word.to_owned(),
    }
}
