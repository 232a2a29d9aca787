//! What git's objects are made of: names, commits, tags and trees, read without trusting a byte of them.

use std::fmt;

/// BOUND: a commit has no more parents than this; git's own largest have some sixty.
const PARENTS_MAX: usize = 1_024;

/// The name of an object, of a repository that names by SHA-1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id(pub(super) [u8; 20]);

impl Id {
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Of forty hexadecimal digits and no more.
    pub(super) fn from_hex(digits: &[u8]) -> Option<Self> {
        let mut id = [0; 20];
        let mut pairs = digits.chunks_exact(2);
        for byte in &mut id {
            let [high, low] = *pairs.next()? else { return None };
            *byte = u8::try_from(char::from(high).to_digit(16)? << 4 | char::from(low).to_digit(16)?).ok()?;
        }
        (digits.len() == 40).then_some(Self(id))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl Kind {
    pub(super) fn from_word(word: &[u8]) -> Option<Self> {
        match word {
            b"commit" => Some(Self::Commit),
            b"tree" => Some(Self::Tree),
            b"blob" => Some(Self::Blob),
            b"tag" => Some(Self::Tag),
            _ => None,
        }
    }

    /// As packs number them.
    pub(super) const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Commit),
            2 => Some(Self::Tree),
            3 => Some(Self::Blob),
            4 => Some(Self::Tag),
            _ => None,
        }
    }
}

/// Why an object could not be had.
#[derive(Debug)]
pub(super) enum Broken {
    Missing,
    Corrupt(&'static str),
    /// Larger than what was asked for may be.
    TooLarge,
    Unreadable(std::io::Error),
    /// As much was unpacked as may be; nothing further will be.
    Spent,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "is not there"),
            Self::Corrupt(what) => write!(f, "is corrupt: {what}"),
            Self::TooLarge => write!(f, "is too large"),
            Self::Unreadable(err) => write!(f, "can't be read: {err}"),
            Self::Spent => write!(f, "is past what may be unpacked"),
        }
    }
}

impl From<std::io::Error> for Broken {
    fn from(err: std::io::Error) -> Self {
        Self::Unreadable(err)
    }
}

/// What of a commit is needed here.
pub(super) struct Commit {
    pub(super) tree: Id,
    pub(super) parents: Vec<Id>,
    /// Seconds, as the committer's clock said.
    pub(super) time: i64,
}

/// The lines before the first empty one, each with its first word apart.
fn headers(object: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = object.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty());
    lines.filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b' ')?;
        Some((line.get(..at)?, line.get(at + 1..)?))
    })
}

impl Commit {
    pub(super) fn parse(object: &[u8]) -> Option<Self> {
        let mut commit = Self {
            tree: headers(object).find_map(|(word, rest)| (word == b"tree").then(|| Id::from_hex(rest)))??,
            parents: Vec::new(),
            time: 0,
        };
        for (word, rest) in headers(object) {
            match word {
                b"parent" if commit.parents.len() < PARENTS_MAX => commit.parents.push(Id::from_hex(rest)?),
                b"committer" => commit.time = time(rest).unwrap_or(0),
                _ => {}
            }
        }
        Some(commit)
    }
}

/// `Name <mail> SECONDS ZONE`.
fn time(committer: &[u8]) -> Option<i64> {
    let seconds = committer.rsplit(|byte| *byte == b' ').nth(1)?;
    std::str::from_utf8(seconds).ok()?.parse().ok()
}

/// What a tag stands for.
pub(super) fn tagged(object: &[u8]) -> Option<Id> {
    headers(object).find_map(|(word, rest)| (word == b"object").then(|| Id::from_hex(rest)))?
}

/// What lies in a folder.
pub(super) enum Entry {
    File,
    Folder,
    /// A link, or another repository.
    Other,
}

/// The entries of a tree, as far as it can be read; `None` comes last where that is not to its end.
pub(super) fn entries(tree: &[u8]) -> impl Iterator<Item = Option<(Entry, &[u8], Id)>> {
    let mut rest = tree;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let read = entry(rest);
        rest = read.as_ref().map_or(&[], |(_, after)| *after);
        Some(read.map(|(entry, _)| entry))
    })
}

type Read<'t> = ((Entry, &'t [u8], Id), &'t [u8]);

/// `MODE NAME`, a NUL, and twenty bytes.
fn entry(rest: &[u8]) -> Option<Read<'_>> {
    let space = rest.iter().take(8).position(|byte| *byte == b' ')?;
    let nul = rest.iter().position(|byte| *byte == 0)?;
    let (mode, name) = (rest.get(..space)?, rest.get(space + 1..nul)?);
    let id = Id::from_bytes(rest.get(nul + 1..nul + 21)?)?;
    let kind = match mode {
        b"40000" | b"040000" => Entry::Folder,
        [b'1', b'0', b'0', ..] => Entry::File,
        _ => Entry::Other,
    };
    Some(((kind, name, id), rest.get(nul + 21..)?))
}
