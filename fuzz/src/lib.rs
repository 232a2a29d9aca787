//! The fuzz targets: functions that take arbitrary bytes. A function panics if the bytes cause something that must never happen.
//!
//! `tests/fuzz` lets a fuzzer call them. A plain `cargo test` calls them with the seeds, which include inputs that once found a fault.
#![expect(clippy::expect_used, reason = "a fault shows as a panic")]

mod admission;
mod configuration;
mod frame;
mod http;
mod scrubber;
mod wire;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

pub use admission::admission;
pub use configuration::configuration;
pub use frame::frame;
pub use http::http;
pub use scrubber::scrubber;
pub use wire::wire;

/// A function that takes bytes, and panics if they cause something that must never happen.
pub type Target = fn(&[u8]);

/// The fuzz targets, by name.
pub const TARGETS: &[(&str, Target)] =
    &[("admission", admission), ("configuration", configuration), ("frame", frame), ("http", http), ("scrubber", scrubber), ("wire", wire)];

/// The inputs that a fuzzer begins with: the files in `fuzz/seeds/NAME` and, for formats that are not text, some that are generated.
///
/// # Panics
/// A file can't be read.
#[must_use]
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = match target {
        "admission" => admission::seeds(),
        "frame" => frame::seeds(),
        _ => Vec::new(),
    };
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let mut files: Vec<_> =
        std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("the entry can be read").path()).collect();
    files.sort();
    seeds.extend(files.iter().map(|file| std::fs::read(file).expect("the seed can be read")));
    seeds
}

/// Folders that were made for targets. They are used until the process ends.
static SCRATCH: Mutex<Vec<TempDir>> = Mutex::new(Vec::new());

fn scratch() -> PathBuf {
    let folder = tempfile::tempdir().expect("there is room");
    let path = folder.path().canonicalize().expect("the folder was made");
    SCRATCH.lock().unwrap_or_else(PoisonError::into_inner).push(folder);
    path
}

#[cfg(test)]
mod tests {
    //! The seeds, as plain tests.

    use std::sync::PoisonError;

    use super::{SCRATCH, TARGETS, seeds};

    #[test]
    fn nothing_that_must_not_be_comes_of_the_seeds() {
        for (name, target) in TARGETS {
            let seeds = seeds(name);
            assert!(!seeds.is_empty(), "`{name}` has no seeds");
            for seed in seeds {
                target(&seed);
            }
        }
        SCRATCH.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
