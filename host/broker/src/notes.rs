//! What an agent changes in the home is noted before it is made, for whoever opens the home after it was cut off.

use std::io;

use effect::RunId;
use effect::record::Record;
use vault::Changing;

/// Keeps notes of changes that are under way. Whoever opens the home next finishes a change whose record was made, and removes the note of one
/// whose record was not.
pub trait Notes: Send + Sync {
    /// Notes that a run is about to have this record, and that the vault is changed then. On disk when this returns.
    ///
    /// # Errors
    /// It could not be written: then nothing may be changed.
    fn begin(&self, run: RunId, record: &Record, changing: &Changing<'_>) -> io::Result<Box<dyn Noted>>;
}

/// A note. Dropped before it is done, it stays.
pub trait Noted: Send {
    /// The change is whole: on the record and in the vault.
    fn done(self: Box<Self>);
}
