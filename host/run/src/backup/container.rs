//! The file format of a backup.
//!
//! ```text
//! file     = "bailiwick backup 1\n", seal u8 (0 none, 1 a passphrase), body
//! body     = entry*, 0 u8, manifest length u32, manifest (JSON), signature (64 bytes); nothing follows
//! entry    = 1 u8, name length u16, name, length u64, bytes; integers are little-endian
//! ```
//! The manifest is last, so that a backup is written in one go.

use std::io::{self, Read, Write};

use sha2::{Digest as _, Sha256};
use vocabulary::Digest;

use super::names::is_kept;
use super::stream::{In, Out};
use super::{BackupManifest, Filed};

const TITLE: &[u8] = b"bailiwick backup ";
const NUMBER: &[u8] = b"1\n";
/// BOUND: length of the path of a file in a home, in bytes.
const NAME_BYTES_MAX: usize = 512;
/// BOUND: number of files, and size of the manifest that names them.
const FILES_MAX: usize = 100_000;
const MANIFEST_BYTES_MAX: u32 = 64 << 20;
pub(super) const SIGNATURE_BYTES: usize = 64;

/// Whether the body of the file is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seal {
    None,
    Passphrase,
}

/// Writes the title: what the file of a backup begins with.
pub(super) fn put_title(to: &mut impl Write, seal: Seal) -> io::Result<()> {
    to.write_all(TITLE)?;
    to.write_all(NUMBER)?;
    to.write_all(&[u8::from(seal == Seal::Passphrase)])
}

/// Why a file is not read as a backup.
#[derive(Debug)]
pub(super) enum Untitled {
    Newer,
    Other,
    Io(io::Error),
}

/// Reads the title.
pub(super) fn title(from: &mut impl Read) -> Result<Seal, Untitled> {
    let mut bytes = [0; 17 + 2 + 1];
    from.read_exact(&mut bytes).map_err(|cause| match cause.kind() {
        io::ErrorKind::UnexpectedEof => Untitled::Other,
        _ => Untitled::Io(cause),
    })?;
    let rest = bytes.strip_prefix(TITLE).ok_or(Untitled::Other)?;
    match rest {
        [b'1', b'\n', 0] => Ok(Seal::None),
        [b'1', b'\n', 1] => Ok(Seal::Passphrase),
        [number, ..] if number.is_ascii_digit() => Err(Untitled::Newer),
        _ => Err(Untitled::Other),
    }
}

/// Writes entries, and keeps a list of them for the manifest.
pub(super) struct BackupEntries<W: Write> {
    to: Out<W>,
    pub(super) filed: Vec<Filed>,
}

impl<W: Write> BackupEntries<W> {
    pub(super) fn new(to: Out<W>) -> Self {
        Self { to, filed: Vec::new() }
    }

    /// Adds one file: exactly this number of its bytes.
    ///
    /// # Errors
    /// An error of the system, or a file that could not be restored: its name is not allowed, or there are too many files.
    pub(super) fn put(&mut self, name: &str, bytes: u64, from: &mut dyn Read, moved: &mut Moved<'_>) -> io::Result<()> {
        if !is_name(name) || !is_kept(name) {
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, "a backup can't have a file of this name"));
        }
        if self.filed.len() >= FILES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, format!("a backup has room for {FILES_MAX} files")));
        }
        let length = u16::try_from(name.len()).map_err(|_| io::ErrorKind::InvalidFilename)?;
        self.to.write_all(&[1])?;
        self.to.write_all(&length.to_le_bytes())?;
        self.to.write_all(name.as_bytes())?;
        self.to.write_all(&bytes.to_le_bytes())?;
        let sha256 = copy(from, bytes, &mut self.to, moved)?;
        self.filed.push(Filed { name: name.to_owned(), bytes, sha256 });
        Ok(())
    }

    /// Writes the manifest and its signature at the end.
    pub(super) fn finish(mut self, manifest: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> io::Result<W> {
        let length =
            u32::try_from(manifest.len()).ok().filter(|length| *length <= MANIFEST_BYTES_MAX).ok_or(io::ErrorKind::FileTooLarge)?;
        self.to.write_all(&[0])?;
        self.to.write_all(&length.to_le_bytes())?;
        self.to.write_all(manifest)?;
        self.to.write_all(signature)?;
        self.to.finish()
    }
}

/// Is called with the number of bytes that were copied. An error ends the copying.
pub(super) type Moved<'a> = dyn FnMut(u64) -> io::Result<()> + 'a;

/// Copies exactly this number of bytes, and returns their digest.
pub(super) fn copy(from: &mut dyn Read, bytes: u64, to: &mut dyn Write, moved: &mut Moved<'_>) -> io::Result<Digest> {
    let (mut sum, mut piece, mut left) = (Sha256::new(), vec![0; 256 << 10], bytes);
    while left > 0 {
        let wanted = piece.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let room = piece.get_mut(..wanted).unwrap_or_default();
        let read = match from.read(room) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let read = piece.get(..read).unwrap_or_default();
        sum.update(read);
        to.write_all(read)?;
        left -= read.len() as u64;
        moved(read.len() as u64)?;
    }
    Ok(Digest::from_bytes(sum.finalize().into()))
}

/// Whether a path stays within a home: components without control characters, separated by `/`.
fn is_name(name: &str) -> bool {
    let word = |word: &str| !word.chars().any(char::is_control) && !word.is_empty() && word != "." && word != "..";
    name.len() <= NAME_BYTES_MAX && name.split('/').all(word)
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_owned())
}

/// The end of a backup: its manifest and the signature.
pub(super) struct Said {
    pub(super) manifest: BackupManifest,
    pub(super) bytes: Vec<u8>,
    pub(super) signature: [u8; SIGNATURE_BYTES],
}

/// Returns the writer for the bytes of a file, given its name and length.
pub(super) type EntryPlace<'a> = dyn FnMut(&str, u64) -> io::Result<Box<dyn Write>> + 'a;

/// Reads a backup. `each` is called with the name and length of every file, and returns the writer for its bytes. This checks that the
/// files match the manifest, and does not check that the manifest is signed. `go_on` is called often, and an error from it ends the
/// reading.
pub(super) fn read<R: Read>(from: &mut In<R>, each: &mut EntryPlace<'_>, go_on: &mut dyn FnMut() -> io::Result<()>) -> io::Result<Said> {
    let mut filed: Vec<Filed> = Vec::new();
    let mut names = std::collections::HashSet::new();
    loop {
        let [tag] = array(from)?;
        match tag {
            0 => break,
            1 if filed.len() < FILES_MAX => {}
            1 => return Err(invalid("it has too many files")),
            _ => return Err(invalid("the byte before a file or the manifest is unknown")),
        }
        let length = usize::from(u16::from_le_bytes(array(from)?));
        let mut name = vec![0; length.min(NAME_BYTES_MAX + 1)];
        from.read_exact(&mut name)?;
        let name = String::from_utf8(name)
            .ok()
            .filter(|name| is_name(name))
            .ok_or_else(|| invalid("the name of a file is not valid in a home"))?;
        // SECURITY: above all this keeps out compiled code and its key, because their author decides what runs here.
        if !is_kept(&name) {
            return Err(invalid("it has a file that does not belong in a backup"));
        }
        if !names.insert(name.clone()) {
            return Err(invalid("it has a file twice"));
        }
        let bytes = u64::from_le_bytes(array(from)?);
        go_on()?;
        let mut to = each(&name, bytes)?;
        let sha256 = copy(from, bytes, &mut *to, &mut |_| go_on())?;
        to.flush()?;
        drop(to);
        filed.push(Filed { name, bytes, sha256 });
    }
    let length = u32::from_le_bytes(array(from)?);
    if length > MANIFEST_BYTES_MAX {
        return Err(invalid("its manifest is too long"));
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    from.read_exact(&mut bytes)?;
    let signature = array(from)?;
    if from.read(&mut [0])? != 0 {
        return Err(invalid("there are bytes after its end"));
    }
    let manifest: BackupManifest = serde_json::from_slice(&bytes).map_err(|_| invalid("its manifest can't be read"))?;
    if manifest.files != filed {
        return Err(invalid("its files differ from its manifest"));
    }
    Ok(Said { manifest, bytes, signature })
}

fn array<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// A backup with one file, up to where its manifest would begin.
    fn of(name: &str) -> Vec<u8> {
        let length = u16::try_from(name.len()).unwrap();
        [&[1], &length.to_le_bytes()[..], name.as_bytes(), &1_u64.to_le_bytes(), b"x", &[0]].concat()
    }

    #[test]
    fn a_file_that_no_backup_has_is_not_taken_out_of_one() {
        for (name, is_taken) in [
            ("keys", true),
            ("cache.key", false),
            ("cache/aa.cwasm", false),
            ("vault.lock", false),
            ("changes/0123456789abcdef", false),
            ("../keys", false),
        ] {
            let mut taken = Vec::new();
            let mut each = |name: &str, _: u64| -> io::Result<Box<dyn Write>> {
                taken.push(name.to_owned());
                Ok(Box::new(io::sink()))
            };
            let bytes = of(name);
            assert!(read(&mut In::Plain(bytes.as_slice()), &mut each, &mut || Ok(())).is_err(), "it has no manifest");
            assert_eq!(taken == [name], is_taken, "{name}");
            let mut entries = BackupEntries::new(Out::Plain(Vec::new()));
            assert_eq!(entries.put(name, 1, &mut b"x".as_slice(), &mut |_| Ok(())).is_ok(), is_taken, "nobody could put it back: {name}");
        }
    }

    #[test]
    fn a_name_stays_within_a_home() {
        assert!(["keys", "journal/00000001.seg", "vault.key.00ff"].iter().all(|name| is_name(name)));
        assert!(is_name("trust.toml~") && is_name("\u{e4} b"));
        for name in ["", "/etc/passwd", "../keys", "a/../b", "a//b", "a/", "./a", "a\0b", "a\nb", "\u{9b}1m", &"a/".repeat(300)] {
            assert!(!is_name(name), "{name:?}");
        }
    }
}
