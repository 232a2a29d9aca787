//! Finds what is at a path of the view. The view is walked name by name, and links are followed within it.
//!
//! SECURITY: as in a mount that is only read, no path leads above the folder from which it starts, whether by `..` or by a link.

use std::collections::VecDeque;

use vocabulary::{FileFault, FileKind, NAME_BYTES_MAX, Reason};

use super::{Content, Done, NodeId, Overlay};
use crate::fault::StageFault;

/// BOUND: links that one path may lead through, as in Linux.
const LINKS_MAX: u32 = 40;
/// BOUND: names of one path, with those of the links in it.
const NAMES_MAX: usize = 8192;

/// Where a path leads.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The folder, and the name in it. The name is empty if the path leads to a folder by `.` or `..`.
    pub(super) dir: NodeId,
    pub(super) name: String,
    pub(super) node: Option<NodeId>,
    /// Whether the path ends in a slash, so that it must lead to a folder.
    pub(super) as_folder: bool,
}

impl Place {
    pub(super) fn found(&self) -> Done<NodeId> {
        self.node.ok_or(StageFault::Fault(FileFault::NotFound))
    }
}

impl Overlay {
    /// Where a path leads that starts at a folder.
    pub(super) fn walk(&mut self, start: NodeId, path: &str, follow: bool) -> Done<Place> {
        if self.node(start)?.kind != FileKind::Directory {
            return Err(FileFault::NotDirectory.into());
        }
        if path.starts_with('/') {
            return Err(StageFault::Refused(Reason::LeavesMount));
        }
        let as_folder = path.ends_with('/') || path.ends_with("/.") || path == ".";
        let mut names: VecDeque<String> = parts(path).collect();
        let mut at = Place { dir: start, name: String::new(), node: Some(start), as_folder };
        let mut links = 0;
        while let Some(name) = names.pop_front() {
            let dir = at.found()?;
            if self.node(dir)?.kind != FileKind::Directory {
                return Err(FileFault::NotDirectory.into());
            }
            if name == ".." {
                if dir == start {
                    return Err(StageFault::Refused(Reason::LeavesMount));
                }
                let (parent, _) = self.node(dir)?.place.clone().ok_or(StageFault::Fault(FileFault::NotFound))?;
                at = Place { dir: parent, name: String::new(), node: Some(parent), as_folder };
                continue;
            }
            if name.len() > NAME_BYTES_MAX {
                return Err(FileFault::NameTooLong.into());
            }
            let node = self.child(dir, &name)?;
            let is_last = names.is_empty();
            if let Some(link) = node
                && self.node(link)?.kind == FileKind::Link
                && (!is_last || follow || as_folder)
            {
                links += 1;
                let target = self.target(link)?;
                if links > LINKS_MAX || names.len() + target.len() / 2 > NAMES_MAX {
                    return Err(FileFault::Loop.into());
                }
                if target.starts_with('/') {
                    return Err(StageFault::Refused(Reason::LeavesMount));
                }
                for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                    names.push_front(part);
                }
                continue;
            }
            at = Place { dir, name, node, as_folder };
        }
        if let (true, Some(node)) = (as_folder, at.node)
            && self.node(node)?.kind != FileKind::Directory
        {
            return Err(FileFault::NotDirectory.into());
        }
        Ok(at)
    }

    /// Where a link points.
    pub(super) fn target(&self, link: NodeId) -> Done<String> {
        let node = self.node(link)?;
        match (&node.content, &node.base) {
            (Content::Target(target), _) => Ok(target.clone()),
            (Content::Base, Some(base)) => base.found.target.clone().ok_or(StageFault::Fault(FileFault::Invalid)),
            _ => Err(FileFault::Invalid.into()),
        }
    }
}

/// The names of a path.
pub(super) fn parts(path: &str) -> impl Iterator<Item = String> + '_ {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned)
}
