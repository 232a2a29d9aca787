//! What the program takes from its surroundings: where the home is, and who says so.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use package::build::Helper;
use run::{HomePlace, HostOptions};

use crate::children::{BUILD_KEEPER, BUILD_TOOL, COMPILE_COMPONENT};
use crate::err::CliError;

/// How many runs may be inside at once.
const SLOTS: u32 = 64;

#[expect(clippy::disallowed_methods, reason = "door: the environment of the program")]
fn set(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The home and its second state, if no other user can reach either.
pub(crate) fn place() -> Result<HomePlace, CliError> {
    let place = located()?;
    // Before anything else, and again by the process that takes the home: one of a newer form is not touched. What others have rights on is said by the
    // check of the whole home.
    let form = match home::form(&place.home, &run::FORMS) {
        Err(err) if home::Exposed::of(&err).is_none() => return Err(err.into()),
        form => form,
    };
    home::check(&place.home).and_then(|()| home::check(&place.state)).map_err(CliError::Home)?;
    form?;
    Ok(place)
}

/// The same for a backup that is to be put back: what an earlier try has left may lie in the home.
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
        // XDG: a path that is not absolute counts as none.
        let base = set(xdg).map(PathBuf::from).filter(|base| base.is_absolute());
        let base = base.or_else(|| Some(PathBuf::from(set("HOME")?).join(beneath))).ok_or(CliError::NoHome { own })?;
        Ok(base.join("bailiwick"))
    };
    Ok(HomePlace {
        home: folder("BAILIWICK_HOME", "XDG_DATA_HOME", ".local/share")?,
        state: folder("BAILIWICK_STATE", "XDG_STATE_HOME", ".local/state")?,
    })
}

/// How a host is made here: components are compiled by this very program.
pub(crate) fn host_options() -> HostOptions {
    HostOptions {
        compiler: (PathBuf::from("/proc/self/exe"), vec![COMPILE_COMPONENT.to_owned()]),
        journal: journal_options(),
        slots: SLOTS,
        passphrase_file: passphrase_file(),
    }
}

/// How the record is opened here. The variable names kinds of file systems that other machines share, on which the operator wants the home
/// nevertheless.
pub(crate) fn journal_options() -> journal::Options {
    let named = set("BAILIWICK_FILE_SYSTEMS").map(|names| names.to_string_lossy().into_owned()).unwrap_or_default();
    let file_systems = named.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    journal::Options { file_systems, ..journal::Options::default() }
}

/// How build tools are started here: by this program itself, which restricts itself before it becomes the tool.
pub(crate) fn build_helper() -> Helper {
    Helper { program: PathBuf::from("/proc/self/exe"), keeper: BUILD_KEEPER.to_owned(), worker: BUILD_TOOL.to_owned() }
}

/// Where the passphrase of the vault and of the home's keys is, should they be sealed under one. The file, never the passphrase: what is in the environment of a program,
/// others see.
pub(crate) fn passphrase_file() -> Option<PathBuf> {
    set("BAILIWICK_PASSPHRASE_FILE").map(PathBuf::from)
}

/// BOUND: seconds that a process is waited for, a year.
pub(crate) const WAIT_S_MAX: u64 = 365 * 24 * 3600;

/// How many seconds to wait for another process, if the environment says so.
pub(crate) fn wait_s() -> Result<Option<u64>, CliError> {
    let Some(text) = set("BAILIWICK_WAIT") else { return Ok(None) };
    let seconds = text.to_str().and_then(|text| text.trim().parse().ok()).filter(|seconds| *seconds <= WAIT_S_MAX);
    seconds.map(Some).ok_or_else(|| CliError::NotSeconds(text.to_string_lossy().into_owned()))
}

/// A word about the log, if the environment has it.
pub(crate) fn log_word<T: clap::ValueEnum>(variable: &'static str) -> Result<Option<T>, CliError> {
    let Some(text) = set(variable) else { return Ok(None) };
    let word = text.to_str().and_then(|text| T::from_str(text.trim(), true).ok());
    let words = || T::value_variants().iter().filter_map(|it| Some(it.to_possible_value()?.get_name().to_owned())).collect();
    word.map(Some).ok_or_else(|| CliError::NotALogWord { variable, text: text.to_string_lossy().into_owned(), words: words() })
}
