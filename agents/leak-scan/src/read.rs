//! Reads a file to its end, or until it is clear that the file is skipped.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// A NUL within this much of the beginning makes a file binary.
const HEAD_BYTES: usize = 8 * 1024;

/// The first bytes of archives and compressed files, and their offset.
const ARCHIVES: &[(usize, &[u8])] = &[
    (0, b"PK\x03\x04"),         // zip, jar, whl, docx
    (0, b"PK\x05\x06"),         // zip without entries
    (0, b"\x1f\x8b"),           // gzip
    (0, b"\xfd7zXZ\0"),         // xz
    (0, b"\x28\xb5\x2f\xfd"),   // zstd
    (0, b"7z\xbc\xaf\x27\x1c"), // 7z
    (0, b"BZh"),                // bzip2
    (0, b"Rar!\x1a\x07"),       // rar
    (0, b"\x04\x22\x4d\x18"),   // lz4
    (0, b"!<arch>\n"),          // ar, deb
    (257, b"ustar"),            // tar
];

/// The kind of a file's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Text, with its length at the beginning of the buffer.
    Text {
        bytes: usize,
    },
    Archive,
    Binary,
    TooLarge,
}

/// Why a file with this beginning is not searched; `None` if it is searched.
pub(crate) fn judged(head: &[u8]) -> Option<Content> {
    if ARCHIVES.iter().any(|(at, magic)| head.get(*at..).is_some_and(|rest| rest.starts_with(magic))) {
        return Some(Content::Archive);
    }
    head.get(..HEAD_BYTES.min(head.len())).is_some_and(|head| head.contains(&0)).then_some(Content::Binary)
}

/// Reads into `buffer`, which is reused and grows to at most `bytes_max` and one byte.
pub(crate) fn read(mut file: File, bytes_max: u64, buffer: &mut Vec<u8>) -> io::Result<Content> {
    let length = file.metadata()?.len();
    let is_larger = length > bytes_max;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let head = fill(&mut file, buffer, 0, HEAD_BYTES.min(length.saturating_add(1)))?;
    match judged(buffer.get(..head).unwrap_or_default()) {
        Some(Content::Archive) => return Ok(Content::Archive),
        _ if is_larger => return Ok(Content::TooLarge),
        Some(other) => return Ok(other),
        None => {}
    }
    // The file may have grown since: read to its end, up to one byte more than is allowed.
    let mut end = head;
    let mut room = length.max(head).saturating_add(1);
    loop {
        let filled = fill(&mut file, buffer, end, room)?;
        if filled > bytes_max {
            return Ok(Content::TooLarge);
        }
        if filled < room {
            return Ok(Content::Text { bytes: filled });
        }
        end = filled;
        room = bytes_max.saturating_add(1).min(room.saturating_mul(2));
    }
}

/// Reads a whole small file, such as a configuration; a larger file is an error.
pub(crate) fn small(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    regular(path)?.take(bytes_max + 1).read_to_end(&mut content)?;
    if content.len() as u64 > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {bytes_max} bytes")));
    }
    Ok(content)
}

/// Opens a regular file. Opening a pipe could wait forever.
pub(crate) fn regular(path: &Path) -> io::Result<File> {
    if fs::metadata(path)?.is_file() { File::open(path) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file")) }
}

/// Reads into `buffer[from..to]` and returns how far it came: `to`, or less at the end of the file.
fn fill(file: &mut File, buffer: &mut Vec<u8>, from: usize, to: usize) -> io::Result<usize> {
    if buffer.len() < to {
        buffer.resize(to, 0);
    }
    let mut at = from;
    while let Some(rest) = buffer.get_mut(at..to).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => at += read,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
    Ok(at)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Content, read, small};
    use std::fs::File;
    use std::io::Write;

    #[test]
    fn a_file_that_grows_while_it_is_read_is_read_to_its_bound_and_no_further() {
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().write_all(&[b'a'; 100]).unwrap();
        for (bytes_max, content) in [(100, Content::Text { bytes: 100 }), (99, Content::TooLarge)] {
            let mut buffer = Vec::new();
            assert_eq!(read(File::open(file.path()).unwrap(), bytes_max, &mut buffer).unwrap(), content);
            assert!(buffer.len() <= 101);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_is_longer_than_it_says_is_bounded_too() {
        // The system makes these files while they are read, and reports a size of 0.
        let mut buffer = Vec::new();
        let open = || File::open("/proc/self/maps").unwrap();
        assert_eq!(open().metadata().unwrap().len(), 0);
        assert_eq!(read(open(), 64, &mut buffer).unwrap(), Content::TooLarge);
        assert!(matches!(read(open(), 1 << 20, &mut buffer).unwrap(), Content::Text { bytes } if bytes > 64));
        assert!(small(std::path::Path::new("/proc/self/maps"), 64).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for path in [folder.path(), &socket] {
            assert!(small(path, 64).unwrap_err().to_string().contains("not a file"));
        }
    }
}
