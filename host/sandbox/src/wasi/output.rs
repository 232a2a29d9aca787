//! `wasi:io/streams.output-stream`: what a guest writes. These streams are always ready, so that readiness reveals nothing.

use vocabulary::{ChangeKind, FileAsk, FileFault, FileId};
use wasmtime::component::Resource;

use super::Reply;
use super::input::InputStream;
use super::io::IoError;
use super::poll::Pollable;
use crate::bindings::wasi::io::streams::{self, StreamError};
use crate::drafts::DraftId;
use crate::guest::Guest;

/// BOUND: bytes that one write takes at most. `check-write` returns this number.
const WRITE_BYTES_MAX: u64 = 64 * 1024;

/// Where the bytes go.
#[derive(Clone, Copy)]
pub(crate) enum OutputStream {
    Stdout,
    Stderr,
    /// The body of a request that is being made.
    Body(DraftId),
    /// A file that may not be changed: the first write is refused and recorded.
    File(FileId),
}

impl Guest {
    async fn write_now(&mut self, stream: &Resource<OutputStream>, contents: &[u8]) -> Reply<(), StreamError> {
        match *self.table.get(stream)? {
            OutputStream::Stdout => {
                self.print_out(contents)?;
                self.heard().await;
            }
            OutputStream::Stderr => {
                self.print_err(contents)?;
                self.heard().await;
            }
            OutputStream::Body(draft) => {
                if !self.drafts.write(draft, contents, self.limits.request_bytes)? {
                    return Ok(Err(StreamError::Closed));
                }
            }
            OutputStream::File(file) => {
                self.world.observe(FileAsk::Change { function: ChangeKind::Write, file, path: None })?;
                let error = self.push(IoError::File(FileFault::NotPermitted))?;
                return Ok(Err(StreamError::LastOperationFailed(error)));
            }
        }
        Ok(Ok(()))
    }

    async fn write_zeroes_now(&mut self, stream: &Resource<OutputStream>, len: u64) -> Reply<(), StreamError> {
        if len > WRITE_BYTES_MAX {
            return Err(wasmtime::Error::msg("more was written than `check-write` allows"));
        }
        self.write_now(stream, &vec![0; usize::try_from(len)?]).await
    }

    async fn spliced(&mut self, to: &Resource<OutputStream>, bytes: Result<bytes::Bytes, StreamError>) -> Reply<u64, StreamError> {
        match bytes {
            Ok(bytes) => Ok(self.write_now(to, &bytes).await?.map(|()| bytes.len() as u64)),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl streams::HostOutputStream for Guest {
    fn check_write(&mut self, stream: Resource<OutputStream>) -> Reply<u64, StreamError> {
        self.table.get(&stream)?;
        Ok(Ok(WRITE_BYTES_MAX))
    }

    async fn write(&mut self, stream: Resource<OutputStream>, contents: Vec<u8>) -> Reply<(), StreamError> {
        if contents.len() as u64 > WRITE_BYTES_MAX {
            return Err(wasmtime::Error::msg("more was written than `check-write` allows"));
        }
        self.write_now(&stream, &contents).await
    }

    async fn blocking_write_and_flush(&mut self, stream: Resource<OutputStream>, contents: Vec<u8>) -> Reply<(), StreamError> {
        self.write_now(&stream, &contents).await
    }

    fn flush(&mut self, stream: Resource<OutputStream>) -> Reply<(), StreamError> {
        self.table.get(&stream)?;
        Ok(Ok(()))
    }

    fn blocking_flush(&mut self, stream: Resource<OutputStream>) -> Reply<(), StreamError> {
        self.flush(stream)
    }

    fn subscribe(&mut self, stream: Resource<OutputStream>) -> wasmtime::Result<Resource<Pollable>> {
        self.table.get(&stream)?;
        Ok(self.push(Pollable::Ready)?)
    }

    async fn write_zeroes(&mut self, stream: Resource<OutputStream>, len: u64) -> Reply<(), StreamError> {
        self.write_zeroes_now(&stream, len).await
    }

    async fn blocking_write_zeroes_and_flush(&mut self, stream: Resource<OutputStream>, len: u64) -> Reply<(), StreamError> {
        self.write_zeroes_now(&stream, len).await
    }

    async fn splice(&mut self, to: Resource<OutputStream>, from: Resource<InputStream>, len: u64) -> Reply<u64, StreamError> {
        let bytes = self.read_now(&from, len)?;
        self.spliced(&to, bytes).await
    }

    async fn blocking_splice(&mut self, to: Resource<OutputStream>, from: Resource<InputStream>, len: u64) -> Reply<u64, StreamError> {
        let bytes = self.read_waiting(&from, len).await?;
        self.spliced(&to, bytes).await
    }

    fn drop(&mut self, stream: Resource<OutputStream>) -> wasmtime::Result<()> {
        if let OutputStream::File(file) = self.table.delete(stream)? {
            self.release_file(file)?;
        }
        Ok(())
    }
}

impl streams::Host for Guest {}
