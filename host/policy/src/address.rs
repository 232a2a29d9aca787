//! The table of IP addresses: the class of every address, and which addresses a request may go to.
//!
//! It follows the IANA special-purpose registries for IPv4 and IPv6. Of IPv6, only `2000::/3` can be public at all. An address that
//! contains another one (mapped, NAT64, 6to4, …) is refused because of its form, and is also judged by the inner address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use vocabulary::{Bounds, Reason, SafeText};

/// The word on the record for an address or a name of a metadata service.
pub const METADATA: &str = "metadata";
/// The word on the record for an address on which this host itself listens.
pub const OWN_LISTENER: &str = "own-listener";

/// The class of an address, by its range alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressClass {
    /// Global unicast without a special purpose.
    Public,
    /// `0.0.0.0/8`, `::`: this host, or this network.
    Unspecified,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// RFC 1918, RFC 4193, and the old site-local range.
    Private,
    /// `100.64.0.0/10`: behind a carrier's address translation.
    Shared,
    /// `169.254.0.0/16`, `fe80::/10`.
    LinkLocal,
    /// One sender, many receivers.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// For examples and benchmarks. These addresses belong to nobody.
    Documentation,
    /// Protocol assignments, anycast services, discard, AS112, segment routing.
    Special,
    /// Not assigned for use.
    Reserved,
    /// An IPv6 form with an IPv4 address inside.
    Wrapped,
}

impl AddressClass {
    /// The word on the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::Shared => "shared",
            Self::LinkLocal => "link-local",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Documentation => "documentation",
            Self::Special => "special",
            Self::Reserved => "reserved",
            Self::Wrapped => "wrapped",
        }
    }
}

/// First address, length of the prefix, class. The table is sorted so that the first row that matches is the right one.
pub(crate) const V4: &[(Ipv4Addr, u8, AddressClass)] = &[
    (Ipv4Addr::BROADCAST, 32, AddressClass::Broadcast),
    (Ipv4Addr::new(0, 0, 0, 0), 8, AddressClass::Unspecified),
    (Ipv4Addr::new(10, 0, 0, 0), 8, AddressClass::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, AddressClass::Shared),
    (Ipv4Addr::new(127, 0, 0, 0), 8, AddressClass::Loopback),
    (Ipv4Addr::new(169, 254, 0, 0), 16, AddressClass::LinkLocal),
    (Ipv4Addr::new(172, 16, 0, 0), 12, AddressClass::Private),
    (Ipv4Addr::new(192, 0, 0, 0), 24, AddressClass::Special),
    (Ipv4Addr::new(192, 0, 2, 0), 24, AddressClass::Documentation),
    (Ipv4Addr::new(192, 31, 196, 0), 24, AddressClass::Special),
    (Ipv4Addr::new(192, 52, 193, 0), 24, AddressClass::Special),
    (Ipv4Addr::new(192, 88, 99, 0), 24, AddressClass::Special),
    (Ipv4Addr::new(192, 168, 0, 0), 16, AddressClass::Private),
    (Ipv4Addr::new(192, 175, 48, 0), 24, AddressClass::Special),
    (Ipv4Addr::new(198, 18, 0, 0), 15, AddressClass::Documentation),
    (Ipv4Addr::new(198, 51, 100, 0), 24, AddressClass::Documentation),
    (Ipv4Addr::new(203, 0, 113, 0), 24, AddressClass::Documentation),
    (Ipv4Addr::new(224, 0, 0, 0), 4, AddressClass::Multicast),
    (Ipv4Addr::new(240, 0, 0, 0), 4, AddressClass::Reserved),
];

/// As for IPv4. An address that is in no row is public if it is in `2000::/3`; all others are not public.
pub(crate) const V6: &[(Ipv6Addr, u8, AddressClass)] = &[
    (Ipv6Addr::UNSPECIFIED, 128, AddressClass::Unspecified),
    (Ipv6Addr::LOCALHOST, 128, AddressClass::Loopback),
    (Ipv6Addr::UNSPECIFIED, 96, AddressClass::Wrapped),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xFFFF, 0, 0), 96, AddressClass::Wrapped),
    (Ipv6Addr::new(0, 0, 0, 0, 0xFFFF, 0, 0, 0), 96, AddressClass::Wrapped),
    (Ipv6Addr::new(0x64, 0xFF9B, 0, 0, 0, 0, 0, 0), 96, AddressClass::Wrapped),
    (Ipv6Addr::new(0x64, 0xFF9B, 1, 0, 0, 0, 0, 0), 48, AddressClass::Wrapped),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 63, AddressClass::Special),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 32, AddressClass::Wrapped),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23, AddressClass::Special),
    (Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 0), 32, AddressClass::Documentation),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16, AddressClass::Wrapped),
    (Ipv6Addr::new(0x2620, 0x4F, 0x8000, 0, 0, 0, 0, 0), 48, AddressClass::Special),
    (Ipv6Addr::new(0x3FFF, 0, 0, 0, 0, 0, 0, 0), 20, AddressClass::Documentation),
    (Ipv6Addr::new(0x5F00, 0, 0, 0, 0, 0, 0, 0), 16, AddressClass::Special),
    (Ipv6Addr::new(0xFC00, 0, 0, 0, 0, 0, 0, 0), 7, AddressClass::Private),
    (Ipv6Addr::new(0xFE80, 0, 0, 0, 0, 0, 0, 0), 10, AddressClass::LinkLocal),
    (Ipv6Addr::new(0xFEC0, 0, 0, 0, 0, 0, 0, 0), 10, AddressClass::Private),
    (Ipv6Addr::new(0xFF00, 0, 0, 0, 0, 0, 0, 0), 8, AddressClass::Multicast),
];

/// SECURITY: addresses at which clouds give credentials to any client on the machine. No grant allows them, in whatever form they are
/// written. These are AWS (also tasks, pods, time, DNS), OpenStack and Azure, Tencent, Alibaba, Oracle, Azure's wire server, AWS and LXD
/// over IPv6, Google over IPv6, and Scaleway over IPv6.
pub(crate) const METADATA_V4: &[Ipv4Addr] = &[
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(169, 254, 169, 123),
    Ipv4Addr::new(169, 254, 169, 253),
    Ipv4Addr::new(169, 254, 0, 23),
    Ipv4Addr::new(169, 254, 42, 42),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];

/// As for IPv4.
pub(crate) const METADATA_V6: &[Ipv6Addr] = &[
    Ipv6Addr::new(0xFD00, 0xEC2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xFD00, 0xEC2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xFD00, 0xEC2, 0, 0, 0, 0, 0, 0x253),
    Ipv6Addr::new(0xFD00, 0xEC2, 0, 0, 0, 0, 0, 0x123),
    Ipv6Addr::new(0xFD00, 0x42, 0, 0, 0, 0, 0, 0x42),
    Ipv6Addr::new(0xFD20, 0xCE, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xFD00, 0xC1, 0, 0, 0, 0, 0xA9FE, 0xA9FE),
    Ipv6Addr::new(0xFD00, 0x100, 0, 0, 0, 0, 0x100, 0x200),
    Ipv6Addr::new(0xFD00, 0xA9FE, 0xA9FE, 0, 0, 0, 0, 1),
    Ipv6Addr::new(0xFE80, 0, 0, 0, 0, 0, 0xA9FE, 0xA9FE),
];

/// Names that lead there, including all names beneath them.
const METADATA_NAMES: &[&str] = &[
    "metadata",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.azure.internal",
    "metadata.tencentyun.com",
    "metadata.platformequinix.com",
    "metadata.packet.net",
    "rancher-metadata",
    "instance-data",
    "instance-data.ec2.internal",
];

/// Whether a request for this name goes to a metadata service. The name is in lower case, without a dot at its end.
pub fn is_metadata_name(name: &str) -> bool {
    METADATA_NAMES.iter().any(|never| name.strip_suffix(never).is_some_and(|front| front.is_empty() || front.ends_with('.')))
}

/// Whether an address, or one inside it, belongs to a metadata service.
pub fn is_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => METADATA_V4.contains(&v4),
        IpAddr::V6(v6) => METADATA_V6.contains(&v6) || inner(v6).into_iter().flatten().any(|v4| METADATA_V4.contains(&v4)),
    }
}

/// The class of an address.
pub fn classify(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(v4) => {
            let row = V4.iter().find(|(first, length, _)| (v4.to_bits() ^ first.to_bits()) >> (32 - u32::from(*length)) == 0);
            row.map_or(AddressClass::Public, |(_, _, class)| *class)
        }
        IpAddr::V6(v6) => {
            let row = V6.iter().find(|(first, length, _)| (v6.to_bits() ^ first.to_bits()) >> (128 - u32::from(*length)) == 0);
            match row {
                Some((_, _, class)) => *class,
                None if v6.to_bits() >> 125 != 1 => AddressClass::Reserved,
                // SECURITY: ISATAP has no prefix of its own. A machine that supports it sends to the address inside.
                None if inner(v6).iter().any(Option::is_some) => AddressClass::Wrapped,
                None => AddressClass::Public,
            }
        }
    }
}

/// The IPv4 addresses that an IPv6 address may stand for. A plain IPv6 address has none. Local-use NAT64 (RFC 8215) can have its address in
/// several places (RFC 6052 section 2.2), and a Teredo address contains a server and a client.
fn inner(v6: Ipv6Addr) -> [Option<Ipv4Addr>; 4] {
    let bits = v6.to_bits();
    let at = |shift: u32| Some(Ipv4Addr::from_bits(u32::try_from((bits >> shift) & 0xFFFF_FFFF).unwrap_or(0)));
    // RFC 6052 leaves bits 64 to 71 out of the embedded address.
    let split = |length: u32| {
        let before = 64 - length;
        let high = u32::try_from((bits >> 64) & ((1 << before) - 1)).unwrap_or(0);
        let low = u32::try_from((bits >> (56 - (32 - before))) & ((1 << (32 - before)) - 1)).unwrap_or(0);
        Some(Ipv4Addr::from_bits(high.checked_shl(32 - before).unwrap_or(0) | low))
    };
    match v6.segments() {
        [0x2002, ..] => [at(80), None, None, None],
        [0x2001, 0, ..] => [at(64), Some(Ipv4Addr::from_bits(!u32::try_from(bits & 0xFFFF_FFFF).unwrap_or(0))), None, None],
        [0x64, 0xFF9B, 1, ..] => [at(0), split(48), split(56), at(24)],
        [0x64, 0xFF9B, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0, 0 | 0xFFFF, ..] | [0, 0, 0, 0, 0xFFFF, 0, ..] => [at(0), None, None, None],
        // ISATAP (RFC 5214) under any prefix.
        [_, _, _, _, 0 | 0x200, 0x5EFE, ..] => [at(0), None, None, None],
        _ => [None; 4],
    }
}

/// The addresses on which this host itself listens, so that no agent reaches them through the host's own connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnListeners {
    /// The addresses as they were bound. An unspecified address stands for every local one.
    pub listeners: Vec<SocketAddr>,
    /// The addresses of this machine's interfaces, besides loopback.
    pub local: Vec<IpAddr>,
}

impl OwnListeners {
    fn hears(&self, ip: IpAddr, port: u16) -> bool {
        let ip = ip.to_canonical();
        // A connection to the unspecified address goes to this machine.
        let here = matches!(classify(ip), AddressClass::Loopback | AddressClass::Unspecified) || self.local.contains(&ip);
        self.listeners.iter().any(|own| {
            let bound = own.ip().to_canonical();
            own.port() == port && (bound == ip || (here && (bound.is_unspecified() || ip.is_unspecified())))
        })
    }
}

/// Whether the request names the host by name or by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskedBy {
    /// The address is one to which the name resolves now.
    Name,
    /// The address itself was asked for and granted.
    Literal,
}

/// Whether a permitted request may go to this address.
///
/// # Errors
/// [`Reason::AddressNever`] for metadata services and this host's own listeners. [`Reason::AddressNotGranted`] for an address that is not
/// public and not in one of the bounds' networks.
pub fn verdict(address: SocketAddr, asked: AskedBy, bounds: &Bounds, own: &OwnListeners) -> Result<(), Reason> {
    let ip = address.ip();
    let inside = match ip {
        IpAddr::V4(_) => [None; 4],
        IpAddr::V6(v6) => inner(v6),
    };
    let inside = || inside.iter().flatten().map(|v4| IpAddr::V4(*v4));
    if is_metadata(ip) {
        return Err(Reason::AddressNever(SafeText::new(METADATA, 64)));
    }
    if own.hears(ip, address.port()) || inside().any(|v4| own.hears(v4, address.port())) {
        return Err(Reason::AddressNever(SafeText::new(OWN_LISTENER, 64)));
    }
    let class = classify(ip);
    let listed = |ip: &IpAddr| bounds.addresses.iter().any(|net| net.contains(ip));
    let open = match (class, asked) {
        // No connection can have these at its other end.
        (AddressClass::Unspecified | AddressClass::Multicast | AddressClass::Broadcast, _) => false,
        (_, AskedBy::Literal) | (AddressClass::Public, AskedBy::Name) => true,
        (AddressClass::Wrapped, AskedBy::Name) => listed(&ip) && inside().all(|v4| classify(v4) == AddressClass::Public || listed(&v4)),
        (
            AddressClass::Loopback
            | AddressClass::Private
            | AddressClass::Shared
            | AddressClass::LinkLocal
            | AddressClass::Documentation
            | AddressClass::Special
            | AddressClass::Reserved,
            AskedBy::Name,
        ) => listed(&ip),
    };
    if open { Ok(()) } else { Err(Reason::AddressNotGranted(SafeText::new(class.as_str(), 64))) }
}
