//! Contained builds: runs a build tool in a process that reaches only what the tool needs.
//!
//! A build runs the code of the agent's author: build scripts, procedural macros, imported modules. Two processes of this program stand
//! between it and the operator. The keeper is the first process of a new session. When its parent goes away, it ends everything in that
//! session. The worker gives up all its rights (`calls`, Landlock, limits, capabilities) and then becomes the tool.
//!
//! INVARIANT: the tool does not run before every restriction holds. If a restriction can't be applied, the tool is not run. The one
//! exception is a kernel without Landlock: there [`landlock`] returns `None`, and the caller reports it.

use std::io::{self, Read as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit, Signal, kill_current_process_group, setrlimit, setsid};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use vocabulary::{BuildLimits, ContainedBuild};

mod calls;

/// The Landlock version whose rights are requested. An older kernel applies the rights that it knows.
const ABI_MAX: ABI = ABI::V6;
/// System files without which no tool starts. Of `/etc`, these are only files that the program loader reads. Of `/proc`, they are only
/// files about the size of the machine, because other files there have the environments of other processes.
const SYSTEM: &[&str] = &[
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/gnu/store",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/sys/devices/system/cpu",
];
/// The device to which any process may write, and which keeps nothing.
const SINK: &str = "/dev/null";

/// Why a tool was not started.
#[derive(Debug, thiserror::Error)]
pub enum ContainedBuildError {
    /// The order to start a tool is not understood.
    #[error("the order for the tool can't be read")]
    Order(#[source] serde_json::Error),
    /// A process could not be started or waited for.
    #[error("the tool could not be started")]
    Process(#[source] io::Error),
    /// A restriction could not be applied.
    #[error("the tool can't be contained: {what}")]
    Open {
        /// Which restriction does not hold.
        what: &'static str,
        /// What the system said.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The kernel has Landlock, and did not apply it.
    #[error("the tool can't be contained: this kernel has Landlock and did not apply it")]
    NotApplied,
}

fn open<E: Into<Box<dyn std::error::Error + Send + Sync>>>(what: &'static str) -> impl FnOnce(E) -> ContainedBuildError {
    move |cause| ContainedBuildError::Open { what, cause: cause.into() }
}

/// The version of Landlock that contains builds. `None` if this kernel has none: then a build can read and write what its user can.
pub fn landlock() -> Option<u8> {
    let files = |abi| ruleset().handle_access(AccessFs::from_all(abi));
    type Made<'a> = &'a dyn Fn() -> Result<Ruleset, RulesetError>;
    let has: [(u8, Made<'_>); 6] = [
        (6, &|| ruleset().scope(Scope::from_all(ABI::V6))),
        (5, &|| files(ABI::V5)),
        (4, &|| ruleset().handle_access(AccessNet::from_all(ABI::V4))),
        (3, &|| files(ABI::V3)),
        (2, &|| files(ABI::V2)),
        (1, &|| files(ABI::V1)),
    ];
    has.iter().find(|(_, made)| made().and_then(Ruleset::create).is_ok()).map(|(version, _)| *version)
}

/// A ruleset that fails if the kernel does not have what it asks for.
fn ruleset() -> Ruleset {
    Ruleset::default().set_compatibility(CompatLevel::HardRequirement)
}

/// The whole work of the keeper. It makes a new session, starts `verb` of this program with the same order in it, and returns the exit code
/// of that process. Its parent holds the other end of its standard input. When that closes, the keeper ends the session.
///
/// # Errors
/// A process that can't be started.
#[expect(clippy::disallowed_methods, reason = "door: the tools that build an agent")]
pub fn keep_contained_build(verb: &str, order: &str) -> Result<u8, ContainedBuildError> {
    setsid().map_err(io::Error::from).map_err(ContainedBuildError::Process)?;
    let mut worker =
        Command::new("/proc/self/exe").args([verb, order]).stdin(Stdio::null()).spawn().map_err(ContainedBuildError::Process)?;
    std::thread::spawn(|| {
        let _ = io::stdin().lock().read_to_end(&mut Vec::new());
        let _ = kill_current_process_group(Signal::KILL);
    });
    let status = worker.wait().map_err(ContainedBuildError::Process)?;
    // A signal is reported as a shell reports it, because a process can't end with the signal of another process.
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}

/// The whole work of the worker: it restricts itself and becomes the tool. It returns only if that failed.
pub fn work(order: &str) -> ContainedBuildError {
    let contained_build: ContainedBuild = match serde_json::from_str(order) {
        Ok(contained_build) => contained_build,
        Err(err) => return ContainedBuildError::Order(err),
    };
    match contain(&contained_build) {
        Err(err) => err,
        Ok(()) => ContainedBuildError::Process(Command::new(&contained_build.program).args(&contained_build.arguments).exec()),
    }
}

fn contain(contained_build: &ContainedBuild) -> Result<(), ContainedBuildError> {
    limit(&contained_build.limits)?;
    // SECURITY: a process of root keeps its user id, but loses the rights that come with it.
    let none = CapabilitySets { effective: CapabilitySet::empty(), permitted: CapabilitySet::empty(), inheritable: CapabilitySet::empty() };
    set_capabilities(None, none).map_err(open("capabilities are not given up"))?;
    restrict_files(contained_build)?;
    calls::deny().map_err(open("system calls are not restricted"))
}

fn limit(limits: &BuildLimits) -> Result<(), ContainedBuildError> {
    let BuildLimits { cpu_s, memory_bytes, file_bytes, processes } = *limits;
    for (what, most) in [
        (Resource::Cpu, cpu_s),
        (Resource::Data, memory_bytes),
        (Resource::Fsize, file_bytes),
        (Resource::Nproc, processes),
        (Resource::Core, 0),
    ] {
        // A limit that is already lower stays.
        let most = rustix::process::getrlimit(what).maximum.map_or(most, |maximum| maximum.min(most));
        setrlimit(what, Rlimit { current: Some(most), maximum: Some(most) }).map_err(open("limits are not set"))?;
    }
    Ok(())
}

/// Applies Landlock: only what is listed can be read, started or changed. No port, no abstract socket and no process outside can be
/// reached.
fn restrict_files(contained_build: &ContainedBuild) -> Result<(), ContainedBuildError> {
    let readable = AccessFs::from_read(ABI_MAX);
    let system = SYSTEM.iter().map(Path::new);
    let read = contained_build.read.iter().map(|path| path.as_path()).chain(system);
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI_MAX))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(ABI_MAX)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(ABI_MAX)))
        .and_then(|ruleset| ruleset.create())
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(read, readable)))
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules(&contained_build.write, AccessFs::from_all(ABI_MAX))))
        .and_then(|ruleset| ruleset.add_rules(path_beneath_rules([SINK], AccessFs::ReadFile | AccessFs::WriteFile)))
        .and_then(|ruleset| ruleset.restrict_self())
        .map_err(open("Landlock"))?;
    if ruleset.ruleset == RulesetStatus::NotEnforced && landlock().is_some() { Err(ContainedBuildError::NotApplied) } else { Ok(()) }
}
