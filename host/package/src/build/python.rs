//! An agent in Python: componentize-py, with the SDK on its path.
//!
//! componentize-py imports the agent's modules while it builds. So it runs contained like cargo, and always without a network, because
//! there is nothing to fetch. Its interpreter is the one that it was installed for, by an absolute path.

use std::path::{Path, PathBuf};

use vocabulary::Digest;

use super::slot::BuildSlot;
use super::tool::{self, BuildWatcher};
use super::workplace::Workplace;
use super::{BuildError, Helper};
use crate::tools::{self, Tools};
use crate::{file, wit};

const COMPONENTIZE: &str = "componentize-py";
/// The SDK for Python: a path within the folder, and the text of the file. They are collected when this crate is built.
const SDK: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk_python.rs"));
/// BOUND: bytes of the script that starts componentize-py.
const SCRIPT_BYTES_MAX: u64 = 64 << 10;
/// The program that the interpreter runs: it prints the version of componentize-py, then the folders of its modules.
const ASK: &str = "import sys, site; from importlib.metadata import version; \
print(version('componentize-py'), site.getuserbase(), sys.prefix, sys.base_prefix, *[path for path in sys.path if path], sep='\\n')";

/// The digest of the SDK. It is part of the source, because another SDK makes another component.
pub(super) fn sdk_digest() -> Digest {
    let all: Vec<u8> = SDK.iter().flat_map(|(path, text)| [path.as_bytes(), &[0], text.as_bytes(), &[0]].concat()).collect();
    Digest::of(&all)
}

/// An installed componentize-py.
#[derive(Clone, Debug)]
pub(super) struct Python {
    interpreter: PathBuf,
    script: PathBuf,
    pub(super) version: String,
    /// The folder in which packages of this user lie.
    user_base: String,
    read: Vec<PathBuf>,
}

/// Finds componentize-py.
pub(super) fn find(tools: &Tools) -> Result<Python, BuildError> {
    let found = tools.find(COMPONENTIZE).ok_or(BuildError::NotFound(COMPONENTIZE))?;
    // The program that pyenv puts on the `PATH` chooses the interpreter by the folder in which it is started.
    let is_shim = found.parent().is_some_and(|folder| folder.ends_with("shims"));
    let asked = || tools::ask(&tools.find("pyenv")?, &["which", COMPONENTIZE]).map(PathBuf::from);
    let found = if is_shim { asked().ok_or(BuildError::NotFound(COMPONENTIZE))? } else { found };
    let script = found.canonicalize().map_err(file::failed("find", &found))?;
    let text = file::read(&script, SCRIPT_BYTES_MAX)?;
    let interpreter = interpreter(&String::from_utf8_lossy(&text)).ok_or(BuildError::NotPython(script.clone()))?;
    let said = tools::ask(&interpreter, &["-c", ASK]).ok_or(BuildError::NotFound(COMPONENTIZE))?;
    let mut lines = said.lines().map(str::to_owned);
    let (version, user_base) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let read = lines.map(PathBuf::from).filter(|path| !tools::holds_the_home(path)).collect();
    Ok(Python { interpreter, script, version, user_base, read })
}

/// The interpreter that a script names. It is in the first line, or in the second line, which a shell reads, if the first one would be too
/// long for the system.
fn interpreter(script: &str) -> Option<PathBuf> {
    let mut lines = script.lines();
    let first = lines.next()?.strip_prefix("#!")?.trim();
    let named = match first {
        "/bin/sh" => lines.next()?.strip_prefix("'''exec'")?.trim().trim_start_matches('"').split(['"', ' ']).next()?,
        _ => first,
    };
    let path = PathBuf::from(named);
    let is_python = path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("python"));
    (path.is_absolute() && is_python && path.is_file()).then_some(path)
}

/// One build.
pub(super) struct Job<'a> {
    /// The copy of the agent's folder.
    pub(super) staged: &'a Path,
    pub(super) helper: &'a Helper,
    pub(super) module: &'a str,
    pub(super) python: &'a Python,
    pub(super) slot: &'a BuildSlot,
    pub(super) tools: &'a Tools,
    pub(super) workplace: &'a Workplace,
}

impl Job<'_> {
    /// Builds the component, contained. The component is written to the workplace.
    pub(super) fn build(&self, watcher: &mut BuildWatcher<'_>) -> Result<PathBuf, BuildError> {
        let (wit, sdk) = (self.slot.folder.join("wit"), self.slot.folder.join("sdk"));
        wit::lay_out_wit(&wit)?;
        SDK.iter().try_for_each(|(path, text)| file::write_if_changed(&sdk.join(path), text.as_bytes()))?;
        let component = self.workplace.scratch.join("raw.wasm");
        let text = |path: &Path| path.to_str().map(str::to_owned).ok_or(BuildError::NotText);
        // The agent's own folder comes first, so its own modules take precedence.
        let arguments = vec![
            text(&self.python.script)?,
            "-d".to_owned(),
            text(&wit)?,
            "-w".to_owned(),
            wit::WORLD.to_owned(),
            "componentize".to_owned(),
            self.module.to_owned(),
            "-p".to_owned(),
            text(self.staged)?,
            "-p".to_owned(),
            text(&sdk)?,
            "-o".to_owned(),
            text(&component)?,
        ];
        let read = self.python.read.iter().chain([&self.python.script, &wit, &sdk]).cloned().collect();
        let mut command = self.workplace.tool(self.helper, &self.python.interpreter, arguments, read)?;
        command.env("PATH", Workplace::path(&[], self.tools)?).env("PYTHONUSERBASE", &self.python.user_base);
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONHASHSEED", "0").env("SOURCE_DATE_EPOCH", "0");
        // SECURITY: without this, componentize-py would put the packages of any Python that it finds into the component.
        command.env("VIRTUAL_ENV", &self.workplace.scratch);
        tool::output(COMPONENTIZE, &mut command, watcher)?;
        let is_file = std::fs::symlink_metadata(&component).is_ok_and(|metadata| metadata.is_file());
        if is_file { Ok(component) } else { Err(BuildError::ToolSaid { tool: COMPONENTIZE, said: "made no component" }) }
    }
}

#[cfg(test)]
mod tests {
    use super::interpreter;

    #[test]
    fn the_interpreter_of_a_script_is_named_by_an_absolute_path() {
        let here = std::path::Path::new("/bin/sh").is_file();
        assert!(here);
        for script in
            ["#!/usr/bin/env python3\n", "#!python\n", "#!./python3\n", "#!/bin/bash\n", "#!/bin/sh\nexec python3\n", "python", ""]
        {
            assert_eq!(interpreter(script), None, "{script}");
        }
        let (folder, python) = (tempfile::tempdir(), "python3");
        let Ok(folder) = folder else { return };
        let file = folder.path().join(python);
        assert!(crate::file::write(&file, b"").is_ok());
        let named = file.display();
        for script in [
            format!("#!{named}\n"),
            format!("#!/bin/sh\n'''exec' {named} \"$0\" \"$@\"\n"),
            format!("#!/bin/sh\n'''exec' \"{named}\" \"$0\"\n"),
        ] {
            assert_eq!(interpreter(&script), Some(file.clone()), "{script}");
        }
    }
}
