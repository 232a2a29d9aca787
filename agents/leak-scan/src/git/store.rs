//! All objects of a repository, by name: loose ones, and those in packs.
//!
//! INVARIANT: unpacked bytes are counted, and so are the bytes that are kept as bases for later objects.

use super::delta;
use super::inflate::Inflater;
use super::object::{Broken, Id, Kind};
use super::pack::{Pack, Stored, header, unpack};
use crate::read::{regular, small};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// BOUND: larger objects, and larger bases, are not unpacked.
pub(super) const OBJECT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// BOUND: how long a chain of deltas may be; git makes 50 by default, and 4095 at most.
const CHAIN_MAX: usize = 4_095;
/// BOUND: how many packs are read, and how much memory their indices may take (enough for about two million objects).
const PACKS_MAX: usize = 1_000;
const INDEX_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// BOUND: how many unpacked bytes are kept; half of them are from before the last time that the store was full.
const KEPT_BYTES_MAX: usize = 12 * 1024 * 1024;

/// An object, unpacked.
#[derive(Clone)]
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) content: Rc<Vec<u8>>,
}

/// The place of an entry: the number of the pack, and the offset in it.
type Spot = (usize, u64);

/// The objects of one repository.
pub(super) struct Store {
    objects: PathBuf,
    packs: Vec<Pack>,
    /// Only one pack is open at a time.
    open: Option<(usize, File)>,
    kept: BTreeMap<Spot, Object>,
    kept_before: BTreeMap<Spot, Object>,
    kept_bytes: usize,
    unpacked: u64,
    unpacked_max: u64,
}

impl Store {
    /// Opens the store; `broken` gets a text for each part that can't be used.
    pub(super) fn new(git: &Path, unpacked_max: u64, broken: &mut dyn FnMut(String)) -> Self {
        let objects = git.join("objects");
        let mut packs = Vec::new();
        let mut room = INDEX_BYTES_MAX;
        for path in pack_paths(&objects.join("pack"), broken) {
            let index = small(&path.with_extension("idx"), room).map_err(Broken::from);
            match index.and_then(|index| Pack::new(path.clone(), index)) {
                Ok(pack) => {
                    room = room.saturating_sub(fs::metadata(path.with_extension("idx")).map_or(0, |metadata| metadata.len()));
                    packs.push(pack);
                }
                Err(why) => broken(format!("the pack {} {why}", name(&path))),
            }
        }
        if objects.join("info/alternates").exists() {
            broken("objects that lie in another repository (`alternates`) are not looked for".to_owned());
        }
        let (kept, kept_before) = (BTreeMap::new(), BTreeMap::new());
        Self { objects, packs, open: None, kept, kept_before, kept_bytes: 0, unpacked: 0, unpacked_max }
    }

    pub(super) const fn unpacked(&self) -> u64 {
        self.unpacked
    }

    /// An object by its name, if it is no larger than `bytes_max`.
    pub(super) fn object(&mut self, id: &Id, bytes_max: usize) -> Result<Object, Broken> {
        let found = match self.spot(id) {
            Some(spot) => self.packed(spot, bytes_max)?,
            None => self.loose(id, bytes_max)?,
        };
        if found.content.len() > bytes_max { Err(Broken::TooLarge) } else { Ok(found) }
    }

    fn spot(&self, id: &Id) -> Option<Spot> {
        self.packs.iter().enumerate().find_map(|(nth, pack)| Some((nth, pack.find(id)?)))
    }

    fn spend(&mut self, bytes: u64) -> Result<(), Broken> {
        if self.unpacked.saturating_add(bytes) > self.unpacked_max {
            self.unpacked = self.unpacked_max;
            return Err(Broken::Spent);
        }
        self.unpacked += bytes;
        Ok(())
    }

    /// Reads a loose object: `KIND SIZE`, a NUL, and the content.
    fn loose(&mut self, id: &Id, bytes_max: usize) -> Result<Object, Broken> {
        let name = id.to_string();
        let (folder, rest) = name.split_at(2);
        let file = regular(&self.objects.join(folder).join(rest)).map_err(|err| match err.kind() {
            std::io::ErrorKind::NotFound => Broken::Missing,
            _ => Broken::Unreadable(err),
        })?;
        let mut stream = Inflater::new(file, 4 * 1024);
        let (kind, size) = loose_header(&mut stream)?;
        let Some(size) = usize::try_from(size).ok().filter(|size| *size <= bytes_max) else { return Err(Broken::TooLarge) };
        self.spend(size as u64)?;
        Ok(Object { kind, content: Rc::new(stream.exactly(size)?) })
    }

    fn file(&mut self, pack: usize) -> Result<&mut File, Broken> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != pack) {
            let path = self.packs.get(pack).map(Pack::path).ok_or(Broken::Missing)?;
            self.open = Some((pack, regular(path)?));
        }
        self.open.as_mut().map(|(_, file)| file).ok_or(Broken::Missing)
    }

    /// Reads an entry: goes back along its bases to one that is whole or kept, and then applies the deltas.
    fn packed(&mut self, spot: Spot, bytes_max: usize) -> Result<Object, Broken> {
        let mut chain = Vec::new();
        let mut at = spot;
        let mut object = loop {
            if let Some(kept) = self.recall(at) {
                break kept;
            }
            let head = header(self.file(at.0)?, at.1)?;
            let base = match head.stored {
                Stored::Whole(_) if chain.is_empty() && head.size > bytes_max as u64 => return Err(Broken::TooLarge),
                Stored::Whole(kind) => break self.whole(at, &head, kind)?,
                Stored::FromOffset(offset) => (at.0, offset),
                Stored::FromId(id) => self.spot(&id).ok_or(Broken::Corrupt("a delta without its base"))?,
            };
            chain.push((at, head));
            if chain.len() > CHAIN_MAX {
                return Err(Broken::Corrupt("a chain of deltas without end"));
            }
            at = base;
        };
        while let Some((at, head)) = chain.pop() {
            self.spend(head.size.min(OBJECT_BYTES_MAX as u64))?;
            let delta = unpack(self.file(at.0)?, &head, OBJECT_BYTES_MAX)?;
            let content = delta::apply(&object.content, &delta, OBJECT_BYTES_MAX)?;
            self.spend(content.len() as u64)?;
            object = Object { kind: object.kind, content: Rc::new(content) };
            self.keep(at, &object);
        }
        Ok(object)
    }

    fn whole(&mut self, at: Spot, head: &super::pack::Header, kind: Kind) -> Result<Object, Broken> {
        self.spend(head.size.min(OBJECT_BYTES_MAX as u64))?;
        let content = unpack(self.file(at.0)?, head, OBJECT_BYTES_MAX)?;
        let object = Object { kind, content: Rc::new(content) };
        self.keep(at, &object);
        Ok(object)
    }

    fn keep(&mut self, at: Spot, object: &Object) {
        let bytes = object.content.len();
        if bytes > KEPT_BYTES_MAX / 4 {
            return;
        }
        if self.kept_bytes + bytes > KEPT_BYTES_MAX / 2 {
            self.kept_before = std::mem::take(&mut self.kept);
            self.kept_bytes = 0;
        }
        if self.kept.insert(at, object.clone()).is_none() {
            // An entry costs memory even if it is empty.
            self.kept_bytes += bytes + 128;
        }
    }

    fn recall(&mut self, at: Spot) -> Option<Object> {
        if let Some(object) = self.kept.get(&at) {
            return Some(object.clone());
        }
        let object = self.kept_before.remove(&at)?;
        self.keep(at, &object);
        Some(object)
    }
}

fn loose_header(stream: &mut Inflater<File>) -> Result<(Kind, u64), Broken> {
    let mut header = Vec::new();
    loop {
        let mut byte = [0];
        if stream.fill(&mut byte)? == 0 || header.len() > 32 {
            return Err(Broken::Corrupt("a header"));
        }
        match byte {
            [0] => break,
            [byte] => header.push(byte),
        }
    }
    let mut words = header.split(|byte| *byte == b' ');
    let kind = words.next().and_then(Kind::from_word);
    let size = words.next().and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    kind.zip(size).ok_or(Broken::Corrupt("a header"))
}

/// The packs in the order of their names, so that two runs do the same.
fn pack_paths(folder: &Path, broken: &mut dyn FnMut(String)) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).map(|entries| entries.take_while(Result::is_ok).flatten().map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = match listed {
        Ok(paths) => paths.filter(|path| path.extension().is_some_and(|ending| ending == "pack")).collect(),
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(err) => {
            broken(format!("the packs can't be listed: {err}"));
            Vec::new()
        }
    };
    paths.sort();
    if paths.len() > PACKS_MAX {
        broken(format!("more than {PACKS_MAX} packs; the rest are left out"));
        paths.truncate(PACKS_MAX);
    }
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
