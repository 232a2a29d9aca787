//! What a run is opened with.

use std::borrow::Cow;
use std::sync::Arc;

use effect::record::{Record, RunOpened, Uptime, VERSION};
use effect::{Digest, Grants, Principal, RunId, Standing, canon};
use policy::{PLACEHOLDER_FRONT, Placeholder};
use serde::{Deserialize, Serialize};

use crate::err::LoadError;
use crate::kept::in_pieces;
use crate::keyed::Keyed;

/// What one run is opened with. Everything that decides what the guest does is in here. What is not in its record is kept sealed beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Its arguments, for an agent that is a command.
    pub args: Vec<String>,
    /// Who started it.
    pub by: Principal,
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

/// What of an opening is not in its record but for a digest, as it is kept in the first payload of a run; the input follows in pieces.
#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    args: Cow<'a, [String]>,
    grants: Cow<'a, Grants>,
    opened_unix_ns: String,
    seed: Digest,
}

impl Opening {
    /// The stand-ins for credentials that its environment holds: the same whenever the run is rebuilt, and nothing that anybody else could make.
    /// After [`policy::PLACEHOLDER_FRONT`] come 128 bits of the run's own and 32 by which one can be told from a slip, in hexadecimal.
    pub fn placeholders(&self) -> Vec<Placeholder> {
        let keyed = Keyed::of_seed(&self.seed);
        let hex =
            |digest: &Digest, bytes: usize| digest.as_bytes().iter().take(bytes).map(|byte| format!("{byte:02x}")).collect::<String>();
        let names: std::collections::BTreeSet<&String> = self.standing.grants.placeholders.values().collect();
        let text = |name: &str| {
            let own = hex(&keyed.digest(format!("placeholder {name}").as_bytes()), 16);
            format!("{PLACEHOLDER_FRONT}{own}{}", hex(&Digest::of(own.as_bytes()), 4))
        };
        names.into_iter().map(|name| Placeholder { credential: name.clone(), text: text(name) }).collect()
    }

    /// What is kept sealed beside `run-opened`.
    pub(crate) fn to_payloads(&self) -> Vec<Vec<u8>> {
        let kept = canon::to_vec(&Kept {
            args: Cow::Borrowed(&self.args),
            grants: Cow::Borrowed(&self.standing.grants),
            opened_unix_ns: self.opened_unix_ns.to_string(),
            seed: Digest::from_bytes(self.seed),
        });
        std::iter::once(kept).chain(in_pieces(self.input.as_bytes())).collect()
    }

    /// What a run was opened with, from its first record and what is kept sealed beside it.
    ///
    /// # Errors
    /// It is another kind of record, or what is kept is not what the record says, is forgotten, or can't be read.
    pub fn load(reader: &journal::Reader, record: &journal::Record) -> Result<Self, LoadError> {
        let run = record.run;
        let opened = match Record::parse(&record.body) {
            Ok(Record::RunOpened(opened)) => opened,
            Ok(_) => return Err(LoadError::Order { seq: record.seq }),
            Err(cause) => return Err(LoadError::Body { seq: record.seq, cause }),
        };
        let read = |cause| LoadError::Read { run, cause: Arc::new(cause) };
        let payloads: Vec<_> =
            (0..record.payloads()).map(|number| reader.payload(record, number).map_err(read)).collect::<Result<_, _>>()?;
        Self::from_record(opened, &payloads).ok_or(LoadError::Payload { seq: record.seq })
    }

    /// What a run was opened with, from its record and what is kept beside it. Nothing where one is not what the other says.
    pub(crate) fn from_record(record: RunOpened, payloads: &[Vec<u8>]) -> Option<Self> {
        let (kept, input) = payloads.split_first()?;
        let kept: Kept<'_> = serde_json::from_slice(kept).ok()?;
        let standing = Standing {
            agent: record.agent,
            config: record.config,
            durable: record.durable,
            engine: record.engine,
            grants: kept.grants.into_owned(),
            limits: record.limits,
        };
        let opening = Self {
            args: kept.args.into_owned(),
            by: record.by,
            input: String::from_utf8(input.concat()).ok()?,
            opened_unix_ns: kept.opened_unix_ns.parse().ok()?,
            parent: record.parent,
            run: record.run,
            seed: *kept.seed.as_bytes(),
            standing: Arc::new(standing),
        };
        let again = opening.to_record(&Keyed::of_seed(&opening.seed), record.uptime.clone());
        let same = (again.grants, again.input, again.seed, again.at) == (record.grants, record.input, record.seed, record.at);
        same.then_some(opening)
    }

    pub(crate) fn to_record(&self, keyed: &Keyed, uptime: Uptime) -> RunOpened {
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
            uptime,
            v: VERSION,
        }
    }
}
