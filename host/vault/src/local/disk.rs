//! The files of a vault. They are read and written as a whole, and only their owner can read them.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use home::Access;
use zeroize::Zeroizing;

use super::err::LocalError;

/// Two steps of a file system that counts the times of files in seconds, such as ext4 with small inodes. Others count in ticks of the kernel.
const STEP_OF_TIMES: Duration = Duration::from_secs(2);
/// BOUND: bytes for which there is always room.
const SMALL_BYTES: u64 = 64 << 10;

pub(super) fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LocalError {
    move |cause| LocalError::Io { verb, path: path.to_owned(), cause: home::told(path, cause) }
}

/// The lock under which one process at a time may change the vault. A caller that waits learns which process it waits for.
pub(super) fn lock(home: &Path) -> Result<File, LocalError> {
    let path = home.join("vault.lock");
    home::lock(&path, "has locked the vault").map_err(failed("lock", &path))
}

/// Reads a file. `None` if it does not exist.
pub(super) fn read(path: &Path, max: u64) -> Result<Option<Zeroizing<Vec<u8>>>, LocalError> {
    match home::open(path, Access::Read).and_then(|file| bounded(&file, max)) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        read => Ok(Some(read.map_err(failed("read", path))?)),
    }
}

/// Opens a file, and takes its mark first: a change after that gives the file another mark. `None` if it is not there.
pub(super) fn open_marked(path: &Path) -> Result<Option<(File, DiskMark)>, LocalError> {
    let mark = mark(path)?;
    match home::open(path, Access::Read) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        file => Ok(Some((file.map_err(failed("open", path))?, mark))),
    }
}

/// Up to `max` bytes of a file that was opened at this path.
pub(super) fn read_whole(path: &Path, file: &File, max: u64) -> Result<Zeroizing<Vec<u8>>, LocalError> {
    bounded(file, max).map_err(failed("read", path))
}

/// Up to `max` bytes of an open file, and its mode.
pub(crate) fn read_open(file: &File, max: u64) -> io::Result<(Zeroizing<Vec<u8>>, u32)> {
    Ok((bounded(file, max)?, file.metadata()?.permissions().mode()))
}

fn bounded(file: &File, max: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // The buffer has room for all of it, because a buffer that grows leaves copies behind. The length of a small file is not queried,
    // because the file may grow meanwhile.
    let size = if max <= SMALL_BYTES { max } else { file.metadata()?.len().min(max) };
    let mut bytes = Zeroizing::new(vec![0; usize::try_from(size).unwrap_or(0)]);
    let mut length = 0;
    let mut file = file.take(max);
    loop {
        match file.read(bytes.get_mut(length..).unwrap_or_default()) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Identifies a file and its length. It shows that another file has the same name now, or that the file has grown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DiskMark {
    device: u64,
    inode: u64,
    bytes: u64,
    /// When the file was changed: the system reuses the inode number of a removed file.
    changed: (i64, i64),
}

impl DiskMark {
    fn of(found: &Metadata) -> Self {
        Self { device: found.dev(), inode: found.ino(), bytes: found.len(), changed: (found.ctime(), found.ctime_nsec()) }
    }

    /// Whether the last change of the file was so long ago that the next one certainly gives it another mark, also if the file is written in
    /// place: file systems count times in steps. `now` is a moment before the file was read. A change through a memory map may not show.
    pub(super) fn is_settled(&self, now: Duration) -> bool {
        let (Ok(s), Ok(ns)) = (u64::try_from(self.changed.0), u32::try_from(self.changed.1)) else { return false };
        now >= Duration::new(s, ns) + STEP_OF_TIMES
    }

    /// Whether the file at this path still has this mark. Only asks the system.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        mark(path).is_ok_and(|now| now == *self)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// The mark of a file. The default if there is no file.
pub(super) fn mark(path: &Path) -> Result<DiskMark, LocalError> {
    match fs::symlink_metadata(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(DiskMark::default()),
        found => Ok(DiskMark::of(&found.map_err(failed("look at", path))?)),
    }
}

/// The bytes from an offset to the end of the file. Empty if there is no file.
pub(super) fn read_from(path: &Path, from: u64, max: u64) -> Result<Zeroizing<Vec<u8>>, LocalError> {
    let mut file = match home::open(path, Access::Read) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(Zeroizing::default()),
        file => file.map_err(failed("open", path))?,
    };
    let mut bytes = Zeroizing::new(Vec::new());
    let read = file.seek(io::SeekFrom::Start(from)).and_then(|_| file.take(max).read_to_end(&mut bytes));
    read.map_err(failed("read", path))?;
    Ok(bytes)
}

/// Appends to a file that exists. The bytes are on disk when this returns.
pub(super) fn append(path: &Path, bytes: &[u8]) -> Result<(), LocalError> {
    let mut file = home::open(path, Access::Write).map_err(failed("open", path))?;
    file.seek(io::SeekFrom::End(0)).and_then(|_| file.write_all(bytes)).and_then(|()| file.sync_data()).map_err(failed("write", path))
}

/// The time for which a replaced value is looked for starts now.
pub(super) fn now_s() -> u64 {
    now().as_secs()
}

/// Since 1970, by the clock that the times of files are of.
#[expect(clippy::disallowed_methods, reason = "door: the vault of the home")]
pub(super) fn now() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// Writes a file that only its owner can read. The file is whole and on disk afterwards, or as it was before.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), LocalError> {
    home::replace(path, bytes, home::PRIVATE).map_err(failed("write", path))
}

/// Removes what an interrupted write left behind.
pub(super) fn sweep(home: &Path) {
    home::sweep(home, |name| name == "vault" || name.starts_with("vault."));
}

fn sync(home: &Path) -> Result<(), LocalError> {
    home::sync_folder(home).map_err(failed("sync", home))
}

/// Removes every key file except for `kept`. The caller holds the lock, and the vault is sealed under that key.
pub(super) fn sweep_keys(home: &Path, kept: Option<&str>) -> Result<(), LocalError> {
    let id =
        |name: &str| name.strip_prefix("vault.key.").is_some_and(|id| id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    remove(home, |name| Some(name) != kept && (name == "vault.key" || id(name)))
}

#[expect(clippy::disallowed_methods, reason = "door: the vault of the home")]
fn remove(home: &Path, which: impl Fn(&str) -> bool) -> Result<(), LocalError> {
    let mut removed = false;
    for name in home::list(home).map_err(failed("list", home))? {
        if name.to_str().is_some_and(&which) {
            let path = home.join(&name);
            fs::remove_file(&path).map_err(failed("remove", &path))?;
            removed = true;
        }
    }
    if removed { sync(home) } else { Ok(()) }
}
