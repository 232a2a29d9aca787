//! What a guest can ask of a mount, and what it can be told.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::function::Function;
use crate::ids::FileId;

/// BOUND: longest path in a mount, in bytes (Linux's own `PATH_MAX`).
pub const GUEST_PATH_BYTES_MAX: usize = 4096;

/// A path relative to an open directory, as the guest said it: an allegation. Only the broker walks it, component by
/// component, beneath the mount.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AskedPath(String);

impl AskedPath {
    /// Takes the guest's words; `None` when they can't be a path: empty, NUL inside, too long.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty() && text.len() <= GUEST_PATH_BYTES_MAX && !text.contains('\0')).then(|| Self(text.to_owned()))
    }

    /// As said.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One look at a mount, or one try to change it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileAsk {
    /// Open for reading.
    Open(FileOpen),
    /// Up to `len` bytes at `offset`.
    Read {
        /// An open file.
        file: FileId,
        /// From the start of the file.
        offset: u64,
        /// BOUND: the sandbox asks for at most 64 KiB at a time, so a guest's number never sizes an allocation.
        len: u32,
    },
    /// What an open file or directory is.
    Stat {
        /// Which.
        file: FileId,
    },
    /// What is at a path.
    StatAt {
        /// An open directory.
        dir: FileId,
        /// Beneath it.
        path: AskedPath,
        /// Whether a link at the end is followed.
        follow: bool,
    },
    /// Everything in a directory, sorted by name.
    List {
        /// An open directory.
        dir: FileId,
    },
    /// Where a link points.
    ReadLink {
        /// An open directory.
        dir: FileId,
        /// Beneath it.
        path: AskedPath,
    },
    /// The guest is done with it.
    Close {
        /// Which.
        file: FileId,
    },
    /// Any change: nothing in this version allows one, so it is refused and recorded.
    Change {
        /// The function of `wasi:filesystem/types` that was called.
        function: ChangeKind,
        /// The directory or file it was called on.
        file: FileId,
        /// Beneath it, where the function takes a path.
        path: Option<AskedPath>,
    },
}

/// How to open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileOpen {
    /// An open directory.
    pub dir: FileId,
    /// Must be a directory.
    pub directory: bool,
    /// Whether a link at the end is followed.
    pub follow: bool,
    /// Beneath the directory.
    pub path: AskedPath,
}

/// The functions that change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// `open-at` with write, create, truncate or exclusive flags.
    OpenAt,
    /// `write`, `write-via-stream`, `append-via-stream`.
    Write,
    /// `set-size`.
    SetSize,
    /// `set-times`, `set-times-at`.
    SetTimes,
    /// `create-directory-at`.
    CreateDirectoryAt,
    /// `link-at`.
    LinkAt,
    /// `symlink-at`.
    SymlinkAt,
    /// `remove-directory-at`.
    RemoveDirectoryAt,
    /// `rename-at`.
    RenameAt,
    /// `unlink-file-at`.
    UnlinkFileAt,
}

impl FileAsk {
    /// The open file or directory on which it is asked.
    pub fn on(&self) -> FileId {
        match self {
            Self::Open(open) => open.dir,
            Self::Read { file, .. } | Self::Stat { file } | Self::Close { file } | Self::Change { file, .. } => *file,
            Self::StatAt { dir, .. } | Self::List { dir } | Self::ReadLink { dir, .. } => *dir,
        }
    }

    /// The function of the interface through which this is asked.
    pub fn function(&self) -> Function {
        match self {
            Self::Open(_) => Function::FileOpenAt,
            Self::Read { .. } => Function::FileRead,
            Self::Stat { .. } => Function::FileStat,
            Self::StatAt { .. } => Function::FileStatAt,
            Self::List { .. } => Function::FileReadDirectory,
            Self::ReadLink { .. } => Function::FileReadlinkAt,
            Self::Close { .. } => Function::FileDrop,
            Self::Change { function, .. } => match function {
                ChangeKind::OpenAt => Function::FileOpenAt,
                ChangeKind::Write => Function::FileWrite,
                ChangeKind::SetSize => Function::FileSetSize,
                ChangeKind::SetTimes => Function::FileSetTimes,
                ChangeKind::CreateDirectoryAt => Function::FileCreateDirectoryAt,
                ChangeKind::LinkAt => Function::FileLinkAt,
                ChangeKind::SymlinkAt => Function::FileSymlinkAt,
                ChangeKind::RemoveDirectoryAt => Function::FileRemoveDirectoryAt,
                ChangeKind::RenameAt => Function::FileRenameAt,
                ChangeKind::UnlinkFileAt => Function::FileUnlinkFileAt,
            },
        }
    }

    /// The ask in one line. The broker knows the names behind the numbers; this alone already tells two asks apart.
    pub fn resource(&self) -> String {
        match self {
            Self::Open(open) => format!("{}/{} follow={} directory={}", open.dir.0, open.path.as_str(), open.follow, open.directory),
            Self::Read { file, offset, len } => format!("{} offset={offset} len={len}", file.0),
            Self::Stat { file } | Self::Close { file } => file.0.to_string(),
            Self::StatAt { dir, path, follow } => format!("{}/{} follow={follow}", dir.0, path.as_str()),
            Self::List { dir } => dir.0.to_string(),
            Self::ReadLink { dir, path } => format!("{}/{}", dir.0, path.as_str()),
            Self::Change { function: _, file, path } => format!("{}/{}", file.0, path.as_ref().map_or("", AskedPath::as_str)),
        }
    }
}

/// What the guest is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileAnswer {
    /// It is open under this id.
    Opened {
        /// Counted in the order of opening.
        file: FileId,
        /// Regular file or directory: nothing else is ever opened.
        kind: FileKind,
        /// Where the file really is, as the guest would write it, if links led to another path than the one by which it was opened. This is
        /// for the record; no guest is told.
        real: Option<String>,
    },
    /// Bytes; fewer than asked for only at the end; none at the end.
    Bytes(Bytes),
    /// What it is.
    Stat(FileStat),
    /// Sorted by the bytes of the name, without `.` and `..`; names that are not UTF-8 are left out and counted.
    List {
        /// What is there.
        entries: Vec<DirEntry>,
        /// How many names were left out.
        unreadable: u64,
    },
    /// Where the link points.
    Link(String),
    /// Closed.
    Closed,
    /// It did not work, or was refused.
    Fault(FileFault),
}

/// Kinds of things in a directory. Only the first two can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// FIFO, socket, device.
    Other,
}

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirEntry {
    /// What it is.
    pub kind: FileKind,
    /// Its name.
    pub name: String,
}

/// Facts about a file, without anything that names the host's disk: inode and device are only ever part of `identity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStat {
    /// Keyed with the run's seed: the same for the same object within a run, and tells nothing else.
    pub identity: [u64; 2],
    /// What it is.
    pub kind: FileKind,
    /// Last change of the content, nanoseconds since 1970, clamped to what the guest's type holds; 0 before 1970.
    pub modified_ns: u64,
    /// Bytes; 0 for a directory.
    pub size: u64,
}

/// Why a look at a mount failed, in the terms of `wasi:filesystem/types.error-code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileFault {
    /// Nothing there.
    NotFound,
    /// A directory was needed.
    NotDirectory,
    /// A file was needed.
    IsDirectory,
    /// Refused: leaves the mount, is not a regular file or directory, or would change something.
    NotPermitted,
    /// The operating system says the host may not.
    Access,
    /// Too many links on the way.
    Loop,
    /// A name or path is too long.
    NameTooLong,
    /// The words were no path, or the number no open file.
    Invalid,
    /// The run has as many files open as it may.
    TooManyOpen,
    /// The disk failed.
    Io,
}
