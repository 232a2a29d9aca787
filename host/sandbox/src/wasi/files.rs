//! `wasi:filesystem`: functions that look. Functions that would change something are in `file_changes`, and are always refused.

use std::collections::VecDeque;

use vocabulary::{AskedPath, DirEntry, FileAnswer, FileAsk, FileFault, FileId, FileKind, FileOpen, FileStat, Stop};
use wasmtime::component::Resource;

use super::Reply;
use super::input::{InputStream, READ_BYTES_MAX};
use super::io::IoError;
use crate::bindings::wasi::clocks::wall_clock::Datetime;
use crate::bindings::wasi::filesystem::preopens;
use crate::bindings::wasi::filesystem::types::{
    self, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, MetadataHashValue, OpenFlags, PathFlags,
};
use crate::guest::Guest;
use crate::holding::BytesGuard;

/// An open file or directory.
pub(crate) struct Descriptor {
    pub(crate) file: FileId,
    pub(crate) kind: FileKind,
}

/// A listing that is being read.
pub(crate) struct DirStream(VecDeque<DirEntry>, #[expect(dead_code, reason = "counts as long as it lives")] BytesGuard);

pub(crate) fn code(fault: FileFault) -> ErrorCode {
    match fault {
        FileFault::NotFound => ErrorCode::NoEntry,
        FileFault::NotDirectory => ErrorCode::NotDirectory,
        FileFault::IsDirectory => ErrorCode::IsDirectory,
        FileFault::NotPermitted => ErrorCode::NotPermitted,
        FileFault::Access => ErrorCode::Access,
        FileFault::Loop => ErrorCode::Loop,
        FileFault::NameTooLong => ErrorCode::NameTooLong,
        FileFault::Invalid => ErrorCode::Invalid,
        FileFault::TooManyOpen => ErrorCode::Quota,
        FileFault::Io => ErrorCode::Io,
    }
}

fn kind(kind: FileKind) -> DescriptorType {
    match kind {
        FileKind::File => DescriptorType::RegularFile,
        FileKind::Directory => DescriptorType::Directory,
        FileKind::Link => DescriptorType::SymbolicLink,
        FileKind::Other => DescriptorType::Unknown,
    }
}

fn stat(stat: FileStat) -> DescriptorStat {
    const NS_PER_S: u64 = 1_000_000_000;
    let modified = Datetime { seconds: stat.modified_ns / NS_PER_S, nanoseconds: u32::try_from(stat.modified_ns % NS_PER_S).unwrap_or(0) };
    DescriptorStat {
        type_: kind(stat.kind),
        link_count: 1,
        size: stat.size,
        data_access_timestamp: None,
        data_modification_timestamp: Some(modified),
        status_change_timestamp: None,
    }
}

/// Parses a path, or returns why it can't be a path.
pub(crate) fn asked_path(path: &str) -> Result<AskedPath, ErrorCode> {
    let why_not = if path.is_empty() {
        ErrorCode::NoEntry
    } else if path.contains('\0') {
        ErrorCode::Invalid
    } else {
        ErrorCode::NameTooLong
    };
    AskedPath::new(path).ok_or(why_not)
}

/// The error for an answer whose kind does not fit the ask. This happens only if a world is broken.
fn unexpected<T>() -> Result<T, ErrorCode> {
    Err(ErrorCode::Io)
}

impl Guest {
    pub(crate) fn file_of(&self, descriptor: &Resource<Descriptor>) -> wasmtime::Result<FileId> {
        Ok(self.table.get(descriptor)?.file)
    }

    /// Removes one use of a file. The last one closes it. Mounts stay open.
    pub(crate) fn release_file(&mut self, file: FileId) -> Result<(), Stop> {
        let Some(uses) = self.files.get_mut(&file) else { return Ok(()) };
        *uses -= 1;
        if *uses == 0 {
            self.files.remove(&file);
            self.world.observe(FileAsk::Close { file })?;
        }
        Ok(())
    }

    /// Adds a use of an open file by a stream. Mounts are not counted.
    pub(crate) fn share_file(&mut self, file: FileId) {
        if let Some(uses) = self.files.get_mut(&file) {
            *uses += 1;
        }
    }

    fn stat_of(&mut self, ask: FileAsk) -> Reply<FileStat, ErrorCode> {
        Ok(match self.world.observe(ask)? {
            FileAnswer::Stat(stat) => Ok(stat),
            FileAnswer::Fault(fault) => Err(code(fault)),
            _ => unexpected(),
        })
    }

    fn stat_at_of(&mut self, dir: FileId, flags: PathFlags, path: &str) -> Reply<FileStat, ErrorCode> {
        match asked_path(path) {
            Ok(path) => self.stat_of(FileAsk::StatAt { dir, path, follow: flags.contains(PathFlags::SYMLINK_FOLLOW) }),
            Err(why_not) => Ok(Err(why_not)),
        }
    }

    fn opened(&mut self, ask: FileAsk) -> Reply<Resource<Descriptor>, ErrorCode> {
        Ok(match self.world.observe(ask)? {
            FileAnswer::Opened { file, kind, .. } => {
                self.hold_file(file);
                Ok(self.push(Descriptor { file, kind })?)
            }
            FileAnswer::Fault(fault) => Err(code(fault)),
            _ => unexpected(),
        })
    }
}

/// The half of the interface that looks. The other half is in `file_changes`, because both belong to one trait.
impl Guest {
    pub(crate) fn observe_read_via_stream(
        &mut self,
        descriptor: &Resource<Descriptor>,
        offset: u64,
    ) -> Reply<Resource<InputStream>, ErrorCode> {
        let Descriptor { file, kind } = *self.table.get(descriptor)?;
        if kind == FileKind::Directory {
            return Ok(Err(ErrorCode::IsDirectory));
        }
        self.share_file(file);
        Ok(Ok(self.push(InputStream::File(file, offset))?))
    }

    pub(crate) fn observe_flags(&mut self, descriptor: &Resource<Descriptor>) -> Reply<DescriptorFlags, ErrorCode> {
        self.table.get(descriptor)?;
        Ok(Ok(DescriptorFlags::READ))
    }

    pub(crate) fn observe_type(&mut self, descriptor: &Resource<Descriptor>) -> Reply<DescriptorType, ErrorCode> {
        Ok(Ok(kind(self.table.get(descriptor)?.kind)))
    }

    pub(crate) fn observe_read(
        &mut self,
        descriptor: &Resource<Descriptor>,
        length: u64,
        offset: u64,
    ) -> Reply<(Vec<u8>, bool), ErrorCode> {
        let file = self.file_of(descriptor)?;
        let len = u32::try_from(length.min(READ_BYTES_MAX))?;
        Ok(match self.world.observe(FileAsk::Read { file, offset, len })? {
            FileAnswer::Bytes(bytes) => {
                let at_end = bytes.is_empty() && len > 0;
                Ok((bytes.into(), at_end))
            }
            FileAnswer::Fault(fault) => Err(code(fault)),
            _ => unexpected(),
        })
    }

    pub(crate) fn observe_list(&mut self, descriptor: &Resource<Descriptor>) -> Reply<Resource<DirStream>, ErrorCode> {
        let dir = self.file_of(descriptor)?;
        Ok(match self.world.observe(FileAsk::List { dir })? {
            FileAnswer::List { entries, .. } => {
                let bytes = entries.iter().map(|entry| entry.name.len() + size_of::<DirEntry>()).sum();
                let held = self.account.hold(bytes)?;
                Ok(self.push(DirStream(entries.into(), held))?)
            }
            FileAnswer::Fault(fault) => Err(code(fault)),
            _ => unexpected(),
        })
    }

    pub(crate) fn observe_stat(&mut self, descriptor: &Resource<Descriptor>) -> Reply<DescriptorStat, ErrorCode> {
        let file = self.file_of(descriptor)?;
        Ok(self.stat_of(FileAsk::Stat { file })?.map(stat))
    }

    pub(crate) fn observe_stat_at(
        &mut self,
        descriptor: &Resource<Descriptor>,
        flags: PathFlags,
        path: &str,
    ) -> Reply<DescriptorStat, ErrorCode> {
        let dir = self.file_of(descriptor)?;
        Ok(self.stat_at_of(dir, flags, path)?.map(stat))
    }

    pub(crate) fn observe_open_at(
        &mut self,
        descriptor: &Resource<Descriptor>,
        follow: PathFlags,
        path: &str,
        open: OpenFlags,
    ) -> Reply<Resource<Descriptor>, ErrorCode> {
        let dir = self.file_of(descriptor)?;
        match asked_path(path) {
            Ok(path) => self.opened(FileAsk::Open(FileOpen {
                dir,
                directory: open.contains(OpenFlags::DIRECTORY),
                follow: follow.contains(PathFlags::SYMLINK_FOLLOW),
                path,
            })),
            Err(why_not) => Ok(Err(why_not)),
        }
    }

    pub(crate) fn observe_link(&mut self, descriptor: &Resource<Descriptor>, path: &str) -> Reply<String, ErrorCode> {
        let dir = self.file_of(descriptor)?;
        let path = match asked_path(path) {
            Ok(path) => path,
            Err(why_not) => return Ok(Err(why_not)),
        };
        Ok(match self.world.observe(FileAsk::ReadLink { dir, path })? {
            FileAnswer::Link(target) => Ok(target),
            FileAnswer::Fault(fault) => Err(code(fault)),
            _ => unexpected(),
        })
    }

    pub(crate) fn observe_is_same(&mut self, one: &Resource<Descriptor>, other: &Resource<Descriptor>) -> wasmtime::Result<bool> {
        let (one, other) = (self.file_of(one)?, self.file_of(other)?);
        let one = self.stat_of(FileAsk::Stat { file: one })?;
        let other = self.stat_of(FileAsk::Stat { file: other })?;
        Ok(matches!((one, other), (Ok(one), Ok(other)) if one.identity == other.identity))
    }

    pub(crate) fn observe_hash(&mut self, descriptor: &Resource<Descriptor>) -> Reply<MetadataHashValue, ErrorCode> {
        let file = self.file_of(descriptor)?;
        Ok(self.stat_of(FileAsk::Stat { file })?.map(hash))
    }

    pub(crate) fn observe_hash_at(
        &mut self,
        descriptor: &Resource<Descriptor>,
        flags: PathFlags,
        path: &str,
    ) -> Reply<MetadataHashValue, ErrorCode> {
        let dir = self.file_of(descriptor)?;
        Ok(self.stat_at_of(dir, flags, path)?.map(hash))
    }

    pub(crate) fn drop_descriptor(&mut self, descriptor: Resource<Descriptor>) -> wasmtime::Result<()> {
        let file = self.table.delete(descriptor)?.file;
        Ok(self.release_file(file)?)
    }
}

fn hash(stat: FileStat) -> MetadataHashValue {
    let [lower, upper] = stat.identity;
    MetadataHashValue { lower, upper }
}

impl types::HostDirectoryEntryStream for Guest {
    fn read_directory_entry(&mut self, entries: Resource<DirStream>) -> Reply<Option<DirectoryEntry>, ErrorCode> {
        let next = self.table.get_mut(&entries)?.0.pop_front();
        Ok(Ok(next.map(|entry| DirectoryEntry { type_: kind(entry.kind), name: entry.name })))
    }

    fn drop(&mut self, entries: Resource<DirStream>) -> wasmtime::Result<()> {
        self.table.delete(entries)?;
        Ok(())
    }
}

impl types::Host for Guest {
    fn filesystem_error_code(&mut self, error: Resource<IoError>) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(match self.table.get(&error)? {
            IoError::File(fault) => Some(code(*fault)),
            IoError::Http(_) => None,
        })
    }
}

impl preopens::Host for Guest {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let mounts = self.mounts.clone();
        let mount = |(file, guest): (u64, String)| Ok((self.push(Descriptor { file: FileId(file), kind: FileKind::Directory })?, guest));
        (1u64..).zip(mounts).map(mount).collect()
    }
}
