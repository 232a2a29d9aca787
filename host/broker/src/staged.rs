//! Mounts that the guest may change: asks of them are answered from the run's own view.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use stage::{CommitError, Listed, NodeId, Overlay, OverlayBounds, Plan, Root, Seen, StageFault, StageHome, StateFolder, Target};
use vocabulary::{
    Change, CommitAsk, Digest, FileAnswer, FileAsk, FileFault, FileId, FileKind, FilesAnswer, FilesGrant, FilesMode, RunId, RunSpec, Stop,
};

use crate::mounts::{MountError, MountFault, Mounts};
use crate::not_observed::NotObserved;

/// BOUND: files, folders and links that one run may create, change, move or remove beneath one mount.
const CHANGES_MAX: u64 = 100_000;
/// BOUND: bytes that one run may write beneath one mount of mode `stage`.
const STAGE_BYTES_MAX: u64 = 1 << 30;
/// The bytes of a folder of an agent's own if the configuration has no `quota`.
const QUOTA_BYTES: u64 = 64 << 20;
/// BOUND: bytes of one read, whatever was asked for.
const READ_BYTES_MAX: u32 = 64 << 10;

/// One mount that the guest may change.
struct Staged {
    overlay: Overlay,
    blobs: Root,
    root: Root,
    folder: PathBuf,
    state: Option<State>,
    plan: Option<Plan>,
    /// The commit, if an earlier process has done it.
    done: Option<CommitAsk>,
}

/// A folder of the agent's own, and the version of it with which the run began.
struct State {
    folder: StateFolder,
    began: Digest,
}

/// The mounts of a run that its guest may change.
#[derive(Default)]
pub struct Stages {
    home: Option<(StageHome, RunId)>,
    all: BTreeMap<usize, Staged>,
}

/// What an ask of such a mount gives.
pub(crate) enum StagedAnswer {
    Opened { node: NodeId, kind: FileKind, write: bool, path: Option<String> },
    Stat(Seen),
    Other(FileAnswer),
}

/// An open file or folder of such a mount, and whether it was opened for writing.
#[derive(Clone, Copy)]
pub(crate) struct StagedThing {
    pub(crate) node: NodeId,
    pub(crate) write: bool,
}

impl Stages {
    /// The views of all mounts that the guest may change. Nothing is changed in them yet.
    ///
    /// # Errors
    /// The first mount of which no view can be made.
    pub fn open(spec: &RunSpec, mounts: &Mounts, (home, run): (&StageHome, RunId)) -> Result<Self, MountError> {
        let written = spec.grants.files.iter().enumerate().filter(|(_, grant)| grant.mode.is_written());
        let open = |(mount, grant): (usize, &FilesGrant)| {
            let staged = open_one(spec, (mount, grant), mounts, (home, run));
            let told = |cause: std::io::Error| MountError {
                guest: grant.guest.clone(),
                host: grant.host.clone(),
                cause: MountFault::System(cause),
            };
            Ok((mount, staged.map_err(told)?))
        };
        let all = written.map(open).collect::<Result<_, _>>()?;
        Ok(Self { home: Some((home.clone(), run)), all })
    }

    pub(crate) fn has(&self, mount: usize) -> bool {
        self.all.contains_key(&mount)
    }

    pub(crate) fn is_committed(&self, mount: usize) -> bool {
        self.all.get(&mount).is_some_and(|staged| staged.done.is_some())
    }

    /// Answers an ask. `thing` is what it is about, and `other` the second folder of a move.
    pub(crate) fn observe(
        &mut self,
        mount: usize,
        ask: &FileAsk,
        (thing, other): (StagedThing, Option<StagedThing>),
    ) -> Result<Result<StagedAnswer, NotObserved>, Stop> {
        let Some(staged) = self.all.get_mut(&mount) else { return Ok(Err(FileFault::Invalid.into())) };
        if let FileAsk::List { .. } = ask {
            return match staged.overlay.list(thing.node) {
                Ok(Listed::Names(entries, unreadable)) => Ok(Ok(StagedAnswer::Other(FileAnswer::List { entries, unreadable }))),
                Ok(Listed::TooMany) => Err(Stop::Limit(vocabulary::Limit::ListingEntries)),
                Err(fault) => Ok(Err(fault.into())),
            };
        }
        Ok(staged.answer(ask, (thing, other)).map_err(NotObserved::from))
    }

    pub(crate) fn close(&mut self, mount: usize, thing: StagedThing) {
        if let Some(staged) = self.all.get_mut(&mount) {
            staged.overlay.close(thing.node);
        }
    }

    /// One commit for each mount in which something is changed: folders of the agent's own come last, so that an agent remembers nothing of
    /// a run whose other changes were not taken.
    pub(crate) fn commits(&mut self, spec: &RunSpec) -> Result<Vec<CommitAsk>, (String, CommitError)> {
        let mut asks = Vec::new();
        for (mount, staged) in &mut self.all {
            let Some(grant) = spec.grants.files.get(*mount) else { continue };
            let planned = staged.planned((*mount, grant)).map_err(|err| (grant.guest.clone(), err))?;
            asks.extend(planned);
        }
        asks.sort_by_key(|ask| (ask.mode == FilesMode::State, ask.mount));
        Ok(asks)
    }

    /// Puts what was asked for into its folder. An earlier process may have done it.
    pub(crate) fn commit(&mut self, ask: &CommitAsk) -> Result<FilesAnswer, CommitError> {
        let changed = || CommitError::Conflict(ask.guest.clone());
        let (Some((home, run)), Some(staged)) = (&self.home, self.all.get_mut(&ask.mount)) else { return Err(changed()) };
        if staged.done.as_ref() == Some(ask) {
            return Ok(FilesAnswer { counts: ask.counts() });
        }
        // SECURITY: exactly what was decided about is done, and nothing else.
        let Some(plan) = staged.plan.take().filter(|plan| plan.ask == *ask) else { return Err(changed()) };
        let state = staged.state.as_ref();
        let target = Target {
            folder: &staged.folder,
            root: &staged.root,
            of: (*run, ask.mount),
            state: state.map(|state| (&state.folder, state.began)),
        };
        stage::apply(home, &target, &plan, &staged.blobs)
    }
}

fn open_one(
    spec: &RunSpec,
    (mount, grant): (usize, &FilesGrant),
    mounts: &Mounts,
    (home, run): (&StageHome, RunId),
) -> std::io::Result<Staged> {
    let blobs = home.blobs(run, mount)?;
    let listing = spec.limits.listing_entries;
    let done = stage::committed(home, run, mount);
    if grant.mode == FilesMode::State {
        let folder = home.state(spec.agent.name.as_str(), &state_key(spec, grant))?;
        let began = home.began(run, mount, folder.version()?)?;
        let bytes = grant.quota.unwrap_or(QUOTA_BYTES);
        let bounds = OverlayBounds { changes: CHANGES_MAX, bytes, listing };
        let (root, path) = (folder.root(), folder.path().to_owned());
        let overlay = Overlay::new(root.clone(), blobs.clone(), bounds, true)?;
        return Ok(Staged { overlay, blobs, root, folder: path, state: Some(State { folder, began }), plan: None, done });
    }
    let Some(dir) = mounts.get(mount) else { return Err(std::io::ErrorKind::NotFound.into()) };
    let root = Root::new(dir.try_clone()?.into_std_file().into());
    let bounds = OverlayBounds { changes: CHANGES_MAX, bytes: grant.quota.unwrap_or(STAGE_BYTES_MAX), listing };
    let overlay = Overlay::new(root.clone(), blobs.clone(), bounds, false)?;
    Ok(Staged { overlay, blobs, root, folder: grant.host.clone(), state: None, plan: None, done })
}

/// What tells an agent's folder from those of other agents: the folder of its configuration, its name, and the path of the mount.
///
/// SECURITY: two projects may have agents of the same name. Neither sees what the other keeps.
fn state_key(spec: &RunSpec, grant: &FilesGrant) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let mut hash = Sha256::new();
    for field in [grant.host.as_os_str().as_bytes(), spec.agent.name.as_str().as_bytes(), grant.guest.as_bytes()] {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    Digest::from_bytes(hash.finalize().into()).hex().chars().take(32).collect()
}

impl Staged {
    fn planned(&mut self, (mount, grant): (usize, &FilesGrant)) -> Result<Option<CommitAsk>, CommitError> {
        if let Some(done) = &self.done {
            return Ok(Some(done.clone()));
        }
        let mut plan = self.overlay.plan((mount, &grant.guest, grant.mode))?;
        if let (Some(plan), Some(state)) = (&mut plan, &self.state) {
            let after = self.overlay.version().map_err(|_| CommitError::Conflict(grant.guest.clone()))?;
            plan.ask.versions = Some((state.began, after));
        }
        self.plan = plan;
        Ok(self.plan.as_ref().map(|plan| plan.ask.clone()))
    }

    fn answer(&mut self, ask: &FileAsk, (thing, other): (StagedThing, Option<StagedThing>)) -> Result<StagedAnswer, StageFault> {
        let (overlay, node) = (&mut self.overlay, thing.node);
        Ok(match ask {
            FileAsk::Open(open) => {
                let (node, kind) = overlay.open(node, open.path.as_str(), (open.follow, open.directory))?;
                StagedAnswer::Opened { node, kind, write: false, path: overlay.path(node) }
            }
            FileAsk::Read { offset, len, .. } => {
                StagedAnswer::Other(FileAnswer::Bytes(overlay.read(node, *offset, (*len).min(READ_BYTES_MAX))?))
            }
            FileAsk::Stat { .. } => StagedAnswer::Stat(overlay.stat(node)?),
            FileAsk::StatAt { path, follow, .. } => StagedAnswer::Stat(overlay.stat_at(node, path.as_str(), *follow)?),
            FileAsk::ReadLink { path, .. } => StagedAnswer::Other(FileAnswer::Link(overlay.read_link(node, path.as_str())?)),
            FileAsk::Change { at_ns, path, what, .. } => {
                let path = path.as_ref().map_or("", |path| path.as_str());
                return change(overlay, (thing, other), (path, what, *at_ns));
            }
            // These were handled before.
            FileAsk::List { .. } | FileAsk::Close { .. } => return Err(FileFault::Invalid.into()),
        })
    }
}

fn change(
    overlay: &mut Overlay,
    (thing, other): (StagedThing, Option<StagedThing>),
    (path, what, at_ns): (&str, &Change, u64),
) -> Result<StagedAnswer, StageFault> {
    let node = thing.node;
    match what {
        Change::OpenAt(open) => {
            let (node, kind) = overlay.open_to_change(node, path, *open, at_ns)?;
            return Ok(StagedAnswer::Opened { node, kind, write: open.write, path: overlay.path(node) });
        }
        Change::Write { .. } | Change::SetSize(_) if !thing.write => return Err(FileFault::NotWritable.into()),
        Change::Write { at, bytes } => overlay.write(node, *at, bytes, at_ns)?,
        Change::SetSize(size) => overlay.resize(node, *size, at_ns)?,
        Change::SetTimes { modified_ns, .. } if path.is_empty() => overlay.set_times(node, *modified_ns)?,
        Change::SetTimes { follow, modified_ns } => overlay.set_times_at(node, path, *follow, *modified_ns)?,
        Change::CreateDirectoryAt => overlay.make_folder(node, path, at_ns)?,
        Change::SymlinkAt { target } => overlay.make_link(node, path, target, at_ns)?,
        Change::RemoveDirectoryAt => overlay.remove_folder(node, path, at_ns)?,
        Change::RenameAt { new, .. } => {
            // The other folder is of another mount, or is none.
            let other = other.ok_or(StageFault::Refused(vocabulary::Reason::LeavesMount))?;
            overlay.rename((node, path), (other.node, new.as_str()), at_ns)?;
        }
        Change::UnlinkFileAt => overlay.unlink(node, path, at_ns)?,
        // One file with two names can't be put into a folder name by name.
        Change::LinkAt { .. } => return Err(FileFault::Unsupported.into()),
    }
    Ok(StagedAnswer::Other(FileAnswer::Changed))
}

impl From<StageFault> for NotObserved {
    fn from(fault: StageFault) -> Self {
        match fault {
            StageFault::Refused(reason) => Self::Refused(reason),
            StageFault::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// The second folder of an ask, if it has one.
pub(crate) fn other_folder(ask: &FileAsk) -> Option<FileId> {
    match ask {
        FileAsk::Change { what: Change::RenameAt { to, .. } | Change::LinkAt { to, .. }, .. } => Some(*to),
        _ => None,
    }
}
