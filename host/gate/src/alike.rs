//! Counts refusals that are alike, so that a guest can't fill the log by asking in vain.

use std::collections::BTreeMap;

use effect::record::AskedFor;
use effect::{Ask, Digest, Reason};

/// BOUND: so many refusals alike are written one by one; those after them are counted.
pub const ALIKE_MAX: u64 = 100;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    function: &'static str,
    host: String,
    code: &'static str,
}

/// What a counted record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) alike: u64,
    pub(crate) ask: AskedFor,
    pub(crate) params: Digest,
    pub(crate) reason: Reason,
}

#[derive(Clone, Debug)]
struct Tally {
    written: u64,
    counted: u64,
    last: Counted,
}

/// Refusals of one run, by function, host and reason.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alike {
    seen: BTreeMap<Key, Tally>,
}

/// What to do with a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// Write it.
    One,
    /// It was counted.
    Counted,
}

pub(crate) fn host_of(ask: &Ask) -> String {
    match ask {
        Ask::Http(http) => http.target.host.to_string(),
        Ask::Credential(_) | Ask::File(_) | Ask::Closed(_) => String::new(),
    }
}

impl Alike {
    /// Notes a refusal of this ask.
    pub(crate) fn note(&mut self, ask: &Ask, counted: Counted) -> Write {
        let key = Key { function: ask.function(), host: host_of(ask), code: counted.reason.code() };
        let tally = self.seen.entry(key).or_insert_with(|| Tally { written: 0, counted: 0, last: counted });
        if tally.written < ALIKE_MAX {
            tally.written += 1;
            Write::One
        } else {
            tally.counted += 1;
            Write::Counted
        }
    }

    /// Whether a refusal of this ask for this reason would only be counted.
    pub(crate) fn is_full(&self, ask: &Ask, reason: &Reason) -> bool {
        let key = Key { function: ask.function(), host: host_of(ask), code: reason.code() };
        self.seen.get(&key).is_some_and(|tally| tally.written >= ALIKE_MAX)
    }

    /// A rebuild can't know for which reason an unwritten refusal was refused; it is counted where it may have been.
    pub(crate) fn count_unwritten(&mut self, ask: &Ask) -> bool {
        let (function, host) = (ask.function(), host_of(ask));
        let full = |key: &Key, tally: &Tally| key.function == function && key.host == host && tally.written >= ALIKE_MAX;
        match self.seen.iter_mut().find(|(key, tally)| full(key, tally)) {
            Some((_, tally)) => {
                tally.counted += 1;
                true
            }
            None => false,
        }
    }

    /// How many were counted and not written.
    pub(crate) fn unwritten(&self) -> u64 {
        self.seen.values().map(|tally| tally.counted).sum()
    }

    /// The counted records, for the end of the run.
    pub(crate) fn counted(&self) -> Vec<Counted> {
        let some = self.seen.values().filter(|tally| tally.counted > 0);
        some.map(|tally| Counted { alike: tally.counted, ..tally.last.clone() }).collect()
    }
}
