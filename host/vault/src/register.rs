//! The values of a whole home that could still give access to a host. Each has its credential, the hosts to which it could give access, and
//! the time at which it expires.
//!
//! A run searches answers for the values that could give access to a host that the run can reach. It searches for values that were obtained
//! or made (tokens, signatures) and for values that were replaced in the vault; these are kept sealed in the home until they expire, so
//! that the next process searches for them as well. It also searches for the present values of the vault. Values from other sources are in
//! memory only: the home must not keep a copy of what its operator keeps elsewhere on purpose.
//!
//! - INVARIANT: no value is forgotten before it has expired. If there is no room left, no further value is made.
//! - INVARIANT: a caller that only reads the list never waits for the disk or for another process.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::local::{DiskMark, KeptValue, Local, LocalError, Reader};
use crate::outstanding::Outstanding;

/// BOUND: values of one home that could give access to a host at the same time.
const VALUES_MAX: usize = 16_384;

/// One value, with its number in this process.
#[derive(Clone, Debug)]
pub struct Registered {
    /// The number, counted from 1. A value that is added again for a longer time gets a new number.
    pub id: u64,
    /// The value.
    pub value: Arc<Outstanding>,
}

/// The list of values. See the documentation of the module. Clones of the `Arc` that holds it share one list.
pub struct Register {
    local: Local,
    /// Is held while a thread waits for the disk and for other processes. A caller that only reads the list does not take it.
    files: Mutex<RegisterFiles>,
    /// Is held only briefly: no thread waits for anything while it holds this lock.
    inner: Mutex<Inner>,
    last: AtomicU64,
    most: usize,
}

impl std::fmt::Debug for Register {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Register").field("last", &self.last).finish_non_exhaustive()
    }
}

/// How far the files of the home have been read.
#[derive(Default)]
struct RegisterFiles {
    live: Reader,
    /// The state of the vault's file when its values were last read.
    vault: DiskMark,
}

#[derive(Default)]
struct Inner {
    values: BTreeMap<u64, Arc<Outstanding>>,
    last: u64,
    /// A hash of each credential and value, under a key of this process, with the number of the entry.
    known: BTreeSet<(u64, u64)>,
    hashes: RandomState,
    /// The expiry time of each entry that has one, with its number.
    lapse: BTreeSet<(u64, u64)>,
    /// The number of entries of each credential.
    counts: BTreeMap<String, usize>,
}

impl Inner {
    fn hash(&self, value: &Outstanding) -> u64 {
        self.hashes.hash_one((&value.credential, value.secret.expose()))
    }

    /// The entry of the same value for the same hosts.
    fn same(&self, value: &Outstanding) -> Option<(u64, &Outstanding)> {
        let hash = self.hash(value);
        let is_it =
            |known: &Outstanding| known.credential == value.credential && known.hosts == value.hosts && known.secret.is(&value.secret);
        let mut alike = self.known.range((hash, 0)..=(hash, u64::MAX)).filter_map(|(_, id)| Some((*id, &**self.values.get(id)?)));
        alike.find(|(_, known)| is_it(known))
    }

    /// Whether this value is known for at least as long.
    fn knows(&self, value: &Outstanding) -> bool {
        self.same(value).is_some_and(|(_, known)| lasts(known.until_s) >= lasts(value.until_s))
    }

    /// Adds the value, unless it is known for at least as long. It replaces an entry of the same value that expires earlier.
    fn put(&mut self, value: Outstanding) {
        if self.knows(&value) {
            return;
        }
        if let Some((id, _)) = self.same(&value) {
            self.remove(id);
        }
        self.last += 1;
        self.known.insert((self.hash(&value), self.last));
        self.lapse.extend(value.until_s.map(|until_s| (until_s, self.last)));
        *self.counts.entry(value.credential.clone()).or_default() += 1;
        self.values.insert(self.last, Arc::new(value));
    }

    fn remove(&mut self, id: u64) {
        let Some(value) = self.values.remove(&id) else { return };
        self.known.remove(&(self.hash(&value), id));
        if let Some(until_s) = value.until_s {
            self.lapse.remove(&(until_s, id));
        }
        if let Some(count) = self.counts.get_mut(&value.credential) {
            *count -= 1;
        }
        self.counts.retain(|_, count| *count > 0);
    }

    fn forget_lapsed(&mut self, now_s: u64) {
        while let Some((until_s, id)) = self.lapse.first().copied()
            && until_s <= now_s
        {
            self.remove(id);
        }
    }

    /// Checks that there is room for these values, after removing entries that have expired.
    ///
    /// SECURITY: a run that makes many values under one credential can't use up the room of all others.
    fn room(&mut self, new: &[Outstanding], most: usize, now_s: u64) -> Result<(), LocalError> {
        self.forget_lapsed(now_s);
        let share = most - most / 4;
        let is_over = |value: &Outstanding| self.counts.get(&value.credential).copied().unwrap_or(0) + new.len() > share;
        if self.values.len() + new.len() > most || new.iter().any(is_over) { Err(LocalError::FullOfLive) } else { Ok(()) }
    }
}

fn lasts(until_s: Option<u64>) -> u64 {
    until_s.unwrap_or(u64::MAX)
}

impl Register {
    /// The list for the home of this vault. Opens no file.
    pub fn new(local: Local) -> Self {
        Self::with_room(local, VALUES_MAX)
    }

    /// Like [`Register::new`], with room for `most` values.
    pub fn with_room(local: Local, most: usize) -> Self {
        Self { local, files: Mutex::default(), inner: Mutex::default(), last: AtomicU64::new(0), most }
    }

    fn files(&self) -> MutexGuard<'_, RegisterFiles> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds these values to the list.
    fn put(&self, values: impl IntoIterator<Item = Outstanding>) {
        let mut inner = self.lock();
        values.into_iter().for_each(|value| inner.put(value));
        self.last.store(inner.last, Ordering::Release);
    }

    fn take_in(&self, kept: Vec<KeptValue>, now_s: u64) {
        let outstanding = |value: KeptValue| {
            let hosts = value.hosts.iter().filter_map(|host| host.parse().ok()).collect();
            Outstanding { credential: value.credential, hosts, until_s: Some(value.until_s), secret: value.secret }
        };
        self.put(kept.into_iter().filter(|value| value.until_s > now_s).map(outstanding));
    }

    /// Whether [`Register::refresh`] would find nothing new. Only asks the system about the two files, and never waits for another thread.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.files.try_lock().is_ok_and(|files| self.local.is_as_read(&files.live, &files.vault))
    }

    /// Takes in what other processes of this home have kept, and what is in the vault. Waits for the disk.
    ///
    /// # Errors
    /// The kept values or the vault do not open. Then it is unknown which values to search for.
    pub fn refresh(&self, now_s: u64) -> Result<(), LocalError> {
        let mut files = self.files();
        let kept = self.local.live_read(&mut files.live)?;
        self.take_in(kept, now_s);
        // SECURITY: another run of this home, in this process or an earlier one, may have sent these values to a host that this run asks.
        let values = self.local.values_since(&mut files.vault)?;
        self.put(values.into_iter().flatten());
        Ok(())
    }

    /// Whether all these values are noted, each for as long. Then [`Register::note`] would do nothing.
    #[must_use]
    pub fn knows(&self, values: &[Outstanding]) -> bool {
        let inner = self.lock();
        values.iter().all(|value| inner.knows(value))
    }

    /// Notes values before they leave the host. When this returns, those that are kept are on disk. Waits for the disk, unless all of them are noted already.
    ///
    /// # Errors
    /// There is no room, or the values can't be kept. Then they must not leave the host.
    pub fn note(&self, values: Vec<Outstanding>, now_s: u64) -> Result<(), LocalError> {
        if self.knows(&values) {
            return Ok(());
        }
        let mut files = self.files();
        // INVARIANT: values are only added under the lock of the files, so a value that is new here stays new until it is added.
        let (new, kept) = {
            let mut inner = self.lock();
            let new: Vec<Outstanding> = values.iter().filter(|value| !inner.knows(value)).cloned().collect();
            if new.is_empty() {
                return Ok(());
            }
            inner.room(&new, self.most, now_s)?;
            let kept: Vec<KeptValue> = new.iter().filter_map(kept).collect();
            (new, kept)
        };
        if !kept.is_empty() {
            let others = self.local.live_keep(&mut files.live, &kept, now_s);
            // SECURITY: values that other processes added were read, and are lost with this error. So they are read again the next time.
            let others = others.inspect_err(|_| files.live = Default::default())?;
            self.take_in(others, now_s);
        }
        self.put(new);
        Ok(())
    }

    /// The number of the last value. With it a caller sees, without waiting, whether there are new values.
    pub fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// The values with higher numbers that have not expired. Does not wait for the disk.
    pub fn after(&self, id: u64, now_s: u64) -> Vec<Registered> {
        let inner = self.lock();
        let new = inner.values.range(id + 1..).filter(|(_, value)| lasts(value.until_s) > now_s);
        new.map(|(id, value)| Registered { id: *id, value: Arc::clone(value) }).collect()
    }
}

fn kept(value: &Outstanding) -> Option<KeptValue> {
    let hosts = value.hosts.iter().map(ToString::to_string).collect();
    Some(KeptValue { credential: value.credential.clone(), hosts, secret: value.secret.clone(), until_s: value.until_s? })
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and makes files of its own"
)]
mod tests;
