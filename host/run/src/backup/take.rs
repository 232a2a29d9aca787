//! Takes a backup of a home that may be in use.
//!
//! The order matters. The record is proved first, and the backup has it up to where the proof ended. Then the file of run keys is read:
//! each key was written to it before the batch that opens its run. Everything else is read last.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use home::{Access, AsideFile, is_unfinished};
use journal::{Leaf, PublicKey};
use vocabulary::record::Record;
use vocabulary::{Digest, RunId};
use zeroize::Zeroizing;

use super::container::{BackupEntries, Moved, Seal, put_title};
use super::ending::{BackupStage, CleanUp};
use super::err::BackupError;
use super::names::{has_keys, is_left_out, is_of_vault};
use super::stream::Out;
use super::{BackupManifest, CONTEXT, FORM};
use crate::place::HomePlace;

/// BOUND: depth of nested folders in a home.
const DEPTH_MAX: usize = 4;

/// Whether a backup contains the files with keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// It contains the files with keys as they are in the home.
    WithKeys,
    /// It does not contain the files with keys, so it is of use only together with a copy of them.
    WithoutKeys,
}

/// What a new backup contains.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The id of the log.
    pub log: String,
    /// How many records the log has.
    pub size: u64,
    /// The root over these records.
    pub root: Digest,
    /// How many files the backup has.
    pub files: usize,
    /// The size of all files together, in bytes.
    pub bytes: u64,
    /// Runs that had not ended.
    pub open: Vec<RunId>,
}

/// The progress of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupStep {
    /// The number of records that were proved.
    Proved(u64),
    /// The bytes of the record that were copied, and the bytes that are to be copied in all.
    Copied(u64, u64),
}

pub(super) fn failed(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |cause| BackupError::File { verb, cause: home::told(&path, cause), path }
}

/// The result of proving the record, from which the backup is made.
struct Proved {
    log: String,
    size: u64,
    root: Digest,
    checkpoint: String,
    /// The last segment, and how many bytes of it were proved.
    end: (u32, u64),
    /// Runs that had not ended, with their components.
    open: BTreeMap<RunId, Digest>,
    /// Where the record begins, if its beginning was pruned.
    base: Option<journal::Base>,
    key: PublicKey,
}

/// Makes a backup of a home in a new file, which is signed with the key of the record. Runs may be active meanwhile. `ending` can end it.
///
/// # Errors
/// See [`BackupError`]. In that case there is no such file.
pub fn backup(
    place: &HomePlace,
    file: &Path,
    content: Content,
    passphrase: Option<&[u8]>,
    ending: &CleanUp,
    tell: &mut dyn FnMut(BackupStep),
) -> Result<Taken, BackupError> {
    let at = now_ms();
    let file = &outside(&place.home, file)?;
    let stage = |stage| ending.enter(stage).map_err(failed("continue with", file));
    let begins = base_now(place);
    // A prune at the same time removes segments under the reader. This is not damage.
    let told = |err| if base_now(place) == begins { err } else { BackupError::Changed(BEGINNING_GONE) };
    let proved = prove(place, tell).map_err(told)?;
    stage(BackupStage::Making)?;
    let new = AsideFile::begin(file, home::PRIVATE).map_err(failed("make", file))?;
    stage(BackupStage::Made(new.path().to_owned()))?;
    let taken = write(place, &new, content, passphrase, (&proved, at), tell).map_err(told)?;
    new.file().sync_all().map_err(failed("sync", new.path()))?;
    stage(BackupStage::Putting)?;
    match new.put_first().map_err(failed("name", file))? {
        true => Ok(taken),
        false => Err(BackupError::Exists(file.to_owned())),
    }
}

const BEGINNING_GONE: &str = "the beginning of the record was removed";

/// Where the record begins, as far as that can be read.
fn base_now(place: &HomePlace) -> Option<journal::Base> {
    journal::base(&place.home, None).ok().flatten()
}

#[expect(clippy::disallowed_methods, reason = "door: the clock of people")]
fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Checks that the file does not exist yet and will not lie in the home. Returns its path without links. Removes what a killed backup of
/// the same name has left.
fn outside(home: &Path, file: &Path) -> Result<PathBuf, BackupError> {
    let exists = || BackupError::Exists(file.to_owned());
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().map_err(failed("find", folder))?;
    let name = file.file_name().ok_or_else(exists)?;
    match home.canonicalize() {
        Ok(home) if folder.starts_with(&home) => return Err(BackupError::Within(file.to_owned())),
        Ok(_) => {}
        Err(_) => return Err(BackupError::NoLog(home.to_owned())),
    }
    home::sweep(&folder, |left| name == left);
    let file = folder.join(name);
    if fs::symlink_metadata(&file).is_ok() { Err(exists()) } else { Ok(file) }
}

/// Proves the record as it is now, and finds out which runs are open at its end.
fn prove(place: &HomePlace, tell: &mut dyn FnMut(BackupStep)) -> Result<Proved, BackupError> {
    // A rotation that was cut off has its new key in a file that backups leave out.
    journal::settle_rotation(&place.home).map_err(BackupError::Key)?;
    let key = match journal::public_key(&place.home) {
        Err(journal::OpenError::Key { .. }) if !place.home.join("journal").exists() => return Err(BackupError::NoLog(place.home.clone())),
        key => key.map_err(BackupError::Key)?,
    };
    journal::keys_at_hand(&place.home).map_err(BackupError::Key)?;
    let base = journal::base(&place.home, Some(&key)).map_err(BackupError::Damaged)?;
    let (mut open, mut count) = (BTreeMap::new(), 0);
    let mut each = |leaf: &Leaf<'_>| {
        count += 1;
        if count % 4096 == 0 {
            tell(BackupStep::Proved(count));
        }
        if leaf.seq == 1
            && let Ok(Record::RunOpened(opened)) = Record::parse(leaf.body)
        {
            open.insert(leaf.run, opened.agent.digest);
        }
        if leaf.ends {
            open.remove(&leaf.run);
        }
    };
    // This checks as much as starting a run does: which log the home had, how much of it is remembered, and whether the keys belong to it.
    let report = journal::verify_home(&place.home, &place.state, None, &mut each).map_err(BackupError::Unread)?;
    if let Some(fault) = report.fault {
        return Err(BackupError::Damaged(fault));
    }
    if let Some(what) = report.keys {
        return Err(BackupError::Keys(what));
    }
    let checkpoint = report.checkpoint.ok_or_else(|| BackupError::NoLog(place.home.clone()))?;
    let end = (report.end.segment, report.end.offset);
    Ok(Proved { log: key.log().to_string(), size: report.size, root: report.root, checkpoint, end, open, base, key })
}

fn write(
    place: &HomePlace,
    new: &AsideFile,
    content: Content,
    passphrase: Option<&[u8]>,
    (proved, at): (&Proved, u64),
    tell: &mut dyn FnMut(BackupStep),
) -> Result<Taken, BackupError> {
    let mut made = io::BufWriter::with_capacity(1 << 20, new.file());
    let seal = if passphrase.is_some() { Seal::Passphrase } else { Seal::None };
    put_title(&mut made, seal).map_err(failed("write", new.path()))?;
    let out = match passphrase {
        Some(passphrase) => Out::sealed(made, passphrase)?,
        None => Out::Plain(made),
    };
    let mut put = Put { home: &place.home, content, entries: BackupEntries::new(out) };
    put.record(proved, tell)?;
    put.the_rest(proved)?;
    let manifest = BackupManifest {
        at,
        checkpoint: proved.checkpoint.clone(),
        files: put.entries.filed.clone(),
        log: proved.log.clone(),
        open: proved.open.keys().copied().collect(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        root: proved.root,
        size: proved.size,
        v: FORM,
        with_keys: content == Content::WithKeys,
    };
    let bytes = vocabulary::canon::to_vec(&manifest);
    let signature = journal::sign_statement(&place.home, CONTEXT, &bytes).map_err(BackupError::Key)?;
    let made = put.entries.finish(&bytes, &signature).map_err(failed("write", new.path()))?;
    made.into_inner().map_err(|err| failed("write", new.path())(err.into_error()))?;
    Ok(Taken {
        log: manifest.log,
        size: manifest.size,
        root: manifest.root,
        files: manifest.files.len(),
        bytes: manifest.files.iter().map(|file| file.bytes).sum(),
        open: manifest.open,
    })
}

/// A small file: its name in the home and its content, which may be a key.
type Named = (String, Zeroizing<Vec<u8>>);

/// Puts the files of a home into a backup.
struct Put<'a, W: io::Write> {
    home: &'a Path,
    content: Content,
    entries: BackupEntries<W>,
}

impl<W: io::Write> Put<'_, W> {
    fn one(&mut self, name: &str, bytes: u64, from: &mut dyn Read, moved: &mut Moved<'_>) -> Result<(), BackupError> {
        let path = self.home.join(name);
        self.entries.put(name, bytes, from, moved).map_err(failed("copy", &path))
    }

    /// Adds a file of the home with the length that it has now. A file that has disappeared is left out.
    fn file(&mut self, name: &str) -> Result<(), BackupError> {
        let path = self.home.join(name);
        let mut file = match home::open(&path, Access::Read) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file.map_err(failed("open", &path))?,
        };
        let bytes = file.metadata().map_err(failed("look at", &path))?.len();
        self.one(name, bytes, &mut file, &mut |_| Ok(()))
    }

    /// Adds the record up to where it was proved.
    fn record(&mut self, proved: &Proved, tell: &mut dyn FnMut(BackupStep)) -> Result<(), BackupError> {
        let folder = self.home.join("journal");
        let mut names = self.names("journal")?;
        let (last, end) = proved.end;
        let first = proved.base.as_ref().map_or(1, |base| base.segment);
        let number = |name: &str| name.strip_suffix(".seg").and_then(|number| number.parse::<u32>().ok());
        // A segment that was begun meanwhile contains nothing that was proved. Some pruned segments may still be there.
        names.retain(|name| !is_unfinished(name) && number(name).is_none_or(|number| (first..=last).contains(&number)));
        let mut opened = Vec::new();
        for name in names {
            let path = folder.join(&name);
            let file = home::open(&path, Access::Read).map_err(failed("open", &path))?;
            let bytes = if number(&name) == Some(last) { end } else { file.metadata().map_err(failed("look at", &path))?.len() };
            opened.push((format!("journal/{name}"), bytes, file));
        }
        let total = opened.iter().map(|(_, bytes, _)| bytes).sum();
        let mut copied = 0;
        for (name, bytes, mut file) in opened {
            self.one(&name, bytes, &mut file, &mut |moved| {
                copied += moved;
                tell(BackupStep::Copied(copied, total));
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Adds keys, vault, what is trusted and accepted, components of open runs, and everything else that is kept.
    fn the_rest(&mut self, proved: &Proved) -> Result<(), BackupError> {
        let keys = ["home.key", "journal.key"].map(|name| self.small(name));
        let [home_key, journal_key] = keys;
        let (home_key, journal_key) = (home_key?, journal_key?);
        let vault = self.vault()?;
        for (name, bytes) in &vault {
            if self.content == Content::WithKeys || !has_keys(name) {
                self.one(name, bytes.len() as u64, &mut bytes.as_slice(), &mut |_| Ok(()))?;
            }
        }
        self.folder("", 0)?;
        for digest in proved.open.values().collect::<std::collections::BTreeSet<_>>() {
            self.file(&format!("components/{}.wasm", digest.hex()))?;
        }
        // Otherwise the base of the record would not match the segments in the backup.
        if journal::base(self.home, Some(&proved.key)).map_err(BackupError::Damaged)? != proved.base {
            return Err(BackupError::Changed(BEGINNING_GONE));
        }
        // Otherwise the backup might have the record of a change without the change, or the change without its record.
        if crate::change::is_pending(self.home).map_err(failed("look at", self.home))? {
            return Err(BackupError::ChangePending);
        }
        // Otherwise keys from before and after a rotation might be mixed.
        if self.small("home.key")? != home_key || self.small("journal.key")? != journal_key {
            return Err(BackupError::Changed("a key of the home was rotated"));
        }
        Ok(())
    }

    fn small(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, BackupError> {
        const BYTES_MAX: u64 = 64 << 20;
        let path = self.home.join(name);
        let read = home::open(&path, Access::Read).and_then(|file| {
            let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(file.metadata()?.len().min(BYTES_MAX)).unwrap_or(0)));
            file.take(BYTES_MAX).read_to_end(&mut bytes)?;
            Ok(bytes)
        });
        read.map_err(failed("read", &path))
    }

    /// Reads the vault with its key and its list under the vault's lock, so that they fit together.
    fn vault(&self) -> Result<Vec<Named>, BackupError> {
        let path = self.home.join("vault.lock");
        let has_vault = fs::exists(&path).map_err(failed("look at", &path))?;
        let _lock = has_vault.then(|| home::lock(&path, "has locked the vault")).transpose().map_err(failed("lock", &path))?;
        let mut files = Vec::new();
        for name in self.names("")? {
            if is_of_vault(&name) && !is_unfinished(&name) {
                let bytes = self.small(&name)?;
                files.push((name, bytes));
            }
        }
        Ok(files)
    }

    fn names(&self, beneath: &str) -> Result<Vec<String>, BackupError> {
        let folder = self.home.join(beneath);
        let names = home::list(&folder).map_err(failed("list", &folder))?;
        let text = |name: std::ffi::OsString| {
            name.into_string().map_err(|name| BackupError::NotKept { path: folder.join(name), why: "its name is not UTF-8" })
        };
        let mut names = names.into_iter().map(text).collect::<Result<Vec<_>, _>>()?;
        names.sort();
        Ok(names)
    }

    fn folder(&mut self, beneath: &str, depth: usize) -> Result<(), BackupError> {
        for name in self.names(beneath)? {
            let whole = if beneath.is_empty() { name.clone() } else { format!("{beneath}/{name}") };
            let path = self.home.join(&whole);
            let is_left_out = depth == 0 && (is_left_out(&name) || self.content == Content::WithoutKeys && has_keys(&name));
            if is_left_out || is_unfinished(&name) {
                continue;
            }
            let kind = match fs::symlink_metadata(&path) {
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
                found => found.map_err(failed("look at", &path))?.file_type(),
            };
            // Anything that can't be in a backup is an error, so that nobody finds out only when the backup is needed.
            match () {
                () if kind.is_file() => self.file(&whole)?,
                () if kind.is_dir() && depth < DEPTH_MAX => self.folder(&whole, depth + 1)?,
                () if kind.is_socket() => {}
                () if kind.is_dir() => return Err(BackupError::NotKept { path, why: "it lies too deep" }),
                () => return Err(BackupError::NotKept { path, why: "it is neither a file nor a folder" }),
            }
        }
        Ok(())
    }
}
