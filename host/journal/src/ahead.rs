//! Checks signatures ahead of a verifier, on the other processors: a signature costs more than the rest of a small batch.
//!
//! INVARIANT: a note is only ever taken for signed if its very bytes were checked. What was not checked ahead, the verifier checks itself, so
//! what it finds does not depend on this.

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

/// BOUND: threads that check.
const THREADS_MAX: usize = 8;
/// BOUND: notes that were checked and not yet needed, 64 MiB of them at most. Beyond that, the rest is left to the verifier.
const CHECKED_MAX: usize = 1 << 20;
/// Notes that are made known together.
const TOGETHER: usize = 32;

/// In which folder a segment lies.
type FolderOf<'a> = &'a (dyn Fn(u32) -> PathBuf + Sync);

/// What was checked so far.
#[derive(Default)]
pub(crate) struct Ahead {
    checked: Mutex<HashSet<Node>>,
    /// How many segments were taken, from the last one on: the verifier comes from the first.
    taken: AtomicUsize,
    is_over: AtomicBool,
}

/// By which a note is known again.
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
            // Without the thread the verifier does it alone.
            let _ = thread.spawn_scoped(scope, move || self.go(folder_of, numbers, key));
        }
    }

    /// Whether this note was found to be signed. Each is asked for once.
    pub(crate) fn has(&self, note: &str) -> bool {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner).remove(&name(note))
    }

    /// The verifier has come to its end.
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

    /// The notes of one segment, as far as it can be read. What is wrong with it is found by the verifier.
    fn segment(&self, folder: &Path, number: u32, key: &PublicKey) {
        let Ok((file, header)) = segment::open(folder, number, Some(key.log())) else { return };
        // All but the first begin with a base, which is no batch.
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
