//! Finds faults of grants when they are loaded, before anything runs.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use vocabulary::{Grants, HostName, HostPattern, HttpGrant, Method};

use crate::address::{self, AddressClass};
use crate::headers;

/// BOUND: the widest networks that may be listed, by the length of their prefix.
const V4_PREFIX_MIN: u8 = 8;
const V6_PREFIX_MIN: u8 = 16;

/// One fault of one grant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`http[{rule}].{key}`: {problem}")]
pub struct GrantProblem {
    /// The number of the grant, counted from 0.
    pub rule: usize,
    /// The key of the grant.
    pub key: &'static str,
    /// The fault.
    pub problem: Problem,
}

/// The faults that a grant can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A list is empty, so it grants nothing.
    #[error("at least one is needed")]
    Empty,
    /// The port is 0.
    #[error("a port must be a number from 1 to 65535")]
    NoPort,
    /// The network is so wide that it must be a mistake.
    #[error("the network `{0}` is too wide: at least /8, or /16 for IPv6")]
    TooWide(IpNet),
    /// The network contains an address that is never reached.
    #[error("the network `{0}` contains an address of a metadata service; list only the part that you need")]
    HoldsMetadata(IpNet),
    /// The network is an IPv6 form of IPv4 addresses.
    #[error("the network `{0}` is an IPv6 form of IPv4 addresses; write the IPv4 network")]
    Wrapped(IpNet),
    /// The network has bits after the prefix.
    #[error("the network `{0}` has bits after its prefix")]
    LooseBits(IpNet),
    /// The network has only public addresses, which need no grant. Listing them narrows nothing.
    #[error("the network `{0}` is public, so listing it has no effect")]
    Public(IpNet),
    /// No connection can go to an address of the network.
    #[error("the network `{0}` can't be the target of a connection")]
    NoPeer(IpNet),
    /// A literal address was listed together with further addresses.
    #[error("`addresses` is only for names: this host is an address already")]
    AddressesOfLiteral,
    /// The host leads to a metadata service.
    #[error("a metadata service can't be granted")]
    Metadata,
    /// No grant can allow the header.
    #[error("the header `{0}` can't be granted: only the host or a proxy may set it, or the host can't check what it does")]
    ClosedHeader(String),
    /// Every granted method changes nothing, so its requests are repeated without a key.
    #[error("no method of this grant needs a key: requests that change nothing are repeated in any case")]
    NothingToRepeat,
    /// No connection can go to the address that is the host.
    #[error("this address can't be the target of a connection")]
    NoPeerHost,
}

/// All faults of these grants. Empty if there are none.
pub fn check(grants: &Grants) -> Vec<GrantProblem> {
    let of_rule = |(rule, grant)| problems(grant).into_iter().map(move |(key, problem)| GrantProblem { rule, key, problem });
    grants.http.iter().enumerate().flat_map(of_rule).collect()
}

/// All faults of one grant, each with the key that causes it.
pub fn problems(grant: &HttpGrant) -> Vec<(&'static str, Problem)> {
    let mut found = Vec::new();
    check_http(grant, &mut |key, problem| found.push((key, problem)));
    found
}

/// All faults of a host that the host program itself may ask, and of the private addresses that its name may have.
pub fn problems_of(addresses: &[IpNet], host: &HostName) -> Vec<Problem> {
    let mut found = Vec::new();
    check_place(&HostPattern::Exact(host.clone()), addresses, &mut |_, problem| found.push(problem));
    found
}

fn check_http(grant: &HttpGrant, report: &mut impl FnMut(&'static str, Problem)) {
    if grant.methods.is_empty() {
        report("methods", Problem::Empty);
    }
    if grant.paths.is_empty() {
        report("paths", Problem::Empty);
    }
    if grant.port == Some(0) {
        report("port", Problem::NoPort);
    }
    for name in grant.headers.iter().filter(|name| headers::is_closed(name)) {
        report("headers", Problem::ClosedHeader(name.clone()));
    }
    if let Some(name) = grant.within.idempotency.as_ref().filter(|name| !headers::may_hold_a_key(name)) {
        report("idempotency", Problem::ClosedHeader(name.clone()));
    }
    if grant.within.idempotency.is_some() && grant.methods.iter().all(Method::is_safe) {
        report("idempotency", Problem::NothingToRepeat);
    }
    check_place(&grant.host, &grant.addresses, report);
}

fn check_place(host: &HostPattern, addresses: &[IpNet], report: &mut impl FnMut(&'static str, Problem)) {
    let literal = match host {
        HostPattern::Exact(HostName::V4(v4)) => Some(IpAddr::V4(*v4)),
        HostPattern::Exact(HostName::V6(v6)) => Some(IpAddr::V6(*v6)),
        HostPattern::Exact(HostName::Name(name)) | HostPattern::Under(name) => {
            if address::is_metadata_name(name) {
                report("host", Problem::Metadata);
            }
            None
        }
    };
    if let Some(literal) = literal {
        if address::is_metadata(literal) {
            report("host", Problem::Metadata);
        }
        if no_peer(address::classify(literal)) {
            report("host", Problem::NoPeerHost);
        }
        if !addresses.is_empty() {
            report("addresses", Problem::AddressesOfLiteral);
        }
    }
    for net in addresses {
        if let Some(problem) = wrong_with(*net) {
            report("addresses", problem);
        }
    }
}

fn no_peer(class: AddressClass) -> bool {
    matches!(class, AddressClass::Unspecified | AddressClass::Multicast | AddressClass::Broadcast)
}

fn wrong_with(net: IpNet) -> Option<Problem> {
    let too_wide = match net {
        IpNet::V4(v4) => v4.prefix_len() < V4_PREFIX_MIN,
        IpNet::V6(v6) => v6.prefix_len() < V6_PREFIX_MIN,
    };
    // SECURITY: `::ffff:168.0.0.0/103` looks narrow but is half of IPv4. So the form is refused whatever its prefix.
    let classes: Vec<AddressClass> = special(net).collect();
    // The unspecified and the loopback address are in the range of the compatible form.
    let is_itself = matches!(net, IpNet::V6(v6) if v6.prefix_len() == 128);
    if classes.contains(&AddressClass::Wrapped) && !(is_itself && address::classify(net.addr()) != AddressClass::Wrapped) {
        return Some(Problem::Wrapped(net));
    }
    if too_wide {
        return Some(Problem::TooWide(net));
    }
    if net.trunc() != net {
        return Some(Problem::LooseBits(net));
    }
    if holds_metadata(net) {
        return Some(Problem::HoldsMetadata(net));
    }
    if no_peer(address::classify(net.addr())) {
        return Some(Problem::NoPeer(net));
    }
    (classes.is_empty() && address::classify(net.addr()) == AddressClass::Public).then_some(Problem::Public(net))
}

fn holds_metadata(net: IpNet) -> bool {
    address::METADATA_V4.iter().any(|never| net.contains(&IpAddr::V4(*never)))
        || address::METADATA_V6.iter().any(|never| net.contains(&IpAddr::V6(*never)))
}

/// The classes of all rows of the table that share an address with this network.
fn special(net: IpNet) -> impl Iterator<Item = AddressClass> {
    let share = move |row: IpNet| row.contains(&net) || net.contains(&row);
    let v4 = address::V4.iter().filter_map(|(first, length, class)| Some((IpNet::V4(Ipv4Net::new(*first, *length).ok()?), *class)));
    let v6 = address::V6.iter().filter_map(|(first, length, class)| Some((IpNet::V6(Ipv6Net::new(*first, *length).ok()?), *class)));
    v4.chain(v6).filter_map(move |(row, class)| share(row).then_some(class))
}
