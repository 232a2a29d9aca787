//! Runs that were open in a copy of a home which was put back.

use vocabulary::record::Record;

use super::Ledger;

impl Ledger {
    /// The home was put back, and nothing on the record says so yet.
    pub fn was_put_back(&mut self) {
        self.open.values_mut().for_each(|open| open.restored = true);
    }

    /// Takes in that a copy was put back, or that a person lets one of its runs go on.
    pub(super) fn put_back(&mut self, record: &Record) {
        match record {
            Record::RunReleased(word) => self.open.get_mut(&word.released).into_iter().for_each(|open| open.restored = false),
            // What any run did that is open at this place, after the copy was made, is not known here.
            _ => self.was_put_back(),
        }
    }
}
