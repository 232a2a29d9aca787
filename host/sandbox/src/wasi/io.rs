//! `wasi:io/error`.

use vocabulary::{FileFault, HttpFault};
use wasmtime::component::Resource;

use crate::bindings::wasi::io::error;
use crate::guest::Guest;

/// The error with which a stream failed.
#[derive(Clone, Copy, Debug)]
#[expect(unreachable_pub, reason = "a generated, public type derives from it")]
pub enum IoError {
    Http(HttpFault),
    File(FileFault),
}

impl error::Host for Guest {}

impl error::HostError for Guest {
    fn to_debug_string(&mut self, error: Resource<IoError>) -> wasmtime::Result<String> {
        Ok(match self.table.get(&error)? {
            IoError::Http(fault) => format!("http: {fault:?}"),
            IoError::File(fault) => format!("file: {fault:?}"),
        })
    }

    fn drop(&mut self, error: Resource<IoError>) -> wasmtime::Result<()> {
        self.table.delete(error)?;
        Ok(())
    }
}
