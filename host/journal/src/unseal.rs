//! Opens payloads of a run, or says why one does not open. It distinguishes a key that was forgotten, a key that is missing, a key that is
//! damaged, and a key that could not be read.

use std::io;
use std::path::Path;

use vocabulary::RunId;

use crate::err::{FaultKind, LogFault, OpenError, ReadError};
use crate::frame::frame_bytes;
use crate::ids::Position;
use crate::key_paths::run_keys_path;
use crate::keys::{HomeKey, KeyFile, RunKey, waiting_home_key};
use crate::payload::{self, PayloadPlace};
use crate::read::{Reader, StoredRecord};

impl Reader {
    /// The plain bytes of a record's payload. Needs the home's key and the run's key.
    ///
    /// # Errors
    /// The reason why the payload does not open.
    pub fn payload(&self, record: &StoredRecord, number: usize) -> Result<Vec<u8>, ReadError> {
        let run = record.run;
        let named = record.digests.get(number).ok_or(ReadError::NotThere)?;
        let mut at = Position { offset: record.payloads_at, ..record.at };
        let mut content = self.frame(at)?;
        for _ in 0..number {
            at.offset = at.offset.saturating_add(frame_bytes(content.len()));
            content = self.frame(at)?;
        }
        if payload::digest(&content) != *named {
            return Err(ReadError::Fault(LogFault { at, what: FaultKind::PayloadDiffers }));
        }
        let slot = payload::slot(&content).ok_or(ReadError::Sealed { run })?;
        let key = run_key(&self.home, run, slot)?;
        let number = u8::try_from(number).map_err(|_| ReadError::NotThere)?;
        let place = PayloadPlace { run, seq: record.seq, number, slot };
        payload::open(&content, &key, &place).ok_or(ReadError::Sealed { run })
    }
}

/// Reads the key of a run, or says why it can't be read.
fn run_key(home: &Path, run: RunId, slot: u64) -> Result<RunKey, ReadError> {
    let path = run_keys_path(home);
    let io = |cause: io::Error| ReadError::Io { cause: home::told(&path, cause), path: path.clone() };
    let missing = || ReadError::KeyMissing { run, path: path.clone() };
    let keys = KeyFile::open(home).map_err(io)?.ok_or_else(missing)?;
    if slot >= keys.slots().map_err(io)? {
        return Err(missing());
    }
    // Checked before the home's key is read: no key opens a slot that was forgotten.
    if keys.is_forgotten(slot).map_err(io)? {
        return Err(ReadError::KeyForgotten { run });
    }
    let home_key = HomeKey::load(home).map_err(|err| no_home_key(run, err))?;
    // Between the last two steps of a rotation of the home's key, the keys of runs are already sealed under the new key.
    if let Some(key) = keys.key(&home_key, run, slot) {
        return Ok(key);
    }
    let waiting = waiting_home_key(home).map_err(|err| no_home_key(run, err))?;
    waiting.and_then(|waiting| keys.key(&waiting, run, slot)).ok_or_else(|| ReadError::KeyDamaged { run, path: path.clone() })
}

fn no_home_key(run: RunId, err: OpenError) -> ReadError {
    match err {
        OpenError::Io { path, cause } => ReadError::Io { path, cause },
        OpenError::Key { path } if !path.exists() => ReadError::KeyMissing { run, path },
        OpenError::Key { path } => ReadError::KeyDamaged { run, path },
        other => ReadError::HomeKey(Box::new(other)),
    }
}
