//! Bounds on asks that do not belong to a single grant: environments, engagements, rates.

use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::err::ParseError;
use crate::method::Method;
use crate::pattern::{HostPattern, PathPattern, written_as_text};
use crate::target::{HostName, HttpTarget};

/// The environment of everything that matches no configured environment.
pub const PRODUCTION: &str = "production";

/// Places that belong together, for example those that may be broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Environment {
    /// The name in the configuration.
    pub name: String,
    /// The places. There is at least one.
    pub places: Vec<EnvironmentPlace>,
}

/// A host, and optionally only some of its paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EnvironmentPlace {
    /// The host.
    pub host: HostPattern,
    /// The paths. If empty, all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathPattern>,
}

impl Environment {
    /// Whether a request to this target goes to the environment.
    pub fn has(&self, target: &HttpTarget) -> bool {
        let is_there = |place: &EnvironmentPlace| {
            place.host.matches(&target.host) && (place.paths.is_empty() || place.paths.iter().any(|path| path.matches(&target.path)))
        };
        self.places.iter().any(is_there)
    }
}

/// What an operator was engaged to do: where, when, how fast, and how far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Engagement {
    /// The name in the configuration.
    pub name: String,
    /// The first moment, in seconds since 1970.
    pub from_s: u64,
    /// The moment at which it has ended, in seconds since 1970.
    pub until_s: u64,
    /// The rate of all runs of a home under it together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// The targets. There is at least one.
    pub targets: Vec<EngagementTarget>,
    /// How far it goes.
    pub tier: Tier,
}

/// A target of an engagement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngagementTarget {
    /// A host, or the names under one.
    Host(HostPattern),
    /// Literal addresses.
    Net(IpNet),
}

/// How far an engagement goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// No act may change anything.
    ReadOnly,
    /// An act that changes something needs a person's yes. As long as nobody can be asked, it is refused.
    Staged,
    /// Acts are allowed as granted.
    Live,
}

impl Engagement {
    /// Whether the host is one of its targets.
    pub fn reaches(&self, host: &HostName) -> bool {
        self.targets.iter().any(|target| match (target, host) {
            (EngagementTarget::Host(pattern), host) => pattern.matches(host),
            (EngagementTarget::Net(net), HostName::V4(literal)) => net.contains(&std::net::IpAddr::V4(*literal)),
            (EngagementTarget::Net(net), HostName::V6(literal)) => net.contains(&std::net::IpAddr::V6(*literal)),
            (EngagementTarget::Net(_), HostName::Name(_)) => false,
        })
    }

    /// Whether it allows a request of this method. Methods that change nothing (RFC 9110 section 9.2.1) are always allowed.
    pub fn allows(&self, method: &Method) -> bool {
        match self.tier {
            Tier::ReadOnly | Tier::Staged => matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS"),
            Tier::Live => true,
        }
    }
}

impl FromStr for EngagementTarget {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let Some(net) = text.parse::<IpNet>().ok() else { return text.parse().map(Self::Host) };
        let bad = || ParseError::new("a target", text, "a host, `*.` and a name, or a network without bits after its prefix");
        if net.network() == net.addr() { Ok(Self::Net(net)) } else { Err(bad()) }
    }
}

impl fmt::Display for EngagementTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(pattern) => pattern.fmt(f),
            Self::Net(net) => net.fmt(f),
        }
    }
}

/// A number of times in a number of seconds, written `50/s`, `100/m`, `1000/h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The number of times, which is also how many may come at once.
    pub times: u32,
    /// The number of seconds: 1, 60 or 3600.
    pub seconds: u32,
}

impl FromStr for Rate {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = || ParseError::new("a rate", text, "a number from 1 to 1000000, and `/s`, `/m` or `/h`");
        let (times, unit) = text.split_once('/').ok_or_else(bad)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return Err(bad()),
        };
        let plain = times.bytes().all(|byte| byte.is_ascii_digit()) && !times.starts_with('0');
        let times = times.parse().ok().filter(|times| plain && (1..=1_000_000).contains(times)).ok_or_else(bad)?;
        Ok(Self { times, seconds })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.seconds {
            1 => "s",
            60 => "m",
            _ => "h",
        };
        write!(f, "{}/{unit}", self.times)
    }
}

written_as_text!(EngagementTarget, Rate);

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{EngagementTarget, Rate};

    #[test]
    fn rates_and_targets_are_read_as_people_write_them_and_in_no_other_way() {
        for good in ["50/s", "1/m", "1000000/h"] {
            assert_eq!(good.parse::<Rate>().unwrap().to_string(), good);
        }
        for bad in ["", "50", "0/s", "050/s", "+5/s", "5/d", "1000001/s", "5/s ", "-1/s"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
        for good in ["*.example.com", "127.0.0.0/8", "127.0.0.1", "a.test", "fd00::/8"] {
            assert_eq!(good.parse::<EngagementTarget>().unwrap().to_string(), good);
        }
        for bad in ["*", "127.0.0.1/8", "127.1", "*.com", "a_b c"] {
            assert!(bad.parse::<EngagementTarget>().is_err(), "{bad}");
        }
    }
}
