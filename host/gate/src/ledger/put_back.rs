//! Runs that were open in the copy from which a home was restored.

use vocabulary::record::Record;

use super::Ledger;

impl Ledger {
    /// Marks all open runs: the home was restored, and this is not on the record yet.
    pub fn was_put_back(&mut self) {
        self.open.values_mut().for_each(|open| open.restored = true);
    }

    /// Folds a record that the home was restored, or that a person releases one of its runs.
    pub(super) fn put_back(&mut self, record: &Record) {
        match record {
            Record::RunReleased(word) => self.open.get_mut(&word.released).into_iter().for_each(|open| open.restored = false),
            // Any run that is open at this place may have done more after the copy was made, which this record does not show.
            _ => self.was_put_back(),
        }
    }
}
