//! What the gate says to an ask, and why.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::ids::Digest;
use crate::limits::Limit;
use crate::rule::{RateOf, Rule};
use crate::scope::Rate;
use crate::text::SafeText;

/// Yes with its bounds, no with its reason, or only after a person has said yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The effect may happen, within these bounds.
    Permit(Bounds),
    /// It may not.
    Refuse(Reason),
    /// It may happen once a person has said yes. No rule of this version says so, and nobody can be asked: it is refused as
    /// [`Reason::NobodyToAsk`].
    Hold(Hold),
}

/// What may happen once a person has said yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Within which bounds it may happen then.
    pub bounds: Bounds,
}

/// Which rule allowed it, and what the effect must still keep to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Addresses beyond the public ones that the name may have.
    pub addresses: Vec<IpNet>,
    /// The name of the credential that is sent with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Keys of which the server's must be one; any, where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pins: Vec<Digest>,
    /// How often, by all runs of the agent in a home together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Bytes of a body that comes back, where the rule says less than the run's limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_bytes: Option<u64>,
    /// The rule.
    pub rule: Rule,
    /// Until when it must have been begun, in seconds since 1970: the first end of what was granted. `None` where nothing of it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_unix_s: Option<u64>,
}

/// Why not: for the operator's record. The guest is only ever told the interface's plain refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", content = "detail", rename_all = "kebab-case")]
pub enum Reason {
    /// No grant of this capability at all.
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
    /// The grant that would cover it ended.
    GrantExpired,
    /// The guest set a header that only the host may set; its name.
    HeaderNotYours(SafeText),
    /// A header that needs a grant which names it; its name.
    HeaderNotGranted(SafeText),
    /// A header names another resource, which is not granted; the header, and which.
    ResourceNotGranted(SafeText),
    /// Something in the query, a header or the body that makes servers treat the request as another one; what it is.
    ChangesMeaning(SafeText),
    /// The grant names a credential that may not go to this host; its name.
    CredentialNotBound(SafeText),
    /// The credential's last day is over; its name.
    CredentialExpired(SafeText),
    /// The credential is for another environment than the one the request would go to; which.
    CredentialElsewhere(AboutCredential),
    /// The owner of its value allows it only at other places, or has not set any; its name, and the place of the request.
    CredentialOutside(AboutCredential),
    /// The lease under which the run had it was ended; its name.
    CredentialRevoked(SafeText),
    /// There is no value for it: it was revoked, never set, or its source does not answer; its name.
    CredentialUnavailable(SafeText),
    /// It can't be put into this request; its name, and why.
    CredentialUnfit(AboutCredential),
    /// Nothing lets the agent do this with the credential; its name.
    CredentialUseNotGranted(SafeText),
    /// The guest chose a credential that no grant for this request names; its name.
    CredentialNotGranted(SafeText),
    /// The stand-in for a credential where it does not belong; the credential's name.
    PlaceholderMisplaced(SafeText),
    /// The request itself held a value of a credential; its name is not known.
    SecretInRequest,
    /// A value for this credential would be one more than are looked for in answers; its name.
    ValuesFull(SafeText),
    /// Nobody knows which values an answer could hold, because the vault or its list can't be read or written. Which file, and why.
    ValuesUnknown(SafeText),
    /// The engagement does not reach there, does not go that far, or has not begun or has ended; which of them.
    OutsideEngagement(SafeText),
    /// The words could not be parsed into an ask; what was wrong.
    Malformed(SafeText),
    /// The name has an address it may not have; which class of address.
    AddressNotGranted(SafeText),
    /// The name, or the address behind it, belongs to a cloud's metadata service or to this host's own listeners.
    AddressNever(SafeText),
    /// The server's key is none of those that the grant names.
    KeyNotPinned,
    /// The path leaves its mount.
    LeavesMount,
    /// Neither a regular file nor a directory.
    NotRegular,
    /// The mount may be read only.
    WriteNotGranted,
    /// A bound would be passed; which.
    OverLimit(Bound),
    /// A person must say yes to it, and there is nobody to ask.
    NobodyToAsk,
    /// Nothing in this version grants it.
    NotServed,
}

/// A credential, and what is wrong about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutCredential {
    /// Its name.
    pub name: SafeText,
    /// In words that follow the name.
    pub what: SafeText,
}

impl AboutCredential {
    /// `what` follows the name, at most so many bytes of it.
    pub fn new(name: &str, what: &str, bytes_max: usize) -> Self {
        Self { name: SafeText::new(name, 64), what: SafeText::new(what, bytes_max) }
    }
}

impl std::fmt::Display for AboutCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` {}", self.name, self.what)
    }
}

/// What bounds what is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// A limit of the run.
    Limit(Limit),
    /// The bytes of a request that a rule allows; which rule.
    RequestBytes(Rule),
    /// How often something may be done; of what.
    Rate(RateOf),
    /// How often a run may use a credential; its name.
    Uses(SafeText),
    /// How many addresses of a name are looked at.
    Addresses,
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Limit(limit) => limit.fmt(f),
            Self::RequestBytes(rule) => write!(f, "request-bytes of {rule}"),
            Self::Rate(of) => write!(f, "rate of {of}"),
            Self::Uses(credential) => write!(f, "uses of {credential}"),
            Self::Addresses => f.write_str("addresses of a name"),
        }
    }
}

impl Reason {
    /// The stable code, as on the record.
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
            Self::NobodyToAsk => "nobody-to-ask",
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
            Self::ChangesMeaning(what) => write!(f, "`{what}` would change what the request means, or for whom"),
            Self::CredentialNotBound(name) => write!(f, "the credential `{name}` may not go to this host"),
            Self::CredentialExpired(name) => write!(f, "the last day of the credential `{name}` is over"),
            Self::CredentialUnavailable(name) => {
                write!(f, "the credential `{name}` has no value: revoked, never set, or its source does not answer")
            }
            Self::CredentialElsewhere(what) | Self::CredentialOutside(what) => write!(f, "the credential {what}"),
            Self::CredentialRevoked(name) => write!(f, "this run's lease of the credential `{name}` was revoked"),
            Self::CredentialUnfit(what) => write!(f, "the credential {what}"),
            Self::CredentialUseNotGranted(name) => write!(f, "nothing lets this agent do that with a credential `{name}`"),
            Self::CredentialNotGranted(name) => write!(f, "no grant for this request names a credential `{name}`"),
            Self::PlaceholderMisplaced(name) => write!(f, "the placeholder of `{name}` stands where its credential may not go"),
            Self::SecretInRequest => f.write_str("the request held the value of a credential"),
            Self::ValuesFull(name) => write!(
                f,
                "the credential `{name}` would be one value too many that could still let somebody in: no other is made until some have lapsed. What \
                 is made for each request is kept for as long as it can be used, so a lower rate leaves room"
            ),
            Self::ValuesUnknown(why) => {
                write!(f, "nobody knows which values of this home the answer could hold, so nothing is sent by any of its runs: {why}")
            }
            Self::OutsideEngagement(what) => write!(f, "outside the engagement: {what}"),
            Self::Malformed(what) => write!(f, "not well formed: {what}"),
            Self::AddressNotGranted(class) => write!(f, "the name has an address that is not granted ({class})"),
            Self::AddressNever(class) => write!(f, "an address that no grant can open ({class})"),
            Self::KeyNotPinned => f.write_str("the server's key is none of those that the grant names"),
            Self::LeavesMount => f.write_str("leaves its mount"),
            Self::NotRegular => f.write_str("neither a regular file nor a directory"),
            Self::WriteNotGranted => f.write_str("the mount may only be read"),
            Self::OverLimit(limit) => write!(f, "over the limit `{limit}`"),
            Self::NobodyToAsk => f.write_str("a person must say yes to it, and there is nobody to ask"),
            Self::NotServed => f.write_str("not served by this host"),
        }
    }
}
