//! What the gate says to an ask, and why.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::text::SafeText;

/// Yes with its bounds, or no with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The effect may happen, within these bounds.
    Permit(Bounds),
    /// It may not.
    Refuse(Reason),
}

/// Which rule allowed it, and what the effect must still keep to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Addresses beyond the public ones that the name may have.
    pub addresses: Vec<IpNet>,
    /// The name of the credential that goes along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// The rule, for people: `http[0]`, `files[1]`.
    pub rule: String,
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
    /// The grant names a credential that may not go to this host; its name.
    CredentialNotBound(SafeText),
    /// The credential's last day is over; its name.
    CredentialExpired(SafeText),
    /// There is no value for it: it was revoked, never set, or its source does not answer; its name.
    CredentialUnavailable(SafeText),
    /// The words could not be parsed into an ask; what was wrong.
    Malformed(SafeText),
    /// The name has an address it may not have; which class of address.
    AddressNotGranted(SafeText),
    /// The name, or the address behind it, belongs to a cloud's metadata service or to this host's own listeners.
    AddressNever(SafeText),
    /// The path leaves its mount.
    LeavesMount,
    /// Neither a regular file nor a directory.
    NotRegular,
    /// The mount may be read only.
    WriteNotGranted,
    /// A limit of the run would be passed; its name.
    OverLimit(SafeText),
    /// Nothing in this version grants it.
    NotServed,
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
            Self::CredentialNotBound(_) => "credential-not-bound",
            Self::CredentialExpired(_) => "credential-expired",
            Self::CredentialUnavailable(_) => "credential-unavailable",
            Self::Malformed(_) => "malformed",
            Self::AddressNotGranted(_) => "address-not-granted",
            Self::AddressNever(_) => "address-never",
            Self::LeavesMount => "leaves-mount",
            Self::NotRegular => "not-regular",
            Self::WriteNotGranted => "write-not-granted",
            Self::OverLimit(_) => "over-limit",
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
            Self::CredentialNotBound(name) => write!(f, "the credential `{name}` may not go to this host"),
            Self::CredentialExpired(name) => write!(f, "the last day of the credential `{name}` is over"),
            Self::CredentialUnavailable(name) => {
                write!(f, "the credential `{name}` has no value: revoked, never set, or its source does not answer")
            }
            Self::Malformed(what) => write!(f, "not well formed: {what}"),
            Self::AddressNotGranted(class) => write!(f, "the name has an address that is not granted ({class})"),
            Self::AddressNever(class) => write!(f, "an address that no grant can open ({class})"),
            Self::LeavesMount => f.write_str("leaves its mount"),
            Self::NotRegular => f.write_str("neither a regular file nor a directory"),
            Self::WriteNotGranted => f.write_str("the mount may only be read"),
            Self::OverLimit(limit) => write!(f, "over the limit `{limit}`"),
            Self::NotServed => f.write_str("not served by this host"),
        }
    }
}
