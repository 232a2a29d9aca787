//! Which runs go on just now: by the word of the process that holds the home, or because nobody holds it.

use std::collections::HashSet;
use std::time::Duration;

use ::run::{Holder, Place, RunError};
use effect::RunId;
use home::patience;

use crate::err::CliError;
use crate::words;

/// BOUND: how long the holder may take to answer, where nobody has said anything else. What the record has is shown in any case.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// BOUND: how many holders are asked that go away before they have answered.
const HOLDERS_MAX: u32 = 5;

/// What is known of the runs that go on.
pub(super) enum Going {
    /// These do, and no others.
    These(HashSet<RunId>),
    /// Somebody holds the home and can't be asked. The words say who, and why not.
    Unknown(String),
}

impl Going {
    /// Asks, and looks at the lock of the home where nobody answers.
    pub(super) async fn ask(place: &Place) -> Self {
        for _ in 0..HOLDERS_MAX {
            match ask(place).await {
                Ok(going) => return Self::These(going),
                // Another one may have taken the home.
                Err(RunError::HolderGone(_)) => {}
                Err(err) => return Self::Unknown(CliError::from(err).in_one_line()),
            }
        }
        Self::Unknown("the processes that held the home went away, one after the other".to_owned())
    }

    /// Whether a run goes on; `None` if that is not known.
    pub(super) fn has(&self, run: RunId) -> Option<bool> {
        match self {
            Self::These(these) => Some(these.contains(&run)),
            Self::Unknown(_) => None,
        }
    }

    pub(super) fn runs(&self) -> HashSet<RunId> {
        match self {
            Self::These(these) => these.clone(),
            Self::Unknown(_) => HashSet::new(),
        }
    }

    /// Why it is not known, if so.
    pub(super) fn why_unknown(&self) -> Option<String> {
        match self {
            Self::These(_) => None,
            Self::Unknown(why) => Some(words::safe(why)),
        }
    }
}

async fn ask(place: &Place) -> Result<HashSet<RunId>, RunError> {
    match Holder::ask_within(place, patience().max_or(ANSWER_MAX)).await? {
        Some(holder) => Ok(holder.going().await?.into_iter().map(|(run, _)| run).collect()),
        None => Ok(HashSet::new()),
    }
}
