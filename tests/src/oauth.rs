//! A token endpoint: oauth2-mock-server, from npm, which logs its requests.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread::JoinHandle;

use crate::apps::went_well;
use crate::tools::{may_install, missing, target};

/// The files of the server, with digests, as `npm` keeps them.
const FILES: [(&str, &str); 3] = [
    ("package.json", include_str!("../servers/package.json")),
    ("package-lock.json", include_str!("../servers/package-lock.json")),
    ("oauth.mjs", include_str!("../servers/oauth.mjs")),
];

/// The endpoint, for one client. It ends when it is dropped.
pub struct Endpoint {
    child: Child,
    port: u16,
    /// The thread that reads its output to the end.
    hears: Option<JoinHandle<Vec<String>>>,
}

impl Endpoint {
    /// Starts an endpoint that gives the client `tester` a token for this secret. Returns `None` after a message if the server is missing.
    ///
    /// # Panics
    /// If it does not start; in CI also if it is missing.
    #[must_use]
    pub fn start(secret: &str) -> Option<Self> {
        static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let found = FOUND.get_or_init(install).as_ref();
        let folder = found.inspect_err(|why| missing(&format!("oauth2-mock-server ({why})"))).ok()?;
        let mut command = Command::new("node");
        command.arg("oauth.mjs").current_dir(folder).env("CLIENT_SECRET", secret).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("node starts");
        let mut lines = BufReader::new(child.stdout.take().expect("it was piped")).lines().map_while(Result::ok);
        let port = lines.next().and_then(|line| line.parse().ok()).expect("it prints its port");
        let hears = Some(std::thread::spawn(move || lines.collect()));
        Some(Self { child, port, hears })
    }

    /// The URL of the endpoint, for a configuration.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/token", self.port)
    }

    /// Ends the endpoint, and returns the status, grant and scope of each request, in order.
    ///
    /// # Panics
    /// If it does not end.
    #[must_use]
    pub fn stop(mut self) -> Vec<String> {
        self.end();
        let hears = self.hears.take().expect("it is stopped once");
        hears.join().expect("what it says is text")
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.end();
    }
}

/// Installs the server in a separate folder under the target folder, in the versions of the lock file. The error says why not.
fn install() -> Result<PathBuf, String> {
    let home = target().join("tests-oauth");
    std::fs::create_dir_all(&home).map_err(|err| err.to_string())?;
    // BOUND: one process at a time; the lock is released when it is dropped.
    let lock = std::fs::File::create(home.join("lock")).map_err(|err| err.to_string())?;
    lock.lock().map_err(|err| err.to_string())?;
    let pinned: String = FILES.iter().map(|(_, text)| *text).collect();
    let stamp = home.join("installed");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == pinned) {
        return Ok(home);
    }
    if !may_install() {
        return Err("it is not installed, and the test may not install it".to_owned());
    }
    for (name, text) in FILES {
        std::fs::write(home.join(name), text).map_err(|err| err.to_string())?;
    }
    went_well("npm", Command::new("npm").args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&home).output())?;
    std::fs::write(&stamp, pinned).map_err(|err| err.to_string())?;
    Ok(home)
}
