//! Checks signatures ahead of a verifier, on the other processors, since a signature costs more than the rest of a small batch.
//!
//! INVARIANT: a note counts as signed only if exactly its bytes were checked. The verifier itself checks what was not checked ahead, so its
//! result does not depend on this.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::Scope;

use sha2::{Digest as _, Sha256};

use crate::note::PublicKey;
use crate::scan::Scanned;
use crate::segment;
use crate::tree::Node;

/// BOUND: how many threads check.
const THREADS_MAX: usize = 8;
/// BOUND: how many notes are checked before the verifier needs them: 64 MiB at most. The verifier checks the rest itself.
const CHECKED_MAX: usize = 1 << 20;
/// How many notes are published together.
const TOGETHER: usize = 32;

/// The folder in which a segment lies.
type FolderOf<'a> = &'a (dyn Fn(u32) -> PathBuf + Sync);

/// The signatures that were checked so far.
#[derive(Default)]
pub(crate) struct Ahead {
    checked: Mutex<HashSet<Node>>,
    /// How many segments were taken, counted from the last one: the verifier begins with the first.
    taken: AtomicUsize,
    is_over: AtomicBool,
}

/// The digest by which a note is recognised.
fn name(note: &str) -> Node {
    Sha256::digest(note.as_bytes()).into()
}

impl Ahead {
    /// Starts one thread for each processor but the verifier's own.
    pub(crate) fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        (folder_of, numbers): (FolderOf<'scope>, &'scope [u32]),
        key: &'scope PublicKey,
    ) {
        let others = std::thread::available_parallelism().map_or(0, |all| all.get() - 1).min(THREADS_MAX);
        for _ in 0..others {
            let thread = std::thread::Builder::new().name("signatures".to_owned());
            // If the thread can't be started, the verifier checks alone.
            let _ = thread.spawn_scoped(scope, move || self.go(folder_of, numbers, key));
        }
    }

    /// Whether this note was found to be signed. The verifier asks once for each note.
    pub(crate) fn has(&self, note: &str) -> bool {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner).remove(&name(note))
    }

    /// Tells the threads that the verifier has ended.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    fn go(&self, folder_of: FolderOf<'_>, numbers: &[u32], key: &PublicKey) {
        loop {
            let taken = self.taken.fetch_add(1, Ordering::Relaxed);
            let Some(number) = numbers.iter().rev().nth(taken) else { return };
            self.segment(&folder_of(*number), *number, key);
            if self.is_over.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    /// Checks the notes of one segment, as far as it can be read. The verifier reports what is wrong with it.
    fn segment(&self, folder: &Path, number: u32, key: &PublicKey) {
        let Ok((file, header)) = segment::open(folder, number, Some(key.log())) else { return };
        // All segments but the first begin with a base, which the scanner skips.
        let mut scanner = segment::scanner(file, &header, 0);
        let mut found = Vec::with_capacity(TOGETHER);
        while let Ok(Scanned::Batch) = scanner.advance() {
            let batch = scanner.batch();
            found.extend(batch.trailer().filter(|(note, _)| key.check(note).is_ok()).map(|(note, _)| name(note)));
            if found.len() >= TOGETHER && (!self.keep(&mut found) || self.is_over.load(Ordering::Relaxed)) {
                return;
            }
        }
        self.keep(&mut found);
    }

    fn keep(&self, found: &mut Vec<Node>) -> bool {
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        checked.extend(found.drain(..));
        checked.len() < CHECKED_MAX
    }
}
