//! Reports what is exposed since its last run: lines of the lists in a folder that it has not seen before.
//!
//! What it has seen is in a folder of its own, which the host keeps between its runs. If a run fails, the folder stays as it was, so
//! nothing is lost.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use bailiwick_sdk::findings::{self, Finding, Severity};
use bailiwick_sdk::{Failure, JsonSchema};
use serde::{Deserialize, Serialize};

/// The input of the agent. Comments become part of the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    /// The folder with the lists, as the agent sees it.
    inventory: PathBuf,
    /// The folder in which it keeps what it has seen.
    seen: PathBuf,
}

impl Default for Input {
    fn default() -> Self {
        Self { inventory: "/inventory".into(), seen: "/seen".into() }
    }
}

/// The output of the agent.
#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Output {
    /// What is exposed now.
    exposed: usize,
    /// What is not exposed any more.
    gone: usize,
    /// What is exposed since the last run; each one is a finding too.
    new: usize,
}

/// Compares the lists with what the last run has seen.
///
/// # Errors
/// If a list can't be read, or what was seen can't be kept.
pub fn run(input: Input) -> Result<Output, Failure> {
    let kept = input.seen.join("exposed");
    let before = match fs::read_to_string(&kept) {
        Ok(text) => text.lines().map(str::to_owned).collect(),
        Err(err) if err.kind() == ErrorKind::NotFound => BTreeSet::new(),
        Err(err) => return Err(Failure::caused("unreadable", &err)),
    };
    let mut now = BTreeSet::new();
    for entry in fs::read_dir(&input.inventory).map_err(|err| Failure::caused("inventory", &err))? {
        let path = entry.map_err(|err| Failure::caused("inventory", &err))?.path();
        let text = fs::read_to_string(&path).map_err(|err| Failure::caused("unreadable", &err))?;
        now.extend(text.lines().filter(|line| !line.is_empty()).map(str::to_owned));
    }
    for service in now.difference(&before) {
        findings::report(Finding::new("newly-exposed", Severity::Medium, service.clone()))?;
    }
    let text: String = now.iter().map(|line| format!("{line}\n")).collect();
    fs::write(&kept, text).map_err(|err| Failure::caused("unwritable", &err))?;
    Ok(Output { exposed: now.len(), gone: before.difference(&now).count(), new: now.difference(&before).count() })
}

bailiwick_sdk::agent!(run);

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use bailiwick_sdk::testing::take_findings;

    #[test]
    fn what_was_seen_before_is_not_reported_again() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("inventory")).unwrap();
        fs::create_dir(at("seen")).unwrap();
        let next = |text: &str| {
            fs::write(at("inventory/list"), text).unwrap();
            run(Input { inventory: at("inventory"), seen: at("seen") }).unwrap()
        };
        assert_eq!(next("a\nb\n"), Output { exposed: 2, gone: 0, new: 2 });
        assert_eq!(take_findings().len(), 2);
        assert_eq!(next("b\nc\n"), Output { exposed: 2, gone: 1, new: 1 });
        let found: Vec<_> = take_findings().into_iter().map(|finding| finding.title).collect();
        assert_eq!(found, ["c"]);
        assert_eq!(next("b\nc\n"), Output { exposed: 2, gone: 0, new: 0 });
    }
}
