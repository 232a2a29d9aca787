//! Says which files are longer than they should be.

use std::fs;
use std::path::{Path, PathBuf};

use bailiwick_sdk::findings::{self, Finding, Severity};
use bailiwick_sdk::{Failure, JsonSchema, log, progress};
use serde::{Deserialize, Serialize};

/// The input of the agent. Comments become part of the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    /// The folder, as the agent sees it.
    root: PathBuf,
    /// A file with more lines is a finding.
    lines_max: usize,
}

impl Default for Input {
    fn default() -> Self {
        Self { root: "/src".into(), lines_max: 500 }
    }
}

/// The output of the agent.
#[derive(Default, Serialize, JsonSchema)]
pub struct Output {
    files: u64,
    lines: usize,
    /// Files that are not text, or that can't be read.
    unread: u64,
}

/// Counts the lines of every file in the folder.
pub fn run(input: Input) -> Result<Output, Failure> {
    let mut output = Output::default();
    for path in files(&input.root).map_err(|err| Failure::caused("root", &err))? {
        let Ok(text) = fs::read_to_string(&path) else {
            log::debug!("{} can't be read", path.display());
            output.unread += 1;
            continue;
        };
        let lines = text.lines().count();
        if lines > input.lines_max {
            let finding = Finding::new("long-file", Severity::Low, format!("A file has {lines} lines"));
            findings::report(finding.at(path.to_string_lossy(), 0, 0))?;
        }
        output.files += 1;
        output.lines += lines;
        progress::update(output.files, 0, "files read");
    }
    Ok(output)
}

/// Every file in a folder, except hidden ones. Links are not followed.
fn files(root: &Path) -> std::io::Result<Vec<PathBuf>> {
    let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
            }
        }
    }
    Ok(files)
}

bailiwick_sdk::agent!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use bailiwick_sdk::testing::take_findings;

    #[test]
    fn a_file_that_is_too_long_is_a_finding() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let output = run(Input { root, lines_max: 10 }).unwrap();
        assert!(output.files >= 1 && output.lines > 10);
        assert_eq!(take_findings()[0].rule, "long-file");
    }
}
