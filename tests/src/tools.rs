//! Tools that the tests need and that cargo does not provide: found on this machine, or reported as missing.
//!
//! If a tool is missing, only the tests that need it are skipped; in CI (if `CI` is set) they fail instead.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Folders that are searched besides `PATH`: Debian keeps nginx in the second.
const BESIDES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

static NAMED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The path of the program of that name; `None` after a message if it is missing, and then the caller's test ends.
///
/// # Panics
/// In CI, if it is missing.
#[must_use]
pub fn tool(name: &str) -> Option<PathBuf> {
    let found = search(name);
    if found.is_none() {
        missing(name);
    }
    found
}

/// Reports a missing tool on standard error, once in each process.
///
/// # Panics
/// In CI, where a skipped test is a failure.
#[expect(clippy::print_stderr, reason = "a test that is skipped has to say so")]
pub fn missing(what: &str) {
    assert!(std::env::var_os("CI").is_none_or(|value| value.is_empty()), "`{what}` is missing, and in CI no test is skipped");
    let mut named = NAMED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if named.insert(what.to_owned()) {
        eprintln!("missing: {what}; the tests that need it are skipped (`tests/all` installs it)");
    }
}

/// Whether a test may install missing tools; `tests/all --no-install` forbids it by setting `BAILIWICK_NO_INSTALL`.
#[must_use]
pub fn may_install() -> bool {
    std::env::var_os("BAILIWICK_NO_INSTALL").is_none_or(|value| value.is_empty())
}

/// The folder of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// The target folder of cargo: `CARGO_TARGET_DIR`, or `target`.
#[must_use]
pub fn target() -> PathBuf {
    let shared = std::env::var_os("CARGO_TARGET_DIR").filter(|value| !value.is_empty()).map(PathBuf::from);
    root().join(shared.unwrap_or_else(|| PathBuf::from("target")))
}

/// The cargo that runs these tests, for a build from within a test.
///
/// Cargo sets variables that say to which package a test belongs. Build scripts that watch these variables (`ring` has one) would run again
/// in the inner build, and cargo would rebuild their dependents while the tests are running. So these variables are removed.
#[must_use]
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let of_a_package = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_PACKAGE"];
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| of_a_package.iter().any(|of| name.starts_with(of))) {
            command.env_remove(name);
        }
    }
    command
}

/// Whether `needle` occurs in `haystack`, which may be a segment of a record of many megabytes.
#[must_use]
pub fn contains(all: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(all, part).is_some()
}

fn search(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(BESIDES.iter().map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}
