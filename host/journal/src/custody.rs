//! Checks that the keys of a home belong to its record, before anything is made or written.
//!
//! A wrong key is not damage of the record, but looks like it: payloads don't open and signatures don't fit. So keys are checked first.

use std::io;
use std::path::Path;

use crate::disk::Disk;
use crate::err::OpenError;
use crate::hold::io_at;
use crate::ids::LogId;
use crate::key_paths;
use crate::keys::{self, HomeKey, KeyFile};
use crate::memory::check_home;
use crate::note::NoteSigner;
use crate::seat::check_seat;
use crate::segment;
use crate::settle_rotation;

/// BOUND: how many run keys are tried before the home's key counts as wrong.
const TRIED_MAX: usize = 16;

/// The keys of a home.
pub(crate) struct Custody {
    pub(crate) signer: NoteSigner,
    pub(crate) home_key: HomeKey,
}

/// When missing keys may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Only where there is no record yet.
    MadeForANewLog,
    /// Also the home's key, if the file of run keys is gone too: a person has accepted that.
    Accepted,
}

/// Checks the keys of a home against its record and against what is remembered. Makes keys for a home that has no record yet.
pub(crate) fn take(
    disk: &dyn Disk,
    home: &Path,
    (state, numbers): (Option<&Path>, &[u32]),
    missing: Missing,
) -> Result<Custody, OpenError> {
    settle_rotation::settle(disk, home)?;
    let needed = needs_keys(home, numbers)?;
    check(home, state, numbers, needed, missing)?;
    if !needed {
        keys::make(disk, home)?;
    } else if missing == Missing::Accepted && !has_run_keys(home)? {
        keys::make_home_key(disk, home)?;
    }
    let custody = inspect(home)?;
    keys::put_public(disk, home, &custody.signer)?;
    Ok(custody)
}

/// Reads the keys of a home that exists. Makes and repairs nothing.
pub(crate) fn inspect(home: &Path) -> Result<Custody, OpenError> {
    Ok(Custody { signer: keys::signer(home)?, home_key: HomeKey::load(home)? })
}

/// The same, checked against the record and against what is remembered.
pub(crate) fn inspect_checked(home: &Path, state: Option<&Path>, numbers: &[u32]) -> Result<Custody, OpenError> {
    check(home, state, numbers, true, Missing::MadeForANewLog)?;
    inspect(home)
}

/// Whether the home has something for which keys were made.
fn needs_keys(home: &Path, numbers: &[u32]) -> Result<bool, OpenError> {
    let index = std::fs::exists(crate::index::path(home)).map_err(io_at(home))?;
    // The public half is made last. So if it is there without the secret key, that key was lost.
    let public = std::fs::exists(key_paths::public_path(home)).map_err(io_at(home))?;
    Ok(!numbers.is_empty() || index || public || has_run_keys(home)?)
}

pub(crate) fn has_run_keys(home: &Path) -> Result<bool, OpenError> {
    std::fs::exists(key_paths::run_keys_path(home)).map_err(io_at(home))
}

/// Whether the file of run keys has slots, which means that there were runs.
pub(crate) fn knows_runs(home: &Path) -> Result<bool, OpenError> {
    let path = key_paths::run_keys_path(home);
    let slots = KeyFile::open(home).and_then(|keys| keys.map_or(Ok(0), |keys| keys.slots())).map_err(io_at(&path))?;
    Ok(slots > 0)
}

fn check(home: &Path, state: Option<&Path>, numbers: &[u32], needed: bool, missing: Missing) -> Result<(), OpenError> {
    let signer = match keys::signer(home) {
        Ok(signer) => Some(signer),
        Err(OpenError::Key { path }) if !needed && is_absent(&path)? => None,
        Err(err) => return Err(err),
    };
    if let Some(signer) = &signer {
        check_signer(home, numbers, signer.public().log())?;
    }
    match check_home(state, home, signer.as_ref().map(|signer| signer.public().log())) {
        // This is what a person accepts.
        Err(OpenError::OtherLog { .. } | OpenError::StateUnreadable { .. }) if missing == Missing::Accepted => {}
        checked => checked?,
    }
    if let Some(signer) = signer.filter(|_| missing != Missing::Accepted) {
        check_seat(state, home, signer.public().log())?;
    }
    match HomeKey::load(home) {
        Ok(home_key) => check_run_keys(home, &home_key),
        Err(OpenError::Key { path }) if is_absent(&path)? && (!needed || missing == Missing::Accepted && !has_run_keys(home)?) => Ok(()),
        Err(err) => Err(err),
    }
}

fn is_absent(path: &Path) -> Result<bool, OpenError> {
    Ok(!std::fs::exists(path).map_err(io_at(path))?)
}

/// Checks that the signing key is the one with which the record was signed. A segment of another log beside the right key is damage, and is
/// found when it is read.
fn check_signer(home: &Path, numbers: &[u32], log: LogId) -> Result<(), OpenError> {
    let folder = segment::folder(home);
    let written = numbers.iter().find_map(|number| segment::open(&folder, *number, None).ok()).map(|(_, header)| header.log);
    let public = keys::load_public(home).map(|key| key.log());
    let of = match (public, written) {
        (Some(public), written) if public != log && written.is_none_or(|written| written == public) => public,
        (None, Some(written)) if written != log => written,
        _ => return Ok(()),
    };
    Err(OpenError::KeyOfOtherLog { path: key_paths::sign_path(home), log, of })
}

/// Checks that the home's key opens keys of runs. Forgotten keys are skipped.
fn check_run_keys(home: &Path, home_key: &HomeKey) -> Result<(), OpenError> {
    let path = key_paths::run_keys_path(home);
    let io = |cause: io::Error| io_at(&path)(cause);
    let Some(file) = KeyFile::open(home).map_err(io)? else { return Ok(()) };
    let slots = file.slots().map_err(io)?;
    let (mut tried, mut opened) = (0, false);
    // From the end, where the newest keys are: all of the oldest may be forgotten.
    let mut until = slots;
    while until > 0 && tried < TRIED_MAX && !opened {
        let from = until.saturating_sub(keys::SLOTS_AT_ONCE);
        let mut owners = Vec::new();
        file.owners_between(from, until, &mut |slot, run| owners.push((slot, run))).map_err(io)?;
        for (slot, run) in owners.into_iter().rev().take(TRIED_MAX - tried) {
            tried += 1;
            opened |= file.key(home_key, run, slot).is_some();
        }
        until = from;
    }
    // The next opening completes a rotation that was cut off between its last two steps.
    if tried > 0
        && !opened
        && let Some(waiting) = keys::waiting_home_key(home)?
    {
        let mut owners = Vec::new();
        file.owners_between(slots.saturating_sub(keys::SLOTS_AT_ONCE), slots, &mut |slot, run| owners.push((slot, run))).map_err(io)?;
        opened = owners.into_iter().any(|(slot, run)| file.key(&waiting, run, slot).is_some());
    }
    if tried > 0 && !opened { Err(OpenError::KeyOpensNothing { path: key_paths::home_key_path(home), keys: path }) } else { Ok(()) }
}
