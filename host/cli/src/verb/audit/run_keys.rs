//! Keys of runs: what was sealed can be opened only as long as they are there.

use journal::RunKeys;
use serde::Serialize;

use crate::words;

/// What a folder has of them.
#[derive(Serialize)]
pub(super) struct Keys {
    /// Places for keys that the record knows of.
    places: u64,
    /// Those of them that are not here.
    lacking: u64,
    /// Runs whose key was forgotten, by what is in its place.
    forgotten: u64,
    /// Those of them that a record says were forgotten.
    pub(super) recorded: u64,
    /// Runs in whose place something else is than their key.
    damaged: u64,
}

impl Keys {
    /// More keys were overwritten than the record says: somebody has taken away what runs have sealed.
    pub(super) fn is_taken(&self) -> bool {
        self.forgotten > self.recorded
    }

    /// A line for each thing that is wrong. `is_told`: whether what is lacking or damaged was said already.
    pub(super) fn lines(&self, is_told: bool) -> Vec<String> {
        let of = |count: u64| format!("{} of {}", words::count(count), words::many(self.places, "run", "runs"));
        let lacking = (self.lacking > 0 && !is_told).then(|| {
            format!("  keys        NOT HERE for {}: the home was copied while it was in use, the keys before the record", of(self.lacking))
        });
        let damaged = (self.damaged > 0 && !is_told)
            .then(|| format!("  keys        DAMAGED for {}: what was sealed in them can't be opened", of(self.damaged)));
        let taken = self.is_taken().then(|| {
            let recorded = words::count(self.recorded);
            format!(
                "  keys        OVERWRITTEN for {}, and the record says so of {recorded}: somebody has taken away what was sealed",
                of(self.forgotten)
            )
        });
        [lacking, damaged, taken].into_iter().flatten().collect()
    }
}

impl From<RunKeys> for Keys {
    fn from(RunKeys { places, lacking, forgotten, damaged }: RunKeys) -> Self {
        Self { places, lacking, forgotten, recorded: 0, damaged }
    }
}
