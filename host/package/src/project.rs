//! Creates a new project: an agent that builds, runs and passes its own test. The SDK lies beside it, so the project does not depend on
//! where it is.

use std::path::{Path, PathBuf};

use crate::file::{FileError, failed};

/// A path within the project, and the text of the file. They are collected when this crate is built.
type Files = &'static [(&'static str, &'static str)];

const RUST: Files = include!(concat!(env!("OUT_DIR"), "/project_rust.rs"));
const PYTHON: Files = include!(concat!(env!("OUT_DIR"), "/project_python.rs"));

/// The placeholder for the name in a template.
const NAME: &str = "{{name}}";

/// The language in which the agent is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Built by cargo.
    Rust,
    /// Built by componentize-py.
    Python,
}

/// A project can't be made.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// The name is not a valid agent name.
    #[error("`{}` is not a valid agent name: lower-case letters, digits and hyphens, a letter first, 64 at most", .0.escape_debug())]
    NotAName(String),
    /// The name has another meaning for the tools of the language.
    #[error("`{0}` can't name an agent: {1}")]
    Taken(String, &'static str),
    /// A file or folder of that name exists.
    #[error("`{}` already exists", .0.display())]
    Exists(PathBuf),
    /// A file could not be written.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Words that a name must not be. They are from the references of Rust 2024 (strict and reserved keywords) and Python 3.14
/// (`keyword.kwlist`).
const KEYWORDS: &[&str] = &[
    "abstract", "and", "as", "assert", "async", "await", "become", "box", "break", "class", "const", "continue", "crate", "def", "del",
    "do", "dyn", "elif", "else", "enum", "except", "extern", "false", "final", "finally", "fn", "for", "from", "gen", "global", "if",
    "impl", "import", "in", "is", "lambda", "let", "loop", "macro", "match", "mod", "move", "mut", "none", "nonlocal", "not", "or",
    "override", "pass", "priv", "pub", "raise", "ref", "return", "self", "static", "struct", "super", "trait", "true", "try", "type",
    "typeof", "union", "unsafe", "unsized", "use", "virtual", "where", "while", "with", "yield",
];
/// Crates and modules that the project itself uses, or that belong to the language.
const BUSY: &[&str] =
    &["alloc", "app", "bailiwick", "bailiwick-sdk", "core", "proc-macro", "schemars", "sdk", "serde", "std", "test", "wit"];

/// Makes the folder `name` in `parent`, and the project in it. A folder that exists is left as it is. If the project can't be written
/// completely, its folder is removed again.
///
/// # Errors
/// A name that can't be an agent's or a crate's, a file or folder that exists, a file that can't be written.
pub fn create(parent: &Path, name: &str, language: Language) -> Result<PathBuf, ProjectError> {
    check(name)?;
    let folder = parent.join(name);
    make(&folder)?;
    let files = match language {
        Language::Rust => RUST,
        Language::Python => PYTHON,
    };
    let filled = files.iter().try_for_each(|(path, text)| write(&folder.join(place(path)), &text.replace(NAME, name)));
    if filled.is_err() {
        // The folder was made just now. If it can't be removed, the first error is still the one to return.
        let _ = std::fs::remove_dir_all(&folder);
    }
    filled?;
    Ok(folder)
}

fn check(name: &str) -> Result<(), ProjectError> {
    if !vocabulary::is_name(name) {
        return Err(ProjectError::NotAName(name.chars().take(80).collect()));
    }
    if KEYWORDS.contains(&name) {
        return Err(ProjectError::Taken(name.to_owned(), "it is a keyword"));
    }
    if BUSY.contains(&name) {
        return Err(ProjectError::Taken(name.to_owned(), "the project uses something of that name"));
    }
    Ok(())
}

/// A template's ignore file has another name, because git must not obey it in the template's own folder.
fn place(path: &str) -> &str {
    if path == "gitignore" { ".gitignore" } else { path }
}

fn make(folder: &Path) -> Result<(), ProjectError> {
    std::fs::create_dir(folder).map_err(|err| match err.kind() {
        std::io::ErrorKind::AlreadyExists => ProjectError::Exists(folder.to_owned()),
        _ => failed("make", folder)(err).into(),
    })
}

#[expect(clippy::disallowed_methods, reason = "door: a folder that the operator asked for")]
fn write(file: &Path, text: &str) -> Result<(), FileError> {
    let parent = file.parent().unwrap_or(file);
    std::fs::create_dir_all(parent).map_err(failed("make", parent))?;
    std::fs::write(file, text).map_err(failed("write", file))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Language, ProjectError, create};
    use crate::{AuthoredManifest, config};

    #[test]
    fn a_project_is_named_throughout_and_its_two_files_can_be_read() {
        let parent = tempfile::tempdir().unwrap();
        for (name, language) in [("count-lines", Language::Rust), ("say-2", Language::Python)] {
            let folder = create(parent.path(), name, language).unwrap();
            assert_eq!(AuthoredManifest::load(&folder).unwrap().manifest.name, name);
            let authored = config::read(&folder.join(config::FILE_NAME)).unwrap();
            let resolved = authored.resolve(&parent.path().join("home")).unwrap();
            assert_eq!(resolved.agents.keys().collect::<Vec<_>>(), [name]);
            assert!(folder.join(".gitignore").is_file());
        }
        let sdk = std::fs::read_to_string(parent.path().join("count-lines/sdk/rust/Cargo.toml")).unwrap();
        assert!(!sdk.contains("workspace") && sdk.contains("wit-bindgen"), "{sdk}");
    }

    #[test]
    fn a_name_that_is_a_path_a_keyword_or_taken_makes_nothing() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["", ".", "..", "../up", "/x", "a/b", "Upper", "a_b", "-x", "x-", "1x", "ä", "a b", "a\u{1b}[2J", &"x".repeat(65)] {
            assert!(matches!(create(parent.path(), name, Language::Rust), Err(ProjectError::NotAName(_))), "{name}");
        }
        for name in ["fn", "class", "self", "test", "serde", "bailiwick-sdk"] {
            assert!(matches!(create(parent.path(), name, Language::Python), Err(ProjectError::Taken(..))), "{name}");
        }
        assert_eq!(std::fs::read_dir(parent.path()).unwrap().count(), 0);
        std::fs::write(parent.path().join("there"), "mine").unwrap();
        assert!(matches!(create(parent.path(), "there", Language::Rust), Err(ProjectError::Exists(_))));
        assert_eq!(std::fs::read_to_string(parent.path().join("there")).unwrap(), "mine");
    }

    #[test]
    fn where_nothing_can_be_written_nothing_is_left() {
        let parent = tempfile::tempdir().unwrap();
        assert!(matches!(create(&parent.path().join("absent"), "x", Language::Rust), Err(ProjectError::File(_))));
        assert!(!parent.path().join("absent").exists());
    }
}
