//! A backup that is sealed under a passphrase: a stream of pieces. Each piece is sealed together with its number and a flag for the last
//! piece (the STREAM construction), so that no piece can be removed, moved or cut off.

use std::io::{self, Read, Write};

use chacha20poly1305::aead::{Aead as _, KeyInit as _};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use key::{COST, Cost, Key, SALT_BYTES, derive, random};

use super::err::BackupError;

/// Plaintext bytes in a piece.
const PIECE_BYTES: usize = 64 << 10;
const TAG_BYTES: usize = 16;
const PREFIX_BYTES: usize = 19;

/// The header of a sealed backup, before its first piece.
struct StreamHead {
    cost: Cost,
    salt: [u8; SALT_BYTES],
    prefix: [u8; PREFIX_BYTES],
}

/// The cipher and the number of the next piece.
pub(super) struct Pieces {
    cipher: XChaCha20Poly1305,
    prefix: [u8; PREFIX_BYTES],
    next: u32,
}

impl Pieces {
    fn new(key: &Key, prefix: [u8; PREFIX_BYTES]) -> Self {
        Self { cipher: XChaCha20Poly1305::new(key.as_slice().into()), prefix, next: 0 }
    }

    fn nonce(&mut self, is_last: bool) -> io::Result<XNonce> {
        let number = self.next.to_be_bytes();
        // BOUND: 256 TiB.
        self.next = self.next.checked_add(1).ok_or(io::ErrorKind::FileTooLarge)?;
        let mut nonce = XNonce::default();
        let bytes = self.prefix.into_iter().chain(number).chain([u8::from(is_last)]);
        nonce.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        Ok(nonce)
    }
}

/// A writer for plaintext that may seal what it writes.
pub(super) enum Out<W: Write> {
    Plain(W),
    Sealed { to: W, pieces: Box<Pieces>, rest: Vec<u8> },
}

impl<W: Write> Out<W> {
    /// Begins a stream under a passphrase, and writes its header.
    pub(super) fn sealed(mut to: W, passphrase: &[u8]) -> Result<Self, BackupError> {
        let (salt, prefix) = (random().ok_or(BackupError::Random)?, random().ok_or(BackupError::Random)?);
        let key = derive(passphrase, COST, &salt)?;
        let numbers = [COST.memory_kib, COST.passes, COST.lanes].map(u32::to_be_bytes).concat();
        let head = [numbers.as_slice(), &salt, &prefix].concat();
        to.write_all(&head).map_err(|cause| BackupError::File { verb: "write", path: "the backup".into(), cause })?;
        Ok(Self::Sealed { to, pieces: Box::new(Pieces::new(&key, prefix)), rest: Vec::with_capacity(PIECE_BYTES) })
    }

    /// Writes the rest, and returns the inner writer.
    pub(super) fn finish(self) -> io::Result<W> {
        match self {
            Self::Plain(to) => Ok(to),
            Self::Sealed { mut to, mut pieces, rest } => {
                put(&mut to, &mut pieces, &rest, true)?;
                Ok(to)
            }
        }
    }
}

fn put(to: &mut impl Write, pieces: &mut Pieces, plain: &[u8], is_last: bool) -> io::Result<()> {
    let nonce = pieces.nonce(is_last)?;
    let sealed = pieces.cipher.encrypt(&nonce, plain).map_err(|_| io::ErrorKind::Other)?;
    to.write_all(&sealed)
}

impl<W: Write> Write for Out<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(to) => to.write(bytes),
            Self::Sealed { to, pieces, rest } => {
                // A full piece is kept until more bytes come: only then is it known that it is not the last one.
                if rest.len() == PIECE_BYTES {
                    put(to, pieces, rest, false)?;
                    rest.clear();
                }
                let taken = bytes.get(..(PIECE_BYTES - rest.len()).min(bytes.len())).unwrap_or_default();
                rest.extend_from_slice(taken);
                Ok(taken.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(to) | Self::Sealed { to, .. } => to.flush(),
        }
    }
}

/// A reader for plaintext that may open what it reads. A piece that does not open is an error of kind `InvalidData`.
pub(super) enum In<R: Read> {
    Plain(R),
    Sealed(Box<SealedReader<R>>),
}

/// A sealed stream that is being read.
pub(super) struct SealedReader<R> {
    from: R,
    pieces: Pieces,
    /// The sealed bytes of the next piece, and one byte more if another piece follows.
    ahead: Vec<u8>,
    plain: Vec<u8>,
    at: usize,
    is_over: bool,
}

impl<R: Read> In<R> {
    /// Reads the header and derives the key.
    pub(super) fn sealed(mut from: R, passphrase: &[u8]) -> Result<Self, BackupError> {
        let unreadable = |cause| BackupError::File { verb: "read", path: "the backup".into(), cause };
        let mut number = || -> Result<u32, BackupError> {
            let mut bytes = [0; 4];
            from.read_exact(&mut bytes).map_err(unreadable)?;
            Ok(u32::from_be_bytes(bytes))
        };
        let cost = Cost { memory_kib: number()?, passes: number()?, lanes: number()? };
        let mut head = StreamHead { cost, salt: [0; SALT_BYTES], prefix: [0; PREFIX_BYTES] };
        from.read_exact(&mut head.salt).and_then(|()| from.read_exact(&mut head.prefix)).map_err(unreadable)?;
        // SECURITY: a file from somebody else must not make the host use more memory and time than its own files do.
        if head.cost.memory_kib > COST.memory_kib || head.cost.passes > COST.passes || head.cost.lanes > COST.lanes {
            return Err(unreadable(io::ErrorKind::InvalidData.into()));
        }
        let key = derive(passphrase, head.cost, &head.salt)?;
        let pieces = Pieces::new(&key, head.prefix);
        Ok(Self::Sealed(Box::new(SealedReader { from, pieces, ahead: Vec::new(), plain: Vec::new(), at: 0, is_over: false })))
    }
}

impl<R: Read> SealedReader<R> {
    /// Opens the next piece.
    fn next(&mut self) -> io::Result<()> {
        const SEALED_BYTES: usize = PIECE_BYTES + TAG_BYTES;
        let wanted = (SEALED_BYTES + 1 - self.ahead.len()) as u64;
        (&mut self.from).take(wanted).read_to_end(&mut self.ahead)?;
        self.is_over = self.ahead.len() <= SEALED_BYTES;
        let rest = self.ahead.split_off(self.ahead.len().min(SEALED_BYTES));
        let nonce = self.pieces.nonce(self.is_over)?;
        self.plain = self.pieces.cipher.decrypt(&nonce, self.ahead.as_slice()).map_err(|_| io::ErrorKind::InvalidData)?;
        (self.ahead, self.at) = (rest, 0);
        Ok(())
    }
}

impl<R: Read> Read for In<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(from) => from.read(to),
            Self::Sealed(opening) => {
                while opening.at == opening.plain.len() {
                    if opening.is_over {
                        return Ok(0);
                    }
                    opening.next()?;
                }
                let rest = opening.plain.get(opening.at..).unwrap_or_default();
                let count = rest.len().min(to.len());
                to.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
                opening.at += count;
                Ok(count)
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn sealed(plain: &[u8]) -> Vec<u8> {
        let mut out = Out::sealed(Vec::new(), b"several words of one").unwrap();
        out.write_all(plain).unwrap();
        out.finish().unwrap()
    }

    fn opened(bytes: &[u8], passphrase: &[u8]) -> io::Result<Vec<u8>> {
        let mut plain = Vec::new();
        match In::sealed(bytes, passphrase) {
            Ok(mut from) => from.read_to_end(&mut plain).map(|_| plain),
            Err(_) => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    #[test]
    fn what_was_sealed_opens_and_nothing_else_does() {
        for length in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 2 * PIECE_BYTES] {
            let plain: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let bytes = sealed(&plain);
            assert_eq!(opened(&bytes, b"several words of one").unwrap(), plain, "{length}");
            assert!(length < 8 || !bytes.windows(8).any(|window| window == &plain[..8]));
        }
        let bytes = sealed(&[7; PIECE_BYTES + 100]);
        assert!(opened(&bytes, b"several words of two").is_err());
        let whole_piece = 47 + PIECE_BYTES + TAG_BYTES;
        for end in [whole_piece, whole_piece + 1, bytes.len() - 1, 47, 46, 0] {
            assert!(opened(&bytes[..end], b"several words of one").is_err(), "cut at {end}");
        }
        for at in [12, 30, 47, 60_000, whole_piece, bytes.len() - 1] {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(opened(&changed, b"several words of one").is_err(), "byte {at}");
        }
        let mut costly = bytes;
        costly[0] = 0x7f;
        assert!(opened(&costly, b"several words of one").is_err());
    }
}
