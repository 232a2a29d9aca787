//! Changes that an operator makes to files of the home, or to `bailiwick.lock`. Each one is on the record, or it did not happen.
//!
//! First, a note of the change is made durable in the home's folder `changes`: the record that it needs, and the new content of each file.
//! Then the record is made, then the files are changed, then the note is removed. If this is cut off at any point, the next opening finds
//! the note and sees from the log whether the record was made. If so, it finishes the change; otherwise nothing has happened. The
//! revocation of a credential is the exception: its file is changed first, because that may be urgent, and the next opening makes the
//! record.
//!
//! The process that makes a note keeps it locked (`flock`) while it lives, so no other process finishes a change that is still under way.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use effects::VaultChange;
use gate::{ChangeNote, Notes};
use home::Access;
use journal::{Reader, log_run, remembered, state_path};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use vocabulary::record::Record;
use vocabulary::{Digest, RunId};
use zeroize::Zeroizing;

use crate::err::RunError;
use crate::place::HomePlace;

/// The folder of the notes.
const FOLDER: &str = "changes";
/// BOUND: size of a note in bytes: the largest vault and the largest list, in base64.
const NOTE_BYTES_MAX: u64 = 64 << 20;

/// What comes first: the record or the change of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum First {
    /// The record comes first. This is the rule.
    Record,
    /// The change of the files comes first, so that a record that can't be written does not delay a revocation.
    Files,
}

/// The new content of a file.
#[derive(Clone, Debug)]
pub struct FileChange<'a> {
    /// The path of the file.
    pub path: &'a Path,
    /// The whole new content.
    pub bytes: &'a [u8],
    /// Its mode: [`home::PRIVATE`] or [`home::SHARED`].
    pub mode: u32,
    /// The name of the home's lock under which the file is changed.
    pub lock: Option<&'static str>,
}

/// The content of a note's file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    v: u32,
    first: First,
    /// The run that the record belongs to.
    run: RunId,
    /// The record as it will be made, except for its time.
    record: serde_json::Value,
    /// How many records the log was known to have before. The record of this change comes after them.
    size: u64,
    files: Vec<WrittenFile>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenFile {
    /// The bytes of the path in base64, because a path need not be text. A path in the home is relative to it, so that a copy of the home
    /// changes its own files and not those of the home that it was copied from.
    path: String,
    bytes: String,
    mode: u32,
    lock: Option<String>,
    /// Digest of the old content, if the file existed. It shows whether the file was changed since.
    before: Option<Digest>,
}

/// Digest of a file's content; `None` if there is no such file.
fn content(path: &Path) -> io::Result<Option<Digest>> {
    match home::open_handed(path) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(None),
        file => {
            let mut bytes = Zeroizing::new(Vec::new());
            file?.take(NOTE_BYTES_MAX).read_to_end(&mut bytes)?;
            Ok(Some(Digest::of(&bytes)))
        }
    }
}

/// A note of a change that is under way. If it is dropped before [`Note::done`], its file stays, and the next opening settles the change.
#[derive(Debug)]
pub struct Note {
    path: PathBuf,
    /// Locked.
    _file: fs::File,
}

impl Note {
    /// Writes the note. It is on the disk when this returns.
    ///
    /// # Errors
    /// A home that can't be written. Then nothing may be changed.
    pub fn begin(place: &HomePlace, first: First, record: &Record, files: &[FileChange<'_>]) -> Result<Self, RunError> {
        Self::of_run(place, log_run(), (first, record), files)
    }

    /// As [`Note::begin`], for a record of a run.
    fn of_run(place: &HomePlace, run: RunId, (first, record): (First, &Record), files: &[FileChange<'_>]) -> Result<Self, RunError> {
        let folder = place.home.join(FOLDER);
        let made = || -> io::Result<Self> {
            home::make_folder(&folder)?;
            let files = files.iter().map(|file| WrittenFile::of(&place.home, file)).collect::<io::Result<Vec<_>>>()?;
            let note = Written { v: 1, first, run, record: json_of(record), size: known_size(place), files };
            let path = folder.join(name()?);
            let mut aside = home::AsideFile::begin(&path, home::PRIVATE)?;
            aside.write(&serde_json::to_vec(&note)?)?;
            // The lock belongs to the file, so it is held from the first moment under this name.
            let file = aside.lock_of()?;
            aside.put()?;
            Ok(Self { path, _file: file })
        };
        made().map_err(|cause| RunError::Home { path: folder.clone(), cause })
    }

    /// Removes the note: the change is in the files and on the record.
    ///
    /// # Errors
    /// The note can't be removed. The change itself is complete.
    pub fn done(self) -> Result<(), RunError> {
        remove(&self.path).map_err(|cause| RunError::Home { path: self.path.clone(), cause: home::told(&self.path, cause) })
    }
}

/// Makes notes of the changes that agents make to the vault of a home.
struct OfAgents(HomePlace);

/// The notes of changes that agents make to the vault.
pub(crate) fn notes(place: &HomePlace) -> Arc<dyn Notes> {
    Arc::new(OfAgents(place.clone()))
}

impl Notes for OfAgents {
    fn begin(&self, run: RunId, record: &Record, change: &VaultChange) -> io::Result<Box<dyn ChangeNote>> {
        let vault = FileChange { path: &change.path, bytes: &change.bytes, mode: home::PRIVATE, lock: Some("vault.lock") };
        let note = Note::of_run(&self.0, run, (First::Record, record), &[vault]).map_err(|err| io::Error::other(err.chain()))?;
        Ok(Box::new(note))
    }
}

impl ChangeNote for Note {
    fn done(self: Box<Self>) {
        // If the note stays, the next opening finds the change complete and removes the note.
        let _ = Note::done(*self);
    }
}

impl WrittenFile {
    fn of(home: &Path, change: &FileChange<'_>) -> io::Result<Self> {
        let path = change.path.strip_prefix(home).unwrap_or(change.path);
        Ok(Self {
            path: STANDARD.encode(path.as_os_str().as_encoded_bytes()),
            bytes: STANDARD.encode(change.bytes),
            mode: change.mode,
            lock: change.lock.map(str::to_owned),
            before: content(change.path)?,
        })
    }

    /// SECURITY: somebody may have written a note. So it can only name a file in the home, or a list of what was accepted.
    fn path(&self, home: &Path) -> Option<PathBuf> {
        let path = PathBuf::from(OsString::from_vec(STANDARD.decode(&self.path).ok()?));
        let is_of_home = path.components().all(|part| matches!(part, Component::Normal(_)));
        let is_list = path.is_absolute() && path.extension().is_some_and(|extension| extension == "lock");
        (is_of_home || is_list).then(|| home.join(path))
    }

    /// The lock under which the file is changed.
    fn lock_path(&self, home: &Path) -> Option<PathBuf> {
        let name = self.lock.as_ref().filter(|name| !name.contains('/') && name.ends_with(".lock"));
        name.map(|name| home.join(name))
    }

    /// Writes the new content, unless the file was changed since.
    fn finish(&self, home: &Path) -> io::Result<()> {
        let (Some(path), Ok(bytes)) = (self.path(home), STANDARD.decode(&self.bytes)) else { return Ok(()) };
        let _lock = self.lock_path(home).map(|path| home::lock(&path, "changes a file of the home")).transpose()?;
        if content(&path)? != self.before {
            return Ok(());
        }
        match home::replace(&path, &bytes, self.mode & 0o777) {
            // The folder of the list is gone, for example a removed checkout. So there is nothing left to pin.
            Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        }
    }
}

/// Whether a change is under way, or was cut off.
pub(crate) fn is_pending(home: &Path) -> io::Result<bool> {
    match home::list(&home.join(FOLDER)) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => Ok(false),
        names => Ok(names?.iter().any(|name| name.to_str().is_some_and(is_name))),
    }
}

/// Finishes or drops the changes whose makers are gone. `append` makes a record, which is durable when `append` returns.
///
/// # Errors
/// The log can't be read, or a file or a record can't be written. Then the note stays for the next opening.
pub(crate) fn settle(place: &HomePlace, append: &mut dyn FnMut(&Record) -> Result<(), RunError>) -> Result<(), RunError> {
    let folder = place.home.join(FOLDER);
    let at = |cause| RunError::Home { path: folder.clone(), cause: home::told(&folder, cause) };
    let mut names = match home::list(&folder) {
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
        names => names.map_err(at)?,
    };
    home::sweep(&folder, |_| true);
    names.retain(|name| name.to_str().is_some_and(is_name));
    names.sort();
    for path in names.iter().map(|name| folder.join(name)) {
        let Some(note) = abandoned(&path).map_err(at)? else { continue };
        // A note that can't be read was never complete.
        if let Ok(written) = note {
            settle_one(place, &written, append)?;
        }
        remove(&path).map_err(at)?;
    }
    Ok(())
}

fn settle_one(place: &HomePlace, written: &Written, append: &mut dyn FnMut(&Record) -> Result<(), RunError>) -> Result<(), RunError> {
    let at = |cause| RunError::Home { path: place.home.join(FOLDER), cause };
    match (written.first, is_recorded(place, written)?) {
        (First::Record, true) => written.files.iter().try_for_each(|file| file.finish(&place.home)).map_err(at),
        (First::Files, false) if written.files.iter().any(|file| file.was_changed(&place.home)) => {
            let record = serde_json::to_vec(&written.record).ok().and_then(|bytes| Record::parse(&bytes).ok());
            record.map_or(Ok(()), |record| append(&record))
        }
        (First::Record, false) | (First::Files, _) => Ok(()),
    }
}

impl WrittenFile {
    /// Whether the change was made. The file may have been changed again since, so any content other than the old one counts.
    fn was_changed(&self, home: &Path) -> bool {
        self.path(home).is_some_and(|path| content(&path).is_ok_and(|now| now != self.before))
    }
}

/// Whether the log has the record of a change.
fn is_recorded(place: &HomePlace, written: &Written) -> Result<bool, RunError> {
    let reader = match Reader::open(&place.home) {
        Err(journal::ReadError::NoLog { .. }) => return Ok(false),
        reader => reader?,
    };
    for record in reader.records_from_index(written.size)? {
        let record = record?;
        if record.run == written.run
            && let Ok(record) = Record::parse(&record.body)
            && without_time(json_of(&record)) == without_time(written.record.clone())
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How many records the log is known to have.
fn known_size(place: &HomePlace) -> u64 {
    let log = Reader::open(&place.home).ok().map(|reader| reader.log());
    let known = log.and_then(|log| remembered(&state_path(&place.state, log)).ok().flatten());
    known.map_or(0, |known| known.size)
}

fn json_of(record: &Record) -> serde_json::Value {
    serde_json::from_slice(&record.to_bytes()).unwrap_or_default()
}

/// A record without its time, by which it is recognised: the process that made it had another time on its clock.
fn without_time(mut record: serde_json::Value) -> serde_json::Value {
    if let Some(object) = record.as_object_mut() {
        object.remove("at");
    }
    record
}

/// Reads a note whose maker is gone. `None` if its maker lives.
fn abandoned(path: &Path) -> io::Result<Option<serde_json::Result<Written>>> {
    let mut file = home::open(path, Access::Read)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        Err(cause) => return Err(cause.into()),
        Ok(()) => {}
    }
    let mut bytes = Vec::new();
    (&mut file).take(NOTE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(Some(serde_json::from_slice(&bytes)))
}

#[expect(clippy::disallowed_methods, reason = "door: the home's own files")]
fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    home::sync_folder(path.parent().unwrap_or(path))
}

/// A name that no other note has.
fn name() -> io::Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|_| io::Error::other("the system gave no random numbers"))?;
    Ok(format!("{:016x}", u64::from_le_bytes(random)))
}

fn is_name(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}
