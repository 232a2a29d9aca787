//! Keys of runs: what a run has sealed can be opened only while its key exists.

use journal::RunKeys;
use serde::Serialize;

use crate::words;

/// How many keys of runs a folder has, and how many are missing.
#[derive(Serialize)]
pub(super) struct Keys {
    /// Slots for keys that the record knows of.
    places: u64,
    /// Slots that are not in this folder.
    lacking: u64,
    /// Runs whose key was overwritten, according to their slots.
    forgotten: u64,
    /// Runs whose key was overwritten according to the record.
    pub(super) recorded: u64,
    /// Runs whose slot holds something other than their key.
    damaged: u64,
}

impl Keys {
    /// Whether more keys were overwritten than the record says: then somebody has destroyed what runs have sealed.
    pub(super) fn is_taken(&self) -> bool {
        self.forgotten > self.recorded
    }

    /// A line for each fault. `is_told`: whether missing and damaged keys were reported already.
    pub(super) fn lines(&self, is_told: bool) -> Vec<String> {
        let of = |count: u64| format!("{} of {}", words::count(count), words::many(self.places, "run", "runs"));
        let lacking = (self.lacking > 0 && !is_told).then(|| {
            format!("  keys        MISSING for {}: the home was copied while it was in use, the keys before the record", of(self.lacking))
        });
        let damaged = (self.damaged > 0 && !is_told)
            .then(|| format!("  keys        DAMAGED for {}: what was sealed in them can't be opened", of(self.damaged)));
        let taken = self.is_taken().then(|| {
            let recorded = words::count(self.recorded);
            format!(
                "  keys        OVERWRITTEN for {}, but only for {recorded} according to the record: somebody has destroyed what was sealed",
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
