//! Which runs are active now: the process that holds the home says so, or none are because no process holds it.

use std::collections::HashMap;
use std::time::Duration;

use ::run::HomePlace;
use vocabulary::{RunId, SafeText};

use crate::err::CliError;
use crate::words;
use service::{HostHandle, ServiceError};

/// BOUND: hosts that are asked one after the other, if each exits before it has answered.
const HOLDERS_MAX: u32 = 5;

/// What is known of the active runs.
pub(super) enum GoingRun {
    /// Exactly these runs are active; each with the name of its agent.
    These(HashMap<RunId, SafeText>),
    /// A process holds the home and can't be asked. The text says which process, and why not.
    Unknown(String),
}

impl GoingRun {
    /// Asks the host, for at most `max`. If it does not answer, the lock of the home says which process holds it.
    pub(super) async fn ask(place: &HomePlace, max: Duration) -> Self {
        for _ in 0..HOLDERS_MAX {
            match ask(place, max).await {
                Ok(going) => return Self::These(going),
                // Another process may have taken the home.
                Err(ServiceError::HostGone(_)) => {}
                Err(err) => return Self::Unknown(CliError::from(err).in_one_line()),
            }
        }
        Self::Unknown("several processes held the home one after the other, and each exited before it answered".to_owned())
    }

    /// Whether a run is active; `None` if that is not known.
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

    /// Why the active runs are not known, if they are not.
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
