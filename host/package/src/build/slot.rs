//! Where the component of one folder is kept, and by what it is known to be fresh.

use std::fs::File;
use std::path::{Path, PathBuf};

use effect::Digest;
use serde::{Deserialize, Serialize};

use super::inputs::{self, Inputs};
use super::{BuildError, Frozen};
use crate::file::{self, FileError};

/// BOUND: bytes of a stamp; a path a file that the build hangs on.
const STAMP_BYTES_MAX: u64 = 4 << 20;

const STAMP: &str = "stamp.json";

fn folder(cache: &Path, source: &Path) -> PathBuf {
    cache.join("built").join(Digest::of(source.as_os_str().as_encoded_bytes()).hex())
}

fn stamped(folder: &Path) -> Option<Stamp> {
    serde_json::from_slice(&file::read(&folder.join(STAMP), STAMP_BYTES_MAX).ok()?).ok()
}

/// What the last build of a folder hung on outside of it: as it was then, if it was a build of this source, and as it is now. Waits for nobody who
/// builds just now.
pub(super) fn outside(cache: &Path, folder_of_source: &Path, source: &Digest) -> (Option<Digest>, Option<Digest>) {
    let Some(stamp) = stamped(&folder(cache, folder_of_source)) else { return (None, None) };
    let then = (stamp.source == *source).then_some(stamp.others);
    (then, inputs::others(&stamp.paths).ok())
}

/// One folder's place in the cache, locked: two builds of one folder follow one another.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) folder: PathBuf,
    /// Unlocks when dropped.
    _lock: File,
}

/// What was built, and from what.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stamp {
    /// Of this host: another one may build otherwise.
    host: String,
    source: Digest,
    others: Digest,
    paths: Vec<PathBuf>,
    component: Digest,
}

impl Stamp {
    pub(super) fn new(inputs: Inputs, component: Digest) -> Self {
        let Inputs { source, others, paths } = inputs;
        Self { host: env!("CARGO_PKG_VERSION").to_owned(), source, others, paths, component }
    }
}

impl Slot {
    pub(super) fn open(cache: &Path, source: &Path) -> Result<Self, FileError> {
        let folder = folder(cache, source);
        file::folder(&folder)?;
        let lock = file::lock_own(&folder.join("lock"))?;
        Ok(Self { folder, _lock: lock })
    }

    /// What is kept, if it is whole and was built from just this. A stamp that can't be read is as good as none.
    pub(super) fn fresh(&self, source: &Digest) -> Option<Frozen> {
        let stamp = self.stamped()?;
        let now = Inputs { source: *source, others: inputs::others(&stamp.paths).ok()?, paths: stamp.paths.clone() };
        let frozen = Frozen { file: self.component(), digest: stamp.component };
        (Stamp::new(now, stamp.component) == stamp && frozen.read().is_ok()).then_some(frozen)
    }

    fn stamped(&self) -> Option<Stamp> {
        stamped(&self.folder)
    }

    /// The component first: a stamp never speaks of what is not there yet.
    pub(super) fn keep(&self, component: &[u8], stamp: &Stamp) -> Result<Frozen, BuildError> {
        file::write(&self.component(), component)?;
        // A path that is not text makes no stamp, and so is built each time.
        if let Ok(json) = serde_json::to_vec(stamp) {
            file::write(&self.stamp(), &json)?;
        }
        Ok(Frozen { file: self.component(), digest: stamp.component })
    }

    fn stamp(&self) -> PathBuf {
        self.folder.join(STAMP)
    }

    fn component(&self) -> PathBuf {
        self.folder.join("component.wasm")
    }
}
