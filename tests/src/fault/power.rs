//! A loss of power: what a disk may contain after a part of a program's steps.
//!
//! Everything that was synced is there. Of the rest, bytes and names alike, there may be nothing, everything, the first part, or any
//! part, in sectors of 512 bytes. The dice decide whether syncing a file also keeps its name: file systems do that, but POSIX does not
//! promise it.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::steps::{Node, Step, Steps};
use crate::dice::Dice;

/// How many bytes a disk writes at once.
const SECTOR: usize = 512;

/// What happens to data that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Lost,
    Kept,
    /// The steps before this one are kept.
    Before(usize),
    Any,
}

impl Fate {
    fn of(dice: &Dice, steps: usize) -> Self {
        match dice.roll(4) {
            0 => Self::Lost,
            1 => Self::Kept,
            2 => Self::Before(usize::try_from(dice.roll(steps as u64 + 1)).unwrap_or(0)),
            _ => Self::Any,
        }
    }

    fn keeps(self, step: usize, dice: &Dice) -> bool {
        match self {
            Self::Lost => false,
            Self::Kept => true,
            Self::Before(last) => step < last,
            Self::Any => dice.roll(2) == 0,
        }
    }
}

/// Up to which step each node was synced when the power failed.
fn synced(steps: &[Step]) -> HashMap<Node, usize> {
    let mut synced: HashMap<Node, usize> = HashMap::new();
    for step in steps {
        if let Step::Synced { node, since } = step {
            let known = synced.entry(*node).or_default();
            *known = (*known).max(*since);
        }
    }
    synced
}

/// The names that exist on the disk.
fn names(recorded: &Steps, until: usize, synced: &HashMap<Node, usize>, dice: &Dice) -> BTreeMap<PathBuf, Node> {
    let fate = Fate::of(dice, until);
    let file_keeps_name = dice.roll(2) == 0;
    let mut names: BTreeMap<PathBuf, Node> = recorded.names.iter().map(|(path, node)| (path.clone(), *node)).collect();
    // Folders by the names under which the program sees them.
    let mut seen = names.clone();
    for (at, step) in recorded.steps.iter().take(until).enumerate() {
        let is_synced = |path: &Path, seen: &BTreeMap<PathBuf, Node>| {
            let folder = path.parent().and_then(|folder| seen.get(folder));
            folder.and_then(|folder| synced.get(folder)).is_some_and(|since| at < *since)
        };
        match step {
            Step::Named { path, node, instead } => {
                let by_itself = file_keeps_name && synced.get(node).is_some_and(|since| at < *since);
                let holds = is_synced(path, &seen) && instead.as_ref().is_none_or(|from| is_synced(from, &seen)) || by_itself;
                seen.insert(path.clone(), *node);
                if let Some(from) = instead {
                    seen.remove(from);
                }
                if holds || fate.keeps(at, dice) {
                    names.insert(path.clone(), *node);
                    if let Some(from) = instead {
                        names.remove(from);
                    }
                }
            }
            Step::Unnamed(path) => {
                let holds = is_synced(path, &seen);
                seen.remove(path);
                if holds || fate.keeps(at, dice) {
                    names.remove(path);
                }
            }
            _ => {}
        }
    }
    names
}

/// Makes the folders as a disk may have them when the power fails after `until` steps. `kept` has the bytes from before the first step: for
/// each path beneath `folder`, the same path beneath `kept`.
///
/// # Panics
/// If there is no space for it.
pub fn make_disk(recorded: &Steps, until: usize, folder: &Path, kept: &Path, dice: &Dice) {
    let steps = recorded.steps.get(..until).unwrap_or_default();
    let synced = synced(steps);
    let names = names(recorded, until, &synced, dice);
    let fate = Fate::of(dice, until);
    // A folder comes before its entries.
    for (path, node) in &names {
        let Some(kind) = recorded.nodes.get(node) else { continue };
        if !path.parent().is_some_and(Path::is_dir) {
            continue;
        }
        // The outermost folder exists already.
        if path == folder {
            continue;
        }
        if kind.is_folder {
            let _ = fs::create_dir(path);
        } else {
            let before = kind.path.as_ref().and_then(|path| path.strip_prefix(folder).ok()).map(|path| kept.join(path));
            begin(before.as_deref(), path);
            let file = File::options().write(true).read(true).open(path).expect("it was made");
            let since = synced.get(node).copied().unwrap_or(0);
            for (at, step) in steps.iter().enumerate() {
                change(&file, *node, step, at < since, at, fate, dice);
            }
        }
        fs::set_permissions(path, fs::Permissions::from_mode(kind.mode)).expect("a mode");
    }
}

fn begin(before: Option<&Path>, path: &Path) {
    match before {
        Some(before) => {
            let status = Command::new("cp").args(["-a", "--"]).arg(before).arg(path).status().expect("it starts");
            assert!(status.success(), "`{}` can be copied", before.display());
        }
        None => drop(File::create(path).expect("it can be made")),
    }
}

fn change(file: &File, of: Node, step: &Step, is_synced: bool, at: usize, fate: Fate, dice: &Dice) {
    let length = || file.metadata().map_or(0, |found| found.len());
    match step {
        Step::Wrote { node, at: from, bytes } if *node == of => {
            if is_synced {
                file.write_all_at(bytes, *from).expect("room");
                return;
            }
            let end = from + bytes.len() as u64;
            let mut place = *from;
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                // To the end of the sector in which it begins.
                let room = SECTOR - usize::try_from(place % SECTOR as u64).unwrap_or(0);
                let (sector, after) = rest.split_at(room.min(rest.len()));
                if fate.keeps(at, dice) {
                    file.write_all_at(sector, place).expect("room");
                }
                place += sector.len() as u64;
                rest = after;
            }
            // The new length may be on the disk, but not the bytes.
            if fate == Fate::Any && length() < end && dice.roll(2) == 0 {
                file.set_len(end).expect("room");
            }
        }
        Step::Sized { node, length: to, at_least }
            if *node == of && (is_synced || fate.keeps(at, dice)) && !(*at_least && length() >= *to) =>
        {
            file.set_len(*to).expect("room");
        }
        _ => {}
    }
}

/// The standard output and error from before the power failed, and the requests that were on their way to the server.
#[must_use]
pub fn known(recorded: &Steps, until: usize) -> (String, String, Vec<String>) {
    let (mut out, mut err, mut sent) = (String::new(), String::new(), Vec::new());
    for step in recorded.steps.iter().take(until) {
        match step {
            Step::Told(false, text) => out.push_str(text),
            Step::Told(true, text) => err.push_str(text),
            Step::Sent(line) => sent.push(line.clone()),
            _ => {}
        }
    }
    (out, err, sent)
}
