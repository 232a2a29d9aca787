//! The bodies of records: one struct for each kind, in canonical JSON, each with the version of its form. Fields are in alphabetical order,
//! so that serialising gives the canonical form (see [`crate::canon`]). A digest named `params`, `grants` or `seed` is keyed with the run's
//! key: once the run is forgotten, nobody can test guesses against the digest.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::ParseError;
use crate::approval::{ApprovalEnd, PolicyBasis, Requirement, Vote, VoteMeans};
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
use parts::is_zero;
pub use parts::{
    AgentRef, AskedFor, BODY_BYTES_MAX, Counted, CountedName, CredentialChange, DeliveredEvent, DeliveredOne, EngineRef, HostPurpose,
    MetIn, Object, RotatedKey, SealedUnder, Sent, Tls, Touch, Uptime, VERSION, WaitsFor,
};
pub use settled::{AnswerClass, CredentialOutcome, CredentialSettled, HttpOutcome, HttpSettled, Settled};

with_words! {
    /// An act may begin. The record is durable before the act begins.
    Asked {
        /// Whether this intent repeats an earlier one of the same operation after a crash.
        again: bool,
        /// The digest of the approval that this intent uses up, if people had to approve the act.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approval: Option<Digest>,
        /// What was asked.
        ask: AskedFor,
        /// The time, in milliseconds since 1970.
        at: u64,
        /// The bounds and the rule of the permit.
        bounds: Bounds,
        /// The kind of this record: `asked`.
        kind: RecordKind,
        /// The number of the operation in the run.
        op: u64,
        /// The keyed digest of every byte of the ask.
        params: Digest,
        /// The policies that permitted it, if there are policies.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy: Option<PolicyBasis>,
        /// Whether the act may be repeated without asking a person, if it is unknown whether it happened.
        repeat: Repeat,
        /// How long the run had been active by then, in milliseconds over all its processes. It does not depend on the machine's clock.
        #[serde(default)]
        spent_ms: u64,
        /// The version of this body's form.
        v: u32,
    }
    /// An ask was refused. No effect follows.
    Refused {
        /// How many similar refusals this record stands for. It is 1, except in records that count the refusals after the first hundred.
        alike: u64,
        /// What was asked. If the record counts several refusals, its resource is [`Resource::Several`].
        ask: AskedFor,
        /// The time, in milliseconds since 1970. If the record counts several refusals, the time of the last one.
        at: u64,
        /// The refusals that it counts, if it stands for several.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        counted: Option<Counted>,
        /// The kind of this record: `refused`.
        kind: RecordKind,
        /// The number of the operation in the run. 0 for an observation.
        op: u64,
        /// The keyed digest of every byte of the ask.
        params: Digest,
        /// The policies that determined the refusal, if policies did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy: Option<PolicyBasis>,
        /// The reason of the refusal.
        reason: Reason,
        /// How long the run had been active by then, in milliseconds over all its processes. It does not depend on the machine's clock.
        #[serde(default)]
        spent_ms: u64,
        /// The version of this body's form.
        v: u32,
    }
    /// How an act ended, as far as the beginning of its answer shows.
    Answered {
        /// The time, in milliseconds since 1970.
        at: u64,
        /// For the operator: the step that failed, and the reason. Absent if the other fields say enough. The guest never sees it.
        #[serde(default, skip_serializing_if = "SafeText::is_empty")]
        detail: SafeText,
        /// How it ended, in the terms of its capability.
        how: Settled,
        /// The kind of this record: `answered`.
        kind: RecordKind,
        /// The number of the operation in the run.
        op: u64,
        /// The reason, if the act was refused after its intent was recorded (because of an address).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
        /// How long the run had been active by then, in milliseconds over all its processes. It does not depend on the machine's clock.
        #[serde(default)]
        spent_ms: u64,
        /// The version of this body's form.
        v: u32,
    }
    /// What an act received, recorded when it is over.
    Received {
        /// The number of bytes of the body.
        bytes: u64,
        /// The keyed digest of the body, as far as it was received.
        digest: Digest,
        /// The kind of this record: `received`.
        kind: RecordKind,
        /// The number of the operation in the run.
        op: u64,
        /// How many secrets were removed.
        redactions: u64,
        /// The source of the body: scheme, host and port.
        source: SafeText,
        /// The version of this body's form.
        v: u32,
        /// Whether the body was received to its end.
        whole: bool,
    }
    /// What the guest looked at in its mounts, aggregated by object.
    Observed {
        /// The kind of this record: `observed`.
        kind: RecordKind,
        /// The objects, in the order in which they were first seen.
        objects: Vec<Object>,
        /// The digest of the payload with the answers, if the run is durable.
        payload: Option<Digest>,
        /// Whether answers were not kept from here on, because they exceed `payload-bytes`.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unkept: bool,
        /// The version of this body's form.
        v: u32,
    }
    /// The events that were released to the guest, in order.
    Delivered {
        /// The kind of this record: `delivered`.
        kind: RecordKind,
        /// The digest of the payload with heads and bytes. Absent if only timers and clocks were released, or beyond `payload-bytes`.
        payload: Option<Digest>,
        /// The releases, in order.
        releases: Vec<DeliveredOne>,
        /// The version of this body's form.
        v: u32,
    }
    /// What the agent said. All of it is claims.
    Said {
        /// The claims, in order.
        claims: Vec<Claim>,
        /// The kind of this record: `said`.
        kind: RecordKind,
        /// The version of this body's form.
        v: u32,
    }
    /// A run was opened.
    RunOpened {
        /// The agent that is run.
        agent: AgentRef,
        /// The time, in milliseconds since 1970.
        at: u64,
        /// The user who started it.
        by: Principal,
        /// The digest of the configuration file that it was resolved from.
        config: Option<Digest>,
        /// Whether it can be resumed after a crash.
        durable: bool,
        /// The engine that runs it.
        engine: EngineRef,
        /// The keyed digest of the grants.
        grants: Digest,
        /// The keyed digest of the input.
        input: Digest,
        /// The kind of this record: `run-opened`.
        kind: RecordKind,
        /// The limits, resolved.
        limits: Limits,
        /// The run that started this one, if another run did.
        parent: Option<RunId>,
        /// The digest of the policy set, if there are policies.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        policy: Option<Digest>,
        /// The id of the run.
        run: RunId,
        /// The keyed digest of the seed.
        seed: Digest,
        /// How long the machine had been up then.
        #[serde(default)]
        uptime: Uptime,
        /// The version of this body's form.
        v: u32,
    }
    /// A run that was cut off or suspended was resumed.
    RunResumed {
        /// The time, in milliseconds since 1970.
        at: u64,
        /// The user who resumed it.
        by: Principal,
        /// The kind of this record: `run-resumed`.
        kind: RecordKind,
        /// How long the run had been active before, in milliseconds.
        #[serde(default)]
        spent_ms: u64,
        /// Whether no caller attends the run. If it is cut off, the next host resumes it.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unattended: bool,
        /// How long the machine had been up then.
        #[serde(default)]
        uptime: Uptime,
        /// The version of this body's form.
        v: u32,
        /// For how long the run had been suspended, in milliseconds; 0 if it was cut off. The run's clock counts this time, and its active
        /// time does not.
        #[serde(default, skip_serializing_if = "is_zero")]
        waited_ms: u64,
    }
    /// A run waits for something that takes long. It was unloaded from memory, and nothing of it is under way.
    RunSuspended {
        /// The time, in milliseconds since 1970.
        at: u64,
        /// The time on the run's own clock, in milliseconds.
        clock_ms: u64,
        /// The kind of this record: `run-suspended`.
        kind: RecordKind,
        /// For how long the run had been active by then, in milliseconds over all its processes.
        spent_ms: u64,
        /// How long the machine had been up then.
        uptime: Uptime,
        /// The version of this body's form.
        v: u32,
        /// What the run waits for.
        waits_for: WaitsFor,
    }
    /// A run ended.
    RunClosed {
        /// For how many milliseconds it computed or waited inside a host call.
        active_ms: u64,
        /// The time, in milliseconds since 1970.
        at: u64,
        /// The kind of this record: `run-closed`.
        kind: RecordKind,
        /// Why the run could not be resumed and was closed instead.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        obstacle: Option<SafeText>,
        /// The outcome.
        outcome: Outcome,
        /// The keyed digest of the output, if there is one.
        output: Option<Digest>,
        /// The largest linear memory, in bytes.
        peak_memory: u64,
        /// The version of this body's form.
        v: u32,
    }
    /// A run uses a credential from now on until the run ends. The credential has a value, which is about to be sent with the first
    /// request.
    LeaseIssued {
        /// The time, in milliseconds since 1970.
        at: u64,
        /// The digest of the binding in its canonical form.
        binding: Digest,
        /// The credential's name.
        credential: SafeText,
        /// The kind of this record: `lease-issued`.
        kind: RecordKind,
        /// The run and the credential: `RUN/NAME`.
        lease: SafeText,
        /// The source of the values, in one word.
        source: SafeText,
        /// The time from which on it is not used, in seconds since 1970.
        until: Option<u64>,
        /// How often it may be used.
        uses: Option<u64>,
        /// The version of this body's form.
        v: u32,
    }
    /// The host asks something on its own behalf, for an act of the run. The record is durable before anything is sent.
    HostAsked {
        /// The time, in milliseconds since 1970.
        at: u64,
        /// The credential for which the host asks.
        credential: SafeText,
        /// The kind of this record: `host-asked`.
        kind: RecordKind,
        /// The number of the host's own request in the run, counted from 1.
        number: u64,
        /// The operation of the run that it serves.
        op: u64,
        /// The purpose of the request.
        purpose: HostPurpose,
        /// What is asked, without the values in its query.
        resource: Resource,
        /// The version of this body's form.
        v: u32,
    }
    /// How one of the host's own requests ended.
    HostAnswered {
        /// The time, in milliseconds since 1970.
        at: u64,
        /// The number of bytes of the answer's body, as far as it was received.
        bytes: u64,
        /// For the operator: the step that failed, and the reason. Absent if the other fields say enough. The guest never sees it.
        #[serde(default, skip_serializing_if = "SafeText::is_empty")]
        detail: SafeText,
        /// What went wrong, if something did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fault: Option<HttpFault>,
        /// The kind of this record: `host-answered`.
        kind: RecordKind,
        /// The number of the request.
        number: u64,
        /// How it ended, in one word.
        outcome: HttpOutcome,
        /// The address of the connection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<SocketAddr>,
        /// The reason, if its address was refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<Reason>,
        /// The bytes of the request that were passed to a connection. Absent if there were none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sent: Option<Sent>,
        /// The status of the response. Absent if there was no response.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// The version of this body's form.
        v: u32,
    }
    /// The value of a credential was found where it may not be: in a request of the guest, or in an answer from another host.
    ValueMet {
        /// The time, in milliseconds since 1970.
        at: u64,
        /// The credential's name.
        credential: SafeText,
        /// The kind of this record: `value-met`.
        kind: RecordKind,
        /// The number of the operation in the run.
        op: u64,
        /// The place where it was found.
        place: MetIn,
        /// How often it was found in this run so far, including this time.
        times: u64,
        /// The version of this body's form.
        v: u32,
    }
    /// A lease was ended before its run. The next use is refused, and connections that were opened under the lease are closed.
    LeaseRevoked {
        /// The time, in milliseconds since 1970.
        at: u64,
        /// The user who did this.
        by: Principal,
        /// The credential's name.
        credential: SafeText,
        /// The kind of this record: `lease-revoked`.
        kind: RecordKind,
        /// The run and the credential: `RUN/NAME`.
        lease: SafeText,
        /// The version of this body's form.
        v: u32,
    }
    /// An old value was tried at its target, to check that it no longer gives access.
    LeaseProbed {
        /// The time, in milliseconds since 1970.
        at: u64,
        /// The credential's name.
        credential: SafeText,
        /// The kind of this record: `lease-probed`.
        kind: RecordKind,
        /// The number of the operation in the run.
        op: u64,
        /// Whether it was refused, with 401 or 403.
        refused: bool,
        /// The status of the response. Absent if there was no response.
        status: Option<u16>,
        /// The version of this body's form.
        v: u32,
        /// The version of the value that was tried.
        version: u64,
    }
    /// A person or a run changed the value of a credential, or whether it may be used.
    CredentialChanged {
        /// The time, in milliseconds since 1970.
        at: u64,
        /// The user or the agent that did this.
        by: Actor,
        /// The change.
        change: CredentialChange,
        /// The credential's name.
        credential: SafeText,
        /// The destinations to which its value may be sent from now on, if these were set.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        destinations: Vec<SafeText>,
        /// The kind of this record: `credential-changed`.
        kind: RecordKind,
        /// The version of this body's form.
        v: u32,
        /// The version of the value from now on, if there is a value.
        version: Option<u64>,
    }
    /// The machine's clock was set, or was found to have been set since the previous record.
    ClockChanged {
        /// The time by the clock as it is now, in milliseconds since 1970.
        at: u64,
        /// By how much it was set, in milliseconds; negative if it was set back. If the machine was restarted, this is a lower bound.
        by_ms: i64,
        /// The kind of this record: `clock-changed`.
        kind: RecordKind,
        /// Whether the machine was restarted since the previous record. Then no more than this can be known.
        restarted: bool,
        /// How long the machine has been up.
        uptime: Uptime,
        /// The version of this body's form.
        v: u32,
        /// The time that the clock would show if it had not been set. If the machine was restarted, the last time that it showed.
        was: u64,
    }
    /// An incomplete batch was cut off when the log was opened.
    Recovered {
        /// The time, in milliseconds since 1970.
        at: u64,
        /// How many bytes were cut off.
        bytes: u64,
        /// The kind of this record: `recovered`.
        kind: RecordKind,
        /// The version of this body's form.
        v: u32,
    }
}

#[cfg(test)]
mod tests;
