//! The system calls that change files, and the files that a call is about.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Component, Path, PathBuf};

use libc::user_regs_struct;
use rustix::process::Pid;

/// The kind of change that a call makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deed {
    /// Opens a file that it may make or empty.
    Open,
    /// Writes bytes to a file.
    Write,
    /// Waits until bytes or names are on the disk.
    Sync,
    /// Changes the length of a file, or reserves space for it.
    Size,
    /// Renames.
    Rename,
    /// Removes a name.
    Remove,
    /// Makes a folder, a link, a socket.
    Make,
    /// Changes rights, owners, times.
    Mode,
    /// A way of writing that the tracer can't follow: shared memory of a file, io_uring.
    Unseen,
}

/// Which arguments of a call name the file.
#[derive(Clone, Copy, Debug)]
enum Where {
    /// A descriptor, at this position.
    Fd(usize),
    /// A path, at this position.
    Path(usize),
    /// The descriptor of a folder at this position, followed by a path in the folder.
    At(usize),
    /// Two paths.
    Paths,
    /// Two pairs as in `At`, the second at position 2.
    Ats,
    /// The address of a socket.
    Socket,
    /// No argument names a file.
    Nothing,
}

struct Entry {
    number: i64,
    name: &'static str,
    deed: Deed,
    place: Where,
}

const fn entry(number: i64, name: &'static str, deed: Deed, place: Where) -> Entry {
    Entry { number, name, deed, place }
}

/// All calls at which the filter stops the program.
const TABLE: &[Entry] = &[
    entry(libc::SYS_open, "open", Deed::Open, Where::Path(0)),
    entry(libc::SYS_creat, "creat", Deed::Open, Where::Path(0)),
    entry(libc::SYS_openat, "openat", Deed::Open, Where::At(0)),
    entry(libc::SYS_openat2, "openat2", Deed::Open, Where::At(0)),
    entry(libc::SYS_write, "write", Deed::Write, Where::Fd(0)),
    entry(libc::SYS_pwrite64, "pwrite64", Deed::Write, Where::Fd(0)),
    entry(libc::SYS_writev, "writev", Deed::Write, Where::Fd(0)),
    entry(libc::SYS_pwritev, "pwritev", Deed::Write, Where::Fd(0)),
    entry(libc::SYS_pwritev2, "pwritev2", Deed::Write, Where::Fd(0)),
    entry(libc::SYS_copy_file_range, "copy_file_range", Deed::Write, Where::Fd(2)),
    entry(libc::SYS_sendfile, "sendfile", Deed::Write, Where::Fd(0)),
    entry(libc::SYS_splice, "splice", Deed::Write, Where::Fd(2)),
    entry(libc::SYS_fsync, "fsync", Deed::Sync, Where::Fd(0)),
    entry(libc::SYS_fdatasync, "fdatasync", Deed::Sync, Where::Fd(0)),
    entry(libc::SYS_sync_file_range, "sync_file_range", Deed::Sync, Where::Fd(0)),
    entry(libc::SYS_syncfs, "syncfs", Deed::Sync, Where::Fd(0)),
    entry(libc::SYS_truncate, "truncate", Deed::Size, Where::Path(0)),
    entry(libc::SYS_ftruncate, "ftruncate", Deed::Size, Where::Fd(0)),
    entry(libc::SYS_fallocate, "fallocate", Deed::Size, Where::Fd(0)),
    entry(libc::SYS_rename, "rename", Deed::Rename, Where::Paths),
    entry(libc::SYS_renameat, "renameat", Deed::Rename, Where::Ats),
    entry(libc::SYS_renameat2, "renameat2", Deed::Rename, Where::Ats),
    entry(libc::SYS_unlink, "unlink", Deed::Remove, Where::Path(0)),
    entry(libc::SYS_unlinkat, "unlinkat", Deed::Remove, Where::At(0)),
    entry(libc::SYS_rmdir, "rmdir", Deed::Remove, Where::Path(0)),
    entry(libc::SYS_mkdir, "mkdir", Deed::Make, Where::Path(0)),
    entry(libc::SYS_mkdirat, "mkdirat", Deed::Make, Where::At(0)),
    entry(libc::SYS_mknod, "mknod", Deed::Make, Where::Path(0)),
    entry(libc::SYS_mknodat, "mknodat", Deed::Make, Where::At(0)),
    entry(libc::SYS_link, "link", Deed::Make, Where::Paths),
    entry(libc::SYS_linkat, "linkat", Deed::Make, Where::Ats),
    entry(libc::SYS_symlink, "symlink", Deed::Make, Where::Path(1)),
    entry(libc::SYS_symlinkat, "symlinkat", Deed::Make, Where::At(1)),
    entry(libc::SYS_bind, "bind", Deed::Make, Where::Socket),
    entry(libc::SYS_chmod, "chmod", Deed::Mode, Where::Path(0)),
    entry(libc::SYS_fchmod, "fchmod", Deed::Mode, Where::Fd(0)),
    entry(libc::SYS_fchmodat, "fchmodat", Deed::Mode, Where::At(0)),
    entry(libc::SYS_fchmodat2, "fchmodat2", Deed::Mode, Where::At(0)),
    entry(libc::SYS_chown, "chown", Deed::Mode, Where::Path(0)),
    entry(libc::SYS_lchown, "lchown", Deed::Mode, Where::Path(0)),
    entry(libc::SYS_fchown, "fchown", Deed::Mode, Where::Fd(0)),
    entry(libc::SYS_fchownat, "fchownat", Deed::Mode, Where::At(0)),
    entry(libc::SYS_utimensat, "utimensat", Deed::Mode, Where::At(0)),
    entry(libc::SYS_setxattr, "setxattr", Deed::Mode, Where::Path(0)),
    entry(libc::SYS_lsetxattr, "lsetxattr", Deed::Mode, Where::Path(0)),
    entry(libc::SYS_fsetxattr, "fsetxattr", Deed::Mode, Where::Fd(0)),
    entry(libc::SYS_mmap, "mmap", Deed::Unseen, Where::Fd(4)),
    entry(libc::SYS_io_uring_setup, "io_uring_setup", Deed::Unseen, Where::Nothing),
];

/// The numbers of these calls. A call stops only if one of the listed arguments has the listed bits; with an empty list it always stops.
pub(super) fn stopping() -> impl Iterator<Item = (i64, Vec<(u8, u64)>)> {
    TABLE.iter().map(|entry| {
        let flags = match entry.number {
            libc::SYS_open => vec![(1, libc::O_CREAT), (1, libc::O_TRUNC), (1, libc::O_TMPFILE)],
            libc::SYS_openat => vec![(2, libc::O_CREAT), (2, libc::O_TRUNC), (2, libc::O_TMPFILE)],
            libc::SYS_mmap => vec![(3, libc::MAP_SHARED)],
            _ => Vec::new(),
        };
        (entry.number, flags.into_iter().map(|(at, flag)| (at, u64::from(flag.unsigned_abs()))).collect())
    })
}

/// A call that is about to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The name in the manual.
    pub name: &'static str,
    /// The kind of change.
    pub deed: Deed,
    /// The file or folder; if there are two, the first.
    pub path: PathBuf,
    /// The second file, if there are two.
    pub to: Option<PathBuf>,
    /// How many bytes `write` and `pwrite64` are asked to write.
    pub bytes: u64,
}

/// The arguments of a call, from the registers.
pub(super) fn arguments(regs: &user_regs_struct) -> [u64; 6] {
    [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9]
}

impl Call {
    /// The call that this thread is about to make, if it is one of the table.
    #[must_use]
    pub fn of(tid: Pid, regs: &user_regs_struct) -> Option<Self> {
        let number = i64::try_from(regs.orig_rax).ok()?;
        let entry = TABLE.iter().find(|entry| entry.number == number)?;
        let args = arguments(regs);
        let arg = |at: usize| args.get(at).copied().unwrap_or(0);
        let path = |at: usize| text(tid, arg(at)).map(|path| beneath(&folder(tid, i64::from(libc::AT_FDCWD)), &path));
        let in_folder = |at: usize| text(tid, arg(at + 1)).map(|path| beneath(&folder(tid, as_fd(arg(at))), &path));
        let (path, to) = match entry.place {
            Where::Fd(at) => (folder(tid, as_fd(arg(at))), None),
            Where::Path(at) => (path(at)?, None),
            Where::At(at) => (in_folder(at)?, None),
            Where::Paths => (path(0)?, path(1)),
            Where::Ats => (in_folder(0)?, in_folder(2)),
            // An address begins with its family in two bytes; for Unix sockets a path follows.
            Where::Socket => (text(tid, arg(1) + 2).map(|path| beneath(&folder(tid, i64::from(libc::AT_FDCWD)), &path))?, None),
            Where::Nothing => (PathBuf::new(), None),
        };
        let bytes = if matches!(number, libc::SYS_write | libc::SYS_pwrite64) { arg(2) } else { 0 };
        // A read-only mapping changes nothing.
        let changes = number != libc::SYS_mmap || arg(2) & u64::from(libc::PROT_WRITE.unsigned_abs()) != 0;
        changes.then_some(Self { name: entry.name, deed: entry.deed, path, to, bytes })
    }

    /// Whether the call is about a file beneath one of these folders, or may be.
    #[must_use]
    pub fn is_beneath(&self, folders: &[PathBuf]) -> bool {
        let inside = |path: &Path| folders.iter().any(|folder| path.starts_with(folder));
        inside(&self.path) || self.to.as_deref().is_some_and(inside) || self.path.as_os_str().is_empty()
    }

    /// The name and the file, without the parts that differ between two executions.
    #[must_use]
    pub fn label(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        format!("{} {}", self.name, plain(&name))
    }
}

/// A file's name without the parts that differ between homes: digests, ids, process numbers.
#[must_use]
pub fn plain(name: &str) -> String {
    let runs: Vec<&str> = name.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric()).collect();
    let varies = |word: &str| word.len() >= 16 || word.chars().all(|letter| letter.is_ascii_digit());
    let told = runs.into_iter().map(|run| {
        let word = run.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
        let rest = run.get(word.len()..).unwrap_or_default();
        // A number after letters: `new` and a process id.
        let letters = word.trim_end_matches(|letter: char| letter.is_ascii_digit());
        match word {
            "" => run.to_owned(),
            word if varies(word) => format!("*{rest}"),
            word if letters.len() < word.len() => format!("{letters}*{rest}"),
            _ => run.to_owned(),
        }
    });
    told.collect()
}

fn as_fd(arg: u64) -> i64 {
    // Descriptors are 32 bits wide, and `AT_FDCWD` is below 0.
    let low = u32::try_from(arg & 0xffff_ffff).unwrap_or(0);
    i64::from(i32::from_ne_bytes(low.to_ne_bytes()))
}

/// The path of a descriptor of this thread.
fn folder(tid: Pid, fd: i64) -> PathBuf {
    let link = if fd == i64::from(libc::AT_FDCWD) {
        format!("/proc/{}/cwd", tid.as_raw_nonzero())
    } else {
        format!("/proc/{}/fd/{fd}", tid.as_raw_nonzero())
    };
    std::fs::read_link(link).unwrap_or_default()
}

fn beneath(folder: &Path, path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    // This resolves `..` as the kernel does if there is no link on the path; none of the homes here has a link.
    for part in folder.join(path).components() {
        match part {
            Component::ParentDir => drop(whole.pop()),
            Component::CurDir => {}
            part => whole.push(part),
        }
    }
    whole
}

/// Reads bytes of a thread's memory; returns fewer if the memory ends.
#[must_use]
pub fn memory(tid: Pid, address: u64, bytes: usize) -> Vec<u8> {
    let mut buffer = vec![0; bytes];
    let read =
        File::open(format!("/proc/{}/mem", tid.as_raw_nonzero())).and_then(|memory| memory.read_at(&mut buffer, address)).unwrap_or(0);
    buffer.truncate(read);
    buffer
}

fn text(tid: Pid, address: u64) -> Option<PathBuf> {
    let mut bytes = memory(tid, address, 4096);
    let end = bytes.iter().position(|byte| *byte == 0)?;
    bytes.truncate(end);
    Some(OsString::from_vec(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_two_homes_are_alike_when_their_files_are() {
        assert_eq!(plain("00000001.seg"), "*.seg");
        assert_eq!(plain("6b151c7293295a68f00be88eb575ef35.wasm.3745.0.new"), "*.wasm.*.*.new");
        assert_eq!(plain("vault.new26534"), "vault.new*");
        assert_eq!(plain("journal.index"), "journal.index");
        assert_eq!(plain("set-aside-0001"), "set-aside-*");
    }

    #[test]
    fn a_path_is_beneath_the_folder_that_it_comes_to() {
        let folders = [PathBuf::from("/x/home")];
        let call =
            |path: &str| Call { name: "unlink", deed: Deed::Remove, path: beneath(Path::new("/x"), Path::new(path)), to: None, bytes: 0 };
        assert!(call("home/a").is_beneath(&folders));
        assert!(call("/y/../x/./home/a").is_beneath(&folders));
        assert!(!call("home/../a").is_beneath(&folders));
        assert!(!call("homely").is_beneath(&folders));
    }
}
