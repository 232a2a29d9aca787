//! Looks at the view.

use std::collections::BTreeMap;

use bytes::Bytes;
use vocabulary::{DirEntry, FileFault, FileKind};

use super::blobs::read_at;
use super::{Content, Done, NodeId, Overlay};
use crate::fault::StageFault;
use crate::root::{Root, join};

/// BOUND: folders in folders.
pub(crate) const DEPTH_MAX: usize = 500;

/// The attributes of an object of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What tells it from others: the device and the inode of an object of the folder; 0 and a number for one that the guest has made.
    pub identity: (u64, u64),
    /// What it is.
    pub kind: FileKind,
    /// The last change, as seconds and nanoseconds since 1970.
    pub modified: (i64, i64),
    /// The size of a file in bytes.
    pub size: u64,
}

/// The names in a folder of the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listed {
    /// The names in order, and how many are no text.
    Names(Vec<DirEntry>, u64),
    /// There are more than may be listed.
    TooMany,
}

impl Overlay {
    /// Opens what is at a path for reading.
    ///
    /// # Errors
    /// As the interface has them.
    pub fn open(&mut self, dir: NodeId, path: &str, (follow, directory): (bool, bool)) -> Done<(NodeId, FileKind)> {
        let opened = self.walk(dir, path, follow).and_then(|place| self.opened(place.found()?, directory));
        self.forget_met();
        opened
    }

    /// Notes that an object is opened.
    pub(super) fn opened(&mut self, id: NodeId, directory: bool) -> Done<(NodeId, FileKind)> {
        let kind = self.node(id)?.kind;
        match kind {
            FileKind::Link => return Err(FileFault::Loop.into()),
            FileKind::Other => return Err(StageFault::Refused(vocabulary::Reason::NotRegular)),
            FileKind::File if directory => return Err(FileFault::NotDirectory.into()),
            FileKind::File => self.remember(id)?,
            FileKind::Directory => {}
        }
        self.node_mut(id)?.opens += 1;
        Ok((id, kind))
    }

    /// Closes what was opened once.
    pub fn close(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.opens = node.opens.saturating_sub(1);
        // It was removed while it was open.
        if node.opens == 0 && node.place.is_none() && id != Self::ROOT {
            self.uncount(id);
        }
        self.forget(id);
    }

    /// Reads a file.
    ///
    /// # Errors
    /// As the interface has them.
    pub fn read(&self, id: NodeId, offset: u64, len: u32) -> Done<Bytes> {
        let node = self.node(id)?;
        match (&node.content, &node.base) {
            _ if node.kind != FileKind::File => Err(FileFault::IsDirectory.into()),
            (Content::Blob { number, .. }, _) => self.blobs.read(*number, offset, len),
            (Content::Base, Some(base)) => Ok(read_at(&self.root.open(&base.path, &base.found.print)?, offset, len)?),
            _ => Err(FileFault::Invalid.into()),
        }
    }

    /// The attributes of an object that is open.
    ///
    /// # Errors
    /// As the interface has them.
    pub fn stat(&self, id: NodeId) -> Done<Seen> {
        let node = self.node(id)?;
        let (identity, mut modified, mut size) = match (&node.content, &node.base) {
            (Content::Base, Some(base)) => {
                // The folder may have changed since it was opened; what is shown is what is there.
                let now = self.root.find(&base.path)?.filter(|now| now.print.is_same_object(&base.found.print));
                let print = now.map_or(base.found.print, |now| now.print);
                ((print.device, print.inode), print.modified, print.size)
            }
            (Content::Blob { len, .. }, Some(base)) => ((base.found.print.device, base.found.print.inode), base.found.print.modified, *len),
            (Content::Blob { len, .. }, None) => ((0, id.0), (0, 0), *len),
            (Content::Target(target), _) => ((0, id.0), (0, 0), target.len() as u64),
            (Content::Folder | Content::Base, _) => ((0, id.0), (0, 0), 0),
        };
        if let Some(ns) = node.modified_ns {
            let spec = crate::root::timespec(ns);
            modified = (spec.tv_sec, spec.tv_nsec);
        }
        if node.kind == FileKind::Directory {
            size = 0;
        }
        Ok(Seen { identity, kind: node.kind, modified, size })
    }

    /// The attributes of what is at a path.
    ///
    /// # Errors
    /// As the interface has them.
    pub fn stat_at(&mut self, dir: NodeId, path: &str, follow: bool) -> Done<Seen> {
        let seen = self.walk(dir, path, follow).and_then(|place| self.stat(place.found()?));
        self.forget_met();
        seen
    }

    /// Where the link at a path points.
    ///
    /// # Errors
    /// As the interface has them.
    pub fn read_link(&mut self, dir: NodeId, path: &str) -> Done<String> {
        let target = self.walk(dir, path, false).and_then(|place| {
            let link = place.found()?;
            if self.node(link)?.kind != FileKind::Link {
                return Err(FileFault::Invalid.into());
            }
            let target = self.target(link)?;
            // SECURITY: an absolute target names a place on the host, and the guest must not learn anything about the host.
            if target.starts_with('/') { Err(StageFault::Refused(vocabulary::Reason::LeavesMount)) } else { Ok(target) }
        });
        self.forget_met();
        target
    }

    /// The names in a folder.
    ///
    /// # Errors
    /// As the interface has them.
    pub fn list(&mut self, id: NodeId) -> Done<Listed> {
        let max = self.bounds.listing;
        let node = self.node(id)?;
        if node.kind != FileKind::Directory {
            return Err(FileFault::NotDirectory.into());
        }
        let (mut names, mut unreadable): (BTreeMap<String, FileKind>, u64) = (BTreeMap::new(), 0);
        if let (Content::Base, Some(base)) = (&node.content, &node.base) {
            for name in self.root.names(&base.path)? {
                match name {
                    None => unreadable += 1,
                    Some(name) if node.entries.get(&name).is_some_and(|entry| entry.hides || entry.node.is_some()) => {}
                    Some(name) => {
                        // What is gone by now is not listed.
                        if let Ok(Some(found)) = self.root.find(&join(&base.path, &name)) {
                            names.insert(name, found.kind);
                        }
                    }
                }
                if names.len() as u64 + unreadable > max {
                    return Ok(Listed::TooMany);
                }
            }
        }
        for (name, entry) in &node.entries {
            if let Some(node) = entry.node.and_then(|node| self.nodes.get(&node)) {
                names.insert(name.clone(), node.kind);
            }
        }
        if names.len() as u64 + unreadable > max {
            return Ok(Listed::TooMany);
        }
        Ok(Listed::Names(names.into_iter().map(|(name, kind)| DirEntry { kind, name }).collect(), unreadable))
    }

    /// Whether nothing is in a folder, whatever its name.
    pub(super) fn is_empty(&mut self, id: NodeId) -> Done<bool> {
        let node = self.node(id)?;
        if node.entries.values().any(|entry| entry.node.is_some()) {
            return Ok(false);
        }
        let (Content::Base, Some(base)) = (&node.content, &node.base) else { return Ok(true) };
        let is_hidden = |name: &String| node.entries.get(name).is_some_and(|entry| entry.hides);
        Ok(self.root.names(&base.path)?.iter().all(|name| name.as_ref().is_some_and(is_hidden)))
    }
}

/// The bytes of all files of a folder.
pub(super) fn bytes_in(root: &Root) -> std::io::Result<u64> {
    let (mut bytes, mut folders) = (0u64, vec![(String::new(), 0)]);
    while let Some((folder, depth)) = folders.pop() {
        for name in root.names(&folder)?.into_iter().flatten() {
            let path = join(&folder, &name);
            match root.find(&path)? {
                Some(found) if found.kind == FileKind::Directory && depth < DEPTH_MAX => folders.push((path, depth + 1)),
                Some(found) if found.kind == FileKind::File => bytes = bytes.saturating_add(found.print.size),
                Some(_) | None => {}
            }
        }
    }
    Ok(bytes)
}
