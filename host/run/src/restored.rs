//! Homes that were put back from a copy: what was open in the copy does not go on as if nothing had happened since.

use vocabulary::Clock as _;
use vocabulary::record::{Record, RecordKind, Restored, RunReleased, VERSION};
use vocabulary::{Principal, RunId};

use crate::backup;
use crate::err::RunError;
use crate::local_host::LocalHost;
use crate::principal::own_principal;

impl LocalHost {
    /// Puts it on the record that the home came from a backup, if it did and that is not there yet: if the backup had no keys. From then on,
    /// runs that were open in it need a word before they go on.
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

    /// Lets a run go on that was open in a copy which was put back: a person's word, durable on the record when this returns.
    ///
    /// # Errors
    /// No such run is open, it needs no such word, or the record can't be written.
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

    /// Runs that are open and whose key is not here: the home is a copy that was made in another order than the one in which it was written.
    pub fn lacking(&self) -> &[RunId] {
        &self.inner.lacking
    }
}
