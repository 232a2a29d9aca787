//! Counts similar refusals, so that a guest can't fill the log with refused asks. None of their names is lost.
//!
//! The first refusals of each kind are written one by one. Later ones go into a table of names, which says how often each was asked for.
//! When the table is full, it is written as counting records, and a new table begins.
//!
//! INVARIANT: only what was asked decides when the table is full, never why it was refused. A rebuild does not know the reason of a refusal
//! that was only counted, and this way it still empties the table at the same moments.

use std::collections::{BTreeMap, HashMap, HashSet};

use vocabulary::record::{AskedFor, Counted, CountedName};
use vocabulary::{Ask, Function, Reason, Resource, SafeText};

/// BOUND: how many refusals of one kind are written one by one. Further ones are only counted.
pub const ALIKE_MAX: u64 = 100;
/// BOUND: number of kinds of refusal (function, host, reason) of which the first are written one by one. Of further kinds, all are counted.
const KINDS_MAX: usize = 1000;
/// BOUND: number of names in the table.
const NAMES_MAX: usize = 250;
/// BOUND: bytes of all names in the table, in their longest form in JSON. Together they fit into the body of one record.
const NAMES_BYTES_MAX: usize = 40_000;
/// BOUND: bytes of one name. Of a longer name, the beginning and the end are kept.
const NAME_BYTES_MAX: usize = 4096;

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct RefusalKind {
    function: Function,
    host: String,
    code: &'static str,
}

/// A record that counts similar refusals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Several {
    pub(crate) alike: u64,
    pub(crate) ask: AskedFor,
    pub(crate) counted: Counted,
    pub(crate) reason: Reason,
}

#[derive(Clone, Debug)]
struct Written {
    times: u64,
    reason: Reason,
}

/// One name in the table, with its reason and how often it was refused.
#[derive(Clone, Debug)]
struct Name {
    kind: RefusalKind,
    ask: AskedFor,
    reason: Reason,
    times: u64,
    first_ms: u64,
    /// Its place among all counted refusals.
    last: u64,
}

/// Refusals of one run, by function, host and reason.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alike {
    written: BTreeMap<RefusalKind, Written>,
    names: Vec<Name>,
    places: HashMap<(RefusalKind, AskedFor), usize>,
    /// The names, regardless of the reason. They decide when the table is full.
    distinct: HashSet<AskedFor>,
    bytes: usize,
    counted: u64,
}

/// What to do with a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// Write it as a record of its own.
    One,
    /// It was counted, and nothing is to be written.
    Counted,
    /// The table was full, so these records are to be written. The refusal was then counted in a new table.
    Full(Vec<Several>),
}

pub(crate) fn host_of(ask: &Ask) -> String {
    ask.host().map_or_else(String::new, ToString::to_string)
}

impl Alike {
    /// Notes a refusal of this ask at this time. `named` is the ask as the record names it.
    pub(crate) fn note(&mut self, ask: &Ask, named: &AskedFor, reason: &Reason, at_ms: u64) -> Write {
        let kind = RefusalKind { function: ask.function(), host: host_of(ask), code: reason.code() };
        if self.is_kind_full(&kind) {
            return self.count(kind, named, reason, at_ms);
        }
        self.written.entry(kind).or_insert_with(|| Written { times: 0, reason: reason.clone() }).times += 1;
        Write::One
    }

    /// Whether a refusal of this ask for this reason would only be counted.
    pub(crate) fn is_full(&self, ask: &Ask, reason: &Reason) -> bool {
        self.is_kind_full(&RefusalKind { function: ask.function(), host: host_of(ask), code: reason.code() })
    }

    fn is_kind_full(&self, kind: &RefusalKind) -> bool {
        match self.written.get(kind) {
            Some(written) => written.times >= ALIKE_MAX,
            None => self.written.len() >= KINDS_MAX,
        }
    }

    /// Counts a refusal in a rebuild, which does not know the reason of a refusal that was only counted. `None` if the refusal can't have
    /// been counted and must have had its own record.
    pub(crate) fn count_unwritten(&mut self, ask: &Ask, named: &AskedFor) -> Option<Write> {
        let (function, host) = (ask.function(), host_of(ask));
        let of_it = |kind: &RefusalKind| kind.function == function && kind.host == host;
        let full = self.written.iter().find(|(kind, written)| of_it(kind) && written.times >= ALIKE_MAX);
        let (kind, reason) = match full {
            Some((kind, written)) => (kind.clone(), written.reason.clone()),
            None if self.written.len() >= KINDS_MAX => {
                let reason = Reason::NothingGranted;
                (RefusalKind { function, host, code: reason.code() }, reason)
            }
            None => return None,
        };
        Some(self.count(kind, named, &reason, 0))
    }

    fn count(&mut self, kind: RefusalKind, named: &AskedFor, reason: &Reason, at_ms: u64) -> Write {
        let ask = bounded(named);
        let bytes = json_bytes(&ask);
        let is_new = !self.distinct.contains(&ask);
        let is_full = is_new && (self.distinct.len() >= NAMES_MAX || self.bytes + bytes > NAMES_BYTES_MAX);
        let full = if is_full { self.take() } else { Vec::new() };
        if self.distinct.insert(ask.clone()) {
            self.bytes += bytes;
        }
        self.counted += 1;
        let next = self.names.len();
        let place = *self.places.entry((kind.clone(), ask.clone())).or_insert(next);
        match self.names.get_mut(place) {
            Some(name) => {
                name.times += 1;
                name.last = self.counted;
            }
            None => {
                let (reason, last) = (reason.clone(), self.counted);
                self.names.push(Name { kind, ask, reason, times: 1, first_ms: at_ms, last });
            }
        }
        if full.is_empty() { Write::Counted } else { Write::Full(full) }
    }

    /// How many refusals were only counted.
    pub(crate) fn unwritten(&self) -> u64 {
        self.counted
    }

    /// Empties the table into counting records.
    pub(crate) fn take(&mut self) -> Vec<Several> {
        self.places.clear();
        self.distinct.clear();
        self.bytes = 0;
        let mut of_kind: BTreeMap<RefusalKind, Vec<Name>> = BTreeMap::new();
        for name in self.names.drain(..) {
            of_kind.entry(name.kind.clone()).or_default().push(name);
        }
        of_kind.into_values().filter_map(several).collect()
    }
}

/// One counting record for the names of one kind.
fn several(names: Vec<Name>) -> Option<Several> {
    let first = names.first()?;
    let (reason, since) = (first.reason.clone(), first.first_ms);
    let ask = AskedFor { resolved: None, resource: Resource::Several, ..first.ask.clone() };
    let last = (0..).zip(&names).max_by_key(|(_, name)| name.last).map_or(0, |(place, _)| place);
    let alike = names.iter().map(|name| name.times).sum();
    let named = |name: Name| CountedName { resolved: name.ask.resolved, resource: name.ask.resource, times: name.times };
    let counted = Counted { last, names: names.into_iter().map(named).collect(), since };
    Some(Several { alike, ask, counted, reason })
}

/// The name, shortened to fit into the table.
fn bounded(named: &AskedFor) -> AskedFor {
    let text = |text: &SafeText| match text.as_str().len() {
        0..=NAME_BYTES_MAX => text.clone(),
        _ => text.shortened(NAME_BYTES_MAX),
    };
    AskedFor { resolved: named.resolved.as_ref().map(text), resource: named.resource.map_texts(&text), ..named.clone() }
}

/// The length of a name in its longest form in JSON, with each backslash and quote escaped, and with the text around it.
fn json_bytes(ask: &AskedFor) -> usize {
    let of = |text: &SafeText| text.as_str().len() + text.as_str().bytes().filter(|byte| matches!(byte, b'\\' | b'"')).count();
    128 + ask.resource.texts().chain(&ask.resolved).map(of).sum::<usize>()
}
