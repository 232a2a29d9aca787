//! Mends the notes of a folder: takes spaces away at the ends of lines, and ends each file with a line end.
//!
//! The agent writes files as any program does. It sees its changes at once; the folder is changed when the agent is done.

use std::fs;
use std::path::PathBuf;

use bailiwick_sdk::{Failure, JsonSchema, log};
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
    /// Notes that were mended.
    mended: u64,
}

/// Mends each note in the folder. A note is replaced as a whole, so that no reader ever sees half of one.
///
/// # Errors
/// If the folder or one of its notes can't be read or written.
pub fn run(input: Input) -> Result<Output, Failure> {
    let mut output = Output::default();
    let mut notes: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(&input.root).map_err(|err| Failure::caused("root", &err))? {
        notes.push(entry.map_err(|err| Failure::caused("root", &err))?.path());
    }
    notes.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    notes.sort();
    for path in notes {
        let text = fs::read_to_string(&path).map_err(|err| Failure::caused("unreadable", &err))?;
        let mended: String = text.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        output.notes += 1;
        if mended != text {
            log::debug!("mends {}", path.display());
            let beside = path.with_extension("md.new");
            let written = fs::write(&beside, mended).and_then(|()| fs::rename(&beside, &path));
            written.map_err(|err| Failure::caused("unwritable", &err))?;
            output.mended += 1;
        }
    }
    Ok(output)
}

bailiwick_sdk::agent!(run);

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_mended_and_one_that_is_fine_and_any_other_file_stay_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a.md"), "# A  \n\nend").unwrap();
        fs::write(at("b.md"), "# B\n").unwrap();
        fs::write(at("c.txt"), "c  ").unwrap();
        let output = run(Input { root: folder.path().to_owned() }).unwrap();
        assert_eq!(output, Output { notes: 2, mended: 1 });
        let read = |name: &str| fs::read_to_string(at(name)).unwrap();
        assert_eq!([read("a.md"), read("b.md"), read("c.txt")], ["# A\n\nend\n", "# B\n", "c  "]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
