//! The open runs: the number and hash of the last record of each, and its key.
//!
//! A record names the hash of its run's previous record, so records of one run are made one after the other, under the lock of that run.
//! Different runs share only the queue, for as long as it takes to copy a record.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use vocabulary::{Digest, RunId};

use crate::entry::{Appended, Entry};
use crate::err::AppendError;
use crate::frame::{LeafHead, put_leaf};
use crate::ids::log_run;
use crate::keys::{HomeKey, KeyFile, Nonces, RunKey};
use crate::payload::{self, PayloadPlace};
use crate::queue::{Meta, Queue};
use crate::ticket::{Ticket, lock};
use crate::tree::leaf_hash;

const SHARDS: usize = 16;

/// What sealing payloads needs.
pub(crate) struct Sealer<'a> {
    pub(crate) home: &'a HomeKey,
    pub(crate) keys: &'a KeyFile,
    pub(crate) nonces: &'a Nonces,
}

/// A run's key, as far as it is known.
enum ChainKey {
    None,
    /// To be looked up when it is needed: in this slot, or by a search if the slot is not known.
    Unread(Option<u64>),
    Ready(Arc<(u64, RunKey)>),
}

/// One open run.
pub(crate) struct Chain {
    seq: u64,
    last: Digest,
    ended: bool,
    key: ChainKey,
}

impl Chain {
    /// A run without records and without a key.
    pub(crate) fn new() -> Self {
        Self { seq: 0, last: Digest::from_bytes([0; 32]), ended: false, key: ChainKey::None }
    }

    pub(crate) fn with_key(slot: u64, key: RunKey) -> Self {
        Self { key: ChainKey::Ready(Arc::new((slot, key))), ..Self::new() }
    }

    /// A run that already has records. Its key is looked up when it is needed.
    pub(crate) fn resumed(seq: u64, last: Digest, slot: Option<u64>) -> Self {
        Self { seq, last, ended: false, key: ChainKey::Unread(slot) }
    }

    fn slot(&self) -> Option<u64> {
        match &self.key {
            ChainKey::None => None,
            ChainKey::Unread(slot) => *slot,
            ChainKey::Ready(key) => Some(key.0),
        }
    }

    /// Drops the key, and returns the slot in which it is kept.
    pub(crate) fn forget(&mut self) -> Option<u64> {
        let slot = self.slot();
        self.key = ChainKey::None;
        slot
    }

    pub(crate) fn key(&mut self, home: &HomeKey, keys: &KeyFile, run: RunId) -> Result<Arc<(u64, RunKey)>, AppendError> {
        if let ChainKey::Unread(slot) = self.key {
            let slot = slot.or_else(|| keys.find(run).ok().flatten());
            let key = slot.and_then(|slot| Some((slot, keys.key(home, run, slot)?)));
            self.key = key.map_or(ChainKey::None, |key| ChainKey::Ready(Arc::new(key)));
        }
        match &self.key {
            ChainKey::Ready(key) => Ok(key.clone()),
            ChainKey::None | ChainKey::Unread(_) => Err(AppendError::NoKey { run }),
        }
    }

    /// Makes the frames of a record and gives it the next number in the run.
    fn encode(&mut self, sealer: &Sealer<'_>, entry: &Entry, out: &mut Vec<u8>) -> Result<Meta, AppendError> {
        let run = entry.run;
        if self.ended {
            return Err(AppendError::RunNotOpen { run });
        }
        let head = LeafHead { run, seq: self.seq + 1, prev: self.last, ends: entry.ends };
        let mut sealed = Vec::new();
        let mut digests = Vec::with_capacity(entry.payloads.len());
        if !entry.payloads.is_empty() {
            let key = self.key(sealer.home, sealer.keys, run)?;
            for (number, payload) in (0u8..).zip(&entry.payloads) {
                let place = PayloadPlace { run, seq: head.seq, number, slot: key.0 };
                let digest = payload::seal(&mut sealed, &key.1, sealer.nonces.next(), &place, &payload.0);
                digests.push(digest.ok_or(AppendError::Seal { run })?);
            }
        }
        let content = put_leaf(out, &head, &digests, &entry.body);
        let hash = leaf_hash(out.get(content).unwrap_or_default());
        out.append(&mut sealed);
        self.seq = head.seq;
        self.last = Digest::from_bytes(hash);
        self.ended = entry.ends;
        Ok(Meta { run, seq: head.seq, hash, ends: entry.ends, slot: self.slot() })
    }
}

type Shard = Mutex<HashMap<RunId, Arc<Mutex<Chain>>>>;

/// All open runs.
pub(crate) struct Chains {
    shards: [Shard; SHARDS],
}

impl Chains {
    /// The runs that were open when the log was last written. The log's own run is always open.
    pub(crate) fn new(heads: impl Iterator<Item = (RunId, Chain)>) -> Self {
        let chains = Self { shards: std::array::from_fn(|_| Mutex::new(HashMap::new())) };
        let own = std::iter::once((log_run(), Chain::new()));
        // A later entry replaces an earlier one, so the log's own run comes first.
        for (run, chain) in own.chain(heads) {
            chains.with(run, |shard| shard.insert(run, Arc::new(Mutex::new(chain))));
        }
        chains
    }

    fn with<T>(&self, run: RunId, act: impl FnOnce(&mut HashMap<RunId, Arc<Mutex<Chain>>>) -> T) -> T {
        // The last byte of a run's id is random.
        let [.., byte] = run.to_bytes();
        let [first, ..] = &self.shards;
        act(&mut lock(self.shards.get(usize::from(byte) % SHARDS).unwrap_or(first)))
    }

    pub(crate) fn get(&self, run: RunId) -> Result<Arc<Mutex<Chain>>, AppendError> {
        self.with(run, |shard| shard.get(&run).cloned()).ok_or(AppendError::RunNotOpen { run })
    }

    pub(crate) fn insert(&self, run: RunId, chain: Chain) -> Result<(), AppendError> {
        self.with(run, |shard| {
            if shard.contains_key(&run) {
                return Err(AppendError::RunOpen { run });
            }
            shard.insert(run, Arc::new(Mutex::new(chain)));
            Ok(())
        })
    }

    pub(crate) fn runs(&self) -> Vec<RunId> {
        self.shards.iter().flat_map(|shard| lock(shard).keys().copied().collect::<Vec<_>>()).collect()
    }

    /// Appends one record.
    pub(crate) fn append_one(&self, sealer: &Sealer<'_>, queue: &Queue, entry: &Entry) -> Result<Appended, AppendError> {
        let chain = self.get(entry.run)?;
        let mut chain = lock(&chain);
        let before = (chain.seq, chain.last, chain.ended);
        let mut append = || -> Result<Appended, AppendError> {
            let mut bytes = Vec::new();
            let leaf = chain.encode(sealer, entry, &mut bytes)?;
            let (seq_in_run, hash) = (leaf.seq, leaf.hash);
            let (index, outcome) = queue.push(&bytes, [leaf], !entry.later)?;
            Ok(Appended { seq_in_run, index, leaf: Digest::from_bytes(hash), ticket: Ticket::new(outcome) })
        };
        let made = append();
        if made.is_err() {
            (chain.seq, chain.last, chain.ended) = before;
        } else if chain.ended {
            self.with(entry.run, |shard| shard.remove(&entry.run));
        }
        made
    }

    /// Appends records in order and as a unit: on an error, none of them was appended.
    pub(crate) fn append(&self, sealer: &Sealer<'_>, queue: &Queue, entries: &[Entry]) -> Result<Vec<Appended>, AppendError> {
        let mut runs: Vec<RunId> = entries.iter().map(|entry| entry.run).collect();
        // Locked in sorted order, so that two threads never wait for each other.
        runs.sort_unstable();
        runs.dedup();
        let chains = runs.iter().map(|run| self.get(*run)).collect::<Result<Vec<_>, _>>()?;
        let mut locked: Vec<MutexGuard<'_, Chain>> = chains.iter().map(|chain| lock(chain)).collect();
        let before: Vec<_> = locked.iter().map(|chain| (chain.seq, chain.last, chain.ended)).collect();
        let made = append_locked(sealer, queue, entries, &runs, &mut locked);
        if made.is_err() {
            for (chain, (seq, last, ended)) in locked.iter_mut().zip(before) {
                (chain.seq, chain.last, chain.ended) = (seq, last, ended);
            }
        }
        for (run, chain) in runs.iter().zip(&locked) {
            if chain.ended && made.is_ok() {
                self.with(*run, |shard| shard.remove(run));
            }
        }
        made
    }
}

fn append_locked(
    sealer: &Sealer<'_>,
    queue: &Queue,
    entries: &[Entry],
    runs: &[RunId],
    locked: &mut [MutexGuard<'_, Chain>],
) -> Result<Vec<Appended>, AppendError> {
    let mut bytes = Vec::new();
    let mut leaves = Vec::with_capacity(entries.len());
    for entry in entries {
        let chain = runs.binary_search(&entry.run).ok().and_then(|place| locked.get_mut(place));
        let chain = chain.ok_or(AppendError::RunNotOpen { run: entry.run })?;
        leaves.push(chain.encode(sealer, entry, &mut bytes)?);
    }
    let numbers: Vec<_> = leaves.iter().map(|leaf| (leaf.seq, leaf.hash)).collect();
    let (first, outcome) = queue.push(&bytes, leaves, entries.iter().any(|entry| !entry.later))?;
    let appended = numbers.into_iter().zip(first..).map(|((seq_in_run, hash), index)| Appended {
        seq_in_run,
        index,
        leaf: Digest::from_bytes(hash),
        ticket: Ticket::new(outcome.clone()),
    });
    Ok(appended.collect())
}
