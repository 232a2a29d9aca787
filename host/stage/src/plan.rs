//! Compares the view of a run with the folder of the mount: what is different, and by which steps the folder becomes the same.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use vocabulary::{CommitAsk, Digest, FileDiff, FileKind, FileSide};

use crate::err::CommitError;
use crate::overlay::{Base, Content, Node, NodeId, Overlay, PATH_BYTES_MAX, digest_of, stays_within};
use crate::root::{MODE_MASK, Print, split, timespec};
use crate::steps::Step;
use crate::text::Texts;

/// The mode of a file that a guest makes.
const FILE_MODE: u32 = 0o644;
/// The mode of a folder that a guest makes.
const FOLDER_MODE: u32 = 0o755;

/// Something that is made in the commit's own folder before the first step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fresh {
    /// Its name there.
    pub(crate) name: String,
    pub(crate) holds: Holds,
    pub(crate) mode: u32,
    /// The owner and group that it takes over from the file that it replaces.
    pub(crate) owner: Option<(u32, u32)>,
    pub(crate) modified: Option<(i64, i64)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Holds {
    /// What the guest wrote.
    Blob { number: u64, len: u64 },
    /// A link.
    Target(String),
}

/// How a folder becomes what the view shows.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What is different.
    pub ask: CommitAsk,
    pub(crate) fresh: Vec<Fresh>,
    pub(crate) steps: Vec<Step>,
}

/// What is collected while the view is walked.
struct Planning<'a> {
    overlay: &'a Overlay,
    changes: Vec<FileDiff>,
    fresh: Vec<Fresh>,
    aside: Vec<Step>,
    make: Vec<Step>,
    place: Vec<Step>,
    /// Paths of hidden objects that are moved, or are exchanged with a new file.
    used: BTreeSet<String>,
    texts: Texts,
    next: u64,
}

impl Overlay {
    /// The difference between the view and the folder; `None` if there is none.
    ///
    /// # Errors
    /// The folder was changed by somebody else, the disk failed, or a link would lead out of the mount.
    pub fn plan(&self, (mount, guest, mode): (usize, &str, vocabulary::FilesMode)) -> Result<Option<Plan>, CommitError> {
        if let Some(path) = &self.conflict {
            return Err(CommitError::Conflict(path.clone()));
        }
        let mut planning = Planning {
            overlay: self,
            changes: Vec::new(),
            fresh: Vec::new(),
            aside: Vec::new(),
            make: Vec::new(),
            place: Vec::new(),
            used: BTreeSet::new(),
            texts: Texts::default(),
            next: 0,
        };
        let mut all = BTreeMap::new();
        planning.walk(Self::ROOT, String::new(), &mut all);
        // Everything that moves is known before anything that takes its place.
        for node in all.values().filter_map(|id| self.nodes.get(id)) {
            planning.note_moved(node);
        }
        for (path, id) in &all {
            if let Some(node) = self.nodes.get(id) {
                planning.node(path, node)?;
            }
        }
        planning.removed(&all)?;
        let Planning { mut changes, fresh, aside, make, place, texts, .. } = planning;
        changes.sort_by(|one, other| one.path.cmp(&other.path));
        let steps: Vec<Step> = aside.into_iter().chain(make).chain(place).collect();
        if steps.is_empty() {
            return Ok(None);
        }
        let ask = CommitAsk { changes, guest: guest.to_owned(), mode, mount, text: texts.finish(), versions: None };
        Ok(Some(Plan { ask, fresh, steps }))
    }
}

impl Planning<'_> {
    fn walk(&self, id: NodeId, path: String, all: &mut BTreeMap<String, NodeId>) {
        let Some(node) = self.overlay.nodes.get(&id) else { return };
        for (name, entry) in &node.entries {
            if let Some(child) = entry.node {
                let path = crate::root::join(&path, name);
                all.insert(path.clone(), child);
                self.walk(child, path, all);
            }
        }
    }

    /// The object of the folder that this is, if it was taken away from its place.
    fn moved_from<'n>(&self, node: &'n Node) -> Option<&'n Base> {
        let base = node.base.as_ref()?;
        (node.content == Content::Base && self.overlay.hidden.contains_key(&base.path)).then_some(base)
    }

    fn note_moved(&mut self, node: &Node) {
        if let Some(base) = self.moved_from(node) {
            self.used.insert(base.path.clone());
        }
    }

    fn name(&mut self) -> String {
        self.next += 1;
        self.next.to_string()
    }

    /// What was at a path before, if it is not somewhere else now.
    fn before(&self, path: &str, node: &Node) -> Option<Base> {
        let in_place = node.base.as_ref().filter(|base| base.path == path && !self.overlay.hidden.contains_key(path));
        in_place.or_else(|| self.overlay.hidden.get(path).filter(|_| !self.used.contains(path))).cloned()
    }

    fn side(&self, base: &Base) -> Result<FileSide, CommitError> {
        let digest = match (base.found.kind, base.digest) {
            (FileKind::File, None) => Some(self.digest(base)?),
            (_, digest) => digest,
        };
        Ok(FileSide {
            digest,
            kind: base.found.kind,
            mode: base.found.print.mode,
            size: base.found.print.size,
            target: base.found.target.clone(),
        })
    }

    fn digest(&self, base: &Base) -> Result<Digest, CommitError> {
        let failed = |cause| CommitError::of(&base.path, cause);
        let file = self.overlay.root.open(&base.path, &base.found.print).map_err(failed)?;
        digest_of(&file).map_err(failed)
    }

    fn node(&mut self, path: &str, node: &Node) -> Result<(), CommitError> {
        if path.len() > PATH_BYTES_MAX {
            return Err(CommitError::TooLong(path.to_owned()));
        }
        match (&node.content, self.moved_from(node)) {
            (Content::Folder, _) => self.folder(path, node),
            (Content::Blob { number, len }, _) => self.file(path, node, (*number, *len)),
            (Content::Target(target), _) => self.link(path, node, target),
            (Content::Base, Some(base)) => self.moved(path, node, base),
            (Content::Base, None) => self.times(path, node),
        }
    }

    fn folder(&mut self, path: &str, node: &Node) -> Result<(), CommitError> {
        let mode =
            node.base.as_ref().map_or(if self.overlay.is_of_home { 0o700 } else { FOLDER_MODE }, |base| base.found.print.mode & MODE_MASK);
        self.make.push(Step::MakeFolder { path: path.to_owned(), mode });
        let before = self.before(path, node).map(|base| self.side(&base)).transpose()?;
        let after = FileSide { digest: None, kind: FileKind::Directory, mode, size: 0, target: None };
        let from = node.base.as_ref().map(|base| base.path.clone()).filter(|from| from != path);
        self.used.extend(from.clone());
        if before.as_ref().is_none_or(|before| *before != after) {
            self.changes.push(FileDiff { after: Some(after), before, from, path: path.to_owned() });
        }
        Ok(())
    }

    fn file(&mut self, path: &str, node: &Node, (number, len): (u64, u64)) -> Result<(), CommitError> {
        let before = self.before(path, node);
        let was_file = before.as_ref().filter(|base| base.found.kind == FileKind::File);
        let kept = was_file.or(node.base.as_ref()).map(|base| base.found.print);
        let mode = kept.map_or(if self.overlay.is_of_home { 0o600 } else { FILE_MODE }, |print| print.mode & MODE_MASK);
        let digest = self.overlay.blobs.digest(number).map_err(|cause| CommitError::of(path, cause))?;
        let after = FileSide { digest: Some(digest), kind: FileKind::File, mode, size: len, target: None };
        let told = before.as_ref().map(|base| self.side(base)).transpose()?;
        let in_place = was_file.filter(|base| !self.overlay.hidden.contains_key(&base.path));
        if in_place.is_some() && told.as_ref() == Some(&after) {
            return Ok(());
        }
        let modified = node.modified_ns.map(timespec).map(|spec| (spec.tv_sec, spec.tv_nsec));
        let name = self.name();
        let owner = was_file.map(|base| (base.found.print.owner, base.found.print.group));
        self.fresh.push(Fresh { name: name.clone(), holds: Holds::Blob { number, len }, mode, owner, modified });
        match was_file {
            Some(base) if !self.is_beneath_hidden(path) => {
                self.used.insert(path.to_owned());
                self.place.push(Step::Swap { name, path: path.to_owned(), print: base.found.print, inode: 0 });
            }
            _ => self.place.push(Step::Place { name, path: path.to_owned(), inode: 0 }),
        }
        let from = node.base.as_ref().map(|base| base.path.clone()).filter(|from| from != path && told.is_none());
        self.texts.file(path, (&self.overlay.root, was_file), (&self.overlay.blobs, number, len));
        self.changes.push(FileDiff { after: Some(after), before: told, from, path: path.to_owned() });
        Ok(())
    }

    fn link(&mut self, path: &str, node: &Node, target: &str) -> Result<(), CommitError> {
        if !stays_within(split(path).0, target) {
            return Err(CommitError::LinkLeaves(path.to_owned()));
        }
        let before = self.before(path, node).map(|base| self.side(&base)).transpose()?;
        let name = self.name();
        self.fresh.push(Fresh { name: name.clone(), holds: Holds::Target(target.to_owned()), mode: 0, owner: None, modified: None });
        self.place.push(Step::Place { name, path: path.to_owned(), inode: 0 });
        let after =
            FileSide { digest: None, kind: FileKind::Link, mode: 0o777, size: target.len() as u64, target: Some(target.to_owned()) };
        self.texts.line(&format!("link `{path}` -> `{target}`"));
        self.changes.push(FileDiff { after: Some(after), before, from: None, path: path.to_owned() });
        Ok(())
    }

    fn moved(&mut self, path: &str, node: &Node, base: &Base) -> Result<(), CommitError> {
        if let Some(target) = &base.found.target
            && split(path).0 != split(&base.path).0
            && !stays_within(split(path).0, target)
        {
            return Err(CommitError::LinkLeaves(path.to_owned()));
        }
        let (name, print) = (self.name(), base.found.print);
        self.aside.push(Step::Aside { path: base.path.clone(), name: name.clone(), print });
        self.place.push(Step::Place { name, path: path.to_owned(), inode: print.inode });
        if let Some(ns) = node.modified_ns {
            let spec = timespec(ns);
            self.place.push(Step::Times { path: path.to_owned(), print, modified: (spec.tv_sec, spec.tv_nsec) });
        }
        if base.path != path {
            let replaced = self.before(path, node);
            let before = replaced.as_ref().map(|base| self.side(base)).transpose()?;
            let side = self.side(base)?;
            self.texts.line(&format!("moved `{}` -> `{path}`{}", base.path, if before.is_some() { ", which it replaces" } else { "" }));
            if let Some(replaced) = replaced.filter(|base| base.found.kind == FileKind::File) {
                self.texts.removed(path, (&self.overlay.root, &replaced));
            }
            self.changes.push(FileDiff { after: Some(side), before, from: Some(base.path.clone()), path: path.to_owned() });
        }
        Ok(())
    }

    /// A file of which only the time was set.
    fn times(&mut self, path: &str, node: &Node) -> Result<(), CommitError> {
        let (Some(ns), Some(base), FileKind::File) = (node.modified_ns, &node.base, node.kind) else { return Ok(()) };
        let spec = timespec(ns);
        self.place.push(Step::Times { path: path.to_owned(), print: base.found.print, modified: (spec.tv_sec, spec.tv_nsec) });
        let side = self.side(base)?;
        self.texts.line(&format!("time of `{path}`"));
        self.changes.push(FileDiff { after: Some(side.clone()), before: Some(side), from: None, path: path.to_owned() });
        Ok(())
    }

    fn is_beneath_hidden(&self, path: &str) -> bool {
        let mut folder = split(path).0;
        while !folder.is_empty() {
            if self.overlay.hidden.contains_key(folder) {
                return true;
            }
            folder = split(folder).0;
        }
        false
    }

    /// What is hidden and is nowhere in the view any more.
    fn removed(&mut self, all: &BTreeMap<String, NodeId>) -> Result<(), CommitError> {
        let mut folders = Vec::new();
        for (path, base) in &self.overlay.hidden {
            if base.found.kind == FileKind::Directory {
                folders.push(Step::RemoveFolder { path: path.clone(), print: base.found.print });
            } else if !self.used.contains(path) {
                let name = self.name();
                self.aside.push(Step::Aside { path: path.clone(), name, print: base.found.print });
            }
            if !self.used.contains(path) && !all.contains_key(path) {
                if base.found.kind == FileKind::File {
                    self.texts.removed(path, (&self.overlay.root, base));
                } else {
                    self.texts.line(&format!("removed `{path}`"));
                }
                let before = Some(self.side(base)?);
                self.changes.push(FileDiff { after: None, before, from: None, path: path.clone() });
            }
        }
        // A folder is removed after those in it.
        self.aside.extend(folders.into_iter().rev());
        Ok(())
    }
}

/// The prints of the files that a commit takes away: what is kept of them.
pub(crate) fn originals(steps: &[Step]) -> impl Iterator<Item = (&String, &String, &Print)> {
    steps.iter().filter_map(|step| match step {
        Step::Aside { path, name, print } | Step::Swap { name, path, print, .. } => Some((name, path, print)),
        Step::RemoveFolder { .. } | Step::MakeFolder { .. } | Step::Place { .. } | Step::Times { .. } => None,
    })
}
