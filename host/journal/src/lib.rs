//! An append-only log that can be verified.
//!
//! One log has the records of many runs, in the order in which they became durable. Each record names its run, its number in the run and
//! the hash of the run's previous record. Records that wait together become durable together, as one batch: frames, then a trailer with a
//! signed checkpoint over everything so far. A batch is written in one write and synced once. A batch without its trailer was never
//! acknowledged, and is cut off when the log is opened. If anything else is missing or different, opening fails and names the place.
//!
//! What this room does not do: it does not know what a record means (bodies are opaque bytes; `gate` checks the order of kinds); it uses a
//! clock only to measure the disk, and it uses no network; it does not decide when a run begins or ends, or what may be pruned; it does not
//! yet prove inclusion or consistency, or collect witnesses. A person who has the account and its keys can replace a log that nobody else
//! has seen. Second state makes that noticeable, and later receipts and witnesses will.
//!
//! - A record is durable when its [`Ticket`] says so, and not before.
//! - The first write or sync that fails ends the journal for this process: every ticket fails, and nothing more is accepted.
//! - Only records in a batch with its trailer are read back.
//! - Secrets are only in payloads, sealed with a key that can be forgotten.
//!
//! Files of a home: `journal/*.seg` (the log itself), `journal.base` (where the log begins, if earlier segments were pruned),
//! `journal.key`, `journal.pub`, `home.key`, `keys` (run keys), `journal.index` and other `journal.*` (derived), `journal.damaged` (a
//! reader has found damage: the next opening reads everything), `set-aside-*` (damaged parts), `lock`.
//!
//! # A record, and its proof
//!
//! Somebody appends a record and waits until it is durable. Somebody else verifies it, with the folder and a public key that they got
//! independently of it:
//!
//! ```
//! use vocabulary::RunId;
//! use journal::{Journal, Options, SignerEvidence, public_key, verify};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! let home = folder.path();
//! let (journal, opened) = Journal::open(home, None, Options::default())?;
//! assert_eq!(opened.size, 0);
//!
//! let run = RunId::from_bytes([7; 16]);
//! journal.open_run(run)?;
//! let first = journal.append(run, b"it began".to_vec(), Vec::new())?;
//! first.ticket.wait_blocking()?;
//! let last = journal.append_last(run, b"it ended".to_vec(), Vec::new())?;
//! last.ticket.wait_blocking()?;
//! assert_eq!((first.seq_in_run, last.seq_in_run), (1, 2));
//! journal.close()?;
//!
//! let key = public_key(home)?;
//! let mut bodies = Vec::new();
//! let report = verify(home, Some(&key), None, &mut |leaf| bodies.push(leaf.body.to_vec()));
//! assert!(report.holds());
//! assert_eq!(report.evidence.signer, SignerEvidence::Given);
//! assert_eq!(bodies, [b"it began", b"it ended"]);
//!
//! // One letter is changed: the log no longer holds.
//! let segment = home.join("journal/00000001.seg");
//! let mut bytes = std::fs::read(&segment)?;
//! let at = bytes.windows(8).position(|bytes| bytes == b"it began").ok_or("it is there")?;
//! bytes[at] = b'I';
//! std::fs::write(&segment, bytes)?;
//! let report = verify(home, Some(&key), None, &mut |_| {});
//! assert!(!report.holds());
//! assert_eq!(report.size, 0);
//! # Ok(())
//! # }
//! ```
//!
//! Without second state, [`verify`] can't detect that a log was cut exactly at one of its checkpoints, and treats a damaged last batch as
//! one that was never acknowledged ([`VerifyReport::torn_bytes`]). [`VerifyReport::evidence`] says what it was given.

#![forbid(unsafe_code)]

mod accept;
mod ahead;
mod base;
mod broken;
mod causes;
mod chain;
mod custody;
mod derived;
mod disk;
mod entry;
mod err;
mod extent;
mod frame;
mod hold;
mod home_path;
mod ids;
mod index;
mod inspect;
mod journal;
mod keep;
mod key_paths;
mod keys;
mod lacking;
mod left;
mod locked;
mod mac;
mod memory;
mod named;
mod note;
mod open;
mod options;
mod payload;
mod proof;
mod prune;
mod pulse;
mod queue;
mod random;
mod read;
mod reanchor;
mod records;
mod rely;
mod rotate;
mod rotations;
mod salvage;
mod scan;
mod seat;
mod secret;
mod segment;
mod settle_rotation;
mod shared;
mod stamp;
mod state;
mod statement;
mod ticket;
mod tree;
mod unread;
mod unseal;
mod used;
mod verify;
mod walk;
mod wire;
mod writer;

#[cfg(test)]
mod tests;

pub use accept::{AcceptedRollback, accept_rollback};
pub use base::Base;
pub use causes::{is_pruned, sealed_of, trouble_of};
pub use derived::{Derived, Forged, Mark};
pub use entry::{Appended, Entry};
pub use err::{AppendError, Broken, FailedStep, FaultKind, KnownFrom, LogFault, Newer, OpenError, ReadError};
pub use frame::{BODY_BYTES_MAX, PAYLOAD_BYTES_MAX, PAYLOADS_MAX};
pub use hold::lock_files;
pub use ids::{LogId, LogIdError, Position, log_run};
pub use inspect::{Inspection, inspect};
pub use journal::{Journal, KeyedHasher};
pub use keep::{Keep, kept, keys_at_hand};
pub use keys::KEYS_FORM;
pub use lacking::RunKeys;
pub use left::Exchanged;
pub use memory::check_unmade;
pub use note::{Checkpoint, NoteError, PublicKey, PublicKeyError};
pub use open::OpenedLog;
pub use options::Options;
pub use payload::Payload;
pub use prune::{PruneError, PruneProgress, Pruned, Pruning};
pub use pulse::DiskTimes;
pub use queue::Queued;
pub use read::{Reader, StoredRecord};
pub use reanchor::{Reanchored, aside_now, reanchor};
pub use records::Records;
pub use rotate::{RotateError, rotate};
pub use rotations::KeyRotation;
pub use salvage::Damage;
pub use settle_rotation::settle_rotation;
pub use state::{Remembered, remembered, state_path};
pub use statement::{SIGNATURE_BYTES, public_key, public_key_in, sign_statement};
pub use ticket::Ticket;
pub use unread::Unread;
pub use verify::{SignerEvidence, VerifyEvidence, VerifyReport, base, verify, verify_home, verify_with};
pub use walk::Leaf;
