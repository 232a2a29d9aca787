//! Puts objects of the view under names, and takes them away.

use vocabulary::{FileFault, FileKind, Reason};

use super::look::DEPTH_MAX;
use super::{Content, Done, Entry, NodeId, Overlay};
use crate::fault::StageFault;

/// Names that begin like this belong to commits.
pub(crate) const RESERVED: &str = ".bailiwick-stage-";
/// BOUND: bytes of a path of the view. The system takes 4096 of a path.
pub(crate) const PATH_BYTES_MAX: usize = 3500;

/// BOUND: folders in folders of a folder of the home, which a backup takes in.
const HOME_DEPTH_MAX: usize = 8;

impl Overlay {
    /// Whether something new may have this name.
    pub(super) fn check_name(&self, dir: NodeId, name: &str) -> Done<()> {
        if name.is_empty() {
            return Err(FileFault::Exists.into());
        }
        if name.starts_with(RESERVED) {
            return Err(StageFault::Refused(Reason::WriteNotGranted));
        }
        // What was removed while it is open takes nothing new.
        let path = self.path(dir).ok_or(StageFault::Fault(FileFault::NotFound))?;
        let (depth, most) = (path.split('/').count(), if self.is_of_home { HOME_DEPTH_MAX } else { DEPTH_MAX });
        if path.len() + 1 + name.len() > PATH_BYTES_MAX || depth >= most { Err(FileFault::NameTooLong.into()) } else { Ok(()) }
    }

    /// Puts an object that has no place under a name that is free.
    pub(super) fn attach(&mut self, (dir, name): (NodeId, &str), id: NodeId, at_ns: u64) -> Done<()> {
        let base_path = self.base_path(dir, name);
        let node = self.node_mut(id)?;
        node.place = Some((dir, name.to_owned()));
        let is_back =
            node.kind != FileKind::Directory && node.base.is_some() && node.base.as_ref().map(|base| &base.path) == base_path.as_ref();
        let entry = self.node_mut(dir)?.entries.entry(name.to_owned()).or_insert(Entry { node: None, hides: false });
        entry.node = Some(id);
        if let Some(path) = base_path.filter(|_| is_back) {
            entry.hides = false;
            self.hidden.remove(&path);
        }
        self.node_mut(dir)?.modified_ns = Some(at_ns);
        Ok(())
    }

    /// Takes an object away from its name.
    pub(super) fn detach(&mut self, id: NodeId, at_ns: u64) -> Done<()> {
        let Some((dir, name)) = self.node(id)?.place.clone() else { return Ok(()) };
        let base_path = self.base_path(dir, &name);
        self.met.push(dir);
        self.check_remembered(id)?;
        let node = self.node_mut(id)?;
        let hides = node.base.clone().filter(|base| Some(&base.path) == base_path.as_ref());
        if hides.is_some() {
            self.check_room()?;
        }
        self.node_mut(id)?.place = None;
        let folder = self.node_mut(dir)?;
        folder.modified_ns = Some(at_ns);
        if let Some(entry) = folder.entries.get_mut(&name) {
            entry.node = None;
            entry.hides |= hides.is_some();
            if !entry.hides {
                folder.entries.remove(&name);
            }
        }
        if let Some(base) = hides {
            self.hidden.insert(base.path.clone(), base);
        }
        Ok(())
    }

    /// Removes an object of the view. It stays as long as it is open.
    pub(super) fn remove(&mut self, id: NodeId, at_ns: u64) -> Done<()> {
        self.detach(id, at_ns)?;
        let node = self.node_mut(id)?;
        if node.kind == FileKind::Directory {
            node.content = Content::Folder;
            node.entries.clear();
        }
        let (is_open, is_base) = (node.opens > 0, node.content == Content::Base);
        let size = node.base.as_ref().map_or(0, |base| base.found.print.size);
        if is_base {
            self.blobs.uncount(size);
        }
        if !is_open {
            self.uncount(id);
            self.forget(id);
        }
        Ok(())
    }

    /// Notes a conflict if somebody else has changed a file after the run had opened it.
    pub(super) fn check_remembered(&mut self, id: NodeId) -> Done<()> {
        let Some(base) = &self.node(id)?.base else { return Ok(()) };
        if self.remembered.get(&base.path).is_some_and(|then| *then != base.found.print) {
            self.conflict.get_or_insert(base.path.clone());
        }
        Ok(())
    }

    /// Takes everything in a folder of the disk into the view, so that the folder can be moved: each object in it is moved with it.
    pub(super) fn take_in(&mut self, folder: NodeId) -> Done<()> {
        let mut folders = vec![(folder, 0)];
        while let Some((dir, depth)) = folders.pop() {
            let node = self.node(dir)?;
            if let (Content::Base, Some(base)) = (&node.content, &node.base) {
                for name in self.root.names(&base.path.clone())? {
                    let name = name.ok_or(StageFault::Fault(FileFault::Unsupported))?;
                    let Some(child) = self.child(dir, &name)? else { continue };
                    if self.node(child)?.kind == FileKind::Other || depth >= DEPTH_MAX {
                        return Err(FileFault::Unsupported.into());
                    }
                    self.check_remembered(child)?;
                    self.count(child)?;
                    let path = self.base_path(dir, &name);
                    let child = self.node(child)?;
                    if let Some(base) = child.base.clone().filter(|base| Some(&base.path) == path.as_ref()) {
                        self.check_room()?;
                        self.hidden.insert(base.path.clone(), base);
                    }
                }
            }
            let node = self.node_mut(dir)?;
            node.entries.retain(|_, entry| {
                entry.hides = false;
                entry.node.is_some()
            });
            let inner: Vec<NodeId> = node.entries.values().filter_map(|entry| entry.node).collect();
            for child in inner {
                if self.node(child)?.kind == FileKind::Directory {
                    folders.push((child, depth + 1));
                }
            }
        }
        self.make_own(folder)
    }

    /// The folders of a tree that was taken in are looked up in the view alone.
    fn make_own(&mut self, folder: NodeId) -> Done<()> {
        let mut folders = vec![folder];
        while let Some(dir) = folders.pop() {
            let node = self.node_mut(dir)?;
            if node.kind == FileKind::Directory {
                node.content = Content::Folder;
                folders.extend(node.entries.values().filter_map(|entry| entry.node));
            }
        }
        Ok(())
    }
}
