//! What a run is opened with: the part that all runs of an agent share, and its own.

use std::sync::Arc;

use effect::record::{AgentRef, EngineRef, RunOpened, VERSION};
use effect::{Digest, Grants, Limits, RunId, SafeText, canon};
use serde::{Deserialize, Serialize};

use crate::kept::in_pieces;
use crate::keyed::Keyed;

/// What stays the same from run to run of one agent; shared, so that opening a run costs no copying.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// What runs.
    pub agent: AgentRef,
    /// Digest of the configuration file it was resolved from.
    pub config: Option<Digest>,
    /// Whether a run can be resumed after a crash. See [`Standing::durable`].
    pub durable: bool,
    /// What runs it.
    pub engine: EngineRef,
    /// What the operator granted.
    pub grants: Grants,
    /// Resolved.
    pub limits: Limits,
}

impl Standing {
    /// Whether runs under these grants are durable: when they allow any act, or when somebody wants it.
    pub fn durable(grants: &Grants, wanted: bool) -> bool {
        wanted || !grants.http.is_empty()
    }
}

/// What one run is opened with. Everything that is not in its record but decides what the guest does is in here, and is kept sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Its arguments, for an agent that is a command.
    pub args: Vec<String>,
    /// Who started it.
    pub by: SafeText,
    /// JSON.
    pub input: String,
    /// Wall time at the moment of opening, nanoseconds since 1970.
    pub opened_unix_ns: u64,
    /// Where it was started by another run.
    pub parent: Option<RunId>,
    /// Its id.
    pub run: RunId,
    /// From which all its randomness is made.
    pub seed: [u8; 32],
    /// What it shares with the agent's other runs.
    pub standing: Arc<Standing>,
}

/// An opening as it is kept in the first payload of a run; the input follows in pieces.
#[derive(Serialize, Deserialize)]
struct Kept<'a, S> {
    args: std::borrow::Cow<'a, [String]>,
    by: SafeText,
    opened_unix_ns: String,
    parent: Option<RunId>,
    run: RunId,
    seed: Digest,
    standing: S,
}

impl Opening {
    /// What is kept sealed beside `run-opened`.
    pub(crate) fn to_payloads(&self) -> Vec<Vec<u8>> {
        let kept = canon::to_vec(&Kept {
            args: (&self.args).into(),
            by: self.by.clone(),
            opened_unix_ns: self.opened_unix_ns.to_string(),
            parent: self.parent,
            run: self.run,
            seed: Digest::from_bytes(self.seed),
            standing: &*self.standing,
        });
        std::iter::once(kept).chain(in_pieces(self.input.as_bytes())).collect()
    }

    /// Reads [`Opening::to_payloads`] back.
    pub(crate) fn from_payloads(payloads: &[Vec<u8>]) -> Option<Self> {
        let (kept, input) = payloads.split_first()?;
        let kept: Kept<'_, Standing> = serde_json::from_slice(kept).ok()?;
        let input = String::from_utf8(input.concat()).ok()?;
        Some(Self {
            args: kept.args.into_owned(),
            by: kept.by,
            input,
            opened_unix_ns: kept.opened_unix_ns.parse().ok()?,
            parent: kept.parent,
            run: kept.run,
            seed: *kept.seed.as_bytes(),
            standing: Arc::new(kept.standing),
        })
    }

    pub(crate) fn to_record(&self, keyed: &Keyed) -> RunOpened {
        let standing = &self.standing;
        RunOpened {
            agent: standing.agent.clone(),
            at: self.opened_unix_ns / 1_000_000,
            by: self.by.clone(),
            config: standing.config,
            durable: standing.durable,
            engine: standing.engine.clone(),
            grants: keyed.digest(&canon::to_vec(&standing.grants)),
            input: keyed.digest(self.input.as_bytes()),
            kind: effect::record::Kind::RunOpened,
            limits: standing.limits.clone(),
            parent: self.parent,
            run: self.run,
            seed: keyed.digest(&self.seed),
            v: VERSION,
        }
    }
}
