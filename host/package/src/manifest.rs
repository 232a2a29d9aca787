//! What an agent's author states about it: `agent.toml` beside its code. It is frozen into the component, so that it can be read without
//! running anything.
//!
//! Everything here is a claim of the agent's author. It can narrow what an operator granted and never widen it: see [`crate::admission`].

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use vocabulary::{ParseError, is_name};

use crate::authored::{ConfigFault, ConfigValue, Table, Text, WrongError};
use vocabulary::Capability;

use crate::file::{self, FileError};
use crate::later::LATER;

mod frozen;

pub use frozen::{FrozenError, SECTION, freeze, read};

/// The name of the file beside the code.
pub const FILE_NAME: &str = "agent.toml";

/// BOUND: bytes of `agent.toml`.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// BOUND: bytes of a description or a reason.
const LINE_BYTES_MAX: usize = 1024;
/// BOUND: declarations of one agent. There are fewer capabilities.
const DECLARES_MAX: usize = 16;
/// BOUND: bytes of a name or version.
const NAME_BYTES_MAX: usize = 64;

/// What an agent is and what it asks for, in its author's words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Manifest {
    /// The name: lower-case letters, digits, hyphens.
    pub name: String,
    /// The version: three numbers, and what semantic versioning allows after them.
    pub version: String,
    /// The licence, an SPDX expression that is not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// A description of one line.
    pub description: String,
    /// What the agent declares, at most once for each capability.
    #[serde(default)]
    pub declares: Vec<Declared>,
    /// The JSON schema of the input, derived from the code. Absent if the component gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Json>,
    /// The JSON schema of the output, derived in the same way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Json>,
}

/// SECURITY: a component can declare only capabilities that can be granted.
fn grantable<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Capability, D::Error> {
    let name = String::deserialize(from)?;
    name.parse().map_err(serde::de::Error::custom)
}

/// One capability that the agent asks for, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Declared {
    /// The capability.
    #[serde(deserialize_with = "grantable")]
    pub capability: Capability,
    /// The reason, in one sentence.
    pub why: String,
    /// Whether its use may destroy something.
    #[serde(default)]
    pub destructive: bool,
    /// Whether the agent only reads. Then only methods that read are effective.
    #[serde(default)]
    pub read_only: bool,
    /// Whether repeating an act has no further effect.
    #[serde(default)]
    pub idempotent: bool,
}

/// What `agent.toml` says, including how to build the folder if its files don't show that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthoredManifest {
    /// The manifest without schemas, which come from the component.
    pub manifest: Manifest,
    /// `[build] python = "app"`: the module that is passed to componentize-py.
    pub python: Option<String>,
    /// `[build] sources = ["../wit", "rules.json"]`: what the build reads in addition to what counts as source anyway. Paths are relative
    /// to the folder.
    pub sources: Vec<PathBuf>,
}

/// `agent.toml` can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file could not be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not UTF-8.
    #[error("`{0}` is not UTF-8")]
    NotText(String),
    /// The file has an error.
    #[error(transparent)]
    Wrong(#[from] WrongError),
}

impl AuthoredManifest {
    /// Reads `agent.toml` in a folder.
    ///
    /// # Errors
    /// A file that is missing, too large, not TOML, or that holds anything but the known keys.
    pub fn load(folder: &Path) -> Result<Self, ManifestError> {
        let path = folder.join(FILE_NAME);
        let bytes = file::read(&path, FILE_BYTES_MAX)?;
        let text = str::from_utf8(&bytes).map_err(|_| ManifestError::NotText(path.display().to_string()))?;
        Ok(Self::parse(&path, text)?)
    }

    /// Parses the text of an `agent.toml`. `file` is used in errors.
    ///
    /// # Errors
    /// As [`AuthoredManifest::load`].
    pub fn parse(file: &Path, text: &str) -> Result<Self, WrongError> {
        let text = Text::new(file, text);
        let parsed = text.parse()?;
        let root = Table::root(text, &parsed);
        root.only(&["agent", "declares", "build"], &[])?;
        let agent = root.required("agent")?.table(8)?;
        agent.only(&["name", "version", "licence", "description"], &[])?;
        let manifest = Manifest {
            name: agent.required("name")?.checked(is_name, NAME_FORM)?,
            version: agent.required("version")?.checked(is_version, VERSION_FORM)?,
            licence: agent.get("licence").map(|value| value.line(LINE_BYTES_MAX)).transpose()?,
            description: agent.required("description")?.line(LINE_BYTES_MAX)?,
            declares: declares(&root)?,
            input: None,
            output: None,
        };
        let (python, sources) = recipe(&root)?;
        Ok(Self { manifest, python, sources })
    }
}

const NAME_FORM: (&str, &str) = ("a valid agent name", "lower-case letters, digits and hyphens, a letter first, 64 at most");
const VERSION_FORM: (&str, &str) = ("a version", "three numbers, for instance 0.1.0");

impl ConfigValue<'_> {
    fn checked(&self, is_good: fn(&str) -> bool, (wanted, form): (&'static str, &'static str)) -> Result<String, WrongError> {
        let text = self.text(LINE_BYTES_MAX)?;
        if is_good(text) { Ok(text.to_owned()) } else { Err(self.wrong(ParseError::new(wanted, text, form).into())) }
    }
}

fn declares(root: &Table<'_>) -> Result<Vec<Declared>, WrongError> {
    let Some(list) = root.get("declares") else { return Ok(Vec::new()) };
    let mut declared: Vec<Declared> = Vec::new();
    for item in list.items(DECLARES_MAX)? {
        let table = item.table(16)?;
        table.only(&["capability", "why", "destructive", "read-only", "idempotent"], &[])?;
        let name = table.required("capability")?;
        if let Some((_, with)) = LATER.iter().find(|(later, _)| name.text(NAME_BYTES_MAX).is_ok_and(|name| name == *later)) {
            return Err(name.wrong(ConfigFault::Later(with)));
        }
        let capability: Capability = name.parse()?;
        if declared.iter().any(|earlier| earlier.capability == capability) {
            return Err(name.wrong(ConfigFault::Impossible("is declared twice")));
        }
        let flag = |key: &str| table.get(key).map_or(Ok(false), |value| value.bool());
        let one = Declared {
            capability,
            why: table.required("why")?.line(LINE_BYTES_MAX)?,
            destructive: flag("destructive")?,
            read_only: flag("read-only")?,
            idempotent: flag("idempotent")?,
        };
        if one.read_only && one.destructive {
            return Err(table.wrong(ConfigFault::Impossible(CONTRADICTION)));
        }
        declared.push(one);
    }
    Ok(declared)
}

const CONTRADICTION: &str = "`read-only` and `destructive` exclude each other";

/// BOUND: entries of `[build] sources`.
const SOURCES_MAX: usize = 64;

fn recipe(root: &Table<'_>) -> Result<(Option<String>, Vec<PathBuf>), WrongError> {
    let Some(build) = root.get("build") else { return Ok((None, Vec::new())) };
    let build = build.table(4)?;
    build.only(&["python", "sources"], &[])?;
    let form = ("a Python module", "letters, digits, underscores and dots, a letter first");
    let python = build.get("python").map(|value| value.checked(is_module, form)).transpose()?;
    let form = ("a path", "relative to the agent's folder, in one line");
    let is_relative = |text: &str| !text.starts_with('/') && !text.contains('\0');
    let sources = build.get("sources").map(|value| value.some_items(SOURCES_MAX)).transpose()?.unwrap_or_default();
    let sources = sources.iter().map(|source| source.line(LINE_BYTES_MAX).and(source.checked(is_relative, form)).map(PathBuf::from));
    Ok((python, sources.collect::<Result<_, _>>()?))
}

fn is_version(text: &str) -> bool {
    let (numbers, rest) = text.find(['-', '+']).map_or((text, ""), |at| text.split_at(at));
    let number = |part: &str| {
        (1..=10).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !part.starts_with('0'))
    };
    text.len() <= NAME_BYTES_MAX
        && numbers.split('.').count() == 3
        && numbers.split('.').all(number)
        && rest.len() != 1
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(&byte))
}

// SECURITY: the module is passed to a tool as an argument, so it must not look like an option or a path.
fn is_module(text: &str) -> bool {
    text.split('.').all(|part| {
        part.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

#[cfg(test)]
mod tests;
