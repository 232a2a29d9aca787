//! Why a file of a home is refused, and the command that repairs it.

use std::error::Error;
use std::fmt::Write as _;
use std::fs::FileType;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use crate::accounts::own;
use crate::causes::within;

/// The type of what lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A device.
    Device,
}

impl PathKind {
    pub(crate) fn of(kind: FileType) -> Self {
        if kind.is_file() {
            Self::File
        } else if kind.is_dir() {
            Self::Folder
        } else if kind.is_symlink() {
            Self::Link
        } else if kind.is_fifo() {
            Self::Fifo
        } else if kind.is_socket() {
            Self::Socket
        } else {
            Self::Device
        }
    }
}

impl std::fmt::Display for PathKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File => "a regular file",
            Self::Folder => "a folder",
            Self::Link => "a symbolic link",
            Self::Fifo => "a FIFO",
            Self::Socket => "a socket",
            Self::Device => "a device",
        })
    }
}

/// Why a file of a home is refused. It is the inner error of an [`io::Error`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exposed {
    /// The file belongs to another user.
    #[error("`{}` belongs to uid {owner}{}, and this process is uid {own}{}", path.display(), named(*owner), named(*own))]
    Owner {
        /// The path of the file or folder.
        path: PathBuf,
        /// The user id of its owner.
        owner: u32,
        /// The user id of this process.
        own: u32,
        /// Whether it is the home or the state itself, so that everything in it belongs to that user.
        is_whole: bool,
    },
    /// Other users have rights on the file.
    #[error("other users have rights on `{}` (mode {mode:04o})", path.display())]
    Mode {
        /// The path of the file or folder.
        path: PathBuf,
        /// All permission bits.
        mode: u32,
        /// Whether it is a file or a folder.
        kind: PathKind,
    },
    /// A folder above it belongs to another user, who can put anything in its place.
    #[error("the folder `{}` above it belongs to uid {owner}, who can replace what is in it", path.display())]
    OwnerAbove {
        /// The path of that folder.
        path: PathBuf,
        /// The user id of its owner.
        owner: u32,
    },
    /// Other users can write to a folder above it.
    #[error("other users can write to the folder `{}` above it (mode {mode:04o})", path.display())]
    ModeAbove {
        /// The path of that folder.
        path: PathBuf,
        /// All permission bits.
        mode: u32,
    },
    /// A symbolic link lies on the path to it.
    #[error("`{}`, on the path to it, is a symbolic link", path.display())]
    LinkAbove {
        /// The path of the link.
        path: PathBuf,
        /// The whole path without links, if it can be resolved.
        real: Option<PathBuf>,
    },
    /// Something of another type lies in its place.
    #[error("`{}` is {kind}, but must be {expected}", path.display())]
    Kind {
        /// The path.
        path: PathBuf,
        /// The type of what is there.
        kind: PathKind,
        /// The type that it must have.
        expected: PathKind,
    },
}

impl Exposed {
    /// Finds the `Exposed` within an error, or within one of its causes.
    pub fn of<'e>(err: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        within(err)
    }

    /// The path of the file, folder or link that is at fault.
    pub fn path(&self) -> &Path {
        match self {
            Self::Owner { path, .. }
            | Self::Mode { path, .. }
            | Self::OwnerAbove { path, .. }
            | Self::ModeAbove { path, .. }
            | Self::LinkAbove { path, .. }
            | Self::Kind { path, .. } => path,
        }
    }

    /// A shell command that repairs the fault.
    pub fn mend(&self) -> String {
        match self {
            // If root used the home of a user, root would leave files there that the user can't use.
            Self::Owner { owner, own: 0, is_whole: true, .. } => format!("sudo -u '#{owner}' bailiwick"),
            // One file in a home that belongs to root: another user has left it there.
            Self::Owner { path, own: 0, .. } => format!("chown -R 0 {}", quoted(path)),
            Self::Owner { path, own, .. } => format!("sudo chown -R {own} {}", quoted(path)),
            Self::Mode { path, kind: PathKind::Folder, .. } => format!("chmod 700 {}", quoted(path)),
            Self::Mode { path, .. } => format!("chmod 600 {}", quoted(path)),
            // Root must use its own home, or become the user whose home that is: files that root leaves there lock the user out.
            Self::OwnerAbove { owner, .. } if own() == 0 => format!("sudo -u '#{owner}' bailiwick"),
            Self::OwnerAbove { .. } => "export BAILIWICK_HOME=~/.bailiwick BAILIWICK_STATE=~/.bailiwick-state".to_owned(),
            Self::ModeAbove { path, .. } => format!("chmod go-w {}", quoted(path)),
            Self::LinkAbove { path, real } => format!("export BAILIWICK_HOME={}", quoted(real.as_deref().unwrap_or(path))),
            Self::Kind { path, kind: PathKind::Folder | PathKind::File, .. } => {
                let mut aside = path.as_os_str().to_owned();
                aside.push(".aside");
                format!("mv {} {}", quoted(path), quoted(Path::new(&aside)))
            }
            Self::Kind { path, .. } => format!("rm {}", quoted(path)),
        }
    }
}

fn named(uid: u32) -> String {
    crate::name_of(uid).map_or_else(String::new, |name| format!(" ({})", name.escape_debug()))
}

impl From<Exposed> for io::Error {
    fn from(exposed: Exposed) -> Self {
        Self::new(io::ErrorKind::PermissionDenied, exposed)
    }
}

/// Quotes a path as one word of a shell. Characters that can't be printed are written in the form `$'…'` (POSIX.1-2024), so that the path
/// can be shown and still be typed.
pub(crate) fn quoted(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+=:,@%".contains(byte);
    if !bytes.is_empty() && bytes.iter().all(plain) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    match str::from_utf8(bytes) {
        Ok(text) if text.chars().all(|letter| letter.is_ascii_graphic() || letter == ' ') => format!("'{}'", text.replace('\'', r"'\''")),
        _ => {
            let mut word = String::from("$'");
            for byte in bytes {
                match byte {
                    b'\'' | b'\\' => word.extend(['\\', char::from(*byte)]),
                    b' '..=b'~' => word.push(char::from(*byte)),
                    // Writing to a String can't fail.
                    _ => drop(write!(word, "\\{byte:03o}")),
                }
            }
            word.push('\'');
            word
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::ffi::OsStr;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_path_stays_one_word_of_a_shell_whatever_is_in_it() {
        for bytes in [&b"/a/b-c_1.2"[..], b"/a b", b"/it's", b"/a\nb'c\\", b"/\xff\x1b[31m", b"/\xc3\xa4", b"/$(x)`y`\"z\";&", b"/#~*?"] {
            let word = quoted(Path::new(OsStr::from_bytes(bytes)));
            assert!(word.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' '), "{word}");
            let said = Command::new("bash").args(["-c", &format!("printf %s {word}")]).output().unwrap();
            assert_eq!(said.stdout, bytes, "{word}");
        }
    }

    #[test]
    fn it_is_found_beneath_other_errors() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] io::Error);
        let exposed = Exposed::Mode { path: "/x".into(), mode: 0o644, kind: PathKind::File };
        assert_eq!(Exposed::of(&Outer(exposed.clone().into())), Some(&exposed));
        assert_eq!(Exposed::of(&Outer(io::ErrorKind::NotFound.into())), None);
    }
}
