//! What the record says: one body a kind, in canonical JSON, each with the version of its own form. Fields stand in alphabetical order, so
//! that serialising is the canonical form (see [`crate::canon`]). A digest named `params`, `grants` or `seed` is keyed with the run's key:
//! once the run is forgotten, the digest tells nothing any more.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::ParseError;
use crate::ask::Repeat;
use crate::claim::Claim;
use crate::decision::{Bounds, Reason};
use crate::fault::HttpFault;
use crate::ids::{Digest, RunId};
use crate::limits::Limits;
use crate::outcome::Outcome;
use crate::principal::{Actor, Principal};
use crate::resource::Resource;
use crate::text::SafeText;

#[macro_use]
mod form;
mod parts;
mod settled;
#[macro_use]
mod by_person;

use form::guessed;
pub use form::newer_form;
pub use parts::{
    AgentRef, AskedFor, BODY_BYTES_MAX, Counted, CountedName, CredentialChange, DeliveredEvent, DeliveredOne, EngineRef, HostPurpose,
    MetIn, Object, RotatedKey, SealedUnder, Sent, Tls, Touch, Uptime, VERSION,
};
pub use settled::{AnswerClass, CredentialOutcome, CredentialSettled, HttpOutcome, HttpSettled, Settled};

with_words! {
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
        kind: RecordKind,
        /// Which operation of the run.
        op: u64,
        /// Keyed digest of every byte of the ask.
        params: Digest,
        /// Whether it may be made again without asking a person, should nobody know whether it happened.
        repeat: Repeat,
        /// How long the run had gone on by then, over all processes that had it, in milliseconds. Not by the clock, which can be set.
        #[serde(default)]
        spent_ms: u64,
        /// Form of this body.
        v: u32,
    }
    /// An ask was refused; no effect follows.
    Refused {
        /// How many similar refusals this record stands for: 1, except in records that count the refusals after the first hundred.
        alike: u64,
        /// What was asked. If the record counts several, its resource is [`Resource::Several`].
        ask: AskedFor,
        /// When, in milliseconds since 1970. If the record counts several, when the last one was asked.
        at: u64,
        /// What it counts, if it stands for several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        counted: Option<Counted>,
        /// `refused`.
        kind: RecordKind,
        /// Which operation; 0 for an observation.
        op: u64,
        /// Keyed digest of every byte of the ask.
        params: Digest,
        /// Why.
        reason: Reason,
        /// How long the run had gone on by then, over all processes that had it, in milliseconds. Not by the clock, which can be set.
        #[serde(default)]
        spent_ms: u64,
        /// Form of this body.
        v: u32,
    }
    /// How an act ended, as far as the beginning of its answer tells.
    Answered {
        /// When, milliseconds since 1970.
        at: u64,
        /// What happened, for the operator: which step failed, and why. Absent where the rest says it. The guest is never told.
        #[serde(default, skip_serializing_if = "SafeText::is_empty")]
        detail: SafeText,
        /// How it ended, in the terms of its capability.
        how: Settled,
        /// `answered`.
        kind: RecordKind,
        /// Which operation.
        op: u64,
        /// Why, where it was refused after the intent (an address).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
        /// How long the run had gone on by then, over all processes that had it, in milliseconds. Not by the clock, which can be set.
        #[serde(default)]
        spent_ms: u64,
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
        kind: RecordKind,
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
        kind: RecordKind,
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
        kind: RecordKind,
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
        kind: RecordKind,
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
        by: Principal,
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
        kind: RecordKind,
        /// Resolved.
        limits: Limits,
        /// Where it was started by another run.
        parent: Option<RunId>,
        /// Its id.
        run: RunId,
        /// Keyed digest of the seed.
        seed: Digest,
        /// How long the machine was up then.
        #[serde(default)]
        uptime: Uptime,
        /// Form of this body.
        v: u32,
    }
    /// A run that was cut off goes on.
    RunResumed {
        /// When, milliseconds since 1970.
        at: u64,
        /// Who resumed it.
        by: Principal,
        /// `run-resumed`.
        kind: RecordKind,
        /// How long it had gone on before, in milliseconds.
        #[serde(default)]
        spent_ms: u64,
        /// How long the machine was up then.
        #[serde(default)]
        uptime: Uptime,
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
        kind: RecordKind,
        /// Why it could not go on, where it was closed instead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        obstacle: Option<SafeText>,
        /// How.
        outcome: Outcome,
        /// Keyed digest of the output, where there is one.
        output: Option<Digest>,
        /// Largest linear memory, in bytes.
        peak_memory: u64,
        /// Form of this body.
        v: u32,
    }
    /// A run uses a credential from now on, until it ends: there is a value, and it is about to be sent with the first request.
    LeaseIssued {
        /// When, milliseconds since 1970.
        at: u64,
        /// Digest of the binding in its canonical form.
        binding: Digest,
        /// The credential's name.
        credential: SafeText,
        /// `lease-issued`.
        kind: RecordKind,
        /// The run and the credential: `RUN/NAME`.
        lease: SafeText,
        /// From where values come, in one word.
        source: SafeText,
        /// Seconds since 1970, from which on it is not used.
        until: Option<u64>,
        /// How often it may be used.
        uses: Option<u64>,
        /// Form of this body.
        v: u32,
    }
    /// The host asks something on its own behalf, for an act of the run: durable before anything is sent.
    HostAsked {
        /// When, milliseconds since 1970.
        at: u64,
        /// The credential for which it asks.
        credential: SafeText,
        /// `host-asked`.
        kind: RecordKind,
        /// Counts the host's own requests in the run, from 1.
        number: u64,
        /// The operation of the run that it serves.
        op: u64,
        /// What for.
        purpose: HostPurpose,
        /// What is asked, without the values in its query.
        resource: Resource,
        /// Form of this body.
        v: u32,
    }
    /// How a request of the host's own ended.
    HostAnswered {
        /// When, milliseconds since 1970.
        at: u64,
        /// Bytes of the answer's body, as far as it came.
        bytes: u64,
        /// What happened, for the operator: which step failed, and why. Absent where the rest says it. The guest is never told.
        #[serde(default, skip_serializing_if = "SafeText::is_empty")]
        detail: SafeText,
        /// What went wrong, where something did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<HttpFault>,
        /// `host-answered`.
        kind: RecordKind,
        /// Which request.
        number: u64,
        /// In one word.
        outcome: HttpOutcome,
        /// The address that was really spoken to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<SocketAddr>,
        /// Why, if its address was refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
        /// Bytes of the request that were handed to a connection; absent where none were.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sent: Option<Sent>,
        /// Of the response; none where none came.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// Form of this body.
        v: u32,
    }
    /// The value of a credential was found where it may not be: in a request of the guest, or in an answer from another host.
    ValueMet {
        /// When, milliseconds since 1970.
        at: u64,
        /// The credential's name.
        credential: SafeText,
        /// `value-met`.
        kind: RecordKind,
        /// Which operation.
        op: u64,
        /// Where it was.
        place: MetIn,
        /// How often in this run so far, including this time.
        times: u64,
        /// Form of this body.
        v: u32,
    }
    /// A lease was ended before its run: the next use is refused, what was opened under it is closed.
    LeaseRevoked {
        /// When, milliseconds since 1970.
        at: u64,
        /// Who.
        by: Principal,
        /// The credential's name.
        credential: SafeText,
        /// `lease-revoked`.
        kind: RecordKind,
        /// The run and the credential: `RUN/NAME`.
        lease: SafeText,
        /// Form of this body.
        v: u32,
    }
    /// An old value was tried at its target, to see that it no longer lets anybody in.
    LeaseProbed {
        /// When, milliseconds since 1970.
        at: u64,
        /// The credential's name.
        credential: SafeText,
        /// `lease-probed`.
        kind: RecordKind,
        /// Which operation of the run.
        op: u64,
        /// Whether it was refused, with 401 or 403.
        refused: bool,
        /// Of the response; none where none came.
        status: Option<u16>,
        /// Form of this body.
        v: u32,
        /// Which value was tried.
        version: u64,
    }
    /// The value of a credential, or whether it may be used, was changed by a person or by a run.
    CredentialChanged {
        /// When, milliseconds since 1970.
        at: u64,
        /// Who.
        by: Actor,
        /// What was done.
        change: CredentialChange,
        /// The credential's name.
        credential: SafeText,
        /// Where its value may be sent from now on, if that was set.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        destinations: Vec<SafeText>,
        /// `credential-changed`.
        kind: RecordKind,
        /// Form of this body.
        v: u32,
        /// Of the value from now on, where there is one.
        version: Option<u64>,
    }
    /// The machine's clock was set, or found to have been set since the record before.
    ClockChanged {
        /// When, by the clock as it is now, milliseconds since 1970.
        at: u64,
        /// By how much, in milliseconds: forward, or back where it is negative. The least that it can be, where the machine was restarted.
        by_ms: i64,
        /// `clock-changed`.
        kind: RecordKind,
        /// Whether the machine was restarted since the record before. Then more than this can't be known.
        restarted: bool,
        /// How long the machine is up.
        uptime: Uptime,
        /// Form of this body.
        v: u32,
        /// What the clock would show, had it not been set. Where the machine was restarted, the last time that it has shown.
        was: u64,
    }
    /// A torn batch was cut off when the log was opened.
    Recovered {
        /// When, milliseconds since 1970.
        at: u64,
        /// How much was cut.
        bytes: u64,
        /// `recovered`.
        kind: RecordKind,
        /// Form of this body.
        v: u32,
    }
}

#[cfg(test)]
mod tests;
