//! The run header: what a run is opened with.

use std::borrow::Cow;
use std::sync::Arc;

use policy::{PLACEHOLDER_FRONT, Placeholder};
use serde::{Deserialize, Serialize};
use vocabulary::record::{Record, RunOpened, Uptime, VERSION};
use vocabulary::{Digest, Grants, Principal, RunId, RunSpec, canon};

use crate::err::LoadError;
use crate::keyed::Keyed;
use crate::payload_codec::in_pieces;

/// What one run is opened with. This includes everything that determines what the guest does. Parts that are not in its record are kept
/// sealed beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunHeader {
    /// The arguments of a command.
    pub args: Vec<String>,
    /// Who started it.
    pub by: Principal,
    /// JSON for an agent, text for the standard input of a command.
    pub input: String,
    /// Wall-clock time when the run was opened, in nanoseconds since 1970.
    pub opened_unix_ns: u64,
    /// The run that started this one, if a run did.
    pub parent: Option<RunId>,
    /// The id of the run.
    pub run: RunId,
    /// The seed from which all its randomness is made.
    pub seed: [u8; 32],
    /// The agent, grants and limits of the run.
    pub spec: Arc<RunSpec>,
}

/// The parts of a header of which the record has only a digest, as the first payload of a run keeps them. The input follows in pieces.
#[derive(Serialize, Deserialize)]
struct KeptHeader<'a> {
    args: Cow<'a, [String]>,
    grants: Cow<'a, Grants>,
    opened_unix_ns: String,
    seed: Digest,
}

impl RunHeader {
    /// The placeholders for credentials in the guest's environment. They are the same in every rebuild, and nobody else can make them.
    /// After [`policy::PLACEHOLDER_FRONT`] there are 128 bits from the run's seed and a checksum of 32 bits, in hexadecimal.
    pub fn placeholders(&self) -> Vec<Placeholder> {
        let keyed = Keyed::of_seed(&self.seed);
        let hex =
            |digest: &Digest, bytes: usize| digest.as_bytes().iter().take(bytes).map(|byte| format!("{byte:02x}")).collect::<String>();
        let names: std::collections::BTreeSet<&String> = self.spec.grants.placeholders.values().collect();
        let text = |name: &str| {
            let own = hex(&keyed.digest(format!("placeholder {name}").as_bytes()), 16);
            format!("{PLACEHOLDER_FRONT}{own}{}", hex(&Digest::of(own.as_bytes()), 4))
        };
        names.into_iter().map(|name| Placeholder { credential: name.clone(), text: text(name) }).collect()
    }

    /// The payloads of `run-opened`.
    pub(crate) fn to_payloads(&self) -> Vec<Vec<u8>> {
        let kept = canon::to_vec(&KeptHeader {
            args: Cow::Borrowed(&self.args),
            grants: Cow::Borrowed(&self.spec.grants),
            opened_unix_ns: self.opened_unix_ns.to_string(),
            seed: Digest::from_bytes(self.seed),
        });
        std::iter::once(kept).chain(in_pieces(self.input.as_bytes())).collect()
    }

    /// Reads the header of a run from its first record and the payloads of this record.
    ///
    /// # Errors
    /// It is another kind of record; the payloads don't match the record, were forgotten, or can't be read.
    pub fn load(reader: &journal::Reader, record: &journal::StoredRecord) -> Result<Self, LoadError> {
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

    /// The header of a run from its first record and the payloads of this record. `None` if they don't match.
    pub(crate) fn from_record(record: RunOpened, payloads: &[Vec<u8>]) -> Option<Self> {
        let (kept, input) = payloads.split_first()?;
        let kept: KeptHeader<'_> = serde_json::from_slice(kept).ok()?;
        let spec = RunSpec {
            agent: record.agent,
            config: record.config,
            durable: record.durable,
            engine: record.engine,
            grants: kept.grants.into_owned(),
            limits: record.limits,
        };
        let header = Self {
            args: kept.args.into_owned(),
            by: record.by,
            input: String::from_utf8(input.concat()).ok()?,
            opened_unix_ns: kept.opened_unix_ns.parse().ok()?,
            parent: record.parent,
            run: record.run,
            seed: *kept.seed.as_bytes(),
            spec: Arc::new(spec),
        };
        let again = header.to_record(&Keyed::of_seed(&header.seed), record.uptime.clone());
        let same = (again.grants, again.input, again.seed, again.at) == (record.grants, record.input, record.seed, record.at);
        same.then_some(header)
    }

    pub(crate) fn to_record(&self, keyed: &Keyed, uptime: Uptime) -> RunOpened {
        let spec = &self.spec;
        RunOpened {
            agent: spec.agent.clone(),
            at: self.opened_unix_ns / 1_000_000,
            by: self.by.clone(),
            config: spec.config,
            durable: spec.durable,
            engine: spec.engine.clone(),
            grants: keyed.digest(&canon::to_vec(&spec.grants)),
            input: keyed.digest(self.input.as_bytes()),
            kind: vocabulary::record::RecordKind::RunOpened,
            limits: spec.limits.clone(),
            parent: self.parent,
            policy: spec.grants.policy.as_ref().map(vocabulary::PolicyRules::digest),
            run: self.run,
            seed: keyed.digest(&self.seed),
            uptime,
            v: VERSION,
        }
    }
}
