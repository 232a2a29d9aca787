//! The state of the process that holds a home: the journal, the gate, engines, components, the network, and the active runs.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gate::{BookSnapshot, ClockMark, Gate, Ledger, LiveHandle, SystemClock};
use journal::{Journal, Reader};
use net::{Network, NetworkConfig};
use tokio::sync::{Notify, watch};
use vocabulary::record::{Record, RecordKind, Recovered, VERSION};
use vocabulary::{Clock as _, Digest, RunId, SafeText, Stopping};

use crate::change::settle;
use crate::component_cache::ComponentCache;
use crate::err::{RunError, chain};
use crate::forms::FORMS;
use crate::order::NetworkOrder;
use crate::place::{HomePlace, HostOptions, held, private};
use crate::report::BrokenRecord;
use crate::run_channel::Parked;
use crate::running::order_end;

/// The host in this process, which holds a home. Cheap to clone.
#[derive(Clone)]
pub struct LocalHost {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) place: HomePlace,
    pub(crate) journal: Journal,
    pub(crate) gate: Gate,
    pub(crate) clock: Arc<SystemClock>,
    pub(crate) component_cache: ComponentCache,
    vault: vault::Vault,
    networks: Mutex<HashMap<NetworkOrder, Network>>,
    pub(crate) going: Mutex<HashMap<RunId, LiveRun>>,
    /// How many runs and client connections are active. The host leaves the home when there are none.
    attendance: watch::Sender<Attendance>,
    /// Open runs without their key.
    pub(crate) lacking: Vec<RunId>,
    /// Runs that are not running, and that a caller is about to resume, settle or end; each with the number of callers.
    pub(crate) taken: Mutex<HashMap<RunId, u32>>,
    /// Suspended runs whose callers listen.
    pub(crate) parked: Mutex<HashMap<RunId, Parked>>,
    /// Wakes the task that resumes suspended runs.
    pub(crate) waits_changed: Notify,
    /// A run that has to wait for longer than this is suspended.
    pub(crate) long_wait: Duration,
    /// Votes are counted one by one.
    pub(crate) voting: tokio::sync::Mutex<()>,
    /// Callers that put a run on hold and callers that prune wait for each other.
    pub(crate) keeping: tokio::sync::Mutex<()>,
    /// When this process took the home.
    pub(crate) began: tokio::time::Instant,
    /// The host is leaving the home while runs are active ([`LocalHost::hand_over`]).
    pub(crate) leaving: AtomicBool,
    /// Decisions to trust a configuration once that are on the record and were not used yet: its path, the digest of its bytes, and the
    /// digest of its authority.
    pub(crate) trusted_once: Mutex<HashSet<(String, Digest, Digest)>>,
}

/// How many runs and client connections keep the host from leaving the home.
#[derive(Clone, Copy, Debug, Default)]
struct Attendance {
    count: usize,
    /// New runs and clients are no longer admitted.
    is_closed: bool,
}

/// While this value exists, the host does not leave the home: a run or a client connection is active.
pub struct Attending(LocalHost);

impl Drop for Attending {
    fn drop(&mut self) {
        self.0.inner.attendance.send_modify(|attendance| attendance.count -= 1);
    }
}

/// A run that is running in this process.
pub(crate) struct LiveRun {
    pub(crate) agent: SafeText,
    pub(crate) live: LiveHandle,
    pub(crate) stop: watch::Sender<Option<Stopping>>,
}

/// BOUND: networks that a long-lived process keeps ready. Beyond it, networks are dropped and made again when needed.
const NETWORKS_MAX: usize = 16;

impl LocalHost {
    /// Takes the home, creates it if there is none, and folds the records that its snapshot lacks.
    ///
    /// # Errors
    /// [`RunError::Held`] when another process holds the home; a record that can't be used.
    pub fn open(place: &HomePlace, options: &HostOptions) -> Result<Self, RunError> {
        // Before anything else: a home of a newer form is not touched.
        home::form(&place.home, &FORMS)?;
        journal::check_unmade(&place.home, &place.state).map_err(RunError::Record)?;
        private(&place.home)?;
        private(&place.state)?;
        home::say_form(&place.home, &FORMS)?;
        let (journal, opened) = match Journal::open(&place.home, Some(&place.state), options.journal.clone()) {
            Ok(opened) => opened,
            Err(journal::OpenError::Held { .. }) => return Err(RunError::Held(place.home.clone())),
            Err(err) => return Err(RunError::Record(err)),
        };
        sweep(&place.home);
        let ledger = fold(&journal.reader()?, &opened)?;
        let clock = Arc::new(SystemClock::new());
        let change = ledger.clock_change(&ClockMark::of(&*clock));
        if let Some(change) = &change {
            // Until this process ends, this change of the clock does not make anything last longer or begin earlier.
            clock.expect(change.was);
        }
        let gate = Gate::new(Arc::new(journal.clone()), Arc::clone(&clock) as Arc<dyn vocabulary::Clock>, ledger);
        if let Some(change) = change {
            drop(gate.append_log(&change.into())?);
        }
        if opened.recovered_bytes > 0 {
            let record: Record =
                Recovered { at: clock.unix_ms(), bytes: opened.recovered_bytes, kind: RecordKind::Recovered, v: VERSION }.into();
            drop(gate.append_log(&record)?);
        }
        let component_cache = ComponentCache::new(place, options)?;
        settle(place, &mut |record| {
            drop(gate.append_log(record)?);
            Ok(journal.durable().wait_blocking()?)
        })?;
        let inner = Inner {
            place: place.clone(),
            journal,
            gate,
            clock,
            component_cache,
            vault: local_vault(place, options.passphrase_file.as_deref()).into(),
            networks: Mutex::new(HashMap::new()),
            going: Mutex::new(HashMap::new()),
            attendance: watch::channel(Attendance::default()).0,
            lacking: opened.lacking,
            taken: Mutex::new(HashMap::new()),
            parked: Mutex::new(HashMap::new()),
            waits_changed: Notify::new(),
            long_wait: options.long_wait,
            voting: tokio::sync::Mutex::new(()),
            keeping: tokio::sync::Mutex::new(()),
            began: crate::now::now(),
            leaving: AtomicBool::new(false),
            trusted_once: Mutex::new(HashSet::new()),
        };
        let host = Self { inner: Arc::new(inner) };
        host.note_restored()?;
        Ok(host)
    }

    /// Where the home is.
    pub fn place(&self) -> &HomePlace {
        &self.inner.place
    }

    /// The runs that are running in this process, with their agents.
    pub fn going(&self) -> Vec<(RunId, SafeText)> {
        let mut going: Vec<_> = held(&self.inner.going).iter().map(|(run, going)| (*run, going.agent.clone())).collect();
        going.sort();
        going
    }

    /// Orders a run to end. Returns whether such a run is running here.
    pub fn stop(&self, run: RunId, stopping: &Stopping) -> bool {
        match held(&self.inner.going).get(&run) {
            Some(going) => {
                order_end(&going.stop, stopping.clone());
                true
            }
            None => false,
        }
    }

    /// Keeps the home held until the returned value is dropped. Returns `None` if the host is about to leave the home.
    pub fn attend(&self) -> Option<Attending> {
        let came_in = self.inner.attendance.send_if_modified(|attendance| {
            attendance.count += usize::from(!attendance.is_closed);
            !attendance.is_closed
        });
        came_in.then(|| Attending(self.clone()))
    }

    /// Returns when no run and no client connection is active.
    pub async fn idle(&self) {
        let mut attendance = self.inner.attendance.subscribe();
        // The sender lives as long as this host.
        let _ = attendance.wait_for(|attendance| attendance.count == 0).await;
    }

    /// From now on no new run or client is admitted.
    pub(crate) fn shut(&self) {
        self.inner.attendance.send_modify(|attendance| attendance.is_closed = true);
    }

    /// How long the record has been waiting for the disk, in milliseconds; 0 if it does not.
    pub fn disk_ms(&self) -> u64 {
        self.inner.journal.disk_wait().map_or(0, |wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1))
    }

    /// Returns when no run is in memory, and the only clients are those that listen to suspended runs. From then on no new run or client is
    /// admitted. These clients find another host.
    pub async fn empty(&self) {
        let mut attendance = self.inner.attendance.subscribe();
        loop {
            let closed = self.inner.attendance.send_if_modified(|attendance| {
                attendance.is_closed = attendance.count <= self.listening();
                attendance.is_closed
            });
            if closed {
                return;
            }
            // The sender lives as long as this host.
            let _ = attendance.changed().await;
        }
    }

    /// How many callers listen to suspended runs.
    fn listening(&self) -> usize {
        held(&self.inner.parked).len()
    }

    /// Checks again whether the host may leave the home, because a caller began to listen to a suspended run.
    pub(crate) fn listens(&self) {
        self.inner.attendance.send_modify(|_| {});
    }

    /// Leaves the home in order: writes a snapshot, so that the next opening reads no record twice.
    ///
    /// # Errors
    /// The record can't be written.
    pub fn close(&self) -> Result<(), RunError> {
        self.inner.gate.snapshot(BookSnapshot::Always)?;
        self.inner.journal.clone().close()?;
        self.index();
        self.age_out();
        Ok(())
    }

    /// The error for a broken record, with the cause that the journal has kept.
    pub(crate) fn record_broken(&self, run: Option<RunId>) -> RunError {
        let cause: Arc<dyn std::error::Error + Send + Sync> = match self.inner.journal.broken() {
            Some(broken) => Arc::new(broken),
            None => Arc::new(std::io::Error::other("the journal did not accept a record")),
        };
        RunError::RecordBroken { run, cause }
    }

    /// The same for a report. A run without any record has not begun, so it can't be resumed.
    pub(crate) fn told_broken(&self, run: RunId, is_on_record: bool) -> BrokenRecord {
        let err = self.record_broken(is_on_record.then_some(run));
        let why = std::error::Error::source(&err).map(chain).unwrap_or_default();
        BrokenRecord { why, help: err.help().unwrap_or_default() }
    }

    /// Brings the index of what was touched up to date. It is derived, so if this fails, the next reader does it.
    pub(crate) fn index(&self) {
        if let Ok(reader) = self.inner.journal.reader() {
            let _ = gate::catch_up(&reader, self.inner.journal.size());
        }
    }

    /// Where the values of credentials are.
    pub(crate) fn vault(&self) -> vault::Vault {
        self.inner.vault.clone()
    }

    /// The network with the name servers and certificates of this order. Connections are not shared: each run gets its own pool.
    pub(crate) fn network(&self, order: &NetworkOrder) -> Result<Network, RunError> {
        if let Some(network) = held(&self.inner.networks).get(order) {
            return Ok(network.clone());
        }
        let own = policy::address::OwnListeners::default();
        let config = NetworkConfig { resolvers: order.resolvers.clone(), roots: order.roots.clone(), own };
        let network = Network::new(&config).map_err(RunError::Network)?;
        let mut networks = held(&self.inner.networks);
        if networks.len() >= NETWORKS_MAX {
            networks.clear();
        }
        networks.insert(order.clone(), network.clone());
        Ok(network)
    }
}

/// Removes temporary files that processes left in the folders of a home when they were killed or the disk was full.
fn sweep(home: &Path) {
    for folder in [home.to_owned(), home.join("cache"), home.join("components")] {
        home::sweep(&folder, |_| true);
    }
}

/// The vault of a home. Opens no file.
pub fn local_vault(place: &HomePlace, passphrase_file: Option<&Path>) -> vault::Local {
    let local = vault::Local::new(&place.home);
    match passphrase_file {
        Some(file) => local.with_passphrase_file(file),
        None => local,
    }
}

/// The machine's clock and its uptime, as they are now.
pub fn clock_now() -> ClockMark {
    ClockMark::of(&SystemClock::new())
}

/// The ledger, from the snapshot and the records after it.
fn fold(reader: &Reader, opened: &journal::OpenedLog) -> Result<Ledger, RunError> {
    let kept = opened.snapshot.as_deref().and_then(Ledger::from_snapshot);
    let (mut ledger, records) = match kept {
        Some(ledger) => (ledger, reader.records_from(opened.unfolded)),
        None => (Ledger::new(), reader.records()),
    };
    // A run that began in a part that was pruned has ended. It can't be folded without its beginning.
    let cut: HashSet<RunId> = reader.cut_runs().filter(|run| *run != journal::log_run()).collect();
    for record in records {
        let record = record?;
        if cut.contains(&record.run) {
            continue;
        }
        ledger.go_to(record.at.index);
        ledger.fold(record.run, record.seq, &record.body)?;
    }
    Ok(ledger)
}
