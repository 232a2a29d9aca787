//! Parsers for git's objects: names, commits, tags and trees. They trust no byte of the input.

use std::fmt;

/// BOUND: how many parents of a commit are read; the largest real merges have about sixty.
const PARENTS_MAX: usize = 1_024;

/// The name of an object: a SHA-1 digest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Id(pub(super) [u8; 20]);

impl Id {
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Parses exactly forty hexadecimal digits.
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

    /// The kind for a number in a pack.
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

/// Why an object could not be read.
#[derive(Debug)]
pub(super) enum Broken {
    Missing,
    Corrupt(&'static str),
    /// The object is larger than the caller allows.
    TooLarge,
    Unreadable(std::io::Error),
    /// The bound for unpacked bytes is reached; nothing further is unpacked.
    Spent,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "is not there"),
            Self::Corrupt(what) => write!(f, "is corrupt: {what}"),
            Self::TooLarge => write!(f, "is too large"),
            Self::Unreadable(err) => write!(f, "can't be read: {err}"),
            Self::Spent => write!(f, "is past the bound for unpacked bytes"),
        }
    }
}

impl From<std::io::Error> for Broken {
    fn from(err: std::io::Error) -> Self {
        Self::Unreadable(err)
    }
}

/// The parts of a commit that are used here.
pub(super) struct Commit {
    pub(super) tree: Id,
    pub(super) parents: Vec<Id>,
    /// The committer's time, in seconds since 1970.
    pub(super) time: i64,
}

/// The header lines before the first empty line, each split after its first word.
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

/// The seconds in `Name <mail> SECONDS ZONE`.
fn time(committer: &[u8]) -> Option<i64> {
    let seconds = committer.rsplit(|byte| *byte == b' ').nth(1)?;
    std::str::from_utf8(seconds).ok()?.parse().ok()
}

/// The object that a tag stands for.
pub(super) fn tagged(object: &[u8]) -> Option<Id> {
    headers(object).find_map(|(word, rest)| (word == b"object").then(|| Id::from_hex(rest)))?
}

/// The kind of an entry of a folder.
pub(super) enum Entry {
    File,
    Folder,
    /// A link, or another repository.
    Other,
}

/// The entries of a tree, as far as it can be read. If the tree can't be read to its end, the last item is `None`.
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

/// Parses one entry: `MODE NAME`, a NUL, and twenty bytes.
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
