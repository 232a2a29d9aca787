//! Puts a backup into an empty home: whole, or not at all.
//!
//! The backup is read twice. The first time, its seal, its signature and every digest are checked, and nothing is written. The second time, it is
//! unpacked into a folder beside the home, its record is proved there, and that folder takes the home's place in one step.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use broker::SystemClock;
use effect::record::{self, Record};
use effect::{Digest, RunId};
use gate::Clock as _;
use journal::{OpenError, PublicKey};

use super::Manifest;
use super::container::{Said, Seal, Untitled, read, title};
use super::err::BackupError;
use super::mark::{MARK, Mark, beside};
use super::stream::In;
use super::{CONTEXT, FORM};
use crate::forms::FORMS;
use crate::house::Place;
use crate::principal::own_principal;

/// What the name of the folder ends with in which a home is unpacked.
const UNPACKING: &str = ".restoring";
/// The file in such a folder that says that a restore has made it. No backup has a file of this name, and the next run sweeps it ([`home::sweep`]).
const BEGUN: &str = "restored.0.0.new";
/// BOUND: bytes of the public keys in a backup.
const PUBLIC_BYTES_MAX: u64 = 64 << 10;

/// Which key the signature was checked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// One that was given.
    Given,
    /// The one in the backup: whoever made the backup may have made it.
    InBackup,
}

/// What was put back.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The log.
    pub log: String,
    /// How many records.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// When the backup was begun, milliseconds since 1970.
    pub at: u64,
    /// How many files.
    pub files: usize,
    /// Runs that had not ended when it was made.
    pub open: Vec<RunId>,
    /// Whether the files with keys were in it.
    pub with_keys: bool,
    /// Who was checked to have signed it.
    pub signer: Signer,
    /// How many records of this log are remembered here, outside the home.
    pub remembered: Option<u64>,
}

fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |cause| BackupError::File { verb, cause: home::told(&path, cause), path }
}

/// Puts a backup into a home that is empty or not there. `key` is the public key of whoever is to have made it.
///
/// # Errors
/// See [`BackupError`]. Then the home is as it was.
pub fn restore(place: &Place, file: &Path, key: Option<&PublicKey>, passphrase: Option<&[u8]>) -> Result<Restored, BackupError> {
    empty(&place.home)?;
    let source = Source { file, passphrase };
    let (said, in_backup) = source.look()?;
    let (key, signer) = match (key, &in_backup) {
        // The key may have been rotated since the copy was made that was given.
        (Some(key), Some(beside)) => (key.extended(beside), Signer::Given),
        (Some(key), None) => (key.clone(), Signer::Given),
        (None, Some(key)) => (key.clone(), Signer::InBackup),
        (None, None) => return Err(source.broken("it has no public key, and none was given")),
    };
    if !key.signed(CONTEXT, &said.bytes, &said.signature) {
        return Err(if signer == Signer::Given { BackupError::OtherKey(file.to_owned()) } else { source.broken("its signature is wrong") });
    }
    if said.manifest.v > FORM {
        return Err(BackupError::Newer(file.to_owned()));
    }
    let mut aside = Unpacking::begin(&place.home)?;
    unpack(&source, &said, &aside.folder, &key)?;
    let log = key.log();
    put_on_record(place, &aside.folder, &said, &log.to_string())?;
    aside.put(&place.home)?;
    let manifest = said.manifest;
    Ok(Restored {
        remembered: journal::remembered(&journal::state_path(&place.state, log)).ok().flatten().map(|known| known.size),
        log: manifest.log,
        size: manifest.size,
        root: manifest.root,
        at: manifest.at,
        files: manifest.files.len(),
        open: manifest.open,
        with_keys: manifest.with_keys,
        signer,
    })
}

/// A home that is not there, or has nothing in it.
fn empty(home: &Path) -> Result<(), BackupError> {
    match home::list(home) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        names if names.as_ref().is_ok_and(|names| !names.is_empty()) => Err(BackupError::NotEmpty(home.to_owned())),
        names => names.map(drop).map_err(failed("look at", home)),
    }
}

/// The folder in which a home is unpacked, beside the place where it will be. Locked by its maker, as a file in the making is ([`home::Aside`]), and
/// removed if it was not put in place.
struct Unpacking {
    folder: PathBuf,
    _lock: File,
    is_put: bool,
}

impl Unpacking {
    /// Makes the folder. What a process that was killed has left there is taken away.
    fn begin(home: &Path) -> Result<Self, BackupError> {
        let mut name = home.file_name().unwrap_or_default().to_owned();
        name.push(UNPACKING);
        let folder = home.with_file_name(name);
        let busy = || BackupError::Busy(home.to_owned());
        if fs::symlink_metadata(&folder).is_ok() {
            // SECURITY: only what a restore has begun is removed, and nothing else that has such a name.
            if fs::symlink_metadata(folder.join(BEGUN)).is_err() {
                return Err(BackupError::NotEmpty(folder));
            }
            let left = lock_folder(&folder).map_err(failed("lock", &folder))?.ok_or_else(busy)?;
            fs::remove_dir_all(&folder).map_err(failed("remove", &folder))?;
            drop(left);
        }
        make_new(&folder).map_err(|cause| match cause.kind() {
            io::ErrorKind::AlreadyExists => busy(),
            _ => failed("make", &folder)(cause),
        })?;
        let lock = lock_folder(&folder).map_err(failed("lock", &folder))?.ok_or_else(busy)?;
        home::create_new(&folder.join(BEGUN)).map_err(failed("write", &folder))?;
        Ok(Self { folder, _lock: lock, is_put: false })
    }

    /// It takes the place of the home, which is empty or not there.
    #[expect(clippy::disallowed_methods, reason = "door: the folder in which a home is unpacked")]
    fn put(&mut self, home: &Path) -> Result<(), BackupError> {
        // The system replaces an empty folder, and no other.
        fs::rename(&self.folder, home).map_err(|cause| match cause.kind() {
            io::ErrorKind::DirectoryNotEmpty => BackupError::NotEmpty(home.to_owned()),
            _ => failed("name", home)(cause),
        })?;
        self.is_put = true;
        // Only now: a restore that is killed before leaves a folder that the next one may remove. If it stays, the next run sweeps it.
        let _ = fs::remove_file(home.join(BEGUN));
        home::sync_name(home).map_err(failed("sync", home))
    }
}

impl Drop for Unpacking {
    fn drop(&mut self) {
        if !self.is_put {
            // That it can't be removed either changes nothing: the next restore removes it.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "door: the folder in which a home is unpacked")]
fn make_new(folder: &Path) -> io::Result<()> {
    if let Some(above) = folder.parent().filter(|above| !above.as_os_str().is_empty() && !above.exists()) {
        home::make_folder(above)?;
    }
    fs::DirBuilder::new().mode(0o700).create(folder)
}

/// Locks a folder until what is returned is dropped. `None` if another process has locked it, or it is another folder by now.
fn lock_folder(folder: &Path) -> io::Result<Option<File>> {
    let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC;
    let open = File::from(rustix::fs::open(folder, flags, rustix::fs::Mode::empty())?);
    match rustix::fs::flock(&open, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        locked => locked?,
    }
    let (there, own) = (fs::symlink_metadata(folder), open.metadata()?);
    Ok(there.is_ok_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino())).then_some(open))
}

/// The file of a backup, and what opens it.
struct Source<'a> {
    file: &'a Path,
    passphrase: Option<&'a [u8]>,
}

impl Source<'_> {
    fn broken(&self, why: &str) -> BackupError {
        BackupError::Broken { path: self.file.to_owned(), why: why.to_owned() }
    }

    fn open(&self) -> Result<In<io::BufReader<File>>, BackupError> {
        let mut from = io::BufReader::with_capacity(1 << 20, home::open_handed(self.file).map_err(failed("open", self.file))?);
        let seal = title(&mut from).map_err(|err| match err {
            Untitled::Newer => BackupError::Newer(self.file.to_owned()),
            Untitled::Other => self.broken("it does not begin as one does"),
            Untitled::Io(cause) => failed("read", self.file)(cause),
        })?;
        match (seal, self.passphrase) {
            (Seal::None, _) => Ok(In::Plain(from)),
            (Seal::Passphrase, None) => Err(BackupError::Sealed(self.file.to_owned())),
            (Seal::Passphrase, Some(passphrase)) => In::sealed(from, passphrase),
        }
    }

    /// An error of reading, or of what was read.
    fn unread(&self, cause: io::Error) -> BackupError {
        let is_ours = cause.get_ref().is_some();
        match cause.kind() {
            io::ErrorKind::InvalidData if is_ours => self.broken(&cause.to_string()),
            io::ErrorKind::InvalidData => BackupError::OtherPassphrase(self.file.to_owned()),
            io::ErrorKind::UnexpectedEof => self.broken("it was cut short"),
            _ => failed("read", self.file)(cause),
        }
    }

    /// Reads all of it and writes nothing. Gives what it says at its end, and the public key in it.
    fn look(&self) -> Result<(Said, Option<PublicKey>), BackupError> {
        let public = Kept::default();
        let mut each = |name: &str, bytes: u64| -> io::Result<Box<dyn Write>> {
            let is_public = name == "journal.pub" && bytes <= PUBLIC_BYTES_MAX;
            Ok(if is_public { Box::new(public.clone()) } else { Box::new(io::sink()) })
        };
        let said = read(&mut self.open()?, &mut each, &mut |_| Ok(())).map_err(|cause| self.unread(cause))?;
        let text = String::from_utf8_lossy(&public.0.borrow()).into_owned();
        Ok((said, text.parse().ok()))
    }
}

/// Bytes that are kept while others go by.
#[derive(Clone, Default)]
struct Kept(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that is on the disk when it has been flushed.
struct Synced(File);

impl Write for Synced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// Unpacks a backup that was looked at, and proves its record where it lies now.
fn unpack(source: &Source<'_>, said: &Said, aside: &Path, key: &PublicKey) -> Result<(), BackupError> {
    let mut folders = BTreeMap::from([(aside.to_owned(), ())]);
    let mut each = |name: &str, _: u64| -> io::Result<Box<dyn Write>> {
        let path = aside.join(name);
        let folder = path.parent().unwrap_or(aside);
        home::make_folder(folder)?;
        folders.insert(folder.to_owned(), ());
        Ok(Box::new(Synced(home::create_new(&path)?)))
    };
    let again = read(&mut source.open()?, &mut each, &mut |_| Ok(())).map_err(|cause| match cause.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => source.unread(cause),
        _ => failed("unpack into", aside)(cause),
    })?;
    // Somebody may have exchanged the file since it was looked at.
    if again.bytes != said.bytes {
        return Err(source.broken("it was changed while it was read"));
    }
    home::form(aside, &FORMS).map_err(BackupError::Form)?;
    let report = journal::verify(aside, Some(key), None, &mut |_| {});
    if let Some(fault) = report.fault {
        return Err(BackupError::Damaged(fault));
    }
    if (report.size, report.root) != (said.manifest.size, said.manifest.root) {
        return Err(source.broken("its record is not the one that its manifest names"));
    }
    folders.into_keys().rev().try_for_each(|folder| home::sync_folder(&folder).map_err(failed("sync", &folder)))
}

/// Puts it on the record of the unpacked home that it came from a backup: from then on, runs that were open in it need a word before they go
/// on, and nobody can take that away. Without the keys nobody can write to the record, and a mark waits for whoever brings them.
fn put_on_record(place: &Place, aside: &Path, said: &Said, log: &str) -> Result<(), BackupError> {
    let Manifest { at, size, root, .. } = said.manifest;
    let record: Record = record::Restored {
        at: SystemClock::new().unix_ms(),
        backup_at: at,
        by: own_principal(),
        kind: record::Kind::Restored,
        root,
        size,
        v: record::VERSION,
    }
    .into();
    match journal::Journal::open(aside, None, journal::Options::default()) {
        Ok((journal, _)) => {
            let written = journal.append(journal::log_run(), record.to_bytes(), Vec::new()).map_err(BackupError::Unrecorded)?;
            written.ticket.wait_blocking().map_err(|broken| BackupError::Unrecorded(broken.into()))?;
            journal.close().map_err(|broken| BackupError::Unrecorded(broken.into()))
        }
        Err(OpenError::Key { .. } | OpenError::KeySealed { .. } | OpenError::KeysGone { .. } | OpenError::Unfit { .. }) => {
            let mark = Mark { backup_at: at, log: log.to_owned(), size, root };
            let (own, other) = (aside.join(MARK), beside(place));
            mark.write(&own).map_err(failed("write", &own))?;
            home::make_folder(&place.state).map_err(failed("make", &place.state))?;
            mark.write(&other).map_err(failed("write", &other))
        }
        Err(err) => Err(BackupError::Record(err)),
    }
}
