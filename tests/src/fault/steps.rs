//! Records what a program does to its disk, step by step, with every byte, so that a loss of power can be simulated. Records its output and
//! requests in the same order.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use libc::user_regs_struct;
use rustix::process::Pid;

use super::call::{Call, Deed, arguments, memory};
use super::trace::Listener;

/// A file or folder, independent of its names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(pub u64);

/// One step.
#[derive(Clone, Debug)]
pub enum Step {
    /// A name leads to a node from now on.
    Named {
        /// The name.
        path: PathBuf,
        /// The node to which it leads.
        node: Node,
        /// The old name, if the node was renamed.
        instead: Option<PathBuf>,
    },
    /// A name was removed.
    Unnamed(PathBuf),
    /// Bytes were written.
    Wrote {
        /// The file.
        node: Node,
        /// The offset.
        at: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A file has this length, or at least this one.
    Sized {
        /// The file.
        node: Node,
        /// The length in bytes.
        length: u64,
        /// Whether the file may be longer.
        at_least: bool,
    },
    /// The changes of a node before step `since` are on the disk: bytes of a file, names of a folder.
    Synced {
        /// The file or folder.
        node: Node,
        /// How many steps there were when the sync began.
        since: usize,
    },
    /// This text was printed. True for standard error.
    Told(bool, String),
    /// This request was sent to the server: `METHOD PATH`.
    Sent(String),
}

/// The properties of a node.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Whether it is a folder.
    pub is_folder: bool,
    /// Its mode.
    pub mode: u32,
    /// The file with its bytes from before the first step, if it existed then.
    pub path: Option<PathBuf>,
}

enum Begun {
    Write { node: Node, at: u64, bytes: Vec<u8> },
    Size { node: Node, length: u64, at_least: bool },
    Sync { node: Node, since: usize },
    Rename { node: Option<Node> },
    Make { is_new: bool },
    Remove,
}

/// The recorder of the steps.
pub struct Steps {
    folders: Vec<PathBuf>,
    /// The files of standard output and error.
    streams: [PathBuf; 2],
    /// All steps.
    pub steps: Vec<Step>,
    /// All nodes.
    pub nodes: HashMap<Node, Kind>,
    /// The names before the first step.
    pub names: HashMap<PathBuf, Node>,
    by_inode: HashMap<u64, Node>,
    begun: HashMap<Pid, Begun>,
}

impl Steps {
    /// A recorder for a program that will change files in these folders, and whose standard streams are these files.
    #[must_use]
    pub fn of(folders: Vec<PathBuf>, streams: [PathBuf; 2]) -> Self {
        let mut steps = Self {
            folders: folders.clone(),
            streams,
            steps: Vec::new(),
            nodes: HashMap::new(),
            names: HashMap::new(),
            by_inode: HashMap::new(),
            begun: HashMap::new(),
        };
        // The names of these folders themselves are in their parents, which are synced or not.
        for above in folders.iter().filter_map(|folder| folder.parent()) {
            if let (Ok(found), false) = (fs::symlink_metadata(above), steps.names.contains_key(above)) {
                let node = steps.new_node(&found, None);
                steps.names.insert(above.to_owned(), node);
            }
        }
        folders.iter().for_each(|folder| steps.take_in(folder));
        steps
    }

    fn take_in(&mut self, path: &Path) {
        // A socket that a killed program left is not kept by a disk.
        let Some(found) = fs::symlink_metadata(path).ok().filter(|found| found.is_dir() || found.is_file()) else { return };
        let node = self.new_node(&found, Some(path.to_owned()));
        self.names.insert(path.to_owned(), node);
        if found.is_dir() {
            for entry in fs::read_dir(path).into_iter().flatten().filter_map(Result::ok) {
                self.take_in(&entry.path());
            }
        }
    }

    fn new_node(&mut self, found: &fs::Metadata, path: Option<PathBuf>) -> Node {
        let node = Node(self.nodes.len() as u64);
        self.nodes.insert(node, Kind { is_folder: found.is_dir(), mode: found.permissions().mode() & 0o7777, path });
        self.by_inode.insert(found.ino(), node);
        node
    }

    /// The node that a descriptor leads to.
    fn at_fd(&mut self, tid: Pid, fd: u64) -> Option<Node> {
        let found = fs::metadata(format!("/proc/{}/fd/{fd}", tid.as_raw_nonzero())).ok()?;
        self.by_inode.get(&found.ino()).copied()
    }

    fn at_path(&self, path: &Path) -> Option<Node> {
        self.by_inode.get(&fs::symlink_metadata(path).ok()?.ino()).copied()
    }

    fn within(&mut self, tid: Pid, call: &Call, regs: &user_regs_struct) -> Option<Begun> {
        let [first, second, third, fourth, ..] = arguments(regs);
        let since = self.steps.len();
        match (call.deed, call.name) {
            (Deed::Write, name) => self.at_fd(tid, first).map(|node| {
                let at = if name.starts_with('p') { fourth } else { position(tid, first) };
                Begun::Write { node, at, bytes: bytes(tid, call, regs) }
            }),
            (Deed::Sync, "sync_file_range") => None,
            (Deed::Sync, _) => self.at_fd(tid, first).map(|node| Begun::Sync { node, since }),
            // With other modes `fallocate` punches a hole or keeps the length; the program does not use these.
            (Deed::Size, "fallocate") if second == 0 => {
                self.at_fd(tid, first).map(|node| Begun::Size { node, length: third + fourth, at_least: true })
            }
            (Deed::Size, "ftruncate") => self.at_fd(tid, first).map(|node| Begun::Size { node, length: second, at_least: false }),
            (Deed::Size, _) => None,
            (Deed::Rename, _) => Some(Begun::Rename { node: self.at_path(&call.path) }),
            (Deed::Remove, _) => Some(Begun::Remove),
            (Deed::Open | Deed::Make, _) => {
                let is_new = fs::symlink_metadata(call.to.as_ref().unwrap_or(&call.path)).is_err();
                Some(Begun::Make { is_new })
            }
            (Deed::Mode | Deed::Unseen, _) => None,
        }
    }

    /// Handles calls elsewhere: output, requests, and syncs of the folder above.
    fn elsewhere(&mut self, tid: Pid, call: &Call, regs: &user_regs_struct) -> Option<Begun> {
        if call.deed == Deed::Sync {
            let since = self.steps.len();
            return self.at_fd(tid, arguments(regs)[0]).map(|node| Begun::Sync { node, since });
        }
        if call.deed == Deed::Write && call.path.to_string_lossy().starts_with("socket:") {
            let text = String::from_utf8_lossy(&bytes(tid, call, regs)).into_owned();
            let mut words = text.split(' ');
            if let (Some(method @ ("GET" | "POST")), Some(path)) = (words.next(), words.next()) {
                self.steps.push(Step::Sent(format!("{method} {path}")));
            }
        } else if let Some(stream) = self.streams.iter().position(|stream| *stream == call.path) {
            let text = String::from_utf8_lossy(&bytes(tid, call, regs)).into_owned();
            self.steps.push(Step::Told(stream == 1, text));
        }
        None
    }
}

/// The bytes that a call is about to write.
fn bytes(tid: Pid, call: &Call, regs: &user_regs_struct) -> Vec<u8> {
    let [_, address, count, ..] = arguments(regs);
    let count = usize::try_from(count).unwrap_or(0);
    if !call.name.contains("writev") {
        return memory(tid, address, count);
    }
    // An `iovec` is an address and a length.
    let number = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_ne_bytes);
    let pieces = memory(tid, address, count * 16);
    let piece = |piece: &[u8]| {
        let (base, length) = piece.split_at(8.min(piece.len()));
        memory(tid, number(base), usize::try_from(number(length)).unwrap_or(0))
    };
    pieces.chunks(16).flat_map(piece).collect()
}

/// The offset of the next plain `write`.
fn position(tid: Pid, fd: u64) -> u64 {
    let tid = tid.as_raw_nonzero();
    let text = fs::read_to_string(format!("/proc/{tid}/fdinfo/{fd}")).unwrap_or_default();
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
    let flags = field("flags:").and_then(|flags| i32::from_str_radix(&flags, 8).ok()).unwrap_or(0);
    if flags & libc::O_APPEND != 0 {
        return fs::metadata(format!("/proc/{tid}/fd/{fd}")).map_or(0, |found| found.len());
    }
    field("pos:").and_then(|position| position.parse().ok()).unwrap_or(0)
}

impl Listener for Steps {
    fn entered(&mut self, tid: Pid, call: &Call, regs: &user_regs_struct) -> bool {
        let begun = if call.is_beneath(&self.folders) { self.within(tid, call, regs) } else { self.elsewhere(tid, call, regs) };
        match begun {
            Some(begun) => self.begun.insert(tid, begun).is_none(),
            None => false,
        }
    }

    fn returned(&mut self, tid: Pid, call: &Call, result: i64) {
        let Some(begun) = self.begun.remove(&tid) else { return };
        let Ok(result) = usize::try_from(result) else { return };
        match begun {
            Begun::Write { node, at, mut bytes } => {
                bytes.truncate(result);
                self.steps.push(Step::Wrote { node, at, bytes });
            }
            Begun::Size { node, length, at_least } => self.steps.push(Step::Sized { node, length, at_least }),
            Begun::Sync { node, since } => self.steps.push(Step::Synced { node, since }),
            Begun::Rename { node } => {
                if let (Some(node), Some(to)) = (node, call.to.clone()) {
                    self.steps.push(Step::Named { path: to, node, instead: Some(call.path.clone()) });
                }
            }
            Begun::Remove => self.steps.push(Step::Unnamed(call.path.clone())),
            Begun::Make { is_new } => {
                let path = call.to.as_ref().unwrap_or(&call.path);
                let Ok(found) = fs::symlink_metadata(path) else { return };
                // A socket is not kept by a disk.
                if !is_new || !(found.is_file() || found.is_dir()) {
                    return;
                }
                let node = match call.to {
                    Some(_) => self.at_path(&call.path),
                    None => Some(self.new_node(&found, None)),
                };
                if let Some(node) = node {
                    self.steps.push(Step::Named { path: path.clone(), node, instead: None });
                }
            }
        }
    }

    fn hears_all(&self) -> bool {
        true
    }
}
