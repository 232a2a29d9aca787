//! What the program reads from its environment: where the home is, and other variables.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use package::build::Helper;
use run::{HomePlace, HostOptions};

use crate::children::{BUILD_KEEPER, BUILD_TOOL, COMPILE_COMPONENT};
use crate::err::CliError;

/// How many runs may be in the host at once.
const SLOTS: u32 = 64;

#[expect(clippy::disallowed_methods, reason = "door: the environment of the program")]
fn set(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The home and its second state, if no other user can reach either.
pub(crate) fn place() -> Result<HomePlace, CliError> {
    let place = located()?;
    // Checked before anything else, and again by the process that takes the home: a home of a newer form is not touched. The check of the
    // whole home reports files on which other users have rights.
    let form = match home::form(&place.home, &run::FORMS) {
        Err(err) if home::Exposed::of(&err).is_none() => return Err(err.into()),
        form => form,
    };
    home::check(&place.home).and_then(|()| home::check(&place.state)).map_err(CliError::Home)?;
    form?;
    Ok(place)
}

/// The home for a backup that is to be restored: it may contain what an earlier attempt has left.
pub(crate) fn to_restore() -> Result<HomePlace, CliError> {
    let place = located()?;
    home::check(&place.home).and_then(|()| home::check(&place.state)).map_err(CliError::Home)?;
    Ok(place)
}

/// Where the home and its second state are, or would be.
pub(crate) fn located() -> Result<HomePlace, CliError> {
    let folder = |own: &'static str, xdg: &'static str, beneath: &str| {
        if let Some(own) = set(own) {
            return std::path::absolute(own).map_err(CliError::file("find", Path::new(".")));
        }
        // XDG: a path that is not absolute is ignored.
        let base = set(xdg).map(PathBuf::from).filter(|base| base.is_absolute());
        let base = base.or_else(|| Some(PathBuf::from(set("HOME")?).join(beneath))).ok_or(CliError::NoHome { own })?;
        Ok(base.join("bailiwick"))
    };
    Ok(HomePlace {
        home: folder("BAILIWICK_HOME", "XDG_DATA_HOME", ".local/share")?,
        state: folder("BAILIWICK_STATE", "XDG_STATE_HOME", ".local/state")?,
    })
}

/// The options of a host in this program: this program itself compiles components, in a child process.
pub(crate) fn host_options() -> HostOptions {
    HostOptions {
        long_wait: run::LONG_WAIT,
        compiler: (PathBuf::from("/proc/self/exe"), vec![COMPILE_COMPONENT.to_owned()]),
        journal: journal_options(),
        slots: SLOTS,
        passphrase_file: passphrase_file(),
    }
}

/// How the record is opened here. `BAILIWICK_FILE_SYSTEMS` names kinds of network file systems on which the operator wants the home
/// nevertheless.
pub(crate) fn journal_options() -> journal::Options {
    let named = set("BAILIWICK_FILE_SYSTEMS").map(|names| names.to_string_lossy().into_owned()).unwrap_or_default();
    let file_systems = named.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    journal::Options { file_systems, ..journal::Options::default() }
}

/// How build tools are started here: by this program, which restricts itself before it executes the tool.
pub(crate) fn build_helper() -> Helper {
    Helper { program: PathBuf::from("/proc/self/exe"), keeper: BUILD_KEEPER.to_owned(), worker: BUILD_TOOL.to_owned() }
}

/// The file with the passphrase of the vault and of the home's keys, if they are sealed under one. The variable names the file and never
/// holds the passphrase, since other processes can see the environment of a program.
pub(crate) fn passphrase_file() -> Option<PathBuf> {
    set("BAILIWICK_PASSPHRASE_FILE").map(PathBuf::from)
}

/// BOUND: seconds to wait for another process: one year.
pub(crate) const WAIT_S_MAX: u64 = 365 * 24 * 3600;

/// How many seconds to wait for another process, if the environment says so.
pub(crate) fn wait_s() -> Result<Option<u64>, CliError> {
    let Some(text) = set("BAILIWICK_WAIT") else { return Ok(None) };
    let seconds = text.to_str().and_then(|text| text.trim().parse().ok()).filter(|seconds| *seconds <= WAIT_S_MAX);
    seconds.map(Some).ok_or_else(|| CliError::NotSeconds(text.to_string_lossy().into_owned()))
}

/// The value of a variable about the log, if it is set.
pub(crate) fn log_word<T: clap::ValueEnum>(variable: &'static str) -> Result<Option<T>, CliError> {
    let Some(text) = set(variable) else { return Ok(None) };
    let word = text.to_str().and_then(|text| T::from_str(text.trim(), true).ok());
    let words = || T::value_variants().iter().filter_map(|it| Some(it.to_possible_value()?.get_name().to_owned())).collect();
    word.map(Some).ok_or_else(|| CliError::NotALogWord { variable, text: text.to_string_lossy().into_owned(), words: words() })
}
