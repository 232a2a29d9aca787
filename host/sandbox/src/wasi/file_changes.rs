//! `wasi:filesystem/types.descriptor`: functions that change something. Whether a mount allows it is decided elsewhere, and each refusal is
//! recorded. The other functions only look.

use bytes::Bytes;
use vocabulary::{Change, ChangeOpen, FileAnswer, FileAsk, FileFault, FileId, FileKind, Stop};
use wasmtime::component::Resource;

use super::Reply;
use super::files::{Descriptor, DirStream, asked_path, code};
use super::input::InputStream;
use super::output::OutputStream;
use crate::bindings::wasi::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, ErrorCode, HostDescriptor, MetadataHashValue, NewTimestamp, OpenFlags,
    PathFlags,
};
use crate::guest::Guest;

type Descriptors = Resource<Descriptor>;

/// BOUND: bytes of one write. A guest that writes more at once is told how many were taken.
const WRITE_BYTES_MAX: usize = 64 << 10;
/// BOUND: bytes of the target of a link.
const TARGET_BYTES_MAX: usize = 4096;
const NS_PER_S: u64 = 1_000_000_000;

impl Guest {
    /// Asks for a change. The time of the change is the time that the guest saw last.
    pub(crate) fn ask_change(&mut self, file: FileId, path: Option<vocabulary::AskedPath>, what: Change) -> Result<FileAnswer, Stop> {
        let at_ns = self.world.opened_unix_ns().saturating_add(self.clock.current_ns());
        self.world.observe(FileAsk::Change { at_ns, file, path, what })
    }

    fn change(&mut self, descriptor: &Descriptors, path: Option<&str>, what: Change) -> Reply<(), ErrorCode> {
        let file = self.file_of(descriptor)?;
        let path = match path.map(asked_path).transpose() {
            Ok(path) => path,
            Err(why_not) => return Ok(Err(why_not)),
        };
        Ok(done(&self.ask_change(file, path, what)?))
    }

    /// Writes what one write takes, and returns how many bytes that is.
    pub(crate) fn write_file(&mut self, file: FileId, at: Option<u64>, bytes: &[u8]) -> Result<Result<usize, FileFault>, Stop> {
        let taken = bytes.get(..WRITE_BYTES_MAX).unwrap_or(bytes);
        let what = Change::Write { at, bytes: Bytes::copy_from_slice(taken) };
        Ok(match self.ask_change(file, None, what)? {
            FileAnswer::Changed => Ok(taken.len()),
            FileAnswer::Fault(fault) => Err(fault),
            _ => Err(FileFault::Io),
        })
    }

    fn written_stream(&mut self, descriptor: &Descriptors, at: Option<u64>) -> Reply<Resource<OutputStream>, ErrorCode> {
        let Descriptor { file, kind, .. } = *self.table.get(descriptor)?;
        if kind == FileKind::Directory {
            return Ok(Err(ErrorCode::IsDirectory));
        }
        self.share_file(file);
        Ok(Ok(self.push(OutputStream::File(file, at))?))
    }

    /// Opens something that may be changed.
    fn open_for_change(&mut self, dir: FileId, path: &str, open: ChangeOpen) -> Reply<Descriptors, ErrorCode> {
        let path = match asked_path(path) {
            Ok(path) => path,
            Err(why_not) => return Ok(Err(why_not)),
        };
        Ok(match self.ask_change(dir, Some(path), Change::OpenAt(open))? {
            FileAnswer::Opened { file, kind, .. } => {
                self.hold_file(file);
                Ok(self.push(Descriptor { file, kind, write: open.write })?)
            }
            FileAnswer::Fault(fault) => Err(code(fault)),
            _ => Err(ErrorCode::Io),
        })
    }

    /// Two paths: from one to the other.
    fn change_to(
        &mut self,
        (descriptor, path): (&Descriptors, &str),
        (to, new): (&Descriptors, &str),
        what: impl FnOnce(FileId, vocabulary::AskedPath) -> Change,
    ) -> Reply<(), ErrorCode> {
        let to = self.file_of(to)?;
        match asked_path(new) {
            Ok(new) => self.change(descriptor, Some(path), what(to, new)),
            Err(why_not) => Ok(Err(why_not)),
        }
    }

    /// The time that a file is to have.
    fn new_time(&self, time: NewTimestamp) -> Option<u64> {
        match time {
            NewTimestamp::NoChange => None,
            NewTimestamp::Now => Some(self.world.opened_unix_ns().saturating_add(self.clock.current_ns())),
            NewTimestamp::Timestamp(at) => Some(at.seconds.saturating_mul(NS_PER_S).saturating_add(u64::from(at.nanoseconds))),
        }
    }
}

fn done(answer: &FileAnswer) -> Result<(), ErrorCode> {
    match answer {
        FileAnswer::Changed => Ok(()),
        FileAnswer::Fault(fault) => Err(code(*fault)),
        _ => Err(ErrorCode::Io),
    }
}

impl HostDescriptor for Guest {
    fn read_via_stream(&mut self, descriptor: Descriptors, offset: u64) -> Reply<Resource<InputStream>, ErrorCode> {
        self.observe_read_via_stream(&descriptor, offset)
    }

    fn write_via_stream(&mut self, descriptor: Descriptors, offset: u64) -> Reply<Resource<OutputStream>, ErrorCode> {
        self.written_stream(&descriptor, Some(offset))
    }

    fn append_via_stream(&mut self, descriptor: Descriptors) -> Reply<Resource<OutputStream>, ErrorCode> {
        self.written_stream(&descriptor, None)
    }

    fn advise(&mut self, descriptor: Descriptors, _offset: u64, _length: u64, _advice: Advice) -> Reply<(), ErrorCode> {
        self.file_of(&descriptor)?;
        Ok(Ok(()))
    }

    fn sync_data(&mut self, descriptor: Descriptors) -> Reply<(), ErrorCode> {
        self.file_of(&descriptor)?;
        Ok(Ok(()))
    }

    fn get_flags(&mut self, descriptor: Descriptors) -> Reply<DescriptorFlags, ErrorCode> {
        self.observe_flags(&descriptor)
    }

    fn get_type(&mut self, descriptor: Descriptors) -> Reply<DescriptorType, ErrorCode> {
        self.observe_type(&descriptor)
    }

    fn set_size(&mut self, descriptor: Descriptors, size: u64) -> Reply<(), ErrorCode> {
        self.change(&descriptor, None, Change::SetSize(size))
    }

    fn set_times(&mut self, descriptor: Descriptors, _accessed: NewTimestamp, modified: NewTimestamp) -> Reply<(), ErrorCode> {
        let modified_ns = self.new_time(modified);
        self.change(&descriptor, None, Change::SetTimes { follow: false, modified_ns })
    }

    fn read(&mut self, descriptor: Descriptors, length: u64, offset: u64) -> Reply<(Vec<u8>, bool), ErrorCode> {
        self.observe_read(&descriptor, length, offset)
    }

    fn write(&mut self, descriptor: Descriptors, buffer: Vec<u8>, offset: u64) -> Reply<u64, ErrorCode> {
        let file = self.file_of(&descriptor)?;
        Ok(match self.write_file(file, Some(offset), &buffer)? {
            Ok(written) => Ok(written as u64),
            Err(fault) => Err(code(fault)),
        })
    }

    fn read_directory(&mut self, descriptor: Descriptors) -> Reply<Resource<DirStream>, ErrorCode> {
        self.observe_list(&descriptor)
    }

    fn sync(&mut self, descriptor: Descriptors) -> Reply<(), ErrorCode> {
        self.file_of(&descriptor)?;
        Ok(Ok(()))
    }

    fn create_directory_at(&mut self, descriptor: Descriptors, path: String) -> Reply<(), ErrorCode> {
        self.change(&descriptor, Some(&path), Change::CreateDirectoryAt)
    }

    fn stat(&mut self, descriptor: Descriptors) -> Reply<DescriptorStat, ErrorCode> {
        self.observe_stat(&descriptor)
    }

    fn stat_at(&mut self, descriptor: Descriptors, flags: PathFlags, path: String) -> Reply<DescriptorStat, ErrorCode> {
        self.observe_stat_at(&descriptor, flags, &path)
    }

    fn set_times_at(
        &mut self,
        descriptor: Descriptors,
        flags: PathFlags,
        path: String,
        _accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> Reply<(), ErrorCode> {
        let (follow, modified_ns) = (flags.contains(PathFlags::SYMLINK_FOLLOW), self.new_time(modified));
        self.change(&descriptor, Some(&path), Change::SetTimes { follow, modified_ns })
    }

    fn link_at(&mut self, descriptor: Descriptors, _flags: PathFlags, path: String, to: Descriptors, new: String) -> Reply<(), ErrorCode> {
        self.change_to((&descriptor, &path), (&to, &new), |to, new| Change::LinkAt { to, new })
    }

    fn open_at(
        &mut self,
        descriptor: Descriptors,
        follow: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> Reply<Descriptors, ErrorCode> {
        let write = flags.intersects(DescriptorFlags::WRITE);
        if write
            || flags.intersects(DescriptorFlags::MUTATE_DIRECTORY)
            || open.intersects(OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE)
        {
            let dir = self.file_of(&descriptor)?;
            let open = ChangeOpen {
                create: open.contains(OpenFlags::CREATE),
                directory: open.contains(OpenFlags::DIRECTORY),
                exclusive: open.contains(OpenFlags::EXCLUSIVE),
                follow: follow.contains(PathFlags::SYMLINK_FOLLOW),
                truncate: open.contains(OpenFlags::TRUNCATE),
                write,
            };
            return self.open_for_change(dir, &path, open);
        }
        self.observe_open_at(&descriptor, follow, &path, open)
    }

    fn readlink_at(&mut self, descriptor: Descriptors, path: String) -> Reply<String, ErrorCode> {
        self.observe_link(&descriptor, &path)
    }

    fn remove_directory_at(&mut self, descriptor: Descriptors, path: String) -> Reply<(), ErrorCode> {
        self.change(&descriptor, Some(&path), Change::RemoveDirectoryAt)
    }

    fn rename_at(&mut self, descriptor: Descriptors, path: String, to: Descriptors, new: String) -> Reply<(), ErrorCode> {
        self.change_to((&descriptor, &path), (&to, &new), |to, new| Change::RenameAt { to, new })
    }

    fn symlink_at(&mut self, descriptor: Descriptors, target: String, path: String) -> Reply<(), ErrorCode> {
        if target.is_empty() || target.len() > TARGET_BYTES_MAX || target.contains('\0') {
            return Ok(Err(ErrorCode::Invalid));
        }
        self.change(&descriptor, Some(&path), Change::SymlinkAt { target })
    }

    fn unlink_file_at(&mut self, descriptor: Descriptors, path: String) -> Reply<(), ErrorCode> {
        self.change(&descriptor, Some(&path), Change::UnlinkFileAt)
    }

    fn is_same_object(&mut self, descriptor: Descriptors, other: Descriptors) -> wasmtime::Result<bool> {
        self.observe_is_same(&descriptor, &other)
    }

    fn metadata_hash(&mut self, descriptor: Descriptors) -> Reply<MetadataHashValue, ErrorCode> {
        self.observe_hash(&descriptor)
    }

    fn metadata_hash_at(&mut self, descriptor: Descriptors, flags: PathFlags, path: String) -> Reply<MetadataHashValue, ErrorCode> {
        self.observe_hash_at(&descriptor, flags, &path)
    }

    fn drop(&mut self, descriptor: Descriptors) -> wasmtime::Result<()> {
        self.drop_descriptor(descriptor)
    }
}
