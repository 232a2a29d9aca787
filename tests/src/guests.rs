//! Builds the guests: once in each process, kept under the target folder, and never by two processes at the same time.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use vocabulary::Digest;

use crate::tools::{self, may_install, missing, root, target};

/// Variables that would make the inner cargo build something else, or wait for a lock that the outer cargo holds.
pub const NOT_FOR_CARGO: [&str; 5] =
    ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET", "CARGO_ENCODED_RUSTFLAGS", "RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER"];

/// The component of the guest of that name, from `tests/guests/src/bin` or `tests/guests/sdk-agents`.
///
/// # Panics
/// If the guests can't be built, with cargo's output, or if there is no guest of that name.
#[must_use]
pub fn guest(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let component = BUILT.get_or_init(build_guests).join(format!("{name}.wasm"));
    assert!(component.is_file(), "there is no guest `{name}`");
    component
}

/// The names of all guests in `tests/guests/src/bin`, sorted.
///
/// # Panics
/// If the folder can't be listed.
#[must_use]
pub fn names() -> Vec<String> {
    stems(&source().join("src/bin"), "rs")
}

/// The component of `tests/guests/python/NAME.py`; `None` after a message if componentize-py is missing.
///
/// # Panics
/// If it can't be built although componentize-py is there, with its output; in CI also if componentize-py is missing.
#[must_use]
pub fn python_guest(name: &str) -> Option<PathBuf> {
    let componentize = componentize_py()?;
    let file = format!("python/{name}.py");
    Some(componentized(&file, &requirements(), |wit, made| {
        let mut command = Command::new(componentize);
        command.arg("-d").arg(wit).args(["-w", package::wit::WORLD, "componentize", name, "-p"]).arg(source().join("python"));
        command.arg("-o").arg(made).env("PYTHONDONTWRITEBYTECODE", "1");
        said_well("componentize-py", command.output());
    }))
}

/// The component of `tests/guests/javascript/NAME.js`; `None` after a message if npm is missing.
///
/// # Panics
/// If it can't be built although npm is there, with the output; in CI also if npm is missing.
#[must_use]
pub fn javascript_guest(name: &str) -> Option<PathBuf> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = FOUND.get_or_init(install_componentize_js).as_ref();
    let componentize = found.inspect_err(|why| missing(&format!("componentize-js ({why})"))).ok()?;
    let file = format!("javascript/{name}.js");
    Some(componentized(&file, &packages(), |wit, made| {
        let mut command = Command::new("node");
        command.arg(componentize).arg("-w").arg(wit).args(["-n", package::wit::WORLD, "-o"]).arg(made).arg(source().join(&file));
        said_well("componentize-js", command.output());
    }))
}

/// The component of one file, made by the toolchain that `pins` pins, and kept as long as nothing changes.
fn componentized(file: &str, pins: &[u8], make: impl FnOnce(&Path, &Path)) -> PathBuf {
    let _lock = locked();
    let text = fs::read(source().join(file)).unwrap_or_else(|err| panic!("there is no guest `{file}`: {err}"));
    let wit = folder().join("wit");
    package::wit::lay_out_wit(&wit).expect("the WIT can be laid out");
    let digest = Digest::of(&[&text, pins, digest_of_folder(&wit).as_bytes()].concat()).hex();
    let stem = folder().join(file).with_extension("");
    let component = PathBuf::from(format!("{}-{}.wasm", stem.display(), digest.split_at(16).0));
    if component.is_file() {
        return component;
    }
    // The component is made beside the target and renamed, so that an interrupted build does not count.
    fs::create_dir_all(component.parent().unwrap_or(&stem)).expect("the target folder can be made");
    let made = stem.with_extension("made");
    make(&wit, &made);
    fs::rename(&made, &component).expect("what was built can be renamed");
    component
}

/// The path of componentize-py, for programs that look for it on the `PATH`; `None` after a message if it is missing.
///
/// # Panics
/// In CI, if it is missing.
#[must_use]
pub fn componentize_py() -> Option<PathBuf> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = FOUND.get_or_init(install_componentize_py).as_ref();
    found.inspect_err(|why| missing(&format!("componentize-py ({why})"))).ok().cloned()
}

fn build_guests() -> PathBuf {
    let _lock = locked();
    let mut command = tools::cargo();
    command.args(["build", "--release", "--workspace", "--target", "wasm32-wasip2", "--target-dir"]).arg(folder()).current_dir(source());
    // In CI the committed lock file is used; by hand, an outdated lock file is updated.
    if std::env::var_os("CI").is_some() {
        command.arg("--locked");
    }
    for name in NOT_FOR_CARGO {
        command.env_remove(name);
    }
    said_well("cargo", command.output());
    folder().join("wasm32-wasip2/release")
}

/// Installs componentize-py in a separate virtual environment under the target folder, so nothing of the machine changes. The error
/// says why not.
fn install_componentize_py() -> Result<PathBuf, String> {
    let _lock = locked();
    let pinned = digest_of(&requirements());
    let (venv, stamp) = (folder().join("venv"), folder().join("venv/installed"));
    let program = venv.join("bin/componentize-py");
    if program.is_file() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == pinned) {
        return Ok(program);
    }
    if !may_install() {
        return Err("it is not installed, and the test may not install it".to_owned());
    }
    let _ = fs::remove_dir_all(&venv);
    went_well("venv", Command::new("python3").args(["-m", "venv"]).arg(&venv).output())?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", "--require-hashes", "-r"];
    went_well("pip", Command::new(venv.join("bin/python")).args(pip).arg(source().join("python/requirements.txt")).output())?;
    fs::write(&stamp, pinned).map_err(|err| format!("`{}` could not be written: {err}", stamp.display()))?;
    if program.is_file() { Ok(program) } else { Err(format!("pip brought no `{}`", program.display())) }
}

/// Installs componentize-js in a separate folder under the target folder, in the versions of the lock file. The error says why not.
fn install_componentize_js() -> Result<PathBuf, String> {
    let _lock = locked();
    let pinned = digest_of(&packages());
    let home = folder().join("node");
    let (program, stamp) = (home.join("node_modules/@bytecodealliance/componentize-js/src/cli.js"), home.join("installed"));
    if program.is_file() && fs::read_to_string(&stamp).is_ok_and(|installed| installed == pinned) {
        return Ok(program);
    }
    if !may_install() {
        return Err("it is not installed, and the test may not install it".to_owned());
    }
    fs::create_dir_all(&home).map_err(|err| err.to_string())?;
    for name in ["package.json", "package-lock.json"] {
        fs::copy(source().join("javascript").join(name), home.join(name)).map_err(|err| err.to_string())?;
    }
    went_well("npm", Command::new("npm").args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&home).output())?;
    fs::write(&stamp, pinned).map_err(|err| format!("`{}` could not be written: {err}", stamp.display()))?;
    if program.is_file() { Ok(program) } else { Err(format!("npm brought no `{}`", program.display())) }
}

/// BOUND: one build at a time on this target folder, over all processes. Dropping it frees the folder.
fn locked() -> File {
    fs::create_dir_all(folder()).expect("the target folder can be made");
    let lock = File::create(folder().join("lock")).expect("the lock can be made");
    lock.lock().expect("the lock can be had");
    lock
}

fn said_well(tool: &str, output: std::io::Result<Output>) {
    went_well(tool, output).unwrap_or_else(|why| panic!("{why}"));
}

/// Whether a tool succeeded; the error has all of its output, since that contains the reason.
fn went_well(tool: &str, output: std::io::Result<Output>) -> Result<(), String> {
    let output = output.map_err(|err| format!("could not start `{tool}`: {err}"))?;
    if output.status.success() {
        return Ok(());
    }
    let (said, more) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Err(format!("`{tool}` failed with {}\n{said}{more}", output.status).trim_end().to_owned())
}

fn requirements() -> Vec<u8> {
    fs::read(source().join("python/requirements.txt")).expect("the requirements can be read")
}

fn packages() -> Vec<u8> {
    fs::read(source().join("javascript/package-lock.json")).expect("the packages can be read")
}

fn digest_of(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

fn digest_of_folder(folder: &Path) -> String {
    let mut entries: Vec<_> =
        fs::read_dir(folder).expect("the folder can be listed").map(|entry| entry.expect("it is there").path()).collect();
    entries.sort();
    let digests = entries.iter().map(|path| {
        let inner = if path.is_dir() { digest_of_folder(path) } else { digest_of(&fs::read(path).expect("the file can be read")) };
        format!("{} {inner}\n", path.display())
    });
    digest_of(digests.collect::<String>().as_bytes())
}

/// The names of a folder's files of one kind, without their endings, sorted.
pub(crate) fn stems(folder: &Path, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder can be listed").map(|entry| entry.expect("it is there").path());
    let files = entries.filter(|path| path.extension().is_some_and(|extension| extension == ending));
    let mut names: Vec<_> = files.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

/// The folder with the source of the guests.
pub(crate) fn source() -> PathBuf {
    root().join("tests/guests")
}

fn folder() -> PathBuf {
    target().join("guests")
}
