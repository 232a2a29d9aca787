//! The vault as it was last opened. While its file and the file of its key stay the same, it is not read again for the next request.
//!
//! The system is asked about both files at each look, so a change that another process makes counts with the next request. A vault whose key
//! is in the key ring of the kernel is not kept: nothing shows that the key ring still has the key.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use key::Key;

use super::disk::{self, DiskMark};
use super::entries::VaultEntries;
use super::seal::SealHead;
use super::{FILE_BYTES_MAX, Local, LocalError};

/// What was read, and from which files.
pub(super) struct OpenedVault {
    entries: Arc<VaultEntries>,
    vault: DiskMark,
    /// The file of the key, where the key is in one.
    key: Option<KeyFile>,
    /// SECURITY: kept open, so that the system gives its inode number to no other file meanwhile. `None` if there is no vault yet.
    #[cfg_attr(not(test), expect(dead_code, reason = "it only has to stay open"))]
    pub(super) file: Option<File>,
}

/// The file that the key of a vault is in.
struct KeyFile {
    path: PathBuf,
    mark: DiskMark,
}

impl Local {
    /// What the vault holds, if neither it nor its key has changed since it was last opened. Only asks the system about the two files.
    pub(crate) fn at_hand(&self) -> Option<Arc<VaultEntries>> {
        // Nobody waits for the lock while the system is asked.
        let last = self.last().clone()?;
        let is_kept = last.vault.is_at(&self.file()) && last.key.as_ref().is_none_or(|key| key.mark.is_at(&key.path));
        is_kept.then(|| Arc::clone(&last.entries))
    }

    /// What the vault holds. Waits for the disk where something has changed.
    ///
    /// # Errors
    /// A vault that does not open.
    pub(crate) fn look(&self) -> Result<Arc<VaultEntries>, LocalError> {
        self.look_at(disk::now())
    }

    /// The same at this moment, by the clock of the system.
    pub(super) fn look_at(&self, now: Duration) -> Result<Arc<VaultEntries>, LocalError> {
        if let Some(entries) = self.at_hand() {
            return Ok(entries);
        }
        // SECURITY: what was read before may have been revoked, and does not stay in memory.
        *self.last() = None;
        let Ok(Some(opened)) = self.open_once() else {
            // It can't be kept, is just being sealed under another key, or does not open. The second read tells which.
            return Ok(Arc::new(self.read()?.1));
        };
        let entries = Arc::clone(&opened.entries);
        // SECURITY: a file that was changed just now could be changed again without another mark. It is read again until that is over.
        if opened.vault.is_settled(now) && opened.key.as_ref().is_none_or(|key| key.mark.is_settled(now)) {
            *self.last() = Some(Arc::new(opened));
        }
        Ok(entries)
    }

    /// The vault as it was last opened.
    pub(super) fn last(&self) -> MutexGuard<'_, Option<Arc<OpenedVault>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` where it can't be kept.
    fn open_once(&self) -> Result<Option<OpenedVault>, LocalError> {
        let Some((file, vault)) = disk::open_marked(&self.file())? else {
            return Ok(Some(OpenedVault { entries: Arc::default(), vault: DiskMark::default(), key: None, file: None }));
        };
        let bytes = disk::read_whole(&self.file(), &file, FILE_BYTES_MAX)?;
        let (head, sealed) = self.parted(&bytes)?;
        let Some((key, key_file)) = self.key_and_mark(head)? else { return Ok(None) };
        let entries = Arc::new(self.opened(head, &key, sealed)?);
        Ok(Some(OpenedVault { entries, vault, key: key_file, file: Some(file) }))
    }

    /// The key of this head. The mark of its file is taken first: if the file is exchanged meanwhile, the next look sees another mark.
    fn key_and_mark(&self, head: SealHead) -> Result<Option<(Key, Option<KeyFile>)>, LocalError> {
        match head {
            SealHead::First | SealHead::File(_) => {
                let path = self.home.join(head.key_file().ok_or_else(|| LocalError::Sealed(self.file()))?);
                let mark = disk::mark(&path)?;
                Ok(Some((self.key(head)?, Some(KeyFile { path, mark }))))
            }
            SealHead::Passphrase(..) => Ok(self.key_made(head).map(|key| (key, None))),
            SealHead::Keyring => Ok(None),
        }
    }

    /// The key that was made of a passphrase for this head before.
    pub(super) fn key_made(&self, head: SealHead) -> Option<Key> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.as_ref().filter(|(of, _)| *of == head).map(|(_, key)| key.clone())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and changes files itself")]
mod tests;
