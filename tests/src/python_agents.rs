//! Agents made with the SDK for Python, built by componentize-py once in each process, and kept as long as their source does not change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use vocabulary::Digest;

use crate::guests::componentize_py;
use crate::tools::{root, target};

/// The component of `tests/guests/python-agents/NAME`; `None` after a message if componentize-py is missing.
///
/// # Panics
/// If it can't be built although componentize-py is there, with its output; in CI also if componentize-py is missing.
#[must_use]
pub fn python_agent(name: &str) -> Option<PathBuf> {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let componentize = componentize_py()?;
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    Some(built.entry(name.to_owned()).or_insert_with(|| build(name, &componentize)).clone())
}

fn build(name: &str, componentize: &Path) -> PathBuf {
    let (agent, sdk) = (root().join("tests/guests/python-agents").join(name), root().join("sdk/python"));
    let work = tempfile::tempdir().expect("a folder");
    let wit = work.path().join("wit");
    package::wit::lay_out_wit(&wit).expect("the WIT can be laid out");
    // The stamp of the environment identifies the version of componentize-py.
    let mut files = vec![componentize.with_file_name("../installed")];
    for folder in [&agent, &sdk.join("bailiwick"), &sdk.join("bailiwick/http"), &wit, &wit.join("deps"), &wit.join("deps/bailiwick-agent")]
    {
        let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("it is there").path());
        let mut of_it: Vec<_> = entries.filter(|path| path.is_file()).collect();
        of_it.sort();
        files.extend(of_it);
    }
    let text: Vec<u8> = files.iter().flat_map(|file| std::fs::read(file).unwrap_or_default()).collect();
    let folder = target().join("guests/python");
    let kept = folder.join(format!("{name}-{}.wasm", Digest::of(&text).hex().split_at(16).0));
    if kept.is_file() {
        return kept;
    }
    let made = work.path().join("made.wasm");
    let mut command = Command::new(componentize);
    command.arg("-d").arg(&wit).args(["-w", package::wit::WORLD, "componentize", "app", "-p"]).arg(&agent);
    command.arg("-p").arg(&sdk).arg("-o").arg(&made).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().expect("componentize-py starts");
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    // The component is copied beside the target and renamed, so that an interrupted build does not count.
    std::fs::create_dir_all(folder).expect("the target folder can be made");
    let beside = kept.with_extension(std::process::id().to_string());
    std::fs::copy(&made, &beside).expect("there is room for it");
    std::fs::rename(&beside, &kept).expect("what was built can be renamed");
    kept
}
