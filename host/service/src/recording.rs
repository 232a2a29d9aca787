//! A change that an operator makes: noted, put on the record, made. `run::Note` says what becomes of it whenever it is cut off.

use std::io;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use run::{FileChange, First, HomePlace, Note, held};
use vocabulary::record::Record;

use crate::err::ServiceError;

/// One change, while it is made.
pub struct Recording<'a> {
    place: &'a HomePlace,
    note: Mutex<Option<Note>>,
    /// Why it was not recorded.
    failed: Mutex<Option<ServiceError>>,
}

/// Seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "door: the clock of people")]
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Milliseconds since 1970, to the second.
pub fn now_ms() -> u64 {
    now_s().saturating_mul(1000)
}

impl<'a> Recording<'a> {
    /// A change in this home.
    pub fn new(place: &'a HomePlace) -> Self {
        Self { place, note: Mutex::new(None), failed: Mutex::new(None) }
    }

    /// Under the lock of what is to be changed, just before it is: notes the change and puts it on the record.
    ///
    /// # Errors
    /// Neither may be missing: then nothing may be changed. [`Recording::ended`] says why.
    pub fn made(&self, record: &Record, files: &[FileChange<'_>], say: impl Future<Output = Result<(), ServiceError>>) -> io::Result<()> {
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
    pub fn owed(&self, record: &Record, files: &[FileChange<'_>]) -> io::Result<()> {
        *held(&self.note) = Some(self.noted(First::Files, record, files)?);
        Ok(())
    }

    fn noted(&self, first: First, record: &Record, files: &[FileChange<'_>]) -> io::Result<Note> {
        Note::begin(self.place, first, record, files).map_err(|err| self.fails(err))
    }

    fn fails(&self, err: impl Into<ServiceError>) -> io::Error {
        *held(&self.failed) = Some(err.into());
        io::Error::other("it could not be put on the record")
    }

    /// What came of it.
    ///
    /// # Errors
    /// Without its record, the change was not made. With its record and without the change, the next opening of the home makes it.
    pub fn ended<T, E>(&self, changed: Result<T, E>) -> Result<T, NotMade<E>> {
        if let Some(failed) = held(&self.failed).take() {
            return Err(NotMade::NotRecorded(Box::new(failed)));
        }
        match (changed, held(&self.note).take()) {
            (Ok(value), Some(note)) => {
                // A note that stays is read by the next opening, which finds everything done.
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
