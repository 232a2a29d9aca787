//! Names of interfaces, such as `wasi:http/types@0.2.12`, and which of them this host serves.

use std::fmt;

use vocabulary::Capability;

use crate::later::LATER;

/// The name of an interface, as a component writes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName {
    /// The package, for example `wasi:http`.
    pub package: String,
    /// The interface, for example `types`.
    pub interface: String,
    /// The three numbers of the version. `None` if there is no version, or if it is not three plain numbers.
    pub version: Option<(u32, u32, u32)>,
}

/// How this host treats an interface that a component imports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Linked for every component. Each ask through it is decided on its own.
    Served,
    /// An interface of ours that arrives in a later version, with this feature.
    Later(&'static str),
    /// Served here only in another version.
    OtherVersion,
    /// Unknown.
    Unknown,
}

/// The part of WASI 0.2 that is linked. Toolchains import interfaces that they never use, so all of these are linked, but without
/// authority.
const WASI: &[(&str, &[&str])] = &[
    (
        "wasi:cli",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("wasi:clocks", &["monotonic-clock", "wall-clock"]),
    ("wasi:filesystem", &["preopens", "types"]),
    ("wasi:http", &["outgoing-handler", "types"]),
    ("wasi:io", &["error", "poll", "streams"]),
    ("wasi:random", &["insecure", "insecure-seed", "random"]),
    ("wasi:sockets", &["instance-network", "ip-name-lookup", "network", "tcp", "tcp-create-socket", "udp", "udp-create-socket"]),
];

/// Our interfaces that carry claims. They need no grant.
const CLAIMS: &[&str] = &["findings", "progress", "types"];

impl InterfaceName {
    /// Parses a name. `None` if it does not name an interface.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, version) = text.split_once('@').map_or((text, None), |(name, version)| (name, Some(version)));
        let (package, interface) = name.split_once('/')?;
        let (namespace, rest) = package.split_once(':')?;
        let label = |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if ![namespace, rest, interface].into_iter().all(label) {
            return None;
        }
        Some(Self { package: package.to_owned(), interface: interface.to_owned(), version: version.and_then(numbers) })
    }

    /// Whether this is the given interface, in any version.
    pub fn is(&self, package: &str, interface: &str) -> bool {
        self.package == package && self.interface == interface
    }

    /// Whether its version is WASI 0.2. Patch versions only add functions, and linking refuses a component that needs a function which is
    /// missing here.
    pub fn is_wasi_0_2(&self) -> bool {
        matches!(self.version, Some((0, 2, _)))
    }

    /// Whether its version is 0.1 of our own package.
    pub fn is_agent_0_1(&self) -> bool {
        matches!(self.version, Some((0, 1, _)))
    }

    /// How this host treats the interface.
    pub fn service(&self) -> Service {
        let name = self.interface.as_str();
        if self.package == "bailiwick:agent" {
            return match LATER.iter().find(|(later, _)| *later == name) {
                Some((_, with)) => Service::Later(with),
                None if !CLAIMS.contains(&name) && name != "credentials" => Service::Unknown,
                None if self.is_agent_0_1() => Service::Served,
                None => Service::OtherVersion,
            };
        }
        match WASI.iter().find(|(package, _)| *package == self.package) {
            Some((_, interfaces)) if !interfaces.contains(&name) => Service::Unknown,
            Some(_) if self.is_wasi_0_2() => Service::Served,
            Some(_) => Service::OtherVersion,
            None => Service::Unknown,
        }
    }

    /// The capability that the interface gives access to, if there is one.
    pub fn capability(&self) -> Option<Capability> {
        match (self.package.as_str(), self.interface.as_str()) {
            ("bailiwick:agent", "credentials") => Some(Capability::Credentials),
            ("wasi:filesystem", _) => Some(Capability::Files),
            ("wasi:http", "outgoing-handler") => Some(Capability::Http),
            _ => None,
        }
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.package, self.interface)?;
        match self.version {
            Some((major, minor, patch)) => write!(f, "@{major}.{minor}.{patch}"),
            None => Ok(()),
        }
    }
}

/// Exactly three plain numbers. A pre-release is another interface.
fn numbers(text: &str) -> Option<(u32, u32, u32)> {
    let mut parts = text.split('.').map(|part| part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten());
    let version = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some(version)
}
