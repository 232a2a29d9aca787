//! How a verb ends that has not seen all of the record: what could not be read is said, and decides the number that the program ends with.
//!
//! What is missing by a person's order is another matter (`gaps`), and changes no number.

use journal::{Damage, FaultKind};
use vocabulary::exit;

use crate::err::CliError;
use crate::err::advice::{DAMAGED_RECORD, OTHER_LOG, OTHER_RECORD, STATE_LOST};
use crate::gaps::GapLines;
use crate::{log, out, words};

/// What is wrong, in one line.
fn headline(damage: &[Damage]) -> String {
    let is_other = |damage: &Damage| matches!(damage.fault.what, FaultKind::OtherLog { .. });
    let is_memory = |damage: &Damage| matches!(damage.fault.what, FaultKind::StateUnreadable) || is_other(damage);
    match () {
        () if damage.iter().all(is_memory) && damage.iter().any(is_other) => "the record is not the one that this home had",
        () if damage.iter().all(is_memory) => "whether this is all of the record can't be known",
        () => "the record is damaged: what is shown is whole, and is not all there was",
    }
    .to_owned()
}

/// What to do about what weighs most.
fn help(damage: &[Damage]) -> &'static str {
    let any = |is: fn(&FaultKind) -> bool| damage.iter().any(|damage| is(&damage.fault.what));
    match () {
        () if any(|what| matches!(what, FaultKind::OtherLog { .. })) => OTHER_LOG,
        () if any(|what| matches!(what, FaultKind::Behind { .. } | FaultKind::OtherHistory { .. })) && damage.len() == 1 => OTHER_RECORD,
        () if any(|what| matches!(what, FaultKind::StateUnreadable)) && damage.len() == 1 => STATE_LOST,
        () => DAMAGED_RECORD,
    }
}

/// A part that could not be read, in words.
pub(crate) fn damage_words(damage: &Damage) -> String {
    if matches!(damage.fault.what, FaultKind::OtherLog { .. } | FaultKind::StateUnreadable) {
        return damage.fault.what.to_string();
    }
    let until = match damage.until {
        Some(until) => format!("whole again from record {} on", until.index),
        None => "nothing whole follows".to_owned(),
    };
    format!("not read: {}; {until}", damage.fault)
}

/// How a verb ends that had to pass over something. What it has shown is whole, but is not everything.
pub(crate) fn judged(ended: Result<u8, CliError>) -> Result<u8, CliError> {
    let damage = log::damage();
    if let Err(CliError::NoSuchRun(_) | CliError::NoSuchRecord { .. } | CliError::NotOnRecord { .. }) = &ended {
        say_gaps();
    }
    if damage.is_empty() {
        return ended;
    }
    out::words(&headline(&damage));
    damage.iter().for_each(|damage| out::words(&format!("  {}", words::safe(&damage_words(damage)))));
    out::words(&format!("help: {}", help(&damage)));
    match ended {
        Ok(exit::DONE) => Ok(exit::RECORD),
        Err(err @ (CliError::NoSuchRun(_) | CliError::NoSuchRecord { .. } | CliError::NotOnRecord { .. })) => {
            Err(CliError::Unread(Box::new(err)))
        }
        // Whatever else it is, it was judged by a part.
        Err(err) if err.exit() == exit::USAGE => Err(CliError::OfAPart(Box::new(err))),
        ended => ended,
    }
}

/// What is not found may be in a part that is not here.
fn say_gaps() {
    if let Some(Ok(gaps)) = log::first_reader().map(|reader| GapLines::of(&reader)) {
        gaps.say();
    }
}
