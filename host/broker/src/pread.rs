//! Reads a regular file at an offset. This may wait for the disk, which is acceptable because guests have their own threads.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use bytes::Bytes;

/// Reads up to `len` bytes. There are fewer only at the end of the file. `size` is the length of the file when it was opened. It is a hint,
/// so that a small file does not need a large buffer.
pub(crate) fn read_at(file: &File, offset: u64, len: u32, size: u64) -> io::Result<Bytes> {
    // SECURITY: for the system, -1 is not an offset but means "wherever the last read ended".
    if i64::try_from(offset).is_err() {
        return Ok(Bytes::new());
    }
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    // One byte more than expected is read, so that the end is detected.
    let expected = usize::try_from(size.saturating_sub(offset).saturating_add(1)).unwrap_or(usize::MAX);
    let mut buffer = vec![0; len.min(expected)];
    let mut filled = 0;
    loop {
        let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) else {
            if buffer.len() == len {
                break;
            }
            // The file has grown since it was opened.
            buffer.resize(len, 0);
            continue;
        };
        match file.read_at(room, offset.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
    buffer.truncate(filled);
    Ok(buffer.into())
}
