//! `wasi:filesystem/types.descriptor`: functions that would change something are refused and recorded. The other functions only look.

use vocabulary::{ChangeKind, FileAsk};
use wasmtime::component::Resource;

use super::Reply;
use super::files::{Descriptor, DirStream, asked_path};
use super::input::InputStream;
use super::output::OutputStream;
use crate::bindings::wasi::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, ErrorCode, HostDescriptor, MetadataHashValue, NewTimestamp, OpenFlags,
    PathFlags,
};
use crate::guest::Guest;

type Descriptors = Resource<Descriptor>;

impl Guest {
    /// Asks for the change, so that its refusal is recorded, and refuses it to the guest.
    fn change<T>(&mut self, function: ChangeKind, descriptor: &Descriptors, path: Option<&str>) -> Reply<T, ErrorCode> {
        let file = self.file_of(descriptor)?;
        let path = match path.map(asked_path).transpose() {
            Ok(path) => path,
            Err(why_not) => return Ok(Err(why_not)),
        };
        self.world.observe(FileAsk::Change { function, file, path })?;
        Ok(Err(ErrorCode::NotPermitted))
    }

    /// A stream whose first write is refused: some programs open one and never write.
    fn refused_stream(&mut self, descriptor: &Descriptors) -> Reply<Resource<OutputStream>, ErrorCode> {
        let file = self.file_of(descriptor)?;
        self.share_file(file);
        Ok(Ok(self.push(OutputStream::File(file))?))
    }
}

impl HostDescriptor for Guest {
    fn read_via_stream(&mut self, descriptor: Descriptors, offset: u64) -> Reply<Resource<InputStream>, ErrorCode> {
        self.observe_read_via_stream(&descriptor, offset)
    }

    fn write_via_stream(&mut self, descriptor: Descriptors, _offset: u64) -> Reply<Resource<OutputStream>, ErrorCode> {
        self.refused_stream(&descriptor)
    }

    fn append_via_stream(&mut self, descriptor: Descriptors) -> Reply<Resource<OutputStream>, ErrorCode> {
        self.refused_stream(&descriptor)
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

    fn set_size(&mut self, descriptor: Descriptors, _size: u64) -> Reply<(), ErrorCode> {
        self.change(ChangeKind::SetSize, &descriptor, None)
    }

    fn set_times(&mut self, descriptor: Descriptors, _accessed: NewTimestamp, _modified: NewTimestamp) -> Reply<(), ErrorCode> {
        self.change(ChangeKind::SetTimes, &descriptor, None)
    }

    fn read(&mut self, descriptor: Descriptors, length: u64, offset: u64) -> Reply<(Vec<u8>, bool), ErrorCode> {
        self.observe_read(&descriptor, length, offset)
    }

    fn write(&mut self, descriptor: Descriptors, _buffer: Vec<u8>, _offset: u64) -> Reply<u64, ErrorCode> {
        self.change(ChangeKind::Write, &descriptor, None)
    }

    fn read_directory(&mut self, descriptor: Descriptors) -> Reply<Resource<DirStream>, ErrorCode> {
        self.observe_list(&descriptor)
    }

    fn sync(&mut self, descriptor: Descriptors) -> Reply<(), ErrorCode> {
        self.file_of(&descriptor)?;
        Ok(Ok(()))
    }

    fn create_directory_at(&mut self, descriptor: Descriptors, path: String) -> Reply<(), ErrorCode> {
        self.change(ChangeKind::CreateDirectoryAt, &descriptor, Some(&path))
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
        _flags: PathFlags,
        path: String,
        _accessed: NewTimestamp,
        _modified: NewTimestamp,
    ) -> Reply<(), ErrorCode> {
        self.change(ChangeKind::SetTimes, &descriptor, Some(&path))
    }

    fn link_at(
        &mut self,
        descriptor: Descriptors,
        _flags: PathFlags,
        path: String,
        _to: Descriptors,
        _new: String,
    ) -> Reply<(), ErrorCode> {
        self.change(ChangeKind::LinkAt, &descriptor, Some(&path))
    }

    fn open_at(
        &mut self,
        descriptor: Descriptors,
        follow: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> Reply<Descriptors, ErrorCode> {
        let changes = open.intersects(OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE)
            || flags.intersects(DescriptorFlags::WRITE | DescriptorFlags::MUTATE_DIRECTORY);
        if changes {
            return self.change(ChangeKind::OpenAt, &descriptor, Some(&path));
        }
        self.observe_open_at(&descriptor, follow, &path, open)
    }

    fn readlink_at(&mut self, descriptor: Descriptors, path: String) -> Reply<String, ErrorCode> {
        self.observe_link(&descriptor, &path)
    }

    fn remove_directory_at(&mut self, descriptor: Descriptors, path: String) -> Reply<(), ErrorCode> {
        self.change(ChangeKind::RemoveDirectoryAt, &descriptor, Some(&path))
    }

    fn rename_at(&mut self, descriptor: Descriptors, path: String, _to: Descriptors, _new: String) -> Reply<(), ErrorCode> {
        self.change(ChangeKind::RenameAt, &descriptor, Some(&path))
    }

    fn symlink_at(&mut self, descriptor: Descriptors, _target: String, path: String) -> Reply<(), ErrorCode> {
        self.change(ChangeKind::SymlinkAt, &descriptor, Some(&path))
    }

    fn unlink_file_at(&mut self, descriptor: Descriptors, path: String) -> Reply<(), ErrorCode> {
        self.change(ChangeKind::UnlinkFileAt, &descriptor, Some(&path))
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
