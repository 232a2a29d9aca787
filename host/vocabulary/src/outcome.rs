//! How a run ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::Limit;
use crate::principal::Stopping;
use crate::text::SafeText;

/// An act of which nobody knows whether it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownAct {
    /// Its operation.
    pub op: u64,
    /// What was asked: for a request, its method and URL.
    pub what: SafeText,
}

impl fmt::Display for UnknownAct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "op {} {}", self.op, self.what)
    }
}

/// How a run ended; goes onto `run-closed` and decides the exit code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The agent returned.
    Done,
    /// The agent said that it failed.
    Failed {
        /// Its own short word.
        code: SafeText,
        /// Its own words.
        message: SafeText,
    },
    /// The guest trapped: a bug of its own, or an escape attempt that met a wall.
    Trapped {
        /// What the engine says, and the guest's last words where it panicked.
        message: SafeText,
    },
    /// A limit was hit.
    Limit {
        /// Which.
        limit: Limit,
    },
    /// Somebody ended it: `stop`, Ctrl-C, SIGTERM.
    Stopped(Stopping),
    /// Nobody knows whether these acts happened. A person must say it of each before the run can go on.
    Unsettled {
        /// Which.
        acts: Vec<UnknownAct>,
    },
    /// The record could not be written.
    RecordBroken,
    /// A damaged part of the record was set aside, and the rest of the run with it: how it ended is not known here.
    SetAside,
    /// The host failed.
    HostFailed {
        /// What went wrong.
        message: SafeText,
    },
}

impl Outcome {
    /// In one word, as on the record.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed { .. } => "failed",
            Self::Trapped { .. } => "trapped",
            Self::Limit { .. } => "limit",
            Self::Stopped(_) => "stopped",
            Self::Unsettled { .. } => "unsettled",
            Self::RecordBroken => "record-broken",
            Self::SetAside => "set-aside",
            Self::HostFailed { .. } => "host-failed",
        }
    }
}
