//! Homes that were restored from a copy. Runs that were open in the copy are not resumed before a person releases them, because they may
//! have continued after the copy was made.

use vocabulary::Clock as _;
use vocabulary::record::{Record, RecordKind, Restored, RunReleased, VERSION};
use vocabulary::{Principal, RunId};

use crate::backup;
use crate::err::RunError;
use crate::local_host::LocalHost;
use crate::principal::own_principal;

impl LocalHost {
    /// Records that the home was restored from a backup, if it was and this is not on the record yet (because the backup had no keys). From
    /// then on, runs that were open in it must be released by a person before they are resumed.
    pub(crate) fn note_restored(&self) -> Result<(), RunError> {
        let place = &self.inner.place;
        let Some(mark) = backup::mark(place, &self.inner.journal.log().to_string())? else { return Ok(()) };
        let record: Record = Restored {
            at: self.inner.clock.unix_ms(),
            backup_at: mark.backup_at,
            by: own_principal(),
            kind: RecordKind::Restored,
            root: mark.root,
            size: mark.size,
            v: VERSION,
        }
        .into();
        drop(self.inner.gate.append_log(&record)?);
        self.inner.journal.durable().wait_blocking()?;
        backup::unmark(place)
    }

    /// Releases a run that was open in a restored copy, so that it can be resumed. The person's decision is durable on the record when this
    /// returns. A run that needs no release is left as it is.
    ///
    /// # Errors
    /// No such run is open, or the record can't be written.
    pub async fn release(&self, run: RunId, by: &Principal) -> Result<(), RunError> {
        match self.inner.gate.with_ledger(|ledger| ledger.open_run(run).map(|open| open.restored)) {
            None => return Err(RunError::NoSuchRun(run)),
            Some(false) => return Ok(()),
            Some(true) => {}
        }
        let record =
            RunReleased { at: self.inner.clock.unix_ms(), by: by.clone(), kind: RecordKind::RunReleased, released: run, v: VERSION };
        Ok(self.inner.gate.append_log(&record.into())?.durable.await?)
    }

    /// Open runs whose key is missing: the home is a copy, and its files were not copied in the order in which they were written.
    pub fn lacking(&self) -> &[RunId] {
        &self.inner.lacking
    }
}
