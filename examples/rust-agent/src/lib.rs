//! Lists the open tasks in the notes of a folder: lines of Markdown that begin with `- [ ]`.

use std::fs;
use std::path::PathBuf;

use bailiwick_sdk::findings::{self, Finding, Severity};
use bailiwick_sdk::{Failure, JsonSchema, log, progress};
use serde::{Deserialize, Serialize};

/// The input of the agent. Comments become part of the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    /// The folder with the notes, as the agent sees it.
    root: PathBuf,
}

impl Default for Input {
    fn default() -> Self {
        Self { root: "/notes".into() }
    }
}

/// The output of the agent.
#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Output {
    /// Notes that were read.
    notes: u64,
    /// Tasks that are done.
    done: u64,
    /// Tasks that are open; each one is a finding too.
    open: u64,
}

/// Reads each note in the folder, and reports each open task in it as a finding.
///
/// # Errors
/// If the folder or one of its notes can't be read.
pub fn run(input: Input) -> Result<Output, Failure> {
    let mut output = Output::default();
    for entry in fs::read_dir(&input.root).map_err(|err| Failure::caused("root", &err))? {
        let path = entry.map_err(|err| Failure::caused("root", &err))?.path();
        if path.extension().is_none_or(|extension| extension != "md") {
            log::debug!("{} is not a note", path.display());
            continue;
        }
        let text = fs::read_to_string(&path).map_err(|err| Failure::caused("unreadable", &err))?;
        for (line, number) in text.lines().zip(1..) {
            if line.starts_with("- [x] ") {
                output.done += 1;
            } else if let Some(task) = line.strip_prefix("- [ ] ") {
                output.open += 1;
                findings::report(Finding::new("open-task", Severity::Info, task).at(path.to_string_lossy(), number, 1))?;
            }
        }
        output.notes += 1;
        progress::update(output.notes, 0, "notes read");
    }
    Ok(output)
}

bailiwick_sdk::agent!(run);

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use bailiwick_sdk::testing::take_findings;

    #[test]
    fn an_open_task_is_a_finding_and_one_that_is_done_is_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.md"), "# A\n\n- [ ] open\n- [x] done\n").unwrap();
        fs::write(folder.path().join("b.txt"), "- [ ] not a note\n").unwrap();
        let output = run(Input { root: folder.path().to_owned() }).unwrap();
        assert_eq!(output, Output { notes: 1, done: 1, open: 1 });
        let found: Vec<_> = take_findings().into_iter().map(|finding| (finding.title, finding.location.map(|at| at.line))).collect();
        assert_eq!(found, [("open".to_owned(), Some(3))]);
    }
}
