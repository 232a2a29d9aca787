//! Searches the history of a folder, from the `.git` in it: every version of every file that a ref leads to, each once.
//!
//! Commits are visited from the oldest to the newest, so that a finding names the commit that introduced it.
//! This code reads git's files itself and does not run git. It does not look for objects that no ref leads to.

mod delta;
mod inflate;
mod object;
mod pack;
mod refs;
mod store;

use crate::files::Scan;
use crate::glob::Globs;
use crate::output::History;
use crate::read::{Content, judged, small};
use crate::report::Source;
use bailiwick_sdk::{log, progress};
use object::{Broken, Commit, Entry, Id, Kind, entries, tagged};
use std::collections::{BTreeSet, BinaryHeap, HashSet};
use std::path::Path;
use std::rc::Rc;
use store::{OBJECT_BYTES_MAX, Object, Store};

/// BOUND: how many objects are visited; each costs about forty bytes of memory.
const OBJECTS_MAX: usize = 500_000;
/// BOUND: folders nested deeper than this count as broken.
const DEPTH_MAX: usize = 128;
/// BOUND: how long a chain of tags may be.
const TAGS_MAX: usize = 16;
/// BOUND: how many broken objects are named.
const BROKEN_NAMED_MAX: usize = 20;
/// BOUND: a longer path counts as broken, since a path with its prefix must be short enough to be reported.
const PATH_BYTES_MAX: usize = 2_048;
/// BOUND: how many bytes the paths of folders that are still to be visited may take.
const FOLDERS_BYTES_MAX: usize = 8 * 1024 * 1024;
/// BOUND: how many parents of commits that are still to be visited are kept.
const PARENTS_MAX: usize = 500_000;
/// How many commits lie between two progress messages.
const PROGRESS_EVERY: u64 = 64;

/// The bounds of a search of a history.
pub(crate) struct Bounds {
    pub(crate) commits: u32,
    pub(crate) unpacked_bytes: u64,
}

/// Searches the history of the folder that is scanned.
pub(crate) fn search(scan: &mut Scan<'_>, globs: &Globs, root: &Path, bounds: &Bounds) -> History {
    let git = root.join(".git");
    let mut history = History::default();
    if let Some(why) = unusable(&git) {
        note(&mut history, why);
        return history;
    }
    let store = Store::new(&git, bounds.unpacked_bytes, &mut |what| note(&mut history, what));
    let tips = refs::tips(&git, &mut |what| note(&mut history, what));
    let mut walk = Walk { store, seen: HashSet::new(), globs, history, stopped: false };
    let commits = walk.commits(tips, &refs::shallow(&git), bounds.commits);
    for commit in commits.iter().rev() {
        if !walk.commit(scan, commit) {
            break;
        }
    }
    walk.history.cut_short |= walk.stopped;
    walk.history.bytes = walk.store.unpacked();
    walk.history
}

fn unusable(git: &Path) -> Option<String> {
    if git.is_symlink() {
        return Some("`.git` is a link, and links are not followed".to_owned());
    }
    if git.is_file() {
        return Some("`.git` is a file that names another folder; only a history within the folder is searched".to_owned());
    }
    if !git.is_dir() {
        return Some("there is no `.git`".to_owned());
    }
    let config = small(&git.join("config"), 1024 * 1024).unwrap_or_default().to_ascii_lowercase();
    let sha256 = String::from_utf8_lossy(&config).lines().any(|line| line.contains("objectformat") && line.contains("sha256"));
    sha256.then(|| "the repository names objects by SHA-256, which is not supported".to_owned())
}

fn note(history: &mut History, what: String) {
    history.broken += 1;
    if history.broken_named.len() < BROKEN_NAMED_MAX {
        let what: String = what.chars().filter(|c| !c.is_control()).take(300).collect();
        log::warn!("in the history, {what}");
        history.broken_named.push(what);
    }
}

/// A commit to be visited.
struct Due {
    id: Id,
    tree: Id,
}

/// Commits that were found and not yet visited, the newest first: time, name, folder and parents.
#[derive(Default)]
struct Open {
    commits: BinaryHeap<(i64, Id, Id, Vec<Id>)>,
    parents: usize,
}

/// Folders to be visited, and how many bytes their paths take.
struct Folders {
    next: Vec<(String, Id, usize)>,
    path_bytes: usize,
}

impl Folders {
    fn push(&mut self, path: String, id: Id, depth: usize) {
        self.path_bytes += path.len();
        self.next.push((path, id, depth));
    }

    fn pop(&mut self) -> Option<(String, Id, usize)> {
        let next = self.next.pop();
        self.path_bytes -= next.as_ref().map_or(0, |(path, ..)| path.len());
        next
    }
}

struct Walk<'g> {
    store: Store,
    /// Every object that was found.
    seen: HashSet<Id>,
    globs: &'g Globs,
    history: History,
    /// A bound was reached: nothing further is visited.
    stopped: bool,
}

impl Walk<'_> {
    /// Whether an object is new. After the bound is reached, no object counts as new.
    fn is_new(&mut self, id: Id) -> bool {
        if self.seen.len() >= OBJECTS_MAX {
            self.stopped = true;
            return false;
        }
        self.seen.insert(id)
    }

    fn broken(&mut self, what: &str, id: &Id, why: &Broken) {
        match why {
            Broken::Spent => self.stopped = true,
            why => note(&mut self.history, format!("the {what} {id} {why}")),
        }
    }

    /// Commits from the newest to the oldest, by their own times. A parent always comes after its child.
    fn commits(&mut self, tips: BTreeSet<Id>, shallow: &BTreeSet<Id>, most: u32) -> Vec<Due> {
        let mut open = Open::default();
        for tip in tips {
            self.open(tip, &mut open);
        }
        let mut commits = Vec::new();
        while let Some((_, id, tree, parents)) = open.commits.pop() {
            open.parents -= parents.len();
            if commits.len() >= most as usize || open.parents > PARENTS_MAX {
                self.history.cut_short = true;
                break;
            }
            commits.push(Due { id, tree });
            if !shallow.contains(&id) {
                parents.into_iter().for_each(|parent| self.open(parent, &mut open));
            }
        }
        commits
    }

    /// Reads a commit, or the commit that a tag stands for, and adds it to the open ones.
    fn open(&mut self, tip: Id, open: &mut Open) {
        let mut id = tip;
        for _ in 0..TAGS_MAX {
            if !self.is_new(id) {
                return;
            }
            let next = match self.store.object(&id, OBJECT_BYTES_MAX) {
                Ok(Object { kind: Kind::Commit, content }) => match Commit::parse(&content) {
                    Some(commit) => {
                        open.parents += commit.parents.len();
                        return open.commits.push((commit.time, id, commit.tree, commit.parents));
                    }
                    None => return self.broken("commit", &id, &Broken::Corrupt("its header")),
                },
                Ok(Object { kind: Kind::Tag, content }) => tagged(&content),
                Ok(_) => None,
                Err(why) => return self.broken("commit", &id, &why),
            };
            match next {
                Some(next) => id = next,
                None => return self.broken("ref to", &id, &Broken::Corrupt("neither commit nor tag")),
            }
        }
    }

    /// Searches what a commit introduced; returns false if nothing further may be unpacked.
    fn commit(&mut self, scan: &mut Scan<'_>, commit: &Due) -> bool {
        let name = commit.id.to_string();
        self.history.commits += 1;
        if self.history.commits.is_multiple_of(PROGRESS_EVERY) {
            progress::update(self.history.commits, 0, "commits searched");
        }
        let mut folders = Folders { next: vec![(String::new(), commit.tree, 0)], path_bytes: 0 };
        while let Some((prefix, id, depth)) = folders.pop() {
            if !self.is_new(id) {
                continue;
            }
            match self.tree(&id) {
                Ok(tree) => self.folder(scan, &name, &tree, &prefix, depth, &mut folders),
                Err(why) => self.broken("folder", &id, &why),
            }
            if self.stopped {
                return false;
            }
        }
        true
    }

    fn tree(&mut self, id: &Id) -> Result<Rc<Vec<u8>>, Broken> {
        match self.store.object(id, OBJECT_BYTES_MAX)? {
            Object { kind: Kind::Tree, content } => Ok(content),
            _ => Err(Broken::Corrupt("not a folder")),
        }
    }

    fn folder(&mut self, scan: &mut Scan<'_>, commit: &str, tree: &[u8], prefix: &str, depth: usize, folders: &mut Folders) {
        for entry in entries(tree) {
            let Some((kind, name, id)) = entry else {
                return note(&mut self.history, format!("the folder `{prefix}` in {commit} can't be read to its end"));
            };
            let path = format!("{prefix}{}", String::from_utf8_lossy(name));
            if self.globs.matches(&path) || matches!(kind, Entry::Other) {
                continue;
            }
            if path.len() > PATH_BYTES_MAX || depth >= DEPTH_MAX {
                return note(&mut self.history, format!("a path in {commit} is too long, or nested too deeply"));
            }
            match kind {
                Entry::Folder if folders.path_bytes > FOLDERS_BYTES_MAX => {
                    return note(&mut self.history, format!("the folder `{prefix}` in {commit} holds too many others"));
                }
                Entry::Folder => folders.push(path + "/", id, depth + 1),
                Entry::File => self.file(scan, commit, &path, &id),
                Entry::Other => {}
            }
        }
    }

    fn file(&mut self, scan: &mut Scan<'_>, commit: &str, path: &str, id: &Id) {
        if self.stopped || !scan.takes(path) || !self.is_new(*id) {
            return;
        }
        let source = Source { root: scan.root, relative: path, commit: Some(commit) };
        let bytes_max = usize::try_from(scan.file_bytes_max).unwrap_or(OBJECT_BYTES_MAX).min(OBJECT_BYTES_MAX);
        let hits_of_path = match self.store.object(id, bytes_max) {
            Ok(Object { kind: Kind::Blob, content }) => match judged(&content) {
                None | Some(Content::Text { .. }) => {
                    self.history.blobs += 1;
                    scan.reporter.report(&source, &content, &scan.search.hits(&content, path, Some(commit)));
                    return;
                }
                Some(_) => scan.search.unread(path, Some(commit)),
            },
            Ok(_) => return self.broken("file", id, &Broken::Corrupt("not a file")),
            Err(Broken::TooLarge) => scan.search.unread(path, Some(commit)),
            Err(why) => return self.broken("file", id, &why),
        };
        self.history.skipped += 1;
        scan.reporter.report(&source, &[], &hits_of_path);
    }
}

#[cfg(test)]
mod tests;
