//! A change that an operator makes: noted, put on the record, made. `run::Note` says what becomes of it whenever it is cut off.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use run::{FileChange, First, HomePlace, Note, RunError};
use vocabulary::record::Record;

use crate::err::CliError;

/// One change, while it is made.
pub(crate) struct Recording<'a> {
    place: &'a HomePlace,
    note: Mutex<Option<Note>>,
    /// Why it was not recorded.
    failed: Mutex<Option<RunError>>,
}

/// Milliseconds since 1970, to the second.
pub(crate) fn now_ms() -> u64 {
    crate::place::now_s().saturating_mul(1000)
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Recording<'a> {
    pub(crate) fn new(place: &'a HomePlace) -> Self {
        Self { place, note: Mutex::new(None), failed: Mutex::new(None) }
    }

    /// Under the lock of what is to be changed, just before it is: notes the change and puts it on the record.
    ///
    /// # Errors
    /// Neither may be missing: then nothing may be changed. [`Recording::ended`] says why.
    pub(crate) fn made(
        &self,
        record: &Record,
        files: &[FileChange<'_>],
        say: impl Future<Output = Result<(), RunError>>,
    ) -> io::Result<()> {
        let note = self.noted(First::Record, record, files)?;
        // The rooms below call from a thread that may wait: their locks are the system's.
        let said = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(say));
        match said {
            Ok(()) => {
                *held(&self.note) = Some(note);
                Ok(())
            }
            Err(err) => {
                // It may be on the record nevertheless, when the host died just now. The next opening finds out.
                drop(note);
                Err(self.fails(err))
            }
        }
    }

    /// The same for a change whose record is made after it.
    ///
    /// # Errors
    /// It could not be noted.
    pub(crate) fn owed(&self, record: &Record, files: &[FileChange<'_>]) -> io::Result<()> {
        *held(&self.note) = Some(self.noted(First::Files, record, files)?);
        Ok(())
    }

    fn noted(&self, first: First, record: &Record, files: &[FileChange<'_>]) -> io::Result<Note> {
        Note::begin(self.place, first, record, files).map_err(|err| self.fails(err))
    }

    fn fails(&self, err: RunError) -> io::Error {
        *held(&self.failed) = Some(err);
        io::Error::other("it could not be put on the record")
    }

    /// What came of it. Without its record it was not made. With its record and without the change, the next opening makes it.
    pub(crate) fn ended<T>(&self, changed: Result<T, CliError>) -> Result<T, CliError> {
        if let Some(failed) = held(&self.failed).take() {
            return Err(CliError::Run(failed));
        }
        match (changed, held(&self.note).take()) {
            (Ok(value), Some(note)) => {
                // A note that stays is looked at by the next opening, which finds everything done.
                let _ = note.done();
                Ok(value)
            }
            (Err(cause), Some(_)) => Err(CliError::NotInPlace { cause: Box::new(cause) }),
            (changed, None) => changed,
        }
    }
}
