//! Which runs go on just now: by the word of the process that holds the home, or because nobody holds it.

use std::collections::HashMap;
use std::time::Duration;

use ::run::HomePlace;
use vocabulary::{RunId, SafeText};

use crate::err::CliError;
use crate::words;
use service::{HostHandle, ServiceError};

/// BOUND: how many hosts are asked that go away before they have answered.
const HOLDERS_MAX: u32 = 5;

/// What is known of the runs that go on.
pub(super) enum GoingRun {
    /// These do, each of an agent, and no others.
    These(HashMap<RunId, SafeText>),
    /// Somebody holds the home and can't be asked. The words say who, and why not.
    Unknown(String),
}

impl GoingRun {
    /// Asks, and looks at the lock of the home where nobody answers for so long.
    pub(super) async fn ask(place: &HomePlace, max: Duration) -> Self {
        for _ in 0..HOLDERS_MAX {
            match ask(place, max).await {
                Ok(going) => return Self::These(going),
                // Another one may have taken the home.
                Err(ServiceError::HostGone(_)) => {}
                Err(err) => return Self::Unknown(CliError::from(err).in_one_line()),
            }
        }
        Self::Unknown("the processes that held the home went away, one after the other".to_owned())
    }

    /// Whether a run goes on; `None` if that is not known.
    pub(super) fn has(&self, run: RunId) -> Option<bool> {
        match self {
            Self::These(these) => Some(these.contains_key(&run)),
            Self::Unknown(_) => None,
        }
    }

    pub(super) fn runs(&self) -> HashMap<RunId, SafeText> {
        match self {
            Self::These(these) => these.clone(),
            Self::Unknown(_) => HashMap::new(),
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

async fn ask(place: &HomePlace, max: Duration) -> Result<HashMap<RunId, SafeText>, ServiceError> {
    match HostHandle::ask_within(place, max).await? {
        Some(host) => Ok(host.going().await?.into_iter().collect()),
        None => Ok(HashMap::new()),
    }
}
