//! Checkpoints as signed notes (C2SP `tlog-checkpoint`, `signed-note`; Ed25519).
//!
//! Besides origin, size and root, a checkpoint has one extension line: the segment, the first byte and the length of the batch that it
//! closes. The signature covers this line, so nobody can remove a trailer or move a batch unnoticed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};
use vocabulary::Digest;

use crate::ids::LogId;

/// The number of Ed25519 in the key ids of signed notes.
const ALGORITHM: u8 = 1;

/// The content of a trailer: the state of the log up to and including the batch of the trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log.
    pub log: LogId,
    /// How many leaves the log has.
    pub size: u64,
    /// The root over them.
    pub root: Digest,
    /// The segment in which the batch lies.
    pub segment: u32,
    /// The byte in the segment at which the batch begins.
    pub start: u64,
    /// The length of the batch up to its trailer.
    pub bytes: u64,
}

/// Why a note is not a checkpoint by this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The text is not a checkpoint, or is not spelled in the one allowed way.
    #[error("the checkpoint is malformed")]
    Malformed,
    /// It is signed under another name or key.
    #[error("the checkpoint is signed by another key")]
    OtherKey,
    /// The signature does not fit the text.
    #[error("the checkpoint's signature is wrong")]
    BadSignature,
}

impl Checkpoint {
    fn text(&self) -> String {
        format!(
            "{}\n{}\n{}\nbatch {} {} {}\n",
            self.log.origin(),
            self.size,
            STANDARD.encode(self.root.as_bytes()),
            self.segment,
            self.start,
            self.bytes
        )
    }

    /// Reads a note without checking its signature.
    pub fn read(note: &str) -> Result<Self, NoteError> {
        split(note).map(|(checkpoint, ..)| checkpoint)
    }
}

/// Splits a note into the checkpoint, its text, the signer's name and the bytes of the signature line.
fn split(note: &str) -> Result<(Checkpoint, &str, &str, Vec<u8>), NoteError> {
    let parts = || -> Option<(Checkpoint, &str, &str, Vec<u8>)> {
        let (body, signatures) = note.split_once("\n\n")?;
        let text = note.get(..body.len() + 1)?;
        let mut lines = body.split('\n');
        let log = LogId::from_origin(lines.next()?)?;
        let size = lines.next()?.parse().ok()?;
        let root = STANDARD.decode(lines.next()?).ok()?;
        let mut batch = lines.next()?.strip_prefix("batch ")?.split(' ');
        let checkpoint = Checkpoint {
            log,
            size,
            root: Digest::from_bytes(root.try_into().ok()?),
            segment: batch.next()?.parse().ok()?,
            start: batch.next()?.parse().ok()?,
            bytes: batch.next()?.parse().ok()?,
        };
        let (name, signature) = signatures.strip_prefix("— ")?.strip_suffix('\n')?.split_once(' ')?;
        // Comparing with the written form allows only one spelling: no leading zeros, no further lines.
        (checkpoint.text() == text).then_some((checkpoint, text, name, STANDARD.decode(signature).ok()?))
    };
    parts().ok_or(NoteError::Malformed)
}

fn key_id(name: &str, public: &[u8; 32]) -> [u8; 4] {
    let hash: [u8; 32] =
        Sha256::new().chain_update(name.as_bytes()).chain_update([b'\n', ALGORITHM]).chain_update(public).finalize().into();
    let [a, b, c, d, ..] = hash;
    [a, b, c, d]
}

/// The public half of a log's key, printed as a C2SP verifier key (`origin+key id+base64`), and the keys that followed it, one line each:
/// the key, the size of the log from which on it signs, and the signature of the key before it over both. So a person who trusts one key
/// can trust the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    log: LogId,
    key: VerifyingKey,
    later: Vec<Later>,
}

/// A key that followed another one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Later {
    /// The key signs logs of more than this many records.
    from: u64,
    key: VerifyingKey,
    /// The signature of the key before it.
    link: [u8; 64],
}

/// BOUND: how often the key of a log can be rotated.
const KEYS_MAX: usize = 250;

/// The text is not a verifier key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a public key has the form `bailiwick.log/LOG+KEYID+BASE64`")]
pub struct PublicKeyError;

impl PublicKey {
    /// The log that the key signs.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// Whether this key, or one that followed it, signed these bytes, which are not a note.
    pub(crate) fn check_bytes(&self, bytes: &[u8], signature: &[u8; 64]) -> bool {
        let (bytes, signature) = (apart(bytes), Signature::from_bytes(signature));
        self.all().any(|key| key.verify_strict(&bytes, &signature).is_ok())
    }

    fn all(&self) -> impl Iterator<Item = &VerifyingKey> {
        std::iter::once(&self.key).chain(self.later.iter().map(|later| &later.key))
    }

    /// The key that signs a log of this size.
    fn at(&self, size: u64) -> &VerifyingKey {
        self.later.iter().rev().find(|later| later.from < size).map_or(&self.key, |later| &later.key)
    }

    /// The key that signs now, without the others, as text.
    pub fn newest(&self) -> String {
        self.text_of(self.later.last().map_or(&self.key, |later| &later.key))
    }

    /// Whether the key `now` signs from this size on.
    pub(crate) fn has(&self, from: u64, now: &str) -> bool {
        self.later.iter().any(|later| later.from == from && self.text_of(&later.key) == now)
    }

    /// How often the key was rotated.
    pub fn rotations(&self) -> usize {
        self.later.len()
    }

    fn text_of(&self, key: &VerifyingKey) -> String {
        let name = self.log.origin();
        let id = crate::wire::hex(&key_id(&name, key.as_bytes()));
        format!("{name}+{id}+{}", STANDARD.encode([&[ALGORITHM], key.as_bytes().as_slice()].concat()))
    }

    fn of_text(text: &str) -> Option<(LogId, VerifyingKey)> {
        let mut parts = text.splitn(3, '+');
        let log = LogId::from_origin(parts.next()?)?;
        let _id = parts.next()?;
        let key: [u8; 33] = STANDARD.decode(parts.next()?).ok()?.try_into().ok()?;
        let (_algorithm, key) = key.split_first_chunk::<1>()?;
        Some((log, VerifyingKey::from_bytes(key.try_into().ok()?).ok()?))
    }

    /// The bytes that a key signs to authorise the key that follows it.
    pub(crate) fn link_bytes(log: LogId, from: u64, now: &str) -> Vec<u8> {
        format!("followed by\n{}\n{from}\n{now}\n", log.origin()).into_bytes()
    }

    /// The same keys with one more, if the last of them has signed the new one.
    pub(crate) fn followed_by(&self, from: u64, now: &str, link: [u8; 64]) -> Option<Self> {
        let (log, key) = Self::of_text(now).filter(|(log, _)| *log == self.log)?;
        let last = self.later.last();
        let signer = last.map_or(&self.key, |later| &later.key);
        let is_later = last.is_none_or(|later| later.from < from) && self.later.len() < KEYS_MAX;
        let signed = signer.verify_strict(&apart(&Self::link_bytes(log, from, now)), &Signature::from_bytes(&link)).is_ok();
        if !(is_later && signed && self.text_of(&key) == now) {
            return None;
        }
        let mut followed = self.clone();
        followed.later.push(Later { from, key, link });
        Some(followed)
    }

    /// Adds to a trusted key the keys in the file beside the log. Only keys that lead to the trusted key, or follow from it, are added.
    #[must_use]
    pub fn extended(&self, beside: &Self) -> Self {
        if self.log != beside.log {
            return self.clone();
        }
        let follows = self.key == beside.key && beside.later.starts_with(&self.later);
        // The trusted key came later. It names the log, and the log is named after the hash of its first key.
        let leads = self.later.is_empty()
            && LogId::of_key(beside.key.as_bytes()) == self.log
            && beside.later.iter().any(|later| later.key == self.key);
        if follows || leads { beside.clone() } else { self.clone() }
    }

    /// Reads the checkpoint in a note, and checks that this key signed it.
    pub fn check(&self, note: &str) -> Result<Checkpoint, NoteError> {
        let (checkpoint, text, name, signature) = split(note)?;
        let (id, signature) = signature.split_first_chunk::<4>().ok_or(NoteError::Malformed)?;
        let key = self.at(checkpoint.size);
        let ours = key_id(name, key.as_bytes());
        if checkpoint.log != self.log || name != self.log.origin() || *id != ours {
            return Err(NoteError::OtherKey);
        }
        let signature = Signature::from_slice(signature).map_err(|_| NoteError::Malformed)?;
        key.verify_strict(text.as_bytes(), &signature).map_err(|_| NoteError::BadSignature)?;
        Ok(checkpoint)
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text_of(&self.key))?;
        self.later
            .iter()
            .try_for_each(|later| write!(f, "\n{} from {} {}", self.text_of(&later.key), later.from, crate::wire::hex(&later.link)))
    }
}

impl std::str::FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<Self, PublicKeyError> {
        let text = text.trim_end();
        let parts = || -> Option<Self> {
            let mut lines = text.split('\n');
            let (log, key) = Self::of_text(lines.next()?)?;
            lines.try_fold(Self { log, key, later: Vec::new() }, |keys, line| {
                let (now, rest) = line.split_once(" from ")?;
                let (from, link) = rest.split_once(' ')?;
                keys.followed_by(from.parse().ok()?, now, crate::wire::unhex(link)?)
            })
        };
        // Comparing with the printed form checks the key id and the algorithm.
        parts().filter(|key| key.to_string() == text).ok_or(PublicKeyError)
    }
}

/// Prefixes bytes that are not a note before they are signed. No note begins with this prefix, so a signature over one is never valid for
/// the other.
fn apart(bytes: &[u8]) -> Vec<u8> {
    [b"bailiwick signed bytes 1\0", bytes].concat()
}

/// The secret half of a log's key. Only this signs checkpoints.
pub(crate) struct NoteSigner {
    public: PublicKey,
    key: SigningKey,
    id: [u8; 4],
}

impl NoteSigner {
    pub(crate) fn new(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let public = key.verifying_key();
        let log = LogId::of_key(public.as_bytes());
        Self { id: key_id(&log.origin(), public.as_bytes()), public: PublicKey { log, key: public, later: Vec::new() }, key }
    }

    /// A later key of a log, which another key signed first.
    pub(crate) fn of_log(seed: &[u8; 32], log: LogId) -> Self {
        let key = SigningKey::from_bytes(seed);
        let public = key.verifying_key();
        Self { id: key_id(&log.origin(), public.as_bytes()), public: PublicKey { log, key: public, later: Vec::new() }, key }
    }

    /// Sets all public keys of the log. The last of them must be this key.
    pub(crate) fn with_chain(self, chain: PublicKey) -> Self {
        Self { public: chain, ..self }
    }

    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs bytes that are not a note.
    pub(crate) fn sign_bytes(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(&apart(bytes)).to_bytes()
    }

    pub(crate) fn sign(&self, checkpoint: &Checkpoint) -> String {
        let text = checkpoint.text();
        let mut signature = self.id.to_vec();
        signature.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        format!("{text}\n— {} {}\n", self.public.log.origin(), STANDARD.encode(signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed() -> (NoteSigner, Checkpoint, String) {
        let signer = NoteSigner::new(&[3; 32]);
        let log = signer.public().log();
        let checkpoint = Checkpoint { log, size: 12, root: Digest::of(b"r"), segment: 1, start: 64, bytes: 900 };
        let note = signer.sign(&checkpoint);
        (signer, checkpoint, note)
    }

    #[test]
    fn a_signed_checkpoint_is_read_back() {
        let (signer, checkpoint, note) = signed();
        assert_eq!(signer.public().check(&note), Ok(checkpoint));
        assert_eq!(Checkpoint::read(&note), Ok(checkpoint));
    }

    #[test]
    fn a_public_key_survives_printing() {
        let (signer, ..) = signed();
        let text = signer.public().to_string();
        assert_eq!(text.parse::<PublicKey>().as_ref(), Ok(signer.public()));
        assert_eq!(text.replacen('+', "+0", 1).parse::<PublicKey>(), Err(PublicKeyError));
    }

    #[test]
    fn a_note_by_another_key_is_refused() {
        let (_, _, note) = signed();
        assert_eq!(NoteSigner::new(&[4; 32]).public().check(&note), Err(NoteError::OtherKey));
    }

    #[test]
    fn no_changed_byte_of_a_note_is_accepted() {
        let (signer, _, note) = signed();
        for at in 0..note.len() {
            for with in [b'0', b'1', b'A', b'=', b'\n', b' '] {
                let mut changed = note.clone().into_bytes();
                if let Some(byte) = changed.get_mut(at)
                    && *byte != with
                {
                    *byte = with;
                    let accepted = String::from_utf8(changed).is_ok_and(|note| signer.public().check(&note).is_ok());
                    assert!(!accepted, "byte {at} set to {with}");
                }
            }
        }
    }

    #[test]
    fn a_second_spelling_is_refused() {
        let (signer, _, note) = signed();
        assert_eq!(signer.public().check(&note.replacen("\n12\n", "\n012\n", 1)), Err(NoteError::Malformed));
        assert_eq!(signer.public().check(&format!("{note}— more AAAA\n")), Err(NoteError::Malformed));
    }
}
