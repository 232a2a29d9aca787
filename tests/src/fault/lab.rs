//! A laboratory for faults: a home, its second state, a project whose agents ask a server, and copies of all this from which each round
//! begins.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use super::heard::{HELD, Server};
use super::plan::Plan;
use super::trace::{End, Listener, Traced, trace};
use super::verbs::{Doing, Row, Start};
use crate::guests;
use crate::long::lengthen;

/// The passphrase of vaults that are sealed under one.
pub const PASSPHRASE: &str = "nine words that nobody else would put one after another";
/// Values for credentials, like those that a generator makes.
pub const VALUES: [&str; 2] = ["Zx9-q7TLmN2vB4kP8wR3sY6dF1gH5jC0", "Kd8-r2WQpX5nM7tV3zL9bS1hG6fJ4yA0"];

/// The output and the exit code of a program.
#[derive(Clone, Debug)]
pub struct Said {
    /// The exit code; for a signal, 128 plus its number.
    pub code: i32,
    /// The standard output.
    pub out: String,
    /// The standard error.
    pub err: String,
}

/// The laboratory; see the module.
#[derive(Debug)]
pub struct Lab {
    folder: PathBuf,
    program: PathBuf,
    launcher: PathBuf,
    server: Server,
    number: AtomicU64,
    /// The requests that the server received while each start was made.
    heard: Mutex<BTreeMap<Start, Vec<String>>>,
}

impl Lab {
    /// A laboratory in this folder, which is made anew. `launcher` is a binary that plays the part `launch::PART`.
    ///
    /// # Panics
    /// If there is no space for it.
    #[must_use]
    pub fn new(folder: &Path, program: &Path, launcher: &Path) -> Self {
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).expect("a folder");
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("a mode");
        let folder = folder.canonicalize().expect("it is there");
        let lab = Self {
            folder,
            program: program.to_owned(),
            launcher: launcher.to_owned(),
            server: Server::start(),
            number: AtomicU64::new(0),
            heard: Mutex::default(),
        };
        fs::create_dir_all(lab.folder.join("starts")).expect("a folder");
        let passphrase = lab.folder.join("passphrase");
        fs::write(&passphrase, PASSPHRASE).expect("a file");
        fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600)).expect("a mode");
        lab
    }

    /// The server that the agents ask.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// The home.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// The second state.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// The project.
    #[must_use]
    pub fn here(&self) -> PathBuf {
        self.folder.join("here")
    }

    /// The folder that contains everything.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The files with the standard output and error of the traced program.
    #[must_use]
    pub fn streams(&self) -> [PathBuf; 2] {
        [self.folder.join("stdout"), self.folder.join("stderr")]
    }

    /// The folder with the copy of a start, once it has been made.
    #[must_use]
    pub fn kept(&self, start: Start) -> PathBuf {
        self.folder.join("starts").join(format!("{start:?}"))
    }

    /// Removes home, state and project.
    pub fn clear(&self) {
        for part in [self.home(), self.state(), self.here()] {
            let _ = fs::remove_dir_all(part);
        }
    }

    /// The folders that are watched: those to which the program writes.
    #[must_use]
    pub fn watched(&self) -> Vec<PathBuf> {
        vec![self.home(), self.state(), self.here()]
    }

    /// The command of the program with these arguments.
    #[must_use]
    pub fn command(&self, words: &[String]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).current_dir(self.here()).env_remove("RUST_BACKTRACE");
        command.env("BAILIWICK_HOME", self.home()).env("BAILIWICK_STATE", self.state()).env("FAR_VALUE", VALUES[0]);
        command.env("BAILIWICK_PASSPHRASE_FILE", self.folder.join("passphrase"));
        command
    }

    /// Runs the program to its end.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn say(&self, words: &[&str]) -> Said {
        self.say_with(words, "")
    }

    /// Runs the program to its end, with this as its standard input.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn say_with(&self, words: &[&str], input: &str) -> Said {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let mut command = self.command(&words);
        let output = command.stdin(self.input(input)).output().expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }

    fn input(&self, text: &str) -> Stdio {
        if text.is_empty() {
            return Stdio::null();
        }
        let file = self.folder.join("stdin");
        fs::write(&file, text).expect("a file");
        File::open(&file).expect("it is there").into()
    }

    /// Runs the program with a fault.
    ///
    /// # Panics
    /// If this machine allows no tracing.
    pub fn trace(&self, words: &[String], input: &str, plan: Option<Plan>, listener: &mut impl Listener) -> (Traced, Said) {
        let [out, err] = self.streams();
        let file = |path: &Path| Stdio::from(File::create(path).expect("a file"));
        let streams = [self.input(input), file(&out), file(&err)];
        let traced = trace(&self.launcher, &self.command(words), streams, &self.watched(), plan, listener).expect("it can be traced");
        let code = match traced.end {
            End::Code(code) => code,
            End::Killed(signal) => 128 + signal,
            End::Hung => -1,
        };
        let text = |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        (traced, Said { code, out: text(&out), err: text(&err) })
    }

    /// Does the verb of a row of the table, with a fault.
    pub fn act(&self, row: &Row, plan: Option<Plan>, listener: &mut (impl Listener + Send)) -> (Traced, Said) {
        let words = self.words(row);
        if row.doing != Doing::Stopped {
            return self.trace(&words, row.input, plan, listener);
        }
        let (start, over) = (self.server.count(), AtomicBool::new(false));
        std::thread::scope(|scope| {
            let traced = scope.spawn(|| {
                let traced = self.trace(&words, row.input, plan, listener);
                over.store(true, Ordering::Release);
                traced
            });
            if self.server.wait_until_held(start, || over.load(Ordering::Acquire)) {
                let _ = self.say(&["stop", "latest"]);
            }
            self.server.release();
            traced.join().expect("the tracer does not panic")
        })
    }

    /// The command line of a row; its URLs are new each time.
    #[must_use]
    pub fn words(&self, row: &Row) -> Vec<String> {
        let mut words: Vec<String> = row.words.iter().map(|word| (*word).to_owned()).collect();
        match row.doing {
            Doing::Verb => {}
            Doing::Run => words.extend(self.asks(&["GET /get/", "POST /post/", "GET /get/", "POST /post/"])),
            Doing::AtOnce => words.push(self.server.url(&format!("/post/{}", self.next()))),
            Doing::Stopped => words.extend(self.asks(&["POST /post/", &format!("GET {HELD}")])),
        }
        words
    }

    fn next(&self) -> u64 {
        self.number.fetch_add(1, Ordering::Relaxed)
    }

    fn asks(&self, asks: &[&str]) -> Vec<String> {
        let ask = |ask: &&str| {
            let (method, path) = ask.split_once(' ').unwrap_or_default();
            let url = self.server.url(&format!("{path}{}", self.next()));
            let body = if method == "POST" { "a body" } else { "" };
            serde_json::json!({ "method": method, "url": url, "body": body }).to_string()
        };
        std::iter::once("--".to_owned()).chain(asks.iter().map(ask)).collect()
    }

    /// Runs the agent `each`, which sends a GET and a POST, one after the other.
    #[must_use]
    pub fn run(&self) -> Said {
        let words = ["run", "each", "--trust"].map(str::to_owned).into_iter().chain(self.asks(&["GET /get/", "POST /post/"]));
        let words: Vec<String> = words.collect();
        self.say(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Restores everything to this start, which is made the first time.
    ///
    /// # Panics
    /// If there is no space, or the program fails while the start is made.
    pub fn put_back(&self, start: Start) {
        let kept = self.kept(start);
        if !kept.exists() {
            let first = self.server.count();
            self.make(start);
            self.heard.lock().unwrap_or_else(PoisonError::into_inner).insert(start, self.server.heard_from(first));
            let made = kept.with_extension("made");
            fs::create_dir_all(&made).expect("a folder");
            self.copy(&self.folder.clone(), &made);
            fs::rename(made, &kept).expect("it can be kept");
        }
        self.copy(&kept, &self.folder.clone());
    }

    /// The requests that the server had received when this start was made.
    pub fn heard_before(&self, start: Start) -> Vec<String> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).get(&start).cloned().unwrap_or_default()
    }

    fn copy(&self, from: &Path, to: &Path) {
        for part in ["home", "state", "here"] {
            let _ = fs::remove_dir_all(to.join(part));
            if from.join(part).exists() {
                copy(&from.join(part), &to.join(part));
            }
        }
    }

    fn make(&self, start: Start) {
        self.clear();
        fs::create_dir_all(self.here()).expect("a folder");
        fs::write(self.here().join("bailiwick.toml"), self.config("")).expect("a configuration");
        fs::write(self.here().join("other.toml"), self.config("# another one\n")).expect("a configuration");
        if start == Start::Empty {
            return;
        }
        let well = |said: Said| assert_eq!(said.code, 0, "{start:?} can't be made: {said:?}");
        well(self.say(&["trust"]));
        well(self.run());
        // From here on the compiled code is in the home.
        let pair = self.server.url(&format!("/post/{}", self.next()));
        well(self.say(&["run", "pair", "--", &pair]));
        let url = self.server.url("");
        well(self.say_with(&["credentials", "set", "near", "--for", &url], VALUES[0]));
        well(self.say_with(&["credentials", "set", "gone", "--for", &url], VALUES[0]));
        well(self.say(&["credentials", "revoke", "far"]));
        well(self.say(&["accept", "pair"]));
        match start {
            Start::Empty | Start::Used => {}
            Start::CutPost => self.cut("POST"),
            Start::CutGet => self.cut("GET"),
            Start::Back => {
                copy(&self.home(), &self.folder.join("older"));
                well(self.run());
                fs::remove_dir_all(self.home()).expect("it is there");
                fs::rename(self.folder.join("older"), self.home()).expect("it can be put back");
            }
            Start::Gone => {
                well(self.say(&["backup", "monday"]));
                fs::remove_dir_all(self.home()).expect("it is there");
            }
            Start::Long => lengthen(&run::HomePlace { home: self.home(), state: self.state() }),
            Start::Damaged => {
                let segment = self.home().join("journal/00000001.seg");
                let segment = File::options().write(true).open(segment).expect("it is there");
                segment.write_all_at(b"x", 4000).expect("it can be damaged");
            }
        }
    }

    /// Makes a run that is killed while a request with this method is under way.
    fn cut(&self, method: &str) {
        let words = ["run", "each"].map(str::to_owned).into_iter();
        let words: Vec<String> = words.chain(self.asks(&["POST /post/", &format!("{method} {HELD}"), "POST /post/"])).collect();
        let start = self.server.count();
        let mut child = self.command(&words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
        assert!(self.server.wait_until_held(start, || false), "it asks");
        child.kill().expect("it runs");
        let _ = child.wait();
        self.server.release();
    }

    fn config(&self, first: &str) -> String {
        use std::fmt::Write as _;
        let mut text = first.to_owned();
        for (name, guest) in [("each", "sends_each"), ("pair", "two_posts")] {
            let component = guests::guest(guest).display().to_string();
            let port = self.server.port();
            let _ = write!(
                text,
                "[agents.{name}]\ncomponent = {component:?}\n\n[[agents.{name}.http]]\nhost = \"127.0.0.1\"\nport = {port}\n\
                 scheme = \"http\"\nmethods = [\"GET\", \"POST\"]\npaths = [\"/**\"]\n\n"
            );
        }
        text + "[credentials.far]\nkind = \"bearer\"\nhosts = [\"127.0.0.1\"]\nsource = \"env:FAR_VALUE\"\n"
    }

    /// All records as `audit show` prints them, and its exit code.
    #[must_use]
    pub fn records(&self) -> (i32, Vec<Value>) {
        let said = self.say(&["audit", "show", "--json"]);
        let lines = said.out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        (said.code, lines.filter(|line| line.get("leaf").is_some()).collect())
    }
}

/// Copies like `cp -a`: holes stay holes.
fn copy(from: &Path, to: &Path) {
    let words: [OsString; 4] = ["-a".into(), "--".into(), from.into(), to.into()];
    let status = Command::new("cp").args(words).status().expect("it starts");
    assert!(status.success(), "`{}` can be copied", from.display());
}
