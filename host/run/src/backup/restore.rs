//! Restores a backup into an empty home: whole, or not at all.
//!
//! The backup is read twice. The first time, its seal, its signature and every digest are checked, and nothing is written. The second time,
//! it is unpacked into a separate folder, its record is proved there, and that folder takes the home's place (`unpacking.rs`).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gate::SystemClock;
use journal::{OpenError, PublicKey};
use vocabulary::Clock as _;
use vocabulary::record::{self, Record};
use vocabulary::{Digest, RunId};

use super::BackupManifest;
use super::container::{Said, Seal, Untitled, read, title};
use super::ending::{BackupStage, CleanUp};
use super::err::BackupError;
use super::mark::{BackupMark, MARK, beside};
use super::stream::In;
use super::take::failed;
use super::unpacking::{Unpacking, empty};
use super::{CONTEXT, FORM, Filed};
use crate::forms::FORMS;
use crate::place::HomePlace;
use crate::principal::own_principal;

/// BOUND: size of the public keys in a backup, in bytes.
const PUBLIC_BYTES_MAX: u64 = 64 << 10;

/// Which key the signature was checked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The key that the caller gave.
    Given,
    /// The key in the backup. Its author may be the author of the backup, so it proves nothing about who that was.
    InBackup,
}

/// What was restored.
#[derive(Clone, Debug)]
pub struct Restored {
    /// The id of the log.
    pub log: String,
    /// How many records the log has.
    pub size: u64,
    /// The root over these records.
    pub root: Digest,
    /// When the backup was begun, in milliseconds since 1970.
    pub at: u64,
    /// How many files were restored.
    pub files: usize,
    /// Runs that were open when the backup was made.
    pub open: Vec<RunId>,
    /// Whether the backup contained the files with keys.
    pub with_keys: bool,
    /// Which key the signature was checked with.
    pub signer: Signer,
    /// How many records of this log are remembered here, outside the home.
    pub remembered: Option<u64>,
}

/// Restores a backup into a home that is empty or does not exist. `key` is the public key that must have signed the backup. `ending` can
/// end the restore.
///
/// # Errors
/// See [`BackupError`]. In that case the home is as it was.
pub fn restore(
    place: &HomePlace,
    file: &Path,
    key: Option<&PublicKey>,
    passphrase: Option<&[u8]>,
    ending: &CleanUp,
) -> Result<Restored, BackupError> {
    empty(&place.home)?;
    let source = RestoreSource { file, passphrase };
    let (said, in_backup) = source.inspect()?;
    let (key, signer) = match (key, &in_backup) {
        // The key may have been rotated after the caller copied it.
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
    let stage = |stage| ending.enter(stage).map_err(failed("continue with", file));
    stage(BackupStage::Making)?;
    let mut aside = Unpacking::begin(&place.home)?;
    unpack(&source, &said, &aside.folder, ending)?;
    // Proving writes nothing, and it may take long.
    stage(BackupStage::Made(aside.folder.clone()))?;
    prove(&source, &said, &aside.folder, &key)?;
    stage(BackupStage::Making)?;
    finish(&said, &aside.folder)?;
    stage(BackupStage::Putting)?;
    let log = key.log();
    put_on_record(place, &aside.folder, &said, &log.to_string())?;
    aside.put()?;
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

/// The file of a backup, and the passphrase that opens it.
struct RestoreSource<'a> {
    file: &'a Path,
    passphrase: Option<&'a [u8]>,
}

impl RestoreSource<'_> {
    fn broken(&self, why: &str) -> BackupError {
        BackupError::Broken { path: self.file.to_owned(), why: why.to_owned() }
    }

    fn open(&self) -> Result<In<io::BufReader<File>>, BackupError> {
        let mut from = io::BufReader::with_capacity(1 << 20, home::open_handed(self.file).map_err(failed("open", self.file))?);
        let seal = title(&mut from).map_err(|err| match err {
            Untitled::Newer => BackupError::Newer(self.file.to_owned()),
            Untitled::Other => self.broken("it does not begin like a backup"),
            Untitled::Io(cause) => failed("read", self.file)(cause),
        })?;
        match (seal, self.passphrase) {
            (Seal::None, _) => Ok(In::Plain(from)),
            (Seal::Passphrase, None) => Err(BackupError::Sealed(self.file.to_owned())),
            (Seal::Passphrase, Some(passphrase)) => In::sealed(from, passphrase),
        }
    }

    /// Turns an error of reading into an error of the file system or of the backup's content.
    fn unread(&self, cause: io::Error) -> BackupError {
        let is_ours = cause.get_ref().is_some();
        match cause.kind() {
            io::ErrorKind::InvalidData if is_ours => self.broken(&cause.to_string()),
            io::ErrorKind::InvalidData => BackupError::OtherPassphrase(self.file.to_owned()),
            io::ErrorKind::UnexpectedEof => self.broken("it was cut short"),
            _ => failed("read", self.file)(cause),
        }
    }

    /// Reads the whole backup and writes nothing. Returns what the backup says at its end, and the public key in it.
    fn inspect(&self) -> Result<(Said, Option<PublicKey>), BackupError> {
        let public = SharedBuffer::default();
        let mut each = |name: &str, bytes: u64| -> io::Result<Box<dyn Write>> {
            let is_public = name == "journal.pub" && bytes <= PUBLIC_BYTES_MAX;
            Ok(if is_public { Box::new(public.clone()) } else { Box::new(io::sink()) })
        };
        let said = read(&mut self.open()?, &mut each, &mut || Ok(())).map_err(|cause| self.unread(cause))?;
        let text = String::from_utf8_lossy(&public.0.borrow()).into_owned();
        Ok((said, text.parse().ok()))
    }
}

/// A writer that keeps what is written to it.
#[derive(Clone, Default)]
struct SharedBuffer(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

impl Write for SharedBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that is synced to the disk when it is flushed.
struct Synced(File);

impl Write for Synced {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// Unpacks a backup that was inspected.
fn unpack(source: &RestoreSource<'_>, said: &Said, aside: &Path, ending: &CleanUp) -> Result<(), BackupError> {
    let mut each = |name: &str, _: u64| -> io::Result<Box<dyn Write>> {
        let path = aside.join(name);
        home::make_folder(path.parent().unwrap_or(aside))?;
        Ok(Box::new(Synced(home::create_new(&path)?)))
    };
    let again = read(&mut source.open()?, &mut each, &mut || ending.check()).map_err(|cause| match cause.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => source.unread(cause),
        _ => failed("unpack into", aside)(cause),
    })?;
    // The file may have been exchanged since it was inspected.
    if again.bytes == said.bytes { Ok(()) } else { Err(source.broken("it was changed while it was read")) }
}

/// Proves the unpacked record.
fn prove(source: &RestoreSource<'_>, said: &Said, aside: &Path, key: &PublicKey) -> Result<(), BackupError> {
    home::form(aside, &FORMS).map_err(BackupError::Form)?;
    let report = journal::verify(aside, Some(key), None, &mut |_| {});
    if let Some(fault) = report.fault {
        return Err(BackupError::Damaged(fault));
    }
    let is_named = (report.size, report.root) == (said.manifest.size, said.manifest.root);
    if is_named { Ok(()) } else { Err(source.broken("it has another record than its manifest names")) }
}

/// Syncs all folders, so that everything is on the disk when this returns.
fn finish(said: &Said, aside: &Path) -> Result<(), BackupError> {
    let above = |filed: &Filed| {
        aside.join(&filed.name).ancestors().skip(1).take_while(|path| *path != aside).map(Path::to_owned).collect::<Vec<_>>()
    };
    let folders: BTreeSet<PathBuf> = said.manifest.files.iter().flat_map(above).chain([aside.to_owned()]).collect();
    folders.into_iter().rev().try_for_each(|folder| home::sync_folder(&folder).map_err(failed("sync", &folder)))
}

/// Records in the unpacked home that it came from a backup. From then on, runs that were open in it must be released by a person before
/// they are resumed, and this can't be undone. Without the keys the record can't be written, so a mark is left until they are there.
fn put_on_record(place: &HomePlace, aside: &Path, said: &Said, log: &str) -> Result<(), BackupError> {
    let BackupManifest { at, size, root, .. } = said.manifest;
    let record: Record = record::Restored {
        at: SystemClock::new().unix_ms(),
        backup_at: at,
        by: own_principal(),
        kind: record::RecordKind::Restored,
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
            let mark = BackupMark { backup_at: at, log: log.to_owned(), size, root };
            let (own, other) = (aside.join(MARK), beside(place));
            mark.write(&own).map_err(failed("write", &own))?;
            home::make_folder(&place.state).map_err(failed("make", &place.state))?;
            mark.write(&other).map_err(failed("write", &other))
        }
        Err(err) => Err(BackupError::Record(err)),
    }
}
