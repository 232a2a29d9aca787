//! Puts the changes of a run into the folder of a mount.
//!
//! 1. A note says that a commit is being prepared, and where. What is new is written into a folder of the commit's own beside the mount's
//!    other entries, and what is taken away is copied into the home.
//! 2. The folder is compared with what the run saw. Until here, nothing of it is changed.
//! 3. The steps are noted. From now on the commit is finished, also after a crash, or taken back as a whole.
//! 4. The steps are done, and the note says so.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vocabulary::{CommitAsk, Digest, FilesAnswer, RunId};

use crate::err::CommitError;
use crate::home_folder::{StageHome, StateFolder, remove_within};
use crate::overlay::{Blobs, RESERVED, copy};
use crate::plan::{Fresh, Holds, Plan, originals};
use crate::root::{MODE_MASK, Print, Root, join, print_of, split};
use crate::steps::Step;

/// What is noted about a commit.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Note {
    /// What was asked for.
    ask: CommitAsk,
    /// The path of the mount's folder.
    folder: PathBuf,
    /// What this folder looked like.
    is: Print,
    steps: Vec<Step>,
    /// The commit's own folder.
    work: String,
}

/// Where a commit goes.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// The path of the folder.
    pub folder: &'a Path,
    /// The folder.
    pub root: &'a Root,
    /// The run, and the number of the mount.
    pub of: (RunId, usize),
    /// For a folder of the agent's own: the version with which the run began.
    pub state: Option<(&'a StateFolder, Digest)>,
}

/// What a test does between two steps: `Err` stands for the end of the process.
pub(crate) type Between<'a> = &'a mut dyn FnMut(&str) -> Result<(), Killed>;

/// The process ended.
#[derive(Debug)]
pub(crate) struct Killed;

fn name(run: RunId, mount: usize, phase: &str) -> String {
    format!("{run}-{mount}.{phase}")
}

/// Puts the changes of a plan into the folder. `blobs` has what the guest wrote.
///
/// # Errors
/// Why nothing was changed.
pub fn apply(home: &StageHome, target: &Target<'_>, plan: &Plan, blobs: &Root) -> Result<FilesAnswer, CommitError> {
    match apply_with(home, target, plan, (blobs, &mut |_| Ok(()))) {
        Ok(applied) => applied,
        Err(Killed) => Err(CommitError::System { path: String::new(), cause: io::ErrorKind::Interrupted.into() }),
    }
}

pub(crate) fn apply_with(
    home: &StageHome,
    target: &Target<'_>,
    plan: &Plan,
    (blobs, between): (&Root, Between<'_>),
) -> Result<Result<FilesAnswer, CommitError>, Killed> {
    let told = |cause| CommitError::of(&target.folder.display().to_string(), cause);
    let held = match target.state.map(|(folder, began)| hold(folder, began)).transpose() {
        Ok(held) => held,
        Err(cause) => return Ok(Err(told(cause))),
    };
    let prepared = match prepare(home, target, plan, (blobs, between))? {
        Ok(prepared) => prepared,
        Err(err) => return Ok(Err(err)),
    };
    let counts = plan.ask.counts();
    let done = finish(home, target, &prepared, between)?;
    drop(held);
    Ok(done.map(|()| FilesAnswer { counts }))
}

/// Holds an agent's folder, if it is still as it was when the run began. Two runs of an agent may be under way at once, and only one of them
/// can continue what both began with.
fn hold(folder: &StateFolder, began: Digest) -> io::Result<std::fs::File> {
    let held = folder.held()?;
    if folder.version()? == began { Ok(held) } else { Err(rustix::io::Errno::STALE.into()) }
}

fn prepare(
    home: &StageHome,
    target: &Target<'_>,
    plan: &Plan,
    (blobs, between): (&Root, Between<'_>),
) -> Result<Result<Note, CommitError>, Killed> {
    let (run, mount) = target.of;
    let work = format!("{RESERVED}{run}-{mount}");
    let told = |cause| CommitError::of(&target.folder.display().to_string(), cause);
    let is = match target.root.find("") {
        Ok(Some(found)) => found.print,
        Ok(None) => return Ok(Err(told(io::ErrorKind::NotFound.into()))),
        Err(cause) => return Ok(Err(told(cause))),
    };
    let mut note = Note { ask: plan.ask.clone(), folder: target.folder.to_owned(), is, steps: Vec::new(), work };
    let (preparing, noted) = (name(run, mount, "preparing"), name(run, mount, "noted"));
    if let Err(cause) = StageHome::make(&home.commits()).and_then(|()| write(home, &preparing, &note)) {
        return Ok(Err(told(cause)));
    }
    between("preparing")?;
    let ready = match fill(home, target, plan, (blobs, &note.work), between)? {
        Ok(steps) => {
            note.steps = steps;
            match write(home, &noted, &note) {
                Ok(()) => Ok(note.clone()),
                Err(cause) => Err(told(cause)),
            }
        }
        Err(err) => Err(err),
    };
    if ready.is_err() {
        // What can't be removed now is removed when the home is opened next.
        let _ = remove_within(target.root, &note.work).and_then(|()| remove(home, &noted));
        let _ = remove(home, &preparing);
        return Ok(ready);
    }
    between("noted")?;
    let removed = remove(home, &preparing);
    Ok(removed.map_err(told).and(ready))
}

/// Writes everything new into the commit's own folder, copies what is taken away, and compares the folder with what the run saw.
fn fill(
    home: &StageHome,
    target: &Target<'_>,
    plan: &Plan,
    (blobs, work): (&Root, &str),
    between: Between<'_>,
) -> Result<Result<Vec<Step>, CommitError>, Killed> {
    let made = target.root.make_folder(work, 0o700).map_err(|cause| CommitError::of(work, cause));
    if let Err(err) = made {
        return Ok(Err(err));
    }
    between("made")?;
    let mut inodes = HashMap::new();
    for fresh in &plan.fresh {
        match make(target.root, work, (fresh, blobs)) {
            Ok(inode) => drop(inodes.insert(fresh.name.clone(), inode)),
            Err(cause) => return Ok(Err(CommitError::of(&join(work, &fresh.name), cause))),
        }
        between("fresh")?;
    }
    // One call for all of them: there may be many.
    if let Err(cause) = target.root.sync_all() {
        return Ok(Err(CommitError::of(work, cause)));
    }
    let steps: Vec<Step> = plan.steps.iter().map(|step| with_inode(step, &inodes)).collect();
    let originals = keep_originals(home, target, &steps);
    if let Err(err) = originals {
        return Ok(Err(err));
    }
    between("kept")?;
    let is_taken = |step: &&Step| matches!(step, Step::Aside { .. } | Step::RemoveFolder { .. });
    let gone: HashSet<&str> = steps.iter().filter(is_taken).map(Step::path).collect();
    let placed: HashSet<&str> = steps.iter().filter(|step| matches!(step, Step::Place { .. })).map(Step::path).collect();
    let checked = steps.iter().try_for_each(|step| match step {
        // Its file comes to its place by an earlier step.
        Step::Times { path, .. } if placed.contains(path.as_str()) => Ok(()),
        step => step.check(target.root, |path| gone.contains(path)),
    });
    if let Err(err) = checked {
        return Ok(Err(err.into()));
    }
    let synced = target.root.sync(work).map_err(|cause| CommitError::of(work, cause));
    Ok(synced.map(|()| steps))
}

/// Makes something new in the commit's own folder, and returns its inode.
fn make(root: &Root, work: &str, (fresh, blobs): (&Fresh, &Root)) -> io::Result<u64> {
    let path = join(work, &fresh.name);
    match &fresh.holds {
        Holds::Target(target) => root.make_link(&path, target)?,
        Holds::Blob { number, len } => {
            let to = root.create(&path, 0o600)?;
            copy(&blobs.open_own(&Blobs::name(*number))?, &to, *len)?;
            let now = print_of(&to)?;
            if let Some((owner, group)) = fresh.owner.filter(|owner| *owner != (now.owner, now.group)) {
                // A file that belongs to somebody else stays that person's, or is not changed.
                std::os::unix::fs::fchown(&to, Some(owner), Some(group))?;
            }
            rustix::fs::fchmod(&to, rustix::fs::Mode::from_raw_mode(fresh.mode & MODE_MASK))?;
            if let Some((tv_sec, tv_nsec)) = fresh.modified {
                root.set_modified(&path, rustix::fs::Timespec { tv_sec, tv_nsec })?;
            }
        }
    }
    Ok(root.find(&path)?.ok_or(io::ErrorKind::NotFound)?.print.inode)
}

fn with_inode(step: &Step, inodes: &HashMap<String, u64>) -> Step {
    let mut step = step.clone();
    if let Step::Place { name, inode: of, .. } | Step::Swap { name, inode: of, .. } = &mut step
        && let Some(inode) = inodes.get(name)
    {
        *of = *inode;
    }
    step
}

/// Copies the files that the commit takes away into the home, so that they can be put back.
fn keep_originals(home: &StageHome, target: &Target<'_>, steps: &[Step]) -> Result<(), CommitError> {
    let (run, mount) = target.of;
    let placed: HashSet<u64> =
        steps.iter().filter_map(|step| if let Step::Place { inode, .. } = step { Some(*inode) } else { None }).collect();
    // What is only moved is still there afterwards.
    let taken: Vec<_> = originals(steps).filter(|(_, _, print)| !placed.contains(&print.inode)).collect();
    if taken.is_empty() {
        return Ok(());
    }
    let path = home.original(run, mount);
    let told = |cause| CommitError::of(&path.display().to_string(), cause);
    StageHome::make(&path).map_err(told)?;
    let to = Root::at(&path).map_err(told)?;
    for (name, from, print) in taken {
        let kept = match target.root.find(from) {
            Ok(Some(found)) if found.kind == vocabulary::FileKind::File => keep(target.root, (from, print), (&to, name)),
            Ok(_) => Ok(()),
            Err(cause) => Err(cause),
        };
        kept.map_err(|cause| CommitError::of(from, cause))?;
    }
    // Without it, nobody would know which file is which.
    let names: std::collections::BTreeMap<&String, &String> = originals(steps).map(|(name, path, _)| (name, path)).collect();
    let manifest = serde_json::to_vec(&names).map_err(|err| told(err.into()))?;
    home::replace(&path.join("names.json"), &manifest, home::PRIVATE).map_err(told)?;
    to.sync_all().map_err(told)
}

fn keep(root: &Root, (from, print): (&str, &Print), (to, name): (&Root, &str)) -> io::Result<()> {
    // A commit that was cut off while it was prepared has left a part.
    if to.find(name)?.is_some() {
        to.remove_file(name)?;
    }
    let file = to.create(name, 0o600)?;
    copy(&root.open(from, print)?, &file, print.size).map(drop)
}

/// Does the steps. If one can't be done, all are taken back.
fn finish(home: &StageHome, target: &Target<'_>, note: &Note, between: Between<'_>) -> Result<Result<(), CommitError>, Killed> {
    let (run, mount) = target.of;
    let mut failed = None;
    for step in &note.steps {
        if let Err(err) = step.redo(target.root, &note.work) {
            failed = Some(err);
            break;
        }
        between("step")?;
    }
    if let Some(err) = failed {
        return Ok(Err(take_back(home, target, note, err.into())));
    }
    if let Err(err) = sync(target.root, note) {
        return Ok(Err(take_back(home, target, note, err)));
    }
    between("stepped")?;
    let (noted, done) = (name(run, mount, "noted"), name(run, mount, "done"));
    let renamed = Root::at(&home.commits()).and_then(|commits| commits.rename(&noted, &done).and_then(|()| commits.sync("")));
    if let Err(cause) = renamed {
        return Ok(Err(CommitError::of(&home.commits().display().to_string(), cause)));
    }
    between("done")?;
    // What can't be removed now is removed when the home is opened next.
    let _ = remove_within(target.root, &note.work);
    Ok(Ok(()))
}

fn take_back(home: &StageHome, target: &Target<'_>, note: &Note, why: CommitError) -> CommitError {
    let (run, mount) = target.of;
    for step in note.steps.iter().rev() {
        if let Err(err) = step.undo(target.root, &note.work) {
            return CommitError::Stuck { why: err.to_string(), work: note.work.clone() };
        }
    }
    let _ = sync(target.root, note);
    let _ = remove_within(target.root, &note.work);
    let _ = remove(home, &name(run, mount, "noted"));
    why
}

/// Makes the names durable in every folder that a step has changed.
fn sync(root: &Root, note: &Note) -> Result<(), CommitError> {
    let folders: BTreeSet<&str> = note.steps.iter().map(|step| split(step.path()).0).chain([note.work.as_str()]).collect();
    for folder in folders {
        match root.sync(folder) {
            Err(err) if err.kind() == io::ErrorKind::NotFound => {}
            synced => synced.map_err(|cause| CommitError::System { path: folder.to_owned(), cause })?,
        }
    }
    Ok(())
}

fn write(home: &StageHome, name: &str, note: &Note) -> io::Result<()> {
    let bytes = serde_json::to_vec(note).map_err(io::Error::from)?;
    home::replace(&home.commits().join(name), &bytes, home::PRIVATE)
}

fn remove(home: &StageHome, name: &str) -> io::Result<()> {
    let commits = Root::at(&home.commits())?;
    if commits.find(name)?.is_some() {
        commits.remove_file(name)?;
        commits.sync("")?;
    }
    Ok(())
}

fn read(commits: &Root, name: &str) -> io::Result<Option<Note>> {
    let Some(found) = commits.find(name)? else { return Ok(None) };
    let file = commits.open(name, &found.print)?;
    serde_json::from_reader(io::BufReader::new(file)).map(Some).map_err(io::Error::from)
}

/// The commit of a mount that is done, although nothing may be on the record of it.
pub fn committed(home: &StageHome, run: RunId, mount: usize) -> Option<CommitAsk> {
    let commits = Root::at(&home.commits()).ok()?;
    Some(read(&commits, &name(run, mount, "done")).ok()??.ask)
}

/// Finishes or takes back every commit that was cut off. Returns what could not be done, in words.
pub fn recover(home: &StageHome) -> Vec<String> {
    let Ok(commits) = Root::at(&home.commits()) else { return Vec::new() };
    let names = commits.names("").unwrap_or_default();
    let mut names: Vec<String> = names.into_iter().flatten().collect();
    names.sort_unstable();
    let recovered = |name: &String| recover_one(home, &commits, name).err().map(|why| format!("the commit {name}: {why}"));
    names.iter().filter_map(recovered).collect()
}

fn recover_one(home: &StageHome, commits: &Root, name: &str) -> Result<(), CommitError> {
    let Some((of, phase)) = parsed(name) else { return Ok(()) };
    let told = |cause| CommitError::of(name, cause);
    let Some(note) = read(commits, name).map_err(told)? else { return Ok(()) };
    let root = Root::at(&note.folder).map_err(|cause| CommitError::of(&note.folder.display().to_string(), cause))?;
    // SECURITY: another folder may be at this path by now. It is not the one that the commit was for.
    if !root.find("").map_err(told)?.is_some_and(|now| now.print.is_same_object(&note.is)) {
        return Err(CommitError::Conflict(note.folder.display().to_string()));
    }
    let target = Target { folder: &note.folder, root: &root, of, state: None };
    match phase {
        Phase::Done => remove_within(&root, &note.work).map_err(told),
        Phase::Noted => match finish(home, &target, &note, &mut |_| Ok(())) {
            Ok(Ok(())) => remove(home, &self::name(of.0, of.1, "preparing")).map_err(told),
            Ok(Err(err @ CommitError::Stuck { .. })) => Err(err),
            // It was taken back.
            Ok(Err(_)) | Err(Killed) => remove(home, &self::name(of.0, of.1, "preparing")).map_err(told),
        },
        // If it was noted after all, that is done instead.
        Phase::Preparing if commits.find(&self::name(of.0, of.1, "noted")).map_err(told)?.is_some() => Ok(()),
        Phase::Preparing if commits.find(&self::name(of.0, of.1, "done")).map_err(told)?.is_some() => remove(home, name).map_err(told),
        Phase::Preparing => remove_within(&root, &note.work).and_then(|()| remove(home, name)).map_err(told),
    }
}

enum Phase {
    Preparing,
    Noted,
    Done,
}

fn parsed(name: &str) -> Option<((RunId, usize), Phase)> {
    let (of, phase) = name.split_once('.')?;
    let (run, mount) = of.split_once('-')?;
    let phase = match phase {
        "preparing" => Phase::Preparing,
        "noted" => Phase::Noted,
        "done" => Phase::Done,
        _ => return None,
    };
    Some(((run.parse().ok()?, mount.parse().ok()?), phase))
}

#[cfg(test)]
mod tests;
