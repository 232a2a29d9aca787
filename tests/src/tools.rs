//! What the tests need that cargo does not bring: found on this machine, or named as missing.
//!
//! Where something is missing only the tests that need it are skipped; in CI, that is where `CI` is set, they fail instead.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Where a program may be although `PATH` does not say so: Debian keeps nginx in the second.
const BESIDES: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

static NAMED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The program of that name; `None` after it was named as missing, and the caller's test ends there.
///
/// # Panics
/// In CI, where it is missing.
#[must_use]
pub fn tool(name: &str) -> Option<PathBuf> {
    let found = search(name);
    if found.is_none() {
        missing(name);
    }
    found
}

/// Whether a test has to do without something: names it once a process, on standard error.
///
/// # Panics
/// In CI: there a skip is a failure.
#[expect(clippy::print_stderr, reason = "a test that is skipped has to say so")]
pub fn missing(what: &str) {
    assert!(std::env::var_os("CI").is_none_or(|value| value.is_empty()), "`{what}` is missing, and in CI nothing is skipped");
    let mut named = NAMED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if named.insert(what.to_owned()) {
        eprintln!("missing: {what}; the tests that need it are skipped (`tests/all` installs it)");
    }
}

/// Whether a test may bring what it lacks; `tests/all --no-install` says no by setting `BAILIWICK_NO_INSTALL`.
#[must_use]
pub fn may_install() -> bool {
    std::env::var_os("BAILIWICK_NO_INSTALL").is_none_or(|value| value.is_empty())
}

/// The folder of the whole workspace.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// Where cargo keeps what it builds: what `CARGO_TARGET_DIR` says, or `target`.
#[must_use]
pub fn target() -> PathBuf {
    let shared = std::env::var_os("CARGO_TARGET_DIR").filter(|value| !value.is_empty()).map(PathBuf::from);
    root().join(shared.unwrap_or_else(|| PathBuf::from("target")))
}

/// The cargo that runs these tests, for a build from within a test.
///
/// Cargo tells a test which package it belongs to. Build scripts that watch those variables (`ring` has one) would take the inner build for
/// another one, and build what needs them anew: under the feet of the tests that are running.
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

/// Whether some bytes are in others, which may be the segments of a record: many megabytes.
#[must_use]
pub fn contains(all: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(all, part).is_some()
}

fn search(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(BESIDES.iter().map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|file| file.is_file())
}
