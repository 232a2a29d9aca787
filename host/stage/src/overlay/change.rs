//! Changes of the view.

use vocabulary::{ChangeOpen, FileFault, FileKind, Reason};

use super::blobs::digest_of;
use super::walk::parts;
use super::{Content, Done, Node, NodeId, Overlay};
use crate::fault::StageFault;
use crate::root::print_of;

impl Overlay {
    /// Opens a file that may be changed, and makes it if that is wanted.
    ///
    /// # Errors
    /// As the interface has them.
    pub fn open_to_change(&mut self, dir: NodeId, path: &str, open: ChangeOpen, at_ns: u64) -> Done<(NodeId, FileKind)> {
        let opened = self.open_or_make(dir, path, open, at_ns);
        self.forget_met();
        opened
    }

    fn open_or_make(&mut self, dir: NodeId, path: &str, open: ChangeOpen, at_ns: u64) -> Done<(NodeId, FileKind)> {
        let place = self.walk(dir, path, open.follow && !(open.create && open.exclusive))?;
        let id = match place.node {
            Some(_) if open.create && open.exclusive => return Err(FileFault::Exists.into()),
            Some(id) => id,
            None if !open.create => return Err(FileFault::NotFound.into()),
            None if open.directory || place.as_folder => return Err(FileFault::Invalid.into()),
            None => {
                self.check_name(place.dir, &place.name)?;
                let number = self.blobs.create()?;
                self.put(place.dir, &place.name, Node::new(FileKind::File, Content::Blob { number, len: 0 }), at_ns)?
            }
        };
        if self.node(id)?.kind == FileKind::Directory && (open.write || open.truncate) {
            return Err(FileFault::IsDirectory.into());
        }
        let opened = self.opened(id, open.directory)?;
        if open.truncate && place.node.is_some() {
            let cut = self.resize(id, 0, at_ns);
            if let Err(fault) = cut {
                self.close(id);
                return Err(fault);
            }
        }
        Ok(opened)
    }

    /// Puts a new object under a name that is free.
    fn put(&mut self, dir: NodeId, name: &str, node: Node, at_ns: u64) -> Done<NodeId> {
        let id = self.add(Node { modified_ns: Some(at_ns), ..node });
        let put = self.count(id).and_then(|()| self.attach((dir, name), id, at_ns));
        if let Err(fault) = put {
            self.uncount(id);
            self.forget(id);
            return Err(fault);
        }
        Ok(id)
    }

    /// A file of the view as a file of the home that can be written to. With `is_cut`, nothing of it is needed.
    fn own(&mut self, id: NodeId, is_cut: bool) -> Done<(u64, u64)> {
        let node = self.node(id)?;
        if node.kind != FileKind::File {
            return Err(FileFault::IsDirectory.into());
        }
        if let Content::Blob { number, len } = node.content {
            return Ok((number, len));
        }
        let Some(base) = node.base.clone() else { return Err(FileFault::Invalid.into()) };
        self.count(id)?;
        self.check_remembered(id)?;
        let print = base.found.print;
        let file = self.root.open(&base.path, &print)?;
        if print_of(&file)? != print {
            self.conflict.get_or_insert(base.path.clone());
        }
        self.blobs.uncount(print.size);
        let made = if is_cut {
            // What is lost is part of the difference.
            self.blobs.create().and_then(|number| Ok((number, digest_of(&file)?, 0)))
        } else {
            self.blobs.copy(&file, print.size).map(|(number, digest)| (number, digest, print.size))
        };
        let (number, digest, len) = made.inspect_err(|_| self.blobs.recount(print.size))?;
        let node = self.node_mut(id)?;
        node.content = Content::Blob { number, len };
        if let Some(base) = &mut node.base {
            base.digest = Some(digest);
        }
        if let Some(hidden) = self.hidden.get_mut(&base.path) {
            hidden.digest = Some(digest);
        }
        Ok((number, len))
    }

    fn set_own(&mut self, id: NodeId, content: Content, at_ns: u64) -> Done<()> {
        let node = self.node_mut(id)?;
        node.content = content;
        node.modified_ns = Some(at_ns);
        Ok(())
    }

    /// Writes bytes; at the end of the file if no place is given.
    ///
    /// # Errors
    /// As the interface has them.
    pub fn write(&mut self, id: NodeId, at: Option<u64>, bytes: &[u8], at_ns: u64) -> Done<()> {
        let (number, len) = self.own(id, false)?;
        let len = self.blobs.write(number, len, (at.unwrap_or(len), bytes))?;
        self.set_own(id, Content::Blob { number, len }, at_ns)
    }

    /// Sets the size of a file.
    ///
    /// # Errors
    /// As the interface has them.
    pub fn resize(&mut self, id: NodeId, len: u64, at_ns: u64) -> Done<()> {
        let (number, _) = self.own(id, len == 0)?;
        self.blobs.set_len(number, len)?;
        self.set_own(id, Content::Blob { number, len }, at_ns)
    }

    /// Sets the time of the last change of a file. Of a folder, only the view shows it.
    ///
    /// # Errors
    /// As the interface has them.
    pub fn set_times(&mut self, id: NodeId, modified_ns: Option<u64>) -> Done<()> {
        let Some(ns) = modified_ns else { return self.node(id).map(drop) };
        match self.node(id)?.kind {
            FileKind::File => {
                self.count(id)?;
                self.check_remembered(id)?;
            }
            FileKind::Directory => {}
            FileKind::Link | FileKind::Other => return Err(FileFault::Unsupported.into()),
        }
        self.node_mut(id)?.modified_ns = Some(ns);
        Ok(())
    }

    /// The same for what is at a path.
    ///
    /// # Errors
    /// As the interface has them.
    pub fn set_times_at(&mut self, dir: NodeId, path: &str, follow: bool, modified_ns: Option<u64>) -> Done<()> {
        let set = self.walk(dir, path, follow).and_then(|place| self.set_times(place.found()?, modified_ns));
        self.forget_met();
        set
    }

    /// Makes a folder.
    ///
    /// # Errors
    /// As the interface has them.
    pub fn make_folder(&mut self, dir: NodeId, path: &str, at_ns: u64) -> Done<()> {
        let made = self.walk(dir, path, false).and_then(|place| {
            if place.node.is_some() {
                return Err(FileFault::Exists.into());
            }
            self.check_name(place.dir, &place.name)?;
            self.put(place.dir, &place.name, Node::new(FileKind::Directory, Content::Folder), at_ns).map(drop)
        });
        self.forget_met();
        made
    }

    /// Makes a link.
    ///
    /// SECURITY: a program that follows it later must not be led out of the mount. So it is relative, and `..` is only in front.
    ///
    /// # Errors
    /// As the interface has them.
    pub fn make_link(&mut self, dir: NodeId, path: &str, target: &str, at_ns: u64) -> Done<()> {
        let made = self.walk(dir, path, false).and_then(|place| {
            if place.node.is_some() {
                return Err(FileFault::Exists.into());
            }
            if self.is_of_home {
                return Err(FileFault::Unsupported.into());
            }
            self.check_name(place.dir, &place.name)?;
            let folder = self.path(place.dir).ok_or(StageFault::Fault(FileFault::NotFound))?;
            if !stays_within(&folder, target) {
                return Err(StageFault::Refused(Reason::LeavesMount));
            }
            let link = Node::new(FileKind::Link, Content::Target(target.to_owned()));
            self.put(place.dir, &place.name, link, at_ns).map(drop)
        });
        self.forget_met();
        made
    }

    /// Removes a file or a link.
    ///
    /// # Errors
    /// As the interface has them.
    pub fn unlink(&mut self, dir: NodeId, path: &str, at_ns: u64) -> Done<()> {
        let removed = self.walk(dir, path, false).and_then(|place| {
            let id = place.found()?;
            match self.node(id)?.kind {
                FileKind::Directory => Err(FileFault::IsDirectory.into()),
                FileKind::Other => Err(StageFault::Refused(Reason::NotRegular)),
                FileKind::File | FileKind::Link => self.remove(id, at_ns),
            }
        });
        self.forget_met();
        removed
    }

    /// Removes an empty folder.
    ///
    /// # Errors
    /// As the interface has them.
    pub fn remove_folder(&mut self, dir: NodeId, path: &str, at_ns: u64) -> Done<()> {
        let removed = self.walk(dir, path, false).and_then(|place| {
            let id = place.found()?;
            if place.name.is_empty() {
                return Err(FileFault::Invalid.into());
            }
            if self.node(id)?.kind != FileKind::Directory {
                return Err(FileFault::NotDirectory.into());
            }
            if !self.is_empty(id)? {
                return Err(FileFault::NotEmpty.into());
            }
            self.remove(id, at_ns)
        });
        self.forget_met();
        removed
    }

    /// Moves what is at a path to another path. What is there already is replaced.
    ///
    /// # Errors
    /// As the interface has them.
    pub fn rename(&mut self, (dir, path): (NodeId, &str), (to_dir, to_path): (NodeId, &str), at_ns: u64) -> Done<()> {
        let moved = self.moved((dir, path), (to_dir, to_path), at_ns);
        self.forget_met();
        moved
    }

    fn moved(&mut self, (dir, path): (NodeId, &str), (to_dir, to_path): (NodeId, &str), at_ns: u64) -> Done<()> {
        let (from, to) = (self.walk(dir, path, false)?, self.walk(to_dir, to_path, false)?);
        let id = from.found()?;
        if from.name.is_empty() || to.name.is_empty() {
            return Err(FileFault::Invalid.into());
        }
        if to.node == Some(id) {
            return Ok(());
        }
        let is_folder = match self.node(id)?.kind {
            FileKind::Other => return Err(StageFault::Refused(Reason::NotRegular)),
            kind => kind == FileKind::Directory,
        };
        if is_folder && self.is_in(to.dir, id) {
            return Err(FileFault::Invalid.into());
        }
        self.check_name(to.dir, &to.name)?;
        match to.node {
            None if to.as_folder && !is_folder => return Err(FileFault::NotDirectory.into()),
            None => {}
            Some(there) => match (is_folder, self.node(there)?.kind) {
                (true, FileKind::Directory) if !self.is_empty(there)? => return Err(FileFault::NotEmpty.into()),
                (true, FileKind::Directory) | (false, FileKind::File | FileKind::Link) => {}
                (true, _) => return Err(FileFault::NotDirectory.into()),
                (false, FileKind::Directory) => return Err(FileFault::IsDirectory.into()),
                (false, FileKind::Other) => return Err(StageFault::Refused(Reason::NotRegular)),
            },
        }
        self.count(id)?;
        if is_folder {
            self.take_in(id)?;
        }
        if let Some(there) = to.node {
            self.remove(there, at_ns)?;
        }
        self.detach(id, at_ns)?;
        self.attach((to.dir, &to.name), id, at_ns)
    }

    /// Whether a folder is another folder, or in it.
    fn is_in(&self, dir: NodeId, folder: NodeId) -> bool {
        let mut next = Some(dir);
        while let Some(id) = next {
            if id == folder {
                return true;
            }
            next = self.nodes.get(&id).and_then(|node| node.place.as_ref()).map(|(parent, _)| *parent);
        }
        false
    }
}

/// Whether a link in this folder of the mount stays within the mount, whatever other links there are that stay within it too.
pub(crate) fn stays_within(folder: &str, target: &str) -> bool {
    if target.starts_with('/') {
        return false;
    }
    let names: Vec<String> = parts(target).collect();
    let up = names.iter().take_while(|name| *name == "..").count();
    let depth = parts(folder).count();
    up <= depth && names.iter().skip(up).all(|name| name != "..")
}

#[cfg(test)]
mod tests {
    use super::stays_within;

    #[test]
    fn a_link_stays_within_if_it_first_goes_up_no_further_than_the_mount_and_then_only_down() {
        for (folder, target) in [("", "a"), ("a/b", "../../c"), ("a", "./../b"), ("", ".")] {
            assert!(stays_within(folder, target), "{folder} {target}");
        }
        for (folder, target) in [("", ".."), ("a", "../.."), ("a", "/a"), ("a/b", "x/../../y"), ("", "d/..")] {
            assert!(!stays_within(folder, target), "{folder} {target}");
        }
    }
}
