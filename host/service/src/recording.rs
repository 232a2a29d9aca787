//! A change that an operator makes: it is noted, recorded, and then made. `run::Note` says what becomes of it if it is cut off.

use std::io;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use run::{FileChange, First, HomePlace, Note, held};
use vocabulary::record::Record;

use crate::err::ServiceError;

/// One change that is being made.
pub struct Recording<'a> {
    place: &'a HomePlace,
    note: Mutex<Option<Note>>,
    /// Why the change was not recorded.
    failed: Mutex<Option<ServiceError>>,
}

/// The time in seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "door: the clock of people")]
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The time in milliseconds since 1970, rounded down to seconds.
pub fn now_ms() -> u64 {
    now_s().saturating_mul(1000)
}

impl<'a> Recording<'a> {
    /// Begins a change in this home.
    pub fn new(place: &'a HomePlace) -> Self {
        Self { place, note: Mutex::new(None), failed: Mutex::new(None) }
    }

    /// Notes the change and records it. To be called under the lock of what is to be changed, just before the change.
    ///
    /// # Errors
    /// The change could not be noted or recorded. Then nothing may be changed. [`Recording::ended`] returns the reason.
    pub fn made(&self, record: &Record, files: &[FileChange<'_>], say: impl Future<Output = Result<(), ServiceError>>) -> io::Result<()> {
        let note = self.noted(First::Record, record, files)?;
        // The rooms below call this on a thread that may block, because they hold locks of the system.
        let said = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(say));
        match said {
            Ok(()) => {
                *held(&self.note) = Some(note);
                Ok(())
            }
            Err(err) => {
                // The change may still be on the record, if the host died just now. The next opening finds out.
                drop(note);
                Err(self.fails(err))
            }
        }
    }

    /// As [`Recording::made`], for a change whose record is made after the change.
    ///
    /// # Errors
    /// The change could not be noted.
    pub fn owed(&self, record: &Record, files: &[FileChange<'_>]) -> io::Result<()> {
        *held(&self.note) = Some(self.noted(First::Files, record, files)?);
        Ok(())
    }

    fn noted(&self, first: First, record: &Record, files: &[FileChange<'_>]) -> io::Result<Note> {
        Note::begin(self.place, first, record, files).map_err(|err| self.fails(err))
    }

    fn fails(&self, err: impl Into<ServiceError>) -> io::Error {
        *held(&self.failed) = Some(err.into());
        io::Error::other("the change could not be recorded")
    }

    /// The result of the change.
    ///
    /// # Errors
    /// If the change was not recorded, it was not made. If it was recorded and not made, the next opening of the home makes it.
    pub fn ended<T, E>(&self, changed: Result<T, E>) -> Result<T, NotMade<E>> {
        if let Some(failed) = held(&self.failed).take() {
            return Err(NotMade::NotRecorded(Box::new(failed)));
        }
        match (changed, held(&self.note).take()) {
            (Ok(value), Some(note)) => {
                // If the note stays, the next opening finds everything done and removes it.
                let _ = note.done();
                Ok(value)
            }
            (Err(cause), Some(_)) => Err(NotMade::NotInPlace(cause)),
            (changed, None) => changed.map_err(NotMade::Failed),
        }
    }
}

/// Why a change was not made.
#[derive(Debug)]
pub enum NotMade<E> {
    /// It could not be noted or recorded.
    NotRecorded(Box<ServiceError>),
    /// It is on the record, and its files are not written yet.
    NotInPlace(E),
    /// It failed before it was noted.
    Failed(E),
}
