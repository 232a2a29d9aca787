//! A host for one test: a home in a temporary folder, and runs of guests in it.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use run::{HomePlace, HostOptions, LocalHost, NetworkOrder, RunEvent, RunOrder, RunReport, Running};
use sandbox::{Cache, Engine, EngineOptions, Prepared};
use tempfile::TempDir;
use vocabulary::record::{AgentRef, Record};
use vocabulary::{Digest, FilesGrant, FilesMode, Grants, HttpGrant, Limits, RunId, SafeText};

use crate::{guests, tools};

/// The program `bailiwick`; built if necessary.
///
/// # Panics
/// If it can't be built.
pub fn bailiwick() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            // The program has the same profile as this kit, so that benchmarks measure the release build.
            let (profile, folder) = if cfg!(debug_assertions) { ("dev", "debug") } else { ("release", "release") };
            // Built together with the tests of the workspace, dependencies have the same features; otherwise all would be built a
            // second time.
            let what: &[&str] = if cfg!(debug_assertions) {
                &["--workspace", "--bin", "bailiwick", "--bin", "verify-record", "--tests"]
            } else {
                &["-p", "bailiwick"]
            };
            let mut cargo = tools::cargo();
            let status = cargo.args(["build", "--quiet", "--profile", profile]).args(what).current_dir(tools::root()).status();
            assert!(status.expect("cargo starts").success(), "bailiwick is built");
            tools::target().join(folder).join("bailiwick")
        })
        .clone()
}

/// The options of the hosts of tests.
pub fn options() -> HostOptions {
    HostOptions {
        compiler: (bailiwick(), vec!["compile-component".to_owned()]),
        journal: journal::Options::default(),
        long_wait: run::LONG_WAIT,
        slots: 32,
        passphrase_file: None,
    }
}

/// The folder of compiled components that all tests of a machine share, since these tests do not test the compiler.
fn shared_cache() -> PathBuf {
    tools::target().join("tests-compiled")
}

/// A guest that is ready to be entered without a host.
///
/// # Panics
/// If it can't be built, compiled or linked.
pub fn prepared(name: &str) -> Prepared {
    compiled(&std::fs::read(guests::guest(name)).expect("the guest is there"))
}

/// Compiles a component, and keeps the code among those that all tests share.
///
/// # Panics
/// If it can't be compiled or linked.
pub fn compiled(wasm: &[u8]) -> Prepared {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| Engine::new(&EngineOptions { slots: 64, ..EngineOptions::default() }).expect("an engine"));
    let cache = Cache::new(shared_cache(), [1; 32], bailiwick(), vec!["compile-component".to_owned()]);
    let component = cache.load(engine, Digest::of(wasm), wasm).expect("the guest is compiled");
    Prepared::new(engine, &component).expect("the guest is linked")
}

/// A home and the host that holds it.
pub struct TestHost {
    /// The host.
    pub house: LocalHost,
    /// Its folder, which is removed when this is dropped.
    pub folder: TempDir,
}

/// A home and its second state beneath a folder, with the components that earlier tests compiled.
///
/// # Panics
/// If there is no space for them.
pub fn place(folder: &Path) -> HomePlace {
    let place = HomePlace { home: folder.join("home"), state: folder.join("state") };
    home::make_folder(&place.home).expect("a home");
    let key = place.home.join("cache.key");
    if !key.exists() {
        std::fs::write(&key, [1; 32]).expect("its key");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).expect("a mode");
    }
    share(&shared_cache(), &place.home.join("cache"));
    place
}

/// Shares the code that was compiled in this home with later tests.
pub fn give_back(place: &HomePlace) {
    share(&place.home.join("cache"), &shared_cache());
}

/// Links the files that one cache has and the other lacks. The code of each component is linked last, since it says that the rest is there.
fn share(from: &Path, to: &Path) {
    let Ok(entries) = std::fs::read_dir(from) else { return };
    if home::make_folder(to).is_err() {
        return;
    }
    let mut files: Vec<_> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "cwasm" || extension == "mac"));
    files.sort();
    for file in files {
        let Some(to) = file.file_name().map(|name| to.join(name)) else { continue };
        // Files of an earlier compilation, or half of a pair that is just being written, can't be used.
        if to.starts_with(shared_cache()) || is_same(&file, &to) || std::fs::remove_file(&to).is_ok() || !to.exists() {
            // Another test may have shared it meanwhile.
            let _ = std::fs::hard_link(&file, to);
        }
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    let inode = |path: &Path| std::fs::metadata(path).map(|found| found.ino()).ok();
    inode(one) == inode(other)
}

impl Drop for TestHost {
    fn drop(&mut self) {
        give_back(self.house.place());
    }
}

impl Default for TestHost {
    fn default() -> Self {
        Self::new()
    }
}

impl TestHost {
    /// An empty home.
    ///
    /// # Panics
    /// If there is no space for it.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let house = LocalHost::open(&place(folder.path()), &options()).expect("the home is free");
        Self { house, folder }
    }

    /// An empty home without compiled components.
    ///
    /// # Panics
    /// If there is no space for it.
    pub fn without_cache() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = HomePlace { home: folder.path().join("home"), state: folder.path().join("state") };
        let house = LocalHost::open(&place, &options()).expect("the home is free");
        Self { house, folder }
    }

    /// The paths of the home and its second state.
    pub fn place(&self) -> HomePlace {
        self.house.place().clone()
    }

    /// An order for a guest, with nothing granted.
    ///
    /// # Panics
    /// If the guest can't be built or kept.
    pub fn order(&self, guest: &str, args: &[&str]) -> RunOrder {
        let wasm = std::fs::read(guests::guest(guest)).expect("the guest is there");
        self.order_of(guest, &wasm, args)
    }

    /// An order for these bytes of a component.
    ///
    /// # Panics
    /// If it can't be kept.
    pub fn order_of(&self, name: &str, wasm: &[u8], args: &[&str]) -> RunOrder {
        Self::order_in(&self.place(), name, wasm, args)
    }

    /// An order for a component, in a home that another process may hold.
    ///
    /// # Panics
    /// If it can't be kept.
    pub fn order_in(place: &HomePlace, name: &str, wasm: &[u8], args: &[&str]) -> RunOrder {
        let digest = package::store::put(&place.home, wasm).expect("it is kept");
        let is_agent = package::inspect(wasm).is_ok_and(|component| component.kind == package::ComponentKind::Agent);
        RunOrder {
            agent: AgentRef { digest, name: SafeText::new(name, 64), version: SafeText::new("0.0.0", 16) },
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            config: None,
            durable: false,
            grants: Grants::default(),
            input: if is_agent { "{}".to_owned() } else { String::new() },
            input_schema: None,
            is_agent,
            limits: Limits { memory_bytes: 128 << 20, ..Limits::default() },
            network: NetworkOrder::default(),
            policies: None,
        }
    }

    /// Starts a run.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(&self, order: RunOrder) -> Running {
        self.house.start(order, run::own_principal()).await.expect("the run starts")
    }

    /// Runs to the end.
    ///
    /// # Panics
    /// If it does not start, or ends without a report.
    pub async fn run(&self, order: RunOrder) -> RunReport {
        report(self.start(order).await).await
    }

    /// The records of a run, in order.
    ///
    /// # Panics
    /// If the record can't be read.
    pub fn records(&self, run: RunId) -> Vec<Record> {
        records(&self.place().home, run)
    }
}

/// The records of a run in the record of a home, in order.
///
/// # Panics
/// If the record can't be read.
pub fn records(home: &Path, run: RunId) -> Vec<Record> {
    let reader = journal::Reader::open(home).expect("the record opens");
    let records = reader.of_run(run).map(|record| record.expect("a record reads back"));
    records.map(|record| Record::parse(&record.body).expect("a record of a known kind")).collect()
}

/// Waits for the end of a run.
///
/// # Panics
/// If it ends without a report.
pub async fn report(mut running: Running) -> RunReport {
    loop {
        match running.events.next().await {
            Some(RunEvent::Closed { report }) => return *report,
            Some(RunEvent::Failed { message, .. }) => panic!("the run failed: {message}"),
            Some(_) => {}
            None => panic!("the run ended without a report"),
        }
    }
}

/// Grants a folder of the host for reading.
pub fn mount(order: &mut RunOrder, guest: &str, host: &Path) {
    order.grants.files.push(FilesGrant { guest: guest.to_owned(), host: host.to_owned(), mode: FilesMode::Read });
}

/// Grants requests to a loopback port, with the values of a configuration: `methods = ["GET"], paths = ["/**"]`.
///
/// # Panics
/// If a pattern is invalid.
pub fn loopback(grants: &mut Grants, port: u16, methods: &[&str], paths: &[&str]) {
    grants.http.push(HttpGrant {
        addresses: Vec::new(),
        credential: None,
        headers: Vec::new(),
        host: "127.0.0.1".parse().expect("a host"),
        methods: methods.iter().map(|method| vocabulary::Method::new(method).expect("a method")).collect(),
        paths: paths.iter().map(|path| path.parse().expect("a path")).collect(),
        port: Some(port),
        scheme: vocabulary::Scheme::Http,
        until: None,
        within: vocabulary::HttpBounds::default(),
    });
}

/// The output of a command.
pub fn printed(report: &RunReport) -> &str {
    report.claims.output.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default()
}
