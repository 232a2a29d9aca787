//! Sums up what was looked at in the mounts, object by object, for `observed` records.
//!
//! INVARIANT: the sums depend only on the asks and answers, and they are written only at moments that the guest determines. So a rebuild
//! that looks at the same files makes the same records.

use std::collections::{BTreeMap, HashMap};

use sha2::{Digest as _, Sha256};
use vocabulary::record::{AskedFor, Object, Touch};
use vocabulary::{Ask, Digest, FileAnswer, FileAsk, FileKind, Grants, Resource, SafeText};

use crate::named::asked_for;

/// BOUND: number of objects. With more of them, they are written although the guest did nothing else.
pub(crate) const OBJECTS_MAX: usize = 200;
/// BOUND: bytes of JSON in one record's list, well below the limit of a body.
const JSON_BYTES_MAX: usize = 50_000;
/// BOUND: bytes of a path. A longer path keeps its end, which names the object.
const PATH_BYTES_MAX: usize = 1024;

/// One unbroken stretch of reading.
#[derive(Clone, Debug)]
struct Stretch {
    from: u64,
    len: u64,
    hash: Sha256,
}

#[derive(Clone, Debug, Default)]
struct Reading {
    /// Hash over (offset, length, digest) of the stretches that ended.
    ended: Option<Sha256>,
    now: Option<Stretch>,
    /// Whether the last read reached the end.
    at_end: bool,
}

#[derive(Clone, Debug)]
struct SeenObject {
    path: String,
    real: Option<String>,
    what: Touch,
    amount: u64,
    times: u64,
    untold: u64,
    listing: Option<Sha256>,
    reading: Reading,
}

#[derive(Clone, Debug)]
struct Open {
    path: String,
    /// The real path, if it differs.
    real: Option<String>,
    size: Option<u64>,
}

/// The key of a sum: the path, where links led, and what was done.
type ObservedPlace = (String, Option<String>, Touch);

/// Shortens a path.
///
/// SECURITY: a guest can walk `d/../d/../…` from descriptor to descriptor without end. The path must not grow with each step, and an object
/// that is opened there must still be named by its end. Two long paths with the same end differ in the digest of what was left out.
fn bounded(path: String) -> String {
    let mut from = path.len().saturating_sub(PATH_BYTES_MAX);
    if from == 0 {
        return path;
    }
    // Makes room for the text that replaces it.
    from += 64;
    while !path.is_char_boundary(from) {
        from += 1;
    }
    let (left_out, end) = path.split_at(from);
    let digest = Digest::of(left_out.as_bytes()).hex();
    format!("…[{from} bytes, {}]{end}", digest.get(..16).unwrap_or_default())
}

/// The path that an ask names, if it names one.
fn said(ask: &FileAsk) -> Option<&str> {
    match ask {
        FileAsk::Open(open) => Some(open.path.as_str()),
        FileAsk::StatAt { path, .. } | FileAsk::ReadLink { path, .. } => Some(path.as_str()),
        FileAsk::Change { path, .. } => path.as_ref().map(|path| path.as_str()),
        FileAsk::Read { .. } | FileAsk::Stat { .. } | FileAsk::Close { .. } | FileAsk::List { .. } => None,
    }
}

/// What was looked at since the last record.
#[derive(Clone, Debug)]
pub(crate) struct Aggregate {
    open: BTreeMap<u64, Open>,
    seen: Vec<SeenObject>,
    places: HashMap<ObservedPlace, usize>,
}

impl Aggregate {
    pub(crate) fn new(grants: &Grants) -> Self {
        let mounts = grants.files.iter().map(|mount| Open { path: mount.guest.clone(), real: None, size: None });
        Self { open: (1..).zip(mounts).collect(), seen: Vec::new(), places: HashMap::new() }
    }

    pub(crate) fn is_due(&self) -> bool {
        self.seen.len() > OBJECTS_MAX
    }

    /// The path of an ask as the guest sees it.
    pub(crate) fn path_of(&self, ask: &FileAsk) -> String {
        match ask {
            FileAsk::Open(open) => self.joined(open.dir.0, open.path.as_str()),
            FileAsk::StatAt { dir, path, .. } | FileAsk::ReadLink { dir, path } => self.joined(dir.0, path.as_str()),
            FileAsk::Read { file, .. } | FileAsk::Stat { file } | FileAsk::Close { file } | FileAsk::List { dir: file } => {
                self.joined(file.0, "")
            }
            FileAsk::Change { file, path, .. } => self.joined(file.0, path.as_ref().map_or("", |path| path.as_str())),
        }
    }

    /// An ask as the record names it: in the guest's own words, and with where a path leads.
    pub(crate) fn named(&self, ask: &Ask) -> AskedFor {
        let named = asked_for(ask);
        let Ask::File(file) = ask else { return named };
        let whole = SafeText::new(&self.path_of(file), PATH_BYTES_MAX);
        match said(file) {
            None => AskedFor { resource: Resource::Path(whole), ..named },
            Some(said) => {
                let resource = SafeText::new(&bounded(said.to_owned()), PATH_BYTES_MAX);
                // SECURITY: an absolute path leads nowhere in a mount, so it is not shown as resolved.
                let resolved = (!said.starts_with('/')).then_some(whole).filter(|whole| *whole != resource);
                AskedFor { resolved, resource: Resource::Path(resource), ..named }
            }
        }
    }

    fn joined(&self, dir: u64, path: &str) -> String {
        let mut whole = self.open.get(&dir).map_or_else(|| format!("#{dir}"), |open| open.path.clone());
        // SECURITY: `..` stays as the guest wrote it, because its meaning depends on links.
        for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
            if !whole.ends_with('/') {
                whole.push('/');
            }
            whole.push_str(part);
        }
        bounded(whole)
    }

    /// Notes one look that was not refused.
    pub(crate) fn note(&mut self, ask: &FileAsk, answer: &FileAnswer) {
        match (ask, answer) {
            (FileAsk::Open(_), FileAnswer::Opened { file, kind, real }) => {
                let path = self.path_of(ask);
                let what = if *kind == FileKind::File { Touch::File } else { Touch::Look };
                let open = Open { path, real: real.clone().map(bounded), size: None };
                self.touch((open.path.clone(), open.real.clone(), what)).times += 1;
                self.open.insert(file.0, open);
            }
            (FileAsk::Read { file, offset, len }, FileAnswer::Bytes(bytes)) => {
                let path = self.path_of(ask);
                let open = self.open.get(&file.0);
                let (size, real) = (open.and_then(|open| open.size), open.and_then(|open| open.real.clone()));
                let seen = self.touch((path, real, Touch::File));
                seen.amount += bytes.len() as u64;
                seen.reading.note(*offset, bytes, size, bytes.len() < usize::try_from(*len).unwrap_or(usize::MAX));
            }
            (FileAsk::Stat { file }, FileAnswer::Stat(stat)) if stat.kind == FileKind::File => {
                // The object was noted when it was opened.
                if let Some(open) = self.open.get_mut(&file.0) {
                    open.size = Some(stat.size);
                }
            }
            (FileAsk::List { dir }, FileAnswer::List { entries, unreadable }) => {
                let path = self.path_of(ask);
                let real = self.open.get(&dir.0).and_then(|open| open.real.clone());
                let seen = self.touch((path, real, Touch::Listing));
                seen.times += 1;
                seen.amount += entries.len() as u64;
                seen.untold += unreadable;
                let hash = seen.listing.get_or_insert_default();
                for entry in entries {
                    hash.update((entry.name.len() as u64).to_be_bytes());
                    hash.update(entry.name.as_bytes());
                    hash.update([entry.kind as u8]);
                }
            }
            (FileAsk::Close { file }, _) => {
                self.open.remove(&file.0);
            }
            // A look that failed counts too, because it shows whether something exists.
            _ => {
                let path = self.path_of(ask);
                self.touch((path, None, Touch::Look)).times += 1;
            }
        }
    }

    fn touch(&mut self, of: ObservedPlace) -> &mut SeenObject {
        let next = self.seen.len();
        let place = match self.places.get(&of) {
            Some(place) => *place,
            None => {
                self.places.insert(of.clone(), next);
                let ((path, real, what), listing, reading) = (of, None, Reading::default());
                self.seen.push(SeenObject { path, real, what, amount: 0, times: 0, untold: 0, listing, reading });
                next
            }
        };
        // INVARIANT: `places` only names places in `seen`; both are emptied together.
        #[expect(clippy::indexing_slicing, reason = "the place was made above or earlier")]
        &mut self.seen[place]
    }

    /// Takes everything since the last call, in lists that each fit into one record.
    pub(crate) fn take(&mut self) -> Vec<Vec<Object>> {
        self.places.clear();
        let mut lists = Vec::new();
        let (mut list, mut bytes) = (Vec::new(), 0);
        for seen in self.seen.drain(..) {
            let object = seen.into_object();
            let size = vocabulary::canon::to_vec(&object).len() + 1;
            if bytes + size > JSON_BYTES_MAX && !list.is_empty() {
                lists.push(std::mem::take(&mut list));
                bytes = 0;
            }
            bytes += size;
            list.push(object);
        }
        if !list.is_empty() {
            lists.push(list);
        }
        lists
    }
}

impl Reading {
    fn note(&mut self, offset: u64, bytes: &[u8], size: Option<u64>, short: bool) {
        let follows = self.now.as_ref().is_some_and(|now| now.from + now.len == offset);
        if bytes.is_empty() {
            self.at_end |= follows || (self.now.is_none() && offset == 0);
            return;
        }
        if !follows {
            self.end_stretch();
        }
        let now = self.now.get_or_insert_with(|| Stretch { from: offset, len: 0, hash: Sha256::new() });
        now.hash.update(bytes);
        now.len += bytes.len() as u64;
        self.at_end = short || size == Some(now.from + now.len);
    }

    fn end_stretch(&mut self) {
        let Some(now) = self.now.take() else { return };
        let ended = self.ended.get_or_insert_default();
        ended.update(now.from.to_be_bytes());
        ended.update(now.len.to_be_bytes());
        ended.update(now.hash.finalize());
    }

    fn finish(mut self) -> (Option<Digest>, bool) {
        match (&self.ended, &self.now) {
            (None, Some(now)) if now.from == 0 && self.at_end => {
                let digest = now.hash.clone().finalize().into();
                (Some(Digest::from_bytes(digest)), true)
            }
            (None, None) if self.at_end => (Some(Digest::of(b"")), true),
            _ => {
                self.end_stretch();
                (self.ended.map(|ended| Digest::from_bytes(ended.finalize().into())), false)
            }
        }
    }
}

impl SeenObject {
    fn into_object(self) -> Object {
        let (digest, whole) = match self.listing {
            Some(hash) => (Some(Digest::from_bytes(hash.finalize().into())), self.times == 1),
            None => self.reading.finish(),
        };
        let text = |path: &String| SafeText::new(path, PATH_BYTES_MAX);
        let (path, real) = (text(&self.path), self.real.as_ref().map(text));
        Object { amount: self.amount, digest, path, real, times: self.times, untold: self.untold, what: self.what, whole }
    }
}
