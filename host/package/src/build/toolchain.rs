//! Finds the compiler that builds an agent in Rust. The agent's folder may name it.

use std::path::{Path, PathBuf};

use super::BuildError;
use crate::file;
use crate::tools::{self, Tools};

/// BOUND: bytes of a file that names a compiler.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// The names of such a file, in the order in which rustup looks for them.
const NAMES: [&str; 2] = ["rust-toolchain", "rust-toolchain.toml"];
/// BOUND: bytes of a rustup channel. SECURITY: a channel must not be a path, nor look like an option.
const CHANNEL_BYTES_MAX: usize = 64;

/// A compiler with its cargo.
#[derive(Clone, Debug)]
pub struct Rust {
    pub(super) cargo: PathBuf,
    pub(super) rustc: PathBuf,
    /// The folder with its libraries, and with its programs in `bin`.
    pub sysroot: PathBuf,
    /// The version as `rustc --version` prints it.
    pub version: String,
    /// The target that it builds for by default.
    pub(super) host: String,
}

/// Finds the compiler of this channel. Without a channel, finds the operator's default compiler.
///
/// # Errors
/// There is no such compiler.
pub fn rust(channel: Option<&str>, tools: &Tools) -> Result<Rust, BuildError> {
    let cargo = cargo(channel, tools)?;
    let beside = cargo.with_file_name("rustc");
    let rustc = Some(beside).filter(|file| file.is_file()).or_else(|| tools.find("rustc")).ok_or(BuildError::NotFound("rustc"))?;
    let said = tools::ask(&rustc, &["-vV"]).ok_or(BuildError::NotFound("rustc"))?;
    let sysroot = tools::ask(&rustc, &["--print", "sysroot"]).map(PathBuf::from).ok_or(BuildError::NotFound("rustc"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default().to_owned();
    let version = said.lines().next().unwrap_or_default().to_owned();
    Ok(Rust { cargo, rustc, sysroot, version, host })
}

/// The path of the channel's cargo. If rustup is installed, rustup is asked, because the program that it puts on the `PATH` chooses by the
/// folder in which it is started.
pub(super) fn cargo(channel: Option<&str>, tools: &Tools) -> Result<PathBuf, BuildError> {
    let Some(rustup) = tools.find("rustup") else { return tools.find("cargo").ok_or(BuildError::NotFound("cargo")) };
    let arguments: &[&str] = match channel {
        Some(channel) => &["which", "cargo", "--toolchain", channel],
        None => &["which", "cargo"],
    };
    let cargo = tools::ask(&rustup, arguments).map(PathBuf::from).filter(|cargo| cargo.is_file());
    cargo.ok_or_else(|| BuildError::NoToolchain(channel.unwrap_or("default").to_owned()))
}

/// The file that names the compiler of a folder: the nearest one in it or above it, within the project.
pub(super) fn named_in(folder: &Path, project: &[PathBuf]) -> Option<PathBuf> {
    let within = |folder: &&Path| project.iter().any(|root| folder.starts_with(root));
    let folders = folder.ancestors().take_while(within);
    folders.flat_map(|folder| NAMES.map(|name| folder.join(name))).find(|file| std::fs::symlink_metadata(file).is_ok())
}

/// The channel in such a file. SECURITY: a path to a compiler is refused, even in a trusted folder: the compiler would run with the
/// operator's rights, and would not be part of what was accepted.
pub(super) fn channel(file: &Path) -> Result<String, BuildError> {
    let wrong = |why: &'static str| BuildError::Toolchain { file: file.to_owned(), why };
    let bytes = file::read_here(file, FILE_BYTES_MAX)?;
    let text = str::from_utf8(&bytes).map_err(|_| wrong("it is not UTF-8"))?;
    let is_one_line = file.ends_with("rust-toolchain") && text.trim().lines().count() == 1 && !text.contains(['[', '=']);
    let channel = if is_one_line { text.trim().to_owned() } else { in_toml(text).map_err(wrong)? };
    let is_plain = channel.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let begins_well = channel.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric());
    if is_plain && begins_well && channel.len() <= CHANNEL_BYTES_MAX {
        Ok(channel)
    } else {
        Err(wrong("its channel is not the name of a toolchain"))
    }
}

fn in_toml(text: &str) -> Result<String, &'static str> {
    let parsed: toml::Table = text.parse().map_err(|_| "it is not TOML")?;
    let toolchain = parsed.get("toolchain").and_then(toml::Value::as_table).ok_or("it has no `[toolchain]` table")?;
    if toolchain.contains_key("path") {
        return Err("it names a compiler by its path; name a channel instead (`rustup toolchain link` makes one for your own compiler)");
    }
    toolchain.get("channel").and_then(toml::Value::as_str).map(str::to_owned).ok_or("it has no `channel`")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and writes files of its own")]
mod tests {
    use super::{channel, named_in};

    #[test]
    fn a_toolchain_is_named_by_its_channel_and_never_by_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            channel(&file).map_err(|err| err.to_string())
        };
        assert_eq!(of("rust-toolchain.toml", "[toolchain]\nchannel = \"1.95.0\"\n"), Ok("1.95.0".to_owned()));
        assert_eq!(of("rust-toolchain", "nightly-2026-01-01\n"), Ok("nightly-2026-01-01".to_owned()));
        assert_eq!(of("rust-toolchain", "[toolchain]\nchannel = \"stable\"\n"), Ok("stable".to_owned()));
        for (name, text) in [
            ("rust-toolchain.toml", "[toolchain]\npath = \"/opt/evil\"\n"),
            ("rust-toolchain.toml", "[toolchain]\npath = \"evil\"\nchannel = \"stable\"\n"),
            ("rust-toolchain.toml", "[toolchain]\nchannel = \"/opt/evil\"\n"),
            ("rust-toolchain.toml", "[toolchain]\nchannel = \"--help\"\n"),
            ("rust-toolchain.toml", "[toolchain]\nchannel = \"\"\n"),
            ("rust-toolchain.toml", "toolchain = 1\n"),
            ("rust-toolchain.toml", "\n"),
            ("rust-toolchain", "/opt/evil\n"),
            ("rust-toolchain", "../evil\n"),
            ("rust-toolchain", ""),
        ] {
            assert!(of(name, text).is_err(), "{name}: {text}");
        }
    }

    #[test]
    fn a_toolchain_file_above_the_project_is_not_obeyed() {
        let place = tempfile::tempdir().unwrap();
        let (above, project) = (place.path().to_owned(), place.path().join("project"));
        std::fs::create_dir_all(project.join("agent")).unwrap();
        std::fs::write(above.join("rust-toolchain.toml"), "").unwrap();
        assert_eq!(named_in(&project.join("agent"), std::slice::from_ref(&project)), None);
        let file = project.join("rust-toolchain.toml");
        std::fs::write(&file, "").unwrap();
        assert_eq!(named_in(&project.join("agent"), &[project]), Some(file));
    }
}
