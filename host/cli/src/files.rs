//! Files that the operator named.

use std::io::Read as _;
use std::path::Path;

use crate::err::CliError;

/// The first `max` bytes of a file that the operator named, or fewer.
#[expect(clippy::disallowed_methods, reason = "door: files that the operator named")]
pub(crate) fn read_some(file: &Path, max: u64) -> Result<Vec<u8>, CliError> {
    let open = std::fs::File::open(file).map_err(CliError::file("open", file))?;
    let mut bytes = Vec::new();
    open.take(max).read_to_end(&mut bytes).map_err(CliError::file("read", file))?;
    Ok(bytes)
}

/// All of a file that the operator named; an error if it has more than `max` bytes.
pub(crate) fn read_bounded(file: &Path, max: u64) -> Result<Vec<u8>, CliError> {
    let bytes = read_some(file, max.saturating_add(1))?;
    if bytes.len() as u64 > max { Err(CliError::TooLarge { path: file.to_owned(), max }) } else { Ok(bytes) }
}
