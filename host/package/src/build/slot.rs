//! Where the component of one folder is kept, and by what it is known to be fresh.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use effect::Digest;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::inputs::{self, Inputs};
use super::{BuildError, Frozen};
use crate::file::{self, FileError, failed};

/// BOUND: bytes of a stamp; a path a file that the build hangs on.
const STAMP_BYTES_MAX: u64 = 4 << 20;

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
    #[expect(clippy::disallowed_methods, reason = "door: the tools that build an agent, and its files")]
    pub(super) fn open(cache: &Path, source: &Path) -> Result<Self, FileError> {
        let folder = cache.join("built").join(Digest::of(source.as_os_str().as_encoded_bytes()).hex());
        file::folder(&folder)?;
        let path = folder.join("lock");
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(failed("open", &path))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|err| failed("lock", &path)(err.into()))?;
        Ok(Self { folder, _lock: lock })
    }

    /// What is kept, if it is whole and was built from just this. A stamp that can't be read is as good as none.
    pub(super) fn fresh(&self, source: &Digest) -> Option<Frozen> {
        let stamp = self.stamped()?;
        let now = Inputs { source: *source, others: inputs::others(&stamp.paths).ok()?, paths: stamp.paths.clone() };
        let frozen = Frozen { file: self.component(), digest: stamp.component };
        (Stamp::new(now, stamp.component) == stamp && frozen.read().is_ok()).then_some(frozen)
    }

    /// The digest of the files outside of the folder on which the last build hung, as they are now.
    pub(super) fn others(&self) -> Option<Digest> {
        inputs::others(&self.stamped()?.paths).ok()
    }

    fn stamped(&self) -> Option<Stamp> {
        serde_json::from_slice(&file::read(&self.stamp(), STAMP_BYTES_MAX).ok()?).ok()
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
        self.folder.join("stamp.json")
    }

    fn component(&self) -> PathBuf {
        self.folder.join("component.wasm")
    }
}
