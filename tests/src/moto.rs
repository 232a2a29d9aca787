//! moto: a fake AWS on loopback that checks each signature with the keys of its users.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use crate::apps::{App, python_with};
use crate::tools::missing;

/// moto and its dependencies, with digests: for Python 3.10 to 3.14.
const REQUIREMENTS: &str = include_str!("../servers/moto.txt");
const APPLICATION: &str = include_str!("../servers/moto_app.py");
const SETUP: &str = include_str!("../servers/moto_setup.py");

/// The server, with two users. It ends when it is dropped.
pub struct Moto {
    /// The server.
    pub app: App,
    /// The key id of a user who may list and end keys, and do everything with secrets and findings.
    pub id: String,
    /// The secret of this key.
    pub secret: String,
    /// The key id of a user who may do nothing.
    pub leaked: String,
    /// The secret of that key.
    pub leaked_secret: String,
}

impl Moto {
    /// Starts the server; `None` after a message if moto is missing.
    ///
    /// # Panics
    /// If it does not start, or does not check signatures; in CI also if it is missing.
    #[must_use]
    pub fn start() -> Option<Self> {
        static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let found = FOUND.get_or_init(|| python_with("tests-moto", REQUIREMENTS)).as_ref();
        let python = found.inspect_err(|why| missing(&format!("moto ({why})"))).ok()?;
        let app = App::of_python(python, APPLICATION, false);
        let setup = Command::new(python).args(["-c", SETUP, &app.port().to_string()]).output().expect("Python starts");
        assert!(setup.status.success(), "{}\n{}", String::from_utf8_lossy(&setup.stderr), app.said());
        let made: Value = serde_json::from_slice(&setup.stdout).expect("it prints JSON");
        let text = |key: &str| made.get(key).and_then(Value::as_str).map(str::to_owned).expect("it is there");
        let (id, secret, leaked, leaked_secret) = (text("id"), text("secret"), text("leaked"), text("leaked_secret"));
        Some(Self { app, id, secret, leaked, leaked_secret })
    }
}
