//! Undos that the guest registers or withdraws.

use vocabulary::{Ask, Stop, UndoAsk, UndoFault};

use super::{CursorStep, ReplayCursor};

impl ReplayCursor {
    /// Each ask about an undo has its own record, also if it was refused. So the next ask on the record answers this one.
    pub(crate) fn undo(&mut self, ask: &UndoAsk) -> Result<CursorStep<Result<u64, UndoFault>>, Stop> {
        let ask = Ask::Undo(ask.clone());
        if self.next_ask().is_none() {
            if self.at.object < self.recorded.objects.len() {
                self.close_sums()?;
            }
            return self.end(|| format!("`{}`", ask.resource()));
        }
        let recorded = self.matched(&ask)?;
        Ok(CursorStep::Served(match (recorded.undo, &recorded.reason) {
            (Some(id), _) => Ok(id),
            (None, Some(reason)) => Err(UndoFault::of(reason)),
            (None, None) => return Err(self.diverged(format!("`{}`", ask.resource()))),
        }))
    }
}
