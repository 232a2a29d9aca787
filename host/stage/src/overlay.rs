//! The view that a run has of a mount that it may change: the folder of the mount, and over it what the guest did.
//!
//! Only what the guest changed, what it has open, and the folders that lead there are held in memory. Everything else is looked up in the
//! folder when it is asked for.

mod blobs;
mod change;
mod look;
mod names;
mod walk;

use std::collections::{BTreeMap, HashMap};

use vocabulary::{Digest, DirEntry, FileFault, FileKind};

use crate::fault::StageFault;
use crate::hashing::Hashing;
use crate::root::{Found, Print, Root, join};

pub(crate) use blobs::{Blobs, copy, digest_of, read_at};
pub(crate) use change::stays_within;
pub use look::{Listed, Seen};
pub(crate) use names::{PATH_BYTES_MAX, RESERVED};

/// BOUND: files of the folder whose state at their first opening is remembered, to find out whether somebody else changed them since.
const REMEMBERED_MAX: usize = 1_000_000;

type Done<T> = Result<T, StageFault>;

/// A file, folder or link of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u64);

/// How much a run may change beneath one mount.
#[derive(Clone, Copy, Debug)]
pub struct OverlayBounds {
    /// Files, folders and links that are created, changed, moved or removed.
    pub changes: u64,
    /// Bytes. For a folder of the agent's own, of everything in it; otherwise of what the run has written.
    pub bytes: u64,
    /// Names that one folder may have to be listed.
    pub listing: u64,
}

/// Where an object of the folder is, and what it looked like when the run met it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) path: String,
    pub(crate) found: Found,
    /// The digest of its content, if the run has copied it.
    pub(crate) digest: Option<Digest>,
}

/// What an object of the view holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// What the folder has.
    Base,
    /// A file that was written, under this number.
    Blob { number: u64, len: u64 },
    /// A link that the guest made.
    Target(String),
    /// A folder that the guest made, or that it moved with everything in it: the folder of the mount is not looked into.
    Folder,
}

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) kind: FileKind,
    /// Its folder and its name. `None` for the mount itself, and for what was removed while it is open.
    pub(crate) place: Option<(NodeId, String)>,
    pub(crate) base: Option<Base>,
    pub(crate) content: Content,
    /// The time of the last change, if the guest has changed it.
    pub(crate) modified_ns: Option<u64>,
    pub(crate) entries: BTreeMap<String, Entry>,
    opens: u32,
    /// Whether it counts as a change.
    counted: bool,
}

/// What the view has under a name.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) node: Option<NodeId>,
    /// Whether the folder has something under this name that is not to be seen there.
    pub(crate) hides: bool,
}

/// The view of one mount.
#[derive(Debug)]
pub struct Overlay {
    pub(crate) root: Root,
    pub(crate) nodes: HashMap<NodeId, Node>,
    next: u64,
    pub(crate) blobs: Blobs,
    bounds: OverlayBounds,
    /// Whether it is a folder of the home: it has no links, so that it can be backed up, and is private.
    pub(crate) is_of_home: bool,
    /// How many objects of the view count as changes, besides those that are hidden.
    counted: u64,
    /// Objects of the folder that are not where they were, by their path.
    pub(crate) hidden: BTreeMap<String, Base>,
    /// What files looked like when the run opened them first.
    remembered: HashMap<String, Print>,
    /// A file that somebody else changed after the run had opened it, and that the run then changed.
    pub(crate) conflict: Option<String>,
    /// Nodes that this ask has met, which are forgotten after it if nothing holds them.
    met: Vec<NodeId>,
}

impl Overlay {
    /// The folder of the mount.
    pub const ROOT: NodeId = NodeId(0);

    /// A view in which nothing is changed. `blobs` is an empty folder for what the guest writes. With `count_folder`, it is a folder
    /// of the home, and its bytes count too.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(root: Root, blobs: Root, bounds: OverlayBounds, count_folder: bool) -> std::io::Result<Self> {
        let Some(found) = root.find("")? else { return Err(std::io::ErrorKind::NotFound.into()) };
        let counted = if count_folder { Some(look::bytes_in(&root)?) } else { None };
        let base = Base { path: String::new(), found, digest: None };
        let node =
            Node { kind: FileKind::Directory, place: None, base: Some(base), opens: 1, ..Node::new(FileKind::Directory, Content::Base) };
        Ok(Self {
            root,
            nodes: HashMap::from([(Self::ROOT, node)]),
            next: 1,
            blobs: Blobs::new(blobs, bounds.bytes, counted),
            bounds,
            is_of_home: count_folder,
            counted: 0,
            hidden: BTreeMap::new(),
            remembered: HashMap::new(),
            conflict: None,
            met: Vec::new(),
        })
    }

    /// The path of an object beneath the mount, for people. `None` if it was removed.
    pub fn path(&self, node: NodeId) -> Option<String> {
        let (mut names, mut next) = (Vec::new(), node);
        while next != Self::ROOT {
            let (parent, name) = self.nodes.get(&next)?.place.as_ref()?;
            names.push(name.as_str());
            next = *parent;
        }
        names.reverse();
        Some(names.join("/"))
    }

    /// The digest of everything in the view, as [`crate::StateFolder::version`] makes it.
    ///
    /// # Errors
    /// As the interface has them.
    pub fn version(&mut self) -> Result<Digest, StageFault> {
        let mut hash = Hashing::default();
        self.hash_folder(Self::ROOT, "", &mut hash)?;
        self.forget_met();
        Ok(hash.finish())
    }

    fn hash_folder(&mut self, dir: NodeId, folder: &str, hash: &mut Hashing) -> Done<()> {
        let Listed::Names(names, _) = self.list(dir)? else { return Err(FileFault::NoSpace.into()) };
        for DirEntry { kind, name } in names {
            let Some(id) = self.child(dir, &name)? else { continue };
            let path = join(folder, &name);
            let node = self.node(id)?;
            let content = match (&node.content, &node.base, kind) {
                (Content::Blob { number, .. }, ..) => self.blobs.digest(*number)?.to_string(),
                (Content::Base, Some(base), FileKind::File) => digest_of(&self.root.open(&base.path, &base.found.print)?)?.to_string(),
                (.., FileKind::Link) => self.target(id)?,
                _ => String::new(),
            };
            hash.add(kind, &path, &content);
            if kind == FileKind::Directory {
                self.hash_folder(id, &path, hash)?;
            }
        }
        Ok(())
    }

    /// Whether anything is changed.
    pub fn is_changed(&self) -> bool {
        self.counted > 0 || !self.hidden.is_empty()
    }

    pub(crate) fn node(&self, node: NodeId) -> Done<&Node> {
        self.nodes.get(&node).ok_or(StageFault::Fault(FileFault::Invalid))
    }

    fn node_mut(&mut self, node: NodeId) -> Done<&mut Node> {
        self.nodes.get_mut(&node).ok_or(StageFault::Fault(FileFault::Invalid))
    }

    fn add(&mut self, node: Node) -> NodeId {
        let id = NodeId(self.next);
        self.next += 1;
        self.nodes.insert(id, node);
        id
    }

    /// Counts a change of an object. BOUND: `changes`.
    fn count(&mut self, node: NodeId) -> Done<()> {
        if !self.node(node)?.counted {
            self.check_room()?;
            self.counted += 1;
            self.node_mut(node)?.counted = true;
        }
        Ok(())
    }

    fn uncount(&mut self, node: NodeId) {
        if let Some(node) = self.nodes.get_mut(&node).filter(|node| node.counted) {
            node.counted = false;
            self.counted -= 1;
        }
    }

    fn check_room(&self) -> Done<()> {
        let room = self.counted.saturating_add(self.hidden.len() as u64) < self.bounds.changes;
        if room { Ok(()) } else { Err(FileFault::NoSpace.into()) }
    }

    /// The path in the folder of what has this name in a folder of the view, if the view looks there.
    fn base_path(&self, dir: NodeId, name: &str) -> Option<String> {
        let node = self.nodes.get(&dir)?;
        match (&node.content, &node.base) {
            (Content::Base, Some(base)) => Some(join(&base.path, name)),
            _ => None,
        }
    }

    /// What has this name in a folder of the view.
    fn child(&mut self, dir: NodeId, name: &str) -> Done<Option<NodeId>> {
        if let Some(entry) = self.node(dir)?.entries.get(name)
            && (entry.node.is_some() || entry.hides)
        {
            return Ok(entry.node);
        }
        let Some(path) = self.base_path(dir, name) else { return Ok(None) };
        let Some(found) = self.root.find(&path)? else { return Ok(None) };
        let node = Node {
            place: Some((dir, name.to_owned())),
            base: Some(Base { path, found: found.clone(), digest: None }),
            ..Node::new(found.kind, Content::Base)
        };
        let id = self.add(node);
        self.node_mut(dir)?.entries.insert(name.to_owned(), Entry { node: Some(id), hides: false });
        self.met.push(id);
        Ok(Some(id))
    }

    /// Forgets objects that this ask has met and that nothing holds.
    pub(crate) fn forget_met(&mut self) {
        while let Some(node) = self.met.pop() {
            self.forget(node);
        }
    }

    /// Forgets an object and the folders above it, as far as nothing holds them.
    fn forget(&mut self, node: NodeId) {
        let mut next = node;
        while let Some(held) = self.nodes.get(&next) {
            if next == Self::ROOT || held.opens > 0 || held.counted || !held.entries.is_empty() {
                return;
            }
            let place = held.place.clone();
            if let Content::Blob { number, .. } = held.content {
                self.blobs.remove(number);
            }
            self.nodes.remove(&next);
            let Some((parent, name)) = place else { return };
            if let Some(parent) = self.nodes.get_mut(&parent)
                && let Some(entry) = parent.entries.get_mut(&name)
                && entry.node == Some(next)
            {
                entry.node = None;
                if !entry.hides {
                    parent.entries.remove(&name);
                }
            }
            next = parent;
        }
    }

    /// Notes what a file of the folder looks like when it is opened first.
    fn remember(&mut self, node: NodeId) -> Done<()> {
        let Some(base) = self.node(node)?.base.clone().filter(|base| base.found.kind == FileKind::File) else { return Ok(()) };
        if self.remembered.contains_key(&base.path) {
            return Ok(());
        }
        if self.remembered.len() >= REMEMBERED_MAX {
            return Err(FileFault::TooManyOpen.into());
        }
        self.remembered.insert(base.path, base.found.print);
        Ok(())
    }
}

impl Node {
    fn new(kind: FileKind, content: Content) -> Self {
        Self { kind, place: None, base: None, content, modified_ns: None, entries: BTreeMap::new(), opens: 0, counted: false }
    }
}
