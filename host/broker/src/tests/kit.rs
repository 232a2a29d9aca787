//! A home, an agent and its runs.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use effects::VaultChange;
use gate::{ChangeNote, Closing, Gate, Ledger, Live, LiveParts, Nobody, Notes, Recorded, RunGate, RunHeader, SystemClock};
use journal::{Journal, Options};
use vocabulary::record::{AgentRef, EngineRef, Record};
use vocabulary::{
    Clock, Digest, FilesGrant, FilesMode, Grants, HttpGrant, Limits, Method, Release, RunId, RunSpec, SafeText, Scheme, Stop, Timeline,
};

use crate::{Broker, BrokerParts, Mounts};

pub(super) struct Home {
    /// Kept until the home is removed.
    _folder: tempfile::TempDir,
    pub(super) journal: Journal,
    pub(super) gate: Gate,
}

impl Home {
    pub(super) fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock::new()))
    }

    pub(super) fn with_clock(clock: Arc<dyn Clock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Only its owner may use a home, whatever the umask is.
        std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let (journal, _) = Journal::open(folder.path(), None, Options { segment_bytes: 1 << 20, ..Options::default() }).unwrap();
        let gate = Gate::new(Arc::new(journal.clone()), clock, Ledger::new());
        Self { _folder: folder, journal, gate }
    }

    pub(super) fn open(&self, header: RunHeader) -> RunGate {
        self.gate.open_run(header, None, Arc::new(Nobody)).unwrap()
    }

    /// Waits until everything is durable, and reads the run's records.
    pub(super) fn recorded(&self, run: RunId) -> Recorded {
        self.journal.durable().wait_blocking().unwrap();
        Recorded::load(&self.journal.reader().unwrap(), run).unwrap()
    }

    /// The bodies of a run's records.
    pub(super) fn bodies(&self, run: RunId) -> Vec<String> {
        self.journal.durable().wait_blocking().unwrap();
        let records = self.journal.reader().unwrap().of_run(run);
        records.map(|record| String::from_utf8(record.unwrap().body).unwrap()).collect()
    }
}

pub(super) fn mount(host: &Path) -> Grants {
    let files = FilesGrant { guest: "/src".to_owned(), host: host.to_owned(), mode: FilesMode::Read };
    Grants { files: vec![files], ..Grants::default() }
}

pub(super) fn loopback(port: u16) -> Grants {
    let http = HttpGrant {
        credential: None,
        addresses: Vec::new(),
        headers: Vec::new(),
        host: "127.0.0.1".parse().unwrap(),
        methods: ["GET", "POST"].map(|method| Method::new(method).unwrap()).to_vec(),
        paths: vec!["/**".parse().unwrap()],
        port: Some(port),
        scheme: Scheme::Http,
        until: None,
        within: vocabulary::HttpBounds::default(),
    };
    Grants { http: vec![http], ..Grants::default() }
}

pub(super) fn header(grants: Grants, limits: Limits) -> RunHeader {
    let text = |text: &str| SafeText::new(text, 100);
    let spec = RunSpec {
        agent: AgentRef { digest: Digest::of(b"agent"), name: text("guest"), version: text("0.1.0") },
        config: None,
        durable: RunSpec::durable(&grants, false),
        engine: EngineRef { host: text("0.1.0"), profile: text("p"), wasmtime: text("48") },
        grants,
        limits,
    };
    RunHeader {
        args: Vec::new(),
        by: vocabulary::Principal::new(1000, Some("alice")),
        input: "{}".to_owned(),
        opened_unix_ns: SystemClock::new().unix_ns(),
        parent: None,
        run: RunId::from_parts(1, [3; 10]),
        seed: [9; 32],
        spec: Arc::new(spec),
    }
}

pub(super) fn live(gate: &RunGate, network: Option<net::Network>) -> Live {
    live_with(gate, network, vault::Vault::new(Path::new("/nonexistent")))
}

pub(super) fn live_with(gate: &RunGate, network: Option<net::Network>, vault: vault::Vault) -> Live {
    let mounts = Mounts::open(&gate.header().spec.grants).unwrap();
    let (header, runtime) = (gate.header(), tokio::runtime::Handle::current());
    let broker = Broker::new(BrokerParts {
        spec: Arc::clone(&header.spec),
        seed: header.seed,
        mounts,
        clock: Arc::clone(gate.clock()),
        network,
        vault,
        runtime: runtime.clone(),
    });
    Live::new(LiveParts { gate: gate.clone(), effects: Arc::new(broker), notes: Arc::new(Unnoted), runtime, long_wait: Duration::MAX })
}

pub(super) fn done() -> Closing {
    Closing { active_ms: 0, outcome: vocabulary::Outcome::Done, output: None, peak_memory: 0 }
}

/// The next release. A test that would wait forever fails.
pub(super) async fn next(world: &mut dyn vocabulary::World) -> Result<Release, Stop> {
    let wait = std::future::poll_fn(|ctx| Timeline::poll_release(world, ctx));
    tokio::time::timeout(Duration::from_secs(20), wait).await.unwrap()
}

/// Keeps no notes.
pub(super) struct Unnoted;

impl Notes for Unnoted {
    fn begin(&self, _: RunId, _: &Record, _: &VaultChange) -> io::Result<Box<dyn ChangeNote>> {
        Ok(Box::new(Self))
    }
}

impl ChangeNote for Unnoted {
    fn done(self: Box<Self>) {}
}
