//! The place where the component of one folder is kept, and the stamp that shows whether it is fresh.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vocabulary::Digest;

use super::inputs::{Nobody, Places};
use super::listing::SourceFiles;
use super::{BuildError, Frozen, SourcePin};
use crate::file::{self, FileError};

/// BOUND: bytes of a stamp. It has a path for each place that the build depends on.
const STAMP_BYTES_MAX: u64 = 4 << 20;

/// BOUND: how long to wait for another build of the same folder, unless the caller sets another time. Fetching and compiling everything
/// anew takes minutes.
const BUILD_MAX: Duration = Duration::from_secs(20 * 60);

const STAMP: &str = "stamp.json";
const LOCK: &str = "lock";

fn folder(cache: &Path, source: &Path) -> PathBuf {
    cache.join("built").join(Digest::of(source.as_os_str().as_encoded_bytes()).hex())
}

/// Reads what is known about the last build of a folder, without waiting for an active build. A stamp that can't be read counts as none.
pub(super) fn stamped(cache: &Path, source: &Path) -> Option<Stamp> {
    read_stamp(&folder(cache, source))
}

fn read_stamp(folder: &Path) -> Option<Stamp> {
    serde_json::from_slice(&file::read(&folder.join(STAMP), STAMP_BYTES_MAX).ok()?).ok()
}

/// One folder's place in the cache. It is locked, so that builds of the same folder run one after the other.
#[derive(Debug)]
pub(super) struct BuildSlot {
    pub(super) folder: PathBuf,
    /// The lock, which is released on drop.
    _lock: File,
}

/// What was built, and from what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stamp {
    /// The digest of this host program: another version may build differently.
    host: String,
    /// The digest of everything in the folder.
    pub(super) inside: Digest,
    /// The digest of the source outside of the folder.
    pub(super) outside: Digest,
    /// The tools of the build, with their versions.
    pub(super) tools: String,
    outside_paths: Vec<PathBuf>,
    stubs: Vec<PathBuf>,
    /// Each source file with its digest, unless there are too many. It shows people which files differ.
    #[serde(default)]
    pub(super) files: SourceFiles,
    /// Whether it was built in an empty folder, without anything of an earlier source.
    pub(super) is_clean: bool,
    /// The digest of the component. `None` until the build is frozen.
    component: Option<Digest>,
}

impl Stamp {
    pub(super) fn new(places: &Places, (inside, outside): (Digest, Digest), tools: &str) -> Self {
        let Places { folder: _, outside: outside_paths, stubs } = places.clone();
        let (host, tools) = (env!("CARGO_PKG_VERSION").to_owned(), tools.to_owned());
        Self { host, inside, outside, tools, outside_paths, stubs, files: SourceFiles::new(), is_clean: false, component: None }
    }

    /// The places of its source, for a folder.
    pub(super) fn places(&self, folder: &Path) -> Places {
        Places { folder: folder.to_owned(), outside: self.outside_paths.clone(), stubs: self.stubs.clone() }
    }

    pub(super) fn pin(&self) -> SourcePin {
        SourcePin::new(self.inside, self.outside, self.tools.clone())
    }
}

/// Removes what was built from folders that were not used since `before_s`, in seconds since 1970, together with what their tools left. An
/// active build keeps its place. Returns how many folders were removed.
pub fn age_out(cache: &Path, before_s: i64) -> u64 {
    let built = cache.join("built");
    let is_old = |folder: &PathBuf| std::fs::symlink_metadata(folder.join(LOCK)).is_ok_and(|found| found.mtime() < before_s);
    let folders = home::list(&built).unwrap_or_default().into_iter().map(|name| built.join(name)).filter(is_old);
    let gone = folders.filter(|folder| file::clear_unlocked(folder, LOCK).unwrap_or(false));
    u64::try_from(gone.count()).unwrap_or(u64::MAX)
}

impl BuildSlot {
    pub(super) fn open(cache: &Path, source: &Path) -> Result<Self, FileError> {
        let folder = folder(cache, source);
        file::folder(&folder)?;
        let path = folder.join(LOCK);
        let lock = file::lock_own(&path, "builds the same folder", BUILD_MAX)?;
        home::sweep(&folder, |_| true);
        // A place that is used must not count as old.
        let _ = home::touch(&path);
        Ok(Self { folder, _lock: lock })
    }

    /// The kept component, if it is whole and was built from exactly the present source. If a pin was accepted, it must also have been
    /// built with these tools and in an empty folder.
    pub(super) fn fresh(&self, source: &Path, add: impl Fn(Digest) -> Digest, expected: Option<&SourcePin>) -> Option<Frozen> {
        let stamp = read_stamp(&self.folder).filter(|stamp| expected.is_none_or(|pin| stamp.is_clean && stamp.pin() == *pin))?;
        let places = stamp.places(source);
        let (inside, outside) = places.digests(&places.find(&[]).ok()?, &mut Nobody).ok()?;
        let (component, files) = (stamp.component, stamp.files.clone());
        let now = Stamp { component, files, is_clean: stamp.is_clean, ..Stamp::new(&places, (add(inside), outside), &stamp.tools) };
        let frozen = Frozen { file: self.component(), digest: stamp.component?, pin: stamp.pin() };
        (now == stamp && frozen.read().is_ok()).then_some(frozen)
    }

    /// Writes the component first: a stamp must never name a component that is not there yet.
    pub(super) fn keep(&self, component: &[u8], stamp: Stamp) -> Result<Frozen, BuildError> {
        file::write(&self.component(), component)?;
        let digest = Digest::of(component);
        let stamp = Stamp { component: Some(digest), ..stamp };
        // A path that is not UTF-8 can't be in a stamp. Such a folder is built each time.
        if let Ok(json) = serde_json::to_vec(&stamp) {
            file::write(&self.folder.join(STAMP), &json)?;
        }
        Ok(Frozen { file: self.component(), digest, pin: stamp.pin() })
    }

    fn component(&self) -> PathBuf {
        self.folder.join("component.wasm")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and makes what is old")]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_build_that_nothing_has_used_goes_and_one_that_is_under_way_stays() {
        let cache = tempfile::tempdir().unwrap();
        let made = |name: &str| {
            let slot = BuildSlot::open(cache.path(), Path::new(name)).unwrap();
            fs::write(slot.folder.join("component.wasm"), b"wasm").unwrap();
            fs::create_dir(slot.folder.join("target")).unwrap();
            let lock = File::options().write(true).open(slot.folder.join(LOCK)).unwrap();
            lock.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1000)).unwrap();
            slot
        };
        let (old, used, held) = (made("/old").folder.clone(), made("/used").folder.clone(), made("/held"));
        drop(BuildSlot::open(cache.path(), Path::new("/used")).unwrap());
        assert_eq!((age_out(cache.path(), 1000), age_out(cache.path(), 1001)), (0, 1));
        assert!(!old.join("component.wasm").exists() && !old.join("target").exists());
        assert!(used.join("component.wasm").exists() && held.folder.join("component.wasm").exists());
    }
}
