//! What the record says: one body a kind, in canonical JSON, each with the version of its own form.
//!
//! Fields stand in alphabetical order, so that serialising is the canonical form (see [`crate::canon`]). A digest named
//! `params`, `grants` or `seed` is keyed with the run's key: whoever forgets the run forgets what it would tell.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::claim::Claim;
use crate::decision::{Bounds, Reason};
use crate::ids::{Digest, RunId};
use crate::limits::Limits;
use crate::outcome::Outcome;
use crate::release::HttpFault;
use crate::text::SafeText;
use crate::{ParseError, canon};

/// BOUND: longest body of a record, in bytes (a C2SP tile entry carries its length in 16 bits).
pub const BODY_BYTES_MAX: usize = 65_535;

macro_rules! records {
    ($($(#[$doc:meta])* $kind:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ })+) => {
        /// The kinds of record.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Kind { $($(#[$doc])* $kind,)+ }

        $(
            $(#[$doc])*
            #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
            pub struct $kind { $($(#[$field_doc])* pub $field: $type,)+ }

            impl From<$kind> for Record {
                fn from(body: $kind) -> Self {
                    Self::$kind(body)
                }
            }
        )+

        /// One record.
        #[expect(clippy::large_enum_variant, reason = "records are made one at a time and written; none is kept in a list")]
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        #[serde(untagged)]
        pub enum Record { $($(#[$doc])* $kind($kind),)+ }

        impl Record {
            /// Which kind it is.
            pub fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)+ }
            }

            /// Reads a body back.
            ///
            /// # Errors
            /// A kind that this version does not know, or a body that is not of its kind's form.
            pub fn parse(body: &[u8]) -> Result<Self, ParseError> {
                #[derive(Deserialize)]
                struct Peek { kind: Kind }
                let bad = |_| ParseError::new("a record", &String::from_utf8_lossy(body.get(..80).unwrap_or(body)), "the JSON of a known kind");
                let peek: Peek = serde_json::from_slice(body).map_err(bad)?;
                match peek.kind { $(Kind::$kind => serde_json::from_slice::<$kind>(body).map(Self::$kind).map_err(bad),)+ }
            }
        }
    };
}

impl Record {
    /// The bytes that are hashed and kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        canon::to_vec(self)
    }
}

records! {
    /// An act may begin: durable before it does.
    Asked {
        /// Whether this intent repeats an earlier one of the same operation, after a crash.
        again: bool,
        /// What was asked.
        ask: AskedFor,
        /// When, milliseconds since 1970.
        at: u64,
        /// Within which bounds, by which rule.
        bounds: Bounds,
        /// `asked`.
        kind: Kind,
        /// Which operation of the run.
        op: u64,
        /// Keyed digest of every byte of the ask.
        params: Digest,
        /// Form of this body.
        v: u32,
    }
    /// An ask was refused; no effect follows.
    Refused {
        /// How many alike this record stands for: 1, but for the one that counts those after the first hundred.
        alike: u64,
        /// What was asked.
        ask: AskedFor,
        /// When, milliseconds since 1970.
        at: u64,
        /// `refused`.
        kind: Kind,
        /// Which operation; 0 for an observation.
        op: u64,
        /// Keyed digest of every byte of the ask.
        params: Digest,
        /// Why.
        reason: Reason,
        /// Form of this body.
        v: u32,
    }
    /// How an act ended, as far as its head tells.
    Answered {
        /// When, milliseconds since 1970.
        at: u64,
        /// What went wrong, where something did.
        fault: Option<HttpFault>,
        /// `answered`.
        kind: Kind,
        /// Which operation.
        op: u64,
        /// In one word.
        outcome: AnswerClass,
        /// The address that was really spoken to.
        peer: Option<SocketAddr>,
        /// Why, where it was refused after the intent (an address).
        reason: Option<Reason>,
        /// Of the response.
        status: Option<u16>,
        /// Of the connection.
        tls: Option<Tls>,
        /// Form of this body.
        v: u32,
    }
    /// What an act brought in, once it is over.
    Received {
        /// Of the body.
        bytes: u64,
        /// Keyed digest of the body, as far as it came.
        digest: Digest,
        /// `received`.
        kind: Kind,
        /// Which operation.
        op: u64,
        /// Secrets taken out.
        redactions: u64,
        /// Where it came from: scheme, host, port.
        source: SafeText,
        /// Form of this body.
        v: u32,
        /// Whether the body came to its end.
        whole: bool,
    }
    /// What was looked at inside the mounts, aggregated by object.
    Observed {
        /// `observed`.
        kind: Kind,
        /// In the order of first sight.
        objects: Vec<Object>,
        /// Digest of the payload with the answers, where the run is durable.
        payload: Option<Digest>,
        /// From here on answers were not kept: they are more than `payload-bytes`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unkept: bool,
        /// Form of this body.
        v: u32,
    }
    /// What the guest was let see, in order.
    Delivered {
        /// `delivered`.
        kind: Kind,
        /// Digest of the payload with heads and bytes; none when only timers and clocks were released, or past `payload-bytes`.
        payload: Option<Digest>,
        /// In order.
        releases: Vec<DeliveredOne>,
        /// Form of this body.
        v: u32,
    }
    /// What the agent said: claims.
    Said {
        /// In order.
        claims: Vec<Claim>,
        /// `said`.
        kind: Kind,
        /// Form of this body.
        v: u32,
    }
    /// A run began.
    RunOpened {
        /// What runs.
        agent: AgentRef,
        /// When, milliseconds since 1970.
        at: u64,
        /// Who started it.
        by: SafeText,
        /// Digest of the configuration file it was resolved from.
        config: Option<Digest>,
        /// Whether it can be resumed after a crash.
        durable: bool,
        /// What runs it.
        engine: EngineRef,
        /// Keyed digest of the grants.
        grants: Digest,
        /// Keyed digest of the input.
        input: Digest,
        /// `run-opened`.
        kind: Kind,
        /// Resolved.
        limits: Limits,
        /// Where it was started by another run.
        parent: Option<RunId>,
        /// Its id.
        run: RunId,
        /// Keyed digest of the seed.
        seed: Digest,
        /// Form of this body.
        v: u32,
    }
    /// A run that was cut off goes on.
    RunResumed {
        /// When, milliseconds since 1970.
        at: u64,
        /// Who resumed it.
        by: SafeText,
        /// `run-resumed`.
        kind: Kind,
        /// What a person said of operations whose outcome was unknown.
        settled: Vec<Settled>,
        /// Form of this body.
        v: u32,
    }
    /// A run ended.
    RunClosed {
        /// Milliseconds it computed or waited inside a host call.
        active_ms: u64,
        /// When, milliseconds since 1970.
        at: u64,
        /// `run-closed`.
        kind: Kind,
        /// How.
        outcome: Outcome,
        /// Keyed digest of the output, where there is one.
        output: Option<Digest>,
        /// Largest linear memory, in bytes.
        peak_memory: u64,
        /// Form of this body.
        v: u32,
    }
    /// A person trusted a configuration.
    ConfigTrusted {
        /// When, milliseconds since 1970.
        at: u64,
        /// Who.
        by: SafeText,
        /// What.
        config: Digest,
        /// `config-trusted`.
        kind: Kind,
        /// Where it lay.
        path: SafeText,
        /// Form of this body.
        v: u32,
    }
    /// A person took the record as it is, though it was known to have been longer or other.
    RollbackAccepted {
        /// When, milliseconds since 1970.
        at: u64,
        /// Who.
        by: SafeText,
        /// `rollback-accepted`.
        kind: Kind,
        /// The root over what is there.
        now_root: Digest,
        /// How many records are there.
        now_size: u64,
        /// Form of this body.
        v: u32,
        /// The root that was remembered.
        was_root: Option<Digest>,
        /// How many records were remembered.
        was_size: Option<u64>,
    }
    /// A torn batch was cut off when the log was opened.
    Recovered {
        /// When, milliseconds since 1970.
        at: u64,
        /// How much was cut.
        bytes: u64,
        /// `recovered`.
        kind: Kind,
        /// Form of this body.
        v: u32,
    }
}

/// The form that this version writes.
pub const VERSION: u32 = 1;

/// What was asked, in words.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AskedFor {
    /// `http`, `files`, …
    pub capability: SafeText,
    /// Interface and function.
    pub function: SafeText,
    /// In one line, without what may be secret.
    pub resource: SafeText,
}

/// How an act ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerClass {
    /// A response came; its status tells the rest.
    Response,
    /// Every, or any, address behind the name is one it may not have: nothing was sent.
    RefusedAddress,
    /// The credential that goes along has no value: nothing was sent.
    RefusedCredential,
    /// Nothing (whole) came back; `fault` says what.
    Failed,
    /// The host died in between: nobody knows.
    Unknown,
    /// The guest lost interest, or the run ended.
    Abandoned,
}

/// What is known of a TLS connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// SHA-256 of the subject public key info of the server's certificate.
    pub key: Digest,
    /// `TLSv1.3`.
    pub version: SafeText,
}

/// One object of a mount and what was done with it since the last such record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// Bytes read, or names listed.
    pub amount: u64,
    /// Of the whole content if it was read once from start to end; else over (offset, length, bytes) of each read. Of the
    /// names and kinds for a listing. Absent when it was only opened or looked at.
    pub digest: Option<Digest>,
    /// As the guest sees it.
    pub path: SafeText,
    /// How often.
    pub times: u64,
    /// Names of a listing that are not UTF-8: WASI has no way to tell a guest of them, so they were left out.
    #[serde(default, skip_serializing_if = "is_nought")]
    pub untold: u64,
    /// What was done.
    pub what: Touch,
    /// Whether `digest` is that of the whole content.
    pub whole: bool,
}

fn is_nought(number: &u64) -> bool {
    *number == 0
}

/// What was done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Touch {
    /// A regular file was opened, and perhaps read.
    File,
    /// A directory was listed.
    Listing,
    /// Looked at without being opened: kind, size, time, link.
    Look,
}

/// One release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveredOne {
    /// Bytes of a body.
    pub bytes: u64,
    /// Looks that found nothing since the release before.
    pub empty: u64,
    /// What was let go of.
    pub event: DeliveredEvent,
    /// The run's clock from then on, nanoseconds.
    pub mono_ns: u64,
    /// Which operation.
    pub op: u64,
}

/// The kinds of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveredEvent {
    /// Head of a response.
    Head,
    /// Piece of a body.
    Chunk,
    /// End of a body.
    End,
    /// Nothing more comes, for this reason.
    Failed(HttpFault),
    /// A timer set to this moment, nanoseconds.
    Timer(u64),
    /// The clock jumped.
    Clock,
}

/// Which component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentRef {
    /// Of the component's bytes.
    pub digest: Digest,
    /// As configured.
    pub name: SafeText,
    /// As its manifest says.
    pub version: SafeText,
}

/// What runs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineRef {
    /// Version of this host.
    pub host: SafeText,
    /// Digest of the engine profile.
    pub profile: SafeText,
    /// Version of the engine.
    pub wasmtime: SafeText,
}

/// A person's word on an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// Whether the effect happened.
    pub did: bool,
    /// Which operation.
    pub op: u64,
}

#[cfg(test)]
mod tests;
