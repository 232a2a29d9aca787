//! A case: a recorded run, exported from its log to be kept beside an agent's code. It can be replayed there without the home's record,
//! without a network and without the files that the run read.
//!
//! A case holds everything that the agent saw, in plain text: inputs, answers, contents of files, and any secrets in them. It holds none of
//! the host's credentials, because no run ever sees one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gate::{Recorded, RunRecord};
use serde::{Deserialize, Serialize};
use vocabulary::{Digest, RunId};

use crate::err::RunError;
use crate::place::{HomePlace, HostOptions};
use crate::rebuild::{Rebuilt, play, prepared};

/// The current form of a case.
const VERSION: u32 = 1;

/// A recorded run, outside of its log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The records of the run, in order.
    leaves: Vec<CaseLeaf>,
    /// The id of the run.
    pub run: RunId,
    /// The form of this document.
    v: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CaseLeaf {
    /// The record's body, as it was hashed.
    body: String,
    /// The record's payloads, in base64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    payloads: Vec<String>,
    seq: u64,
}

impl Case {
    /// Makes a case of a run in this home. The run must have ended by itself, and everything that it saw must have been kept.
    ///
    /// # Errors
    /// A run that does not meet these conditions, or can't be read.
    pub fn keep(place: &HomePlace, run: RunId) -> Result<Self, RunError> {
        let load = |cause| RunError::Load { run, cause };
        let reader = journal::Reader::of_what_is_whole(&place.home, Some(&place.state))?;
        let leaves = gate::leaves(&reader, run).collect::<Result<Vec<_>, _>>().map_err(load)?;
        let recorded = Recorded::from_leaves(run, leaves.iter().cloned().map(Ok)).map_err(load)?;
        if !recorded.is_kept() || !recorded.header().spec.durable {
            return Err(load(gate::LoadError::NotKept));
        }
        if !recorded.came_to_its_end() {
            return Err(RunError::NoEnd(run));
        }
        let kept = |leaf: RunRecord| CaseLeaf {
            body: String::from_utf8_lossy(&leaf.body).into_owned(),
            payloads: leaf.payloads.iter().map(|payload| STANDARD.encode(payload)).collect(),
            seq: leaf.seq,
        };
        Ok(Self { leaves: leaves.into_iter().map(kept).collect(), run, v: VERSION })
    }

    /// Reads a case back.
    ///
    /// # Errors
    /// What is wrong with the bytes, in words.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let case: Self = serde_json::from_slice(bytes).map_err(|err| err.to_string())?;
        if case.v == VERSION { Ok(case) } else { Err(format!("it is of form {}, this version reads form {VERSION}", case.v)) }
    }

    /// Runs a component against the recorded run, and reports the first place where it does something else.
    ///
    /// # Errors
    /// A case that can't be replayed, a component that can't be run.
    pub async fn play(&self, place: &HomePlace, options: &HostOptions, component: Digest) -> Result<Rebuilt, RunError> {
        let load = |cause| RunError::Load { run: self.run, cause };
        let recorded = Recorded::from_leaves(self.run, self.leaves.iter().map(CaseLeaf::leaf)).map_err(load)?;
        let limits = recorded.header().spec.limits.clone();
        play(recorded, &prepared(place, options, component, &limits).await?).await
    }
}

impl CaseLeaf {
    fn leaf(&self) -> Result<RunRecord, gate::LoadError> {
        let payload = |text: &String| STANDARD.decode(text).map_err(|_| gate::LoadError::Payload { seq: self.seq });
        Ok(RunRecord {
            body: self.body.clone().into_bytes(),
            payloads: self.payloads.iter().map(payload).collect::<Result<_, _>>()?,
            seq: self.seq,
        })
    }
}
