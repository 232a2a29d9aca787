//! The end of a verb that could not read all of the record: it names what was not read, and this decides the exit code.
//!
//! What a person had removed is another matter (`gaps`), and does not change the exit code.

use journal::{Damage, FaultKind};
use vocabulary::exit;

use crate::err::CliError;
use crate::err::advice::{DAMAGED_RECORD, OTHER_LOG, OTHER_RECORD, STATE_LOST};
use crate::gaps::GapLines;
use crate::{log, out, words};

/// The damage, in one line.
fn headline(damage: &[Damage]) -> String {
    let is_other = |damage: &Damage| matches!(damage.fault.what, FaultKind::OtherLog { .. });
    let is_memory = |damage: &Damage| matches!(damage.fault.what, FaultKind::StateUnreadable) || is_other(damage);
    match () {
        () if damage.iter().all(is_memory) && damage.iter().any(is_other) => "the record is not the one that this home had",
        () if damage.iter().all(is_memory) => "whether this is all of the record can't be known",
        () => "the record is damaged: what is shown is undamaged, but incomplete",
    }
    .to_owned()
}

/// What to do about the most serious damage.
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
        Some(until) => format!("undamaged again from record {} on", until.index),
        None => "nothing undamaged follows".to_owned(),
    };
    format!("not read: {}; {until}", damage.fault)
}

/// The result of a verb that had to skip a part of the record. What it has shown is undamaged, but incomplete.
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
        // Any other usage error was decided on a part of the record.
        Err(err) if err.exit() == exit::USAGE => Err(CliError::OfAPart(Box::new(err))),
        ended => ended,
    }
}

/// Names the parts that are not here: what was not found may be in them.
fn say_gaps() {
    if let Some(Ok(gaps)) = log::first_reader().map(|reader| GapLines::of(&reader)) {
        gaps.say();
    }
}
