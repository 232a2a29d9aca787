//! Roundup, a real tracker for tickets, on loopback. As root it runs as `nobody`: it is not meant to run as root.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::apps::{App, Installs, place, python_of};
use crate::tools::{missing, root};

/// Roundup and what it is built with, with digests.
const REQUIREMENTS: &str = include_str!("../servers/roundup.txt");
/// The package from which on the list has source only. It is built with those before it.
const SOURCE: &str = "roundup==";

/// The tracker. It ends when it is dropped.
pub struct Roundup {
    app: App,
    python: PathBuf,
    password: String,
}

impl Roundup {
    /// The login that may write tickets.
    pub const LOGIN: &str = "bot";

    /// Starts a tracker with one login. Returns when it answers, or `None` after a message if Roundup is missing.
    ///
    /// # Panics
    /// If it does not start; in CI also if it is missing.
    #[must_use]
    pub fn start() -> Option<Self> {
        let python = python()?;
        let (folder, listener, port) = place();
        // Another user may have to pass through it.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).expect("it is ours");
        let mut command = Command::new(&python);
        command.arg(root().join("examples/remediation/tracker.py")).arg(folder.path()).arg(port.to_string());
        let app = App::started(command, folder, listener, port);
        let mut roundup = Self { app, python, password: String::new() };
        // The socket takes connections before the tracker is made, so the answer comes when it is ready.
        let (status, _) = roundup.ask("issue?@fields=title");
        assert!(status == 401 || status == 403 || status == 200, "{status}\n{}", roundup.app.said());
        roundup.password = fs::read_to_string(roundup.app.folder().join("tracker.password")).expect("its password");
        Some(roundup)
    }

    /// The port on which it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.app.port()
    }

    /// The password of the login.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// All tickets, with title, status and messages.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn tickets(&self) -> Vec<Value> {
        let (status, answer) = self.ask("issue?@fields=title,status,messages&@verbose=2");
        assert_eq!(status, 200, "{answer}");
        answer.pointer("/data/collection").and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// The text of a message.
    ///
    /// # Panics
    /// If it does not answer.
    #[must_use]
    pub fn message(&self, id: &str) -> String {
        let (status, answer) = self.ask(&format!("msg/{id}?@fields=content&@verbose=3"));
        assert_eq!(status, 200, "{answer}");
        answer.pointer("/data/attributes/content").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    fn ask(&self, what: &str) -> (u64, Value) {
        let url = self.app.url(&format!("/demo/rest/data/{what}"));
        let output = Command::new(&self.python).args(["-c", ASK, &url, Self::LOGIN, &self.password]).output().expect("Python starts");
        assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), self.app.said());
        let answer: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
        (answer.get("status").and_then(Value::as_u64).unwrap_or_default(), answer.get("body").cloned().unwrap_or_default())
    }
}

/// Asks, and prints status and body.
const ASK: &str = r#"
import base64, json, sys, urllib.error, urllib.request

url, login, password = sys.argv[1:]
request = urllib.request.Request(url)
if password:
    request.add_header("authorization", "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode())
try:
    with urllib.request.urlopen(request, timeout=120) as answer:
        status, body = answer.status, answer.read()
except urllib.error.HTTPError as err:
    status, body = err.code, err.read()
try:
    body = json.loads(body)
except ValueError:
    body = None
print(json.dumps({"status": status, "body": body}))
"#;

/// Python with Roundup; `None` after a message if it is missing.
///
/// # Panics
/// In CI, if it is missing.
#[must_use]
pub fn python() -> Option<PathBuf> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        // A Python of one user's own may be closed to the user as whom the tracker runs.
        let of_machine = Path::new("/usr/bin/python3");
        let python = if of_machine.is_file() { of_machine } else { Path::new("python3") };
        let at = REQUIREMENTS.find(SOURCE).unwrap_or_default();
        let (wheels, source) = REQUIREMENTS.split_at(at);
        let steps = [
            Installs { list: wheels, options: &["--only-binary=:all:"] },
            Installs { list: source, options: &["--no-binary=:all:", "--no-build-isolation", "--no-deps"] },
        ];
        python_of(python, "tests-roundup", &steps)
    });
    found.as_ref().inspect_err(|why| missing(&format!("roundup ({why})"))).ok().cloned()
}
