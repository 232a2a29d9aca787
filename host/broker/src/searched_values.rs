//! The values that are searched for in all answers to one run: all values of the home that could give access to a host that this run can
//! reach.
//!
//! INVARIANT: a value is searched for before it leaves the host, and until it has expired.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vault::{Hits, LocalError, Outstanding, Register, Scrubber, Secret};
use vocabulary::{Grants, HostName, HostPattern, Reason, SafeText};

/// BOUND: bytes of a reason on the record, which names a file of the home.
const REASON_BYTES_MAX: usize = 1024;

/// The values. See the documentation of the module.
pub(crate) struct SearchedValues {
    register: Arc<Register>,
    /// The run's own credentials.
    names: BTreeSet<String>,
    /// The hosts that the run can reach.
    hosts: Vec<HostPattern>,
    /// The tag of each value is its number in the register.
    scrubber: Arc<Scrubber>,
    taken: Mutex<Taken>,
    /// Whether something could not be searched for. Then nothing more is shown.
    is_blind: AtomicBool,
}

/// The values that are searched for.
#[derive(Default)]
struct Taken {
    /// The number in the register up to which every value was added.
    up_to: u64,
    values: BTreeMap<u64, Arc<Outstanding>>,
}

/// Why a value can't be searched for. Such a value must not leave the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unsearched {
    /// Too many values could give access to a host.
    Full,
    /// What the home has kept does not open, or can't be added to, so it is unknown what an answer could contain. The text has the file and
    /// the reason.
    Unkept(String),
}

impl Unsearched {
    /// Why a request under this credential, or under none, is not sent.
    pub(crate) fn reason(self, credential: Option<&str>) -> Reason {
        match (self, credential) {
            (Self::Full, Some(name)) => Reason::ValuesFull(SafeText::new(name, 64)),
            (Self::Full, None) => Reason::ValuesUnknown(SafeText::new(
                "more values could still give access to a host than can be searched for",
                REASON_BYTES_MAX,
            )),
            (Self::Unkept(why), _) => Reason::ValuesUnknown(SafeText::new(&why, REASON_BYTES_MAX)),
        }
    }

    fn ending() -> Self {
        Self::Unkept("the host is ending".to_owned())
    }
}

impl From<LocalError> for Unsearched {
    fn from(err: LocalError) -> Self {
        match (&err, std::error::Error::source(&err)) {
            (LocalError::FullOfLive, _) => Self::Full,
            (_, None) => Self::Unkept(err.to_string()),
            (_, Some(cause)) => Self::Unkept(format!("{err}: {cause}")),
        }
    }
}

impl SearchedValues {
    pub(crate) fn new(register: Arc<Register>, grants: &Grants) -> Self {
        let names = grants.credentials.iter().map(|binding| binding.name.clone()).collect();
        let hosts = grants.http.iter().map(|grant| grant.host.clone()).collect();
        Self { register, names, hosts, scrubber: Arc::default(), taken: Mutex::default(), is_blind: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an answer could show this value to the run: the run may use the credential, or can reach a host to which the value gives
    /// access.
    fn reaches(&self, value: &Outstanding) -> bool {
        self.names.contains(&value.credential) || value.hosts.iter().any(|there| self.hosts.iter().any(|here| here.overlaps(there)))
    }

    /// Takes in what other processes have kept. Waits for the disk if they have kept anything.
    pub(crate) async fn refresh(&self, now_s: u64) -> Result<(), Unsearched> {
        if !self.register.is_fresh() {
            let register = Arc::clone(&self.register);
            let searched = tokio::task::spawn_blocking(move || register.refresh(now_s)).await;
            searched.map_err(|_| Unsearched::ending())??;
        }
        self.take(now_s)
    }

    /// Notes values before they leave. Waits for the disk if they are kept.
    pub(crate) async fn note(&self, values: Vec<Outstanding>, now_s: u64) -> Result<(), Unsearched> {
        if !self.register.knows(&values) {
            let register = Arc::clone(&self.register);
            let noted = tokio::task::spawn_blocking(move || register.note(values, now_s)).await;
            noted.map_err(|_| Unsearched::ending())??;
        }
        self.take(now_s)
    }

    /// Starts to search for new values, and stops searching for values that have expired.
    fn take(&self, now_s: u64) -> Result<(), Unsearched> {
        let mut taken = self.lock();
        let last = self.register.last();
        for new in self.register.after(taken.up_to, now_s).into_iter().filter(|new| new.id <= last && self.reaches(&new.value)) {
            if self.scrubber.insert(&new.value.secret, new.id).is_err() {
                self.is_blind.store(true, Ordering::Release);
                return Err(Unsearched::Full);
            }
            taken.values.insert(new.id, new.value);
        }
        taken.up_to = last;
        taken.values.retain(|id, value| {
            let is_live = value.until_s.is_none_or(|until_s| until_s > now_s);
            if !is_live {
                self.scrubber.remove(&value.secret, *id);
            }
            is_live
        });
        Ok(())
    }

    /// The values that answers are searched for now. `None` if there is nothing to search for.
    ///
    /// SECURITY: this includes what another run of this home has obtained since an answer began.
    pub(crate) fn scrubber(&self, now_s: u64) -> Option<Arc<Scrubber>> {
        if self.register.last() != self.lock().up_to {
            // If a value can't be searched for, `is_blind` reports it.
            let _ = self.take(now_s);
        }
        (!self.lock().values.is_empty()).then(|| Arc::clone(&self.scrubber))
    }

    /// Whether something could not be searched for. Then nothing more is shown.
    pub(crate) fn is_blind(&self) -> bool {
        self.is_blind.load(Ordering::Acquire)
    }

    /// The credentials whose values are in a text.
    pub(crate) fn whose(&self, text: &[u8]) -> BTreeSet<String> {
        let (hits, taken) = (self.scrubber.find(text), self.lock());
        hits.of.keys().filter_map(|tag| taken.values.get(tag)).map(|value| value.credential.clone()).collect()
    }

    /// The credentials whose values were found although they may not come from this host.
    pub(crate) fn foreign(&self, host: &HostName, hits: &Hits) -> BTreeSet<String> {
        // If it is unknown where a value may be sent, it is also unknown where it may not be.
        let has_business = |value: &Outstanding| value.hosts.is_empty() || value.hosts.iter().any(|pattern| pattern.matches(host));
        let taken = self.lock();
        // The same value may also be known for other hosts, from a run with another binding.
        let is_foreign = |value: &&Arc<Outstanding>| {
            let mut same = taken.values.values().filter(|known| known.credential == value.credential && known.secret.is(&value.secret));
            !same.any(|known| has_business(known))
        };
        let found = hits.of.keys().filter_map(|tag| taken.values.get(tag)).filter(is_foreign);
        found.map(|value| value.credential.clone()).collect()
    }
}

/// Makes an entry for a value of that credential.
pub(crate) fn outstanding(credential: &str, hosts: Vec<HostPattern>, until_s: Option<u64>, secret: &Secret) -> Outstanding {
    Outstanding { credential: credential.to_owned(), hosts, until_s, secret: secret.clone() }
}
