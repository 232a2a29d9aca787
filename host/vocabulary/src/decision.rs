//! The decisions on asks, and their reasons.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::approval::{ApprovalEnd, Requirement};
use crate::ids::{Digest, OpId, RunId};
use crate::limits::Limit;
use crate::rule::{RateOf, Rule};
use crate::scope::Rate;
use crate::text::SafeText;

/// A permit with its bounds, a refusal with its reason, or a hold until a person has said yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The effect may happen, within these bounds.
    Permit(Bounds),
    /// The effect may not happen.
    Refuse(Reason),
    /// The effect may happen once people have said yes.
    Hold(Hold),
}

/// What may happen once people have said yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The bounds within which it may happen then.
    pub bounds: Bounds,
    /// Who must say yes.
    pub needs: Requirement,
}

/// The rule that allowed the effect, and the bounds that the effect must keep.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Addresses besides the public ones to which the name may resolve.
    pub addresses: Vec<IpNet>,
    /// The name of the credential that is sent with the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// The header in which the server honours an idempotency key, which the host sets ([`idempotency_key`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<String>,
    /// Public keys of which the server must have one. If empty, it may have any key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<Digest>,
    /// How often this may be done, by all runs of the agent in a home together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// The largest response body in bytes, if the rule allows less than the run's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_bytes: Option<u64>,
    /// The rule that allowed the effect.
    pub rule: Rule,
    /// The time by which the effect must begin, in seconds since 1970: the earliest end among the grants. `None` if no grant ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_unix_s: Option<u64>,
}

/// The idempotency key of an act: `RUN-OP`. It is the same for each attempt, and no other act has it.
pub fn idempotency_key(run: RunId, op: OpId) -> String {
    format!("{run}-{}", op.0)
}

/// The reason for a refusal, for the operator's record. The guest only sees the plain refusal of the interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", content = "detail", rename_all = "kebab-case")]
pub enum Reason {
    /// There is no grant of this capability.
    NothingGranted,
    /// No grant names this host.
    HostNotGranted,
    /// The host is granted, under another scheme.
    SchemeNotGranted,
    /// The host is granted, on another port.
    PortNotGranted,
    /// The host is granted, for other methods.
    MethodNotGranted,
    /// The host is granted, for other paths.
    PathNotGranted,
    /// The grant that covers it has expired.
    GrantExpired,
    /// The guest set a header that only the host may set. The value is its name.
    HeaderNotYours(SafeText),
    /// A header needs a grant that names it. The value is its name.
    HeaderNotGranted(SafeText),
    /// A header names another resource, which is not granted. The value has the header and the resource.
    ResourceNotGranted(SafeText),
    /// Something in the query, a header or the body makes servers treat the request as another one. The value says what it is.
    ChangesMeaning(SafeText),
    /// The grant names a credential that may not be sent to this host. The value is its name.
    CredentialNotBound(SafeText),
    /// The last day of the credential is past. The value is its name.
    CredentialExpired(SafeText),
    /// The credential is for another environment than the one that the request would go to. The value has both.
    CredentialElsewhere(AboutCredential),
    /// The owner of the value allows it only at other places, or has not set any place. The value has the credential's name and the place
    /// of the request.
    CredentialOutside(AboutCredential),
    /// The run's lease of the credential was revoked. The value is its name.
    CredentialRevoked(SafeText),
    /// The credential has no value: it was revoked or never set, or its source does not answer. The value is its name.
    CredentialUnavailable(SafeText),
    /// The credential can't be put into this request. The value has its name and the reason.
    CredentialUnfit(AboutCredential),
    /// The agent has no grant to do this with the credential. The value is its name.
    CredentialUseNotGranted(SafeText),
    /// The guest chose a credential that no grant for this request names. The value is its name.
    CredentialNotGranted(SafeText),
    /// The placeholder of a credential is in a place where it does not belong. The value is the credential's name.
    PlaceholderMisplaced(SafeText),
    /// The request itself contained the value of a credential. The name of that credential is not known.
    SecretInRequest,
    /// A new value for this credential would be one more than answers can be searched for. The value is its name.
    ValuesFull(SafeText),
    /// It is unknown which values an answer could contain, because the vault or its list can't be read or written. The value has the file
    /// and the reason.
    ValuesUnknown(SafeText),
    /// The engagement does not reach this host, does not allow this act, has not begun, or has ended. The value says which.
    OutsideEngagement(SafeText),
    /// The guest's words could not be parsed into an ask. The value says what was wrong.
    Malformed(SafeText),
    /// The name resolves to an address that it may not have. The value is the class of the address.
    AddressNotGranted(SafeText),
    /// The name, or its address, belongs to a cloud's metadata service or to this host's own listeners.
    AddressNever(SafeText),
    /// The server's key is not one of those that the grant names.
    KeyNotPinned,
    /// The path leads out of its mount.
    LeavesMount,
    /// The path is neither a regular file nor a directory.
    NotRegular,
    /// The mount is read-only.
    WriteNotGranted,
    /// A bound would be exceeded. The value says which.
    OverLimit(Bound),
    /// People must say yes to it, and there is nobody to ask. The value says why.
    NobodyToAsk(SafeText),
    /// People were asked, and it was not approved, or the approval could not be used.
    NotApproved(ApprovalEnd),
    /// Policies forbid it. The value has their ids.
    PolicyForbids(Vec<SafeText>),
    /// No policy permits it.
    PolicyPermitsNothing,
    /// A policy could not be evaluated. The value has its id.
    PolicyFails(SafeText),
    /// No grant of this version can allow it.
    NotServed,
}

/// A credential, and the problem with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutCredential {
    /// The name of the credential.
    pub name: SafeText,
    /// The problem, in words that follow the name.
    pub what: SafeText,
}

impl AboutCredential {
    /// `what` follows the name. At most `bytes_max` bytes of it are kept.
    pub fn new(name: &str, what: &str, bytes_max: usize) -> Self {
        Self { name: SafeText::new(name, 64), what: SafeText::new(what, bytes_max) }
    }
}

impl std::fmt::Display for AboutCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` {}", self.name, self.what)
    }
}

/// A bound on asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// A limit of the run.
    Limit(Limit),
    /// The request bytes that a rule allows. The value is the rule.
    RequestBytes(Rule),
    /// How often something may be done. The value says what.
    Rate(RateOf),
    /// How often a run may use a credential. The value is its name.
    Uses(SafeText),
    /// How many addresses of a name are checked.
    Addresses,
    /// How many acts of an agent may be held back at once.
    Approvals,
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Limit(limit) => limit.fmt(f),
            Self::RequestBytes(rule) => write!(f, "request-bytes of {rule}"),
            Self::Rate(of) => write!(f, "rate of {of}"),
            Self::Uses(credential) => write!(f, "uses of {credential}"),
            Self::Addresses => f.write_str("addresses of a name"),
            Self::Approvals => f.write_str("acts of one agent that wait for people"),
        }
    }
}

impl Reason {
    /// The stable code that is on the record.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NothingGranted => "nothing-granted",
            Self::HostNotGranted => "host-not-granted",
            Self::SchemeNotGranted => "scheme-not-granted",
            Self::PortNotGranted => "port-not-granted",
            Self::MethodNotGranted => "method-not-granted",
            Self::PathNotGranted => "path-not-granted",
            Self::GrantExpired => "grant-expired",
            Self::HeaderNotYours(_) => "header-not-yours",
            Self::HeaderNotGranted(_) => "header-not-granted",
            Self::ResourceNotGranted(_) => "resource-not-granted",
            Self::ChangesMeaning(_) => "changes-meaning",
            Self::CredentialNotBound(_) => "credential-not-bound",
            Self::CredentialExpired(_) => "credential-expired",
            Self::CredentialElsewhere(_) => "credential-elsewhere",
            Self::CredentialOutside(_) => "credential-outside",
            Self::CredentialRevoked(_) => "credential-revoked",
            Self::CredentialUnavailable(_) => "credential-unavailable",
            Self::CredentialUnfit(_) => "credential-unfit",
            Self::CredentialUseNotGranted(_) => "credential-use-not-granted",
            Self::CredentialNotGranted(_) => "credential-not-granted",
            Self::PlaceholderMisplaced(_) => "placeholder-misplaced",
            Self::SecretInRequest => "secret-in-request",
            Self::ValuesFull(_) => "values-full",
            Self::ValuesUnknown(_) => "values-unknown",
            Self::OutsideEngagement(_) => "outside-engagement",
            Self::Malformed(_) => "malformed",
            Self::AddressNotGranted(_) => "address-not-granted",
            Self::AddressNever(_) => "address-never",
            Self::KeyNotPinned => "key-not-pinned",
            Self::LeavesMount => "leaves-mount",
            Self::NotRegular => "not-regular",
            Self::WriteNotGranted => "write-not-granted",
            Self::OverLimit(_) => "over-limit",
            Self::NobodyToAsk(_) => "nobody-to-ask",
            Self::NotApproved(_) => "not-approved",
            Self::PolicyForbids(_) => "policy-forbids",
            Self::PolicyPermitsNothing => "policy-permits-nothing",
            Self::PolicyFails(_) => "policy-fails",
            Self::NotServed => "not-served",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NothingGranted => f.write_str("nothing of this kind is granted"),
            Self::HostNotGranted => f.write_str("no grant names this host"),
            Self::SchemeNotGranted => f.write_str("the host is granted under another scheme"),
            Self::PortNotGranted => f.write_str("the host is granted on another port"),
            Self::MethodNotGranted => f.write_str("the host is granted for other methods"),
            Self::PathNotGranted => f.write_str("the host is granted for other paths"),
            Self::GrantExpired => f.write_str("the grant has ended"),
            Self::HeaderNotYours(name) => write!(f, "only the host may set the header `{name}`"),
            Self::HeaderNotGranted(name) => write!(f, "the grant does not name the header `{name}`"),
            Self::ResourceNotGranted(what) => write!(f, "a header names a resource that is not granted: {what}"),
            Self::ChangesMeaning(what) => write!(f, "`{what}` can make a server execute a different request than the one that was checked"),
            Self::CredentialNotBound(name) => write!(f, "the credential `{name}` may not go to this host"),
            Self::CredentialExpired(name) => write!(f, "the last day of the credential `{name}` is past"),
            Self::CredentialUnavailable(name) => {
                write!(f, "the credential `{name}` has no value: it was revoked or never set, or its source does not answer")
            }
            Self::CredentialElsewhere(what) | Self::CredentialOutside(what) => write!(f, "the credential {what}"),
            Self::CredentialRevoked(name) => write!(f, "this run's lease of the credential `{name}` was revoked"),
            Self::CredentialUnfit(what) => write!(f, "the credential {what}"),
            Self::CredentialUseNotGranted(name) => write!(f, "this agent is not granted this step with the credential `{name}`"),
            Self::CredentialNotGranted(name) => write!(f, "no grant for this request names the credential `{name}`"),
            Self::PlaceholderMisplaced(name) => write!(f, "the placeholder of `{name}` is in a place where its credential may not go"),
            Self::SecretInRequest => f.write_str("the request contained the value of a credential"),
            Self::ValuesFull(name) => write!(
                f,
                "too many values that this host made or obtained are still valid, so no further one is made for the credential `{name}` \
                 until some have expired. Each request can add a value, so a lower rate helps"
            ),
            Self::ValuesUnknown(why) => {
                write!(f, "it is unknown which values of this home the answer could contain, so the request is refused: {why}")
            }
            Self::OutsideEngagement(what) => write!(f, "outside the engagement: {what}"),
            Self::Malformed(what) => write!(f, "not well formed: {what}"),
            Self::AddressNotGranted(class) => write!(f, "the name resolves to an address that is not granted ({class})"),
            Self::AddressNever(class) => write!(f, "no grant can allow this address ({class})"),
            Self::KeyNotPinned => f.write_str("the server's key is not one of those that the grant names"),
            Self::LeavesMount => f.write_str("the path leads out of its mount"),
            Self::NotRegular => f.write_str("the path is neither a regular file nor a directory"),
            Self::WriteNotGranted => f.write_str("the mount may only be read"),
            Self::OverLimit(limit) => write!(f, "over the limit `{limit}`"),
            Self::NobodyToAsk(why) => write!(f, "people must approve it, and nobody can be asked: {why}"),
            Self::NotApproved(end) => write!(f, "people had to approve it, and the approval was {end}"),
            Self::PolicyForbids(ids) => write!(f, "forbidden by the policy {}", named(ids)),
            Self::PolicyPermitsNothing => f.write_str("it is granted, and no policy permits it"),
            Self::PolicyFails(id) => write!(f, "the policy `{id}` could not be evaluated, so the act is refused"),
            Self::NotServed => f.write_str("not served by this host"),
        }
    }
}

/// Ids in a line, each in backticks.
fn named(ids: &[SafeText]) -> String {
    ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}
