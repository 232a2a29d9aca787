//! How a run ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits::Limit;
use crate::principal::Stopping;
use crate::text::SafeText;

/// An act of which it is unknown whether it happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownAct {
    /// The number of its operation.
    pub op: u64,
    /// What was asked. For a request, its method and URL.
    pub what: SafeText,
}

impl fmt::Display for UnknownAct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "op {} {}", self.op, self.what)
    }
}

/// How a run ended. It is recorded in `run-closed`, and determines the exit code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The agent returned.
    Done,
    /// The agent said that it failed.
    Failed {
        /// The agent's own short word.
        code: SafeText,
        /// The agent's own message.
        message: SafeText,
    },
    /// The guest trapped because of a bug, or because an attempt to escape was stopped.
    Trapped {
        /// The message of the engine, and the guest's last words if it panicked.
        message: SafeText,
    },
    /// A limit was reached.
    Limit {
        /// The limit.
        limit: Limit,
    },
    /// A user ended it with `stop`, Ctrl-C or SIGTERM.
    Stopped(Stopping),
    /// It is unknown whether these acts happened. A person must say so for each before the run can continue.
    Unsettled {
        /// The acts.
        acts: Vec<UnknownAct>,
    },
    /// The record could not be written.
    RecordBroken,
    /// A damaged part of the record was set aside, with the rest of the run. How it ended is not known.
    SetAside,
    /// The host failed.
    HostFailed {
        /// What went wrong.
        message: SafeText,
    },
}

impl Outcome {
    /// The outcome in one word, as on the record.
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
