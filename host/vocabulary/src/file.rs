//! What a guest can ask of a mount, and the answers.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::function::Function;
use crate::ids::FileId;

/// BOUND: longest path in a mount, in bytes (Linux's own `PATH_MAX`).
pub const GUEST_PATH_BYTES_MAX: usize = 4096;

/// A path relative to an open directory, as the guest wrote it. It is not trusted: only the broker walks it, component by component,
/// beneath the mount.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AskedPath(String);

impl AskedPath {
    /// Takes the guest's text. `None` if it can't be a path: it is empty, contains a NUL, or is too long.
    pub fn new(text: &str) -> Option<Self> {
        (!text.is_empty() && text.len() <= GUEST_PATH_BYTES_MAX && !text.contains('\0')).then(|| Self(text.to_owned()))
    }

    /// The path as the guest wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An ask to look at something in a mount, or to change it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileAsk {
    /// Opens a file or a directory for reading.
    Open(FileOpen),
    /// Reads up to `len` bytes at `offset`.
    Read {
        /// The open file.
        file: FileId,
        /// The offset from the start of the file.
        offset: u64,
        /// BOUND: the sandbox asks for at most 64 KiB at a time, so a guest's number never sizes an allocation.
        len: u32,
    },
    /// Asks for the attributes of an open file or directory.
    Stat {
        /// The open file or directory.
        file: FileId,
    },
    /// Asks for the attributes of what is at a path.
    StatAt {
        /// The open directory.
        dir: FileId,
        /// The path beneath it.
        path: AskedPath,
        /// Whether a link at the end is followed.
        follow: bool,
    },
    /// Lists everything in a directory, sorted by name.
    List {
        /// The open directory.
        dir: FileId,
    },
    /// Reads where a link points.
    ReadLink {
        /// The open directory.
        dir: FileId,
        /// The path beneath it.
        path: AskedPath,
    },
    /// Closes a file or directory.
    Close {
        /// The open file or directory.
        file: FileId,
    },
    /// Any change. Nothing in this version allows one, so it is refused and recorded.
    Change {
        /// The function of `wasi:filesystem/types` that was called.
        function: ChangeKind,
        /// The directory or file on which it was called.
        file: FileId,
        /// The path beneath it, if the function takes a path.
        path: Option<AskedPath>,
    },
}

/// The parameters of opening.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileOpen {
    /// The open directory.
    pub dir: FileId,
    /// Whether it must be a directory.
    pub directory: bool,
    /// Whether a link at the end is followed.
    pub follow: bool,
    /// The path beneath the directory.
    pub path: AskedPath,
}

/// The functions that change a file or directory.
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
    /// The open file or directory that the ask refers to.
    pub fn on(&self) -> FileId {
        match self {
            Self::Open(open) => open.dir,
            Self::Read { file, .. } | Self::Stat { file } | Self::Close { file } | Self::Change { file, .. } => *file,
            Self::StatAt { dir, .. } | Self::List { dir } | Self::ReadLink { dir, .. } => *dir,
        }
    }

    /// The function of the interface through which the guest asked.
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

    /// The ask on one line. The broker knows the names behind the numbers. Two different asks have different lines.
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

/// The answer to a [`FileAsk`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileAnswer {
    /// The file or directory was opened under this id.
    Opened {
        /// The id, counted in the order of opening.
        file: FileId,
        /// The kind: a regular file or a directory. Nothing else is ever opened.
        kind: FileKind,
        /// The path of the file as the guest would write it, if links led to another path than the one by which it was opened. This is for
        /// the record; the guest never sees it.
        real: Option<String>,
    },
    /// The bytes that were read. There are fewer than asked for only at the end of the file, and none after it.
    Bytes(Bytes),
    /// The attributes.
    Stat(FileStat),
    /// The names in a directory, sorted by their bytes, without `.` and `..`. Names that are not UTF-8 are left out and counted.
    List {
        /// The names with their kinds.
        entries: Vec<DirEntry>,
        /// How many names were left out.
        unreadable: u64,
    },
    /// The target of the link.
    Link(String),
    /// The file or directory was closed.
    Closed,
    /// The ask failed, or was refused.
    Fault(FileFault),
}

/// Kinds of directory entries. Only the first two can be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A FIFO, a socket or a device.
    Other,
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirEntry {
    /// Its kind.
    pub kind: FileKind,
    /// Its name.
    pub name: String,
}

/// Attributes of a file. They reveal nothing about the host's disk: inode and device are only part of `identity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStat {
    /// A number that is the same for the same file within a run. It is keyed with the run's seed, so it reveals nothing else.
    pub identity: [u64; 2],
    /// The kind of file.
    pub kind: FileKind,
    /// The last change of the contents, in nanoseconds since 1970, clamped to what the guest's type holds. 0 for times before 1970.
    pub modified_ns: u64,
    /// The size in bytes. 0 for a directory.
    pub size: u64,
}

/// Why a look at a mount failed, in the terms of `wasi:filesystem/types.error-code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileFault {
    /// There is no such file or directory.
    NotFound,
    /// The path is not a directory, but must be one.
    NotDirectory,
    /// The path is a directory, but must be a file.
    IsDirectory,
    /// The ask was refused: the path leads out of the mount or is not a regular file or directory, or the ask would change something.
    NotPermitted,
    /// The operating system denies the host access.
    Access,
    /// There are too many links on the way.
    Loop,
    /// A name or path is too long.
    NameTooLong,
    /// The text is not a path, or the number is not that of an open file.
    Invalid,
    /// The run has as many files open as it may have.
    TooManyOpen,
    /// The disk failed.
    Io,
}
