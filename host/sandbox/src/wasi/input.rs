//! `wasi:io/streams.input-stream`: what a guest reads.

use bytes::Bytes;
use vocabulary::{FileAnswer, FileAsk, FileFault, FileId, OpId};
use wasmtime::component::Resource;

use super::Reply;
use super::io::IoError;
use super::poll::Pollable;
use crate::bindings::wasi::io::streams::{self, StreamError};
use crate::guest::Guest;

/// BOUND: bytes that one read returns at most. The number that a guest names never sizes an allocation.
pub(crate) const READ_BYTES_MAX: u64 = 64 * 1024;

/// Where the bytes come from.
pub(crate) enum InputStream {
    /// Standard input.
    Bytes(Bytes),
    /// The body of a response.
    Body(OpId),
    /// A file, from an offset that advances with each read.
    File(FileId, u64),
}

/// The result of one read.
enum ReadState {
    Bytes(Bytes),
    NothingYet,
    Closed,
    Failed(IoError),
}

impl Guest {
    fn read_once(&mut self, stream: &Resource<InputStream>, len: u64) -> wasmtime::Result<ReadState> {
        let most = len.min(READ_BYTES_MAX);
        let most_here = usize::try_from(most)?;
        Ok(match self.table.get_mut(stream)? {
            InputStream::Bytes(bytes) if bytes.is_empty() => ReadState::Closed,
            InputStream::Bytes(bytes) => ReadState::Bytes(bytes.split_to(most_here.min(bytes.len()))),
            InputStream::Body(op) => {
                let op = *op;
                self.read_body(op, most_here)
            }
            InputStream::File(file, offset) => {
                let ask = FileAsk::Read { file: *file, offset: *offset, len: u32::try_from(most)? };
                self.read_file(stream, ask)?
            }
        })
    }

    fn read_body(&mut self, id: OpId, most: usize) -> ReadState {
        let Some(op) = self.ops.get_mut(id) else { return ReadState::Closed };
        let Some(front) = op.chunks.front_mut() else {
            return match op.end {
                None => ReadState::NothingYet,
                Some(Ok(_)) => ReadState::Closed,
                Some(Err(fault)) => ReadState::Failed(IoError::Http(fault)),
            };
        };
        let bytes = front.split_to(most.min(front.len()));
        op.held.shrink(bytes.len());
        if front.is_empty() {
            op.chunks.pop_front();
            self.world.read_on(id);
        }
        ReadState::Bytes(bytes)
    }

    fn read_file(&mut self, stream: &Resource<InputStream>, ask: FileAsk) -> wasmtime::Result<ReadState> {
        Ok(match self.world.observe(ask)? {
            FileAnswer::Bytes(bytes) if bytes.is_empty() => ReadState::Closed,
            FileAnswer::Bytes(bytes) => {
                if let InputStream::File(_, offset) = self.table.get_mut(stream)? {
                    *offset = offset.saturating_add(u64::try_from(bytes.len())?);
                }
                ReadState::Bytes(bytes)
            }
            FileAnswer::Fault(fault) => ReadState::Failed(IoError::File(fault)),
            _ => ReadState::Failed(IoError::File(FileFault::Io)),
        })
    }

    fn told(&mut self, found: ReadState) -> Reply<Bytes, StreamError> {
        Ok(match found {
            ReadState::Bytes(bytes) => Ok(bytes),
            ReadState::NothingYet => Ok(Bytes::new()),
            ReadState::Closed => Err(StreamError::Closed),
            ReadState::Failed(error) => Err(StreamError::LastOperationFailed(self.push(error)?)),
        })
    }

    fn waits_for(&self, stream: &Resource<InputStream>) -> wasmtime::Result<Pollable> {
        Ok(match self.table.get(stream)? {
            InputStream::Body(op) => Pollable::Body(*op),
            InputStream::Bytes(_) | InputStream::File(..) => Pollable::Ready,
        })
    }

    pub(crate) fn read_now(&mut self, stream: &Resource<InputStream>, len: u64) -> Reply<Bytes, StreamError> {
        let mut found = self.read_once(stream, len)?;
        if matches!(found, ReadState::NothingYet) {
            self.poll_world()?;
            found = self.read_once(stream, len)?;
        }
        self.told(found)
    }

    pub(crate) async fn read_waiting(&mut self, stream: &Resource<InputStream>, len: u64) -> Reply<Bytes, StreamError> {
        let pollable = self.waits_for(stream)?;
        self.wait_for_any(&[pollable]).await?;
        let found = self.read_once(stream, len)?;
        self.told(found)
    }
}

impl streams::HostInputStream for Guest {
    fn read(&mut self, stream: Resource<InputStream>, len: u64) -> Reply<Vec<u8>, StreamError> {
        Ok(self.read_now(&stream, len)?.map(Vec::from))
    }

    async fn blocking_read(&mut self, stream: Resource<InputStream>, len: u64) -> Reply<Vec<u8>, StreamError> {
        Ok(self.read_waiting(&stream, len).await?.map(Vec::from))
    }

    fn skip(&mut self, stream: Resource<InputStream>, len: u64) -> Reply<u64, StreamError> {
        Ok(self.read_now(&stream, len)?.map(|bytes| bytes.len() as u64))
    }

    async fn blocking_skip(&mut self, stream: Resource<InputStream>, len: u64) -> Reply<u64, StreamError> {
        Ok(self.read_waiting(&stream, len).await?.map(|bytes| bytes.len() as u64))
    }

    fn subscribe(&mut self, stream: Resource<InputStream>) -> wasmtime::Result<Resource<Pollable>> {
        let pollable = self.waits_for(&stream)?;
        Ok(self.push(pollable)?)
    }

    fn drop(&mut self, stream: Resource<InputStream>) -> wasmtime::Result<()> {
        // The handle of the body decides whether the rest of the body is still needed.
        if let InputStream::File(file, _) = self.table.delete(stream)? {
            self.release_file(file)?;
        }
        Ok(())
    }
}
