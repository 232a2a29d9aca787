//! Resolves names to addresses, by the operator's name servers and no others.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use policy::address;
use vocabulary::{HttpFault, Reason, SafeText};

use crate::err::NetError;

/// BOUND: addresses of one kind that one name may have. A longer answer is refused as a whole.
const ANSWERS_MAX: usize = 16;
/// BOUND: the time of each of two tries.
const TIMEOUT: Duration = Duration::from_millis(2500);
/// BOUND: the time of a lookup, with all tries and aliases.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

/// Resolves names. Each lookup asks again: there is no cache, no hosts file, no search list, and no other source.
pub(crate) struct Resolver {
    /// `None` if this machine has no name servers. Then no name can be resolved.
    hickory: Option<TokioResolver>,
}

impl Resolver {
    /// Uses these name servers. If there are none, uses those of the system, which are read once.
    pub(crate) fn new(named: &[SocketAddr]) -> Self {
        Self { hickory: name_servers(named).and_then(build) }
    }

    /// Every address that a name has now, IPv4 first.
    ///
    /// # Errors
    /// `Unreachable` for anything that is not an answer. A refusal for more addresses than a name should have, or for an alias that leads
    /// to a metadata service.
    pub(crate) async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, NetError> {
        let unreachable = |detail: &str| NetError::new(HttpFault::Unreachable, detail);
        let hickory = self.hickory.as_ref().ok_or_else(|| unreachable("no name servers"))?;
        let mut absolute = Name::from_ascii(name).map_err(|_| unreachable("not a name"))?;
        absolute.set_fqdn(true);
        let both = async { tokio::join!(hickory.lookup(absolute.clone(), RecordType::A), hickory.lookup(absolute, RecordType::AAAA)) };
        let (v4, v6) = tokio::time::timeout(LOOKUP_TIMEOUT, both)
            .await
            .map_err(|_| unreachable(&format!("no answer from the name servers within {} s", LOOKUP_TIMEOUT.as_secs())))?;
        let mut found = Vec::new();
        let mut failed = None;
        for answer in [v4, v6] {
            match answer {
                Ok(answer) => addresses_into(&mut found, answer.answers().iter().map(|record| &record.data))?,
                Err(err) => failed = Some(err),
            }
        }
        match (found.is_empty(), failed) {
            (false, _) => Ok(found),
            (true, Some(err)) => Err(unreachable(&format!("the name does not resolve: {err}"))),
            (true, None) => Err(unreachable("the name has no address")),
        }
    }
}

/// SECURITY: no address is left out here, so that the table of addresses judges every answer.
fn addresses_into<'a>(found: &mut Vec<IpAddr>, records: impl Iterator<Item = &'a RData>) -> Result<(), NetError> {
    let before = found.len();
    for record in records {
        match record {
            RData::A(v4) => found.push(IpAddr::V4(v4.0)),
            RData::AAAA(v6) => found.push(IpAddr::V6(v6.0)),
            RData::CNAME(alias) => {
                let alias = alias.0.to_ascii().to_ascii_lowercase();
                if address::is_metadata_name(alias.trim_end_matches('.')) {
                    return Err(NetError::refused(Reason::AddressNever(SafeText::new(address::METADATA, 64))));
                }
            }
            _ => {}
        }
    }
    if found.len() - before > ANSWERS_MAX {
        return Err(NetError::refused(Reason::OverLimit(vocabulary::Bound::Addresses)));
    }
    Ok(())
}

fn name_servers(named: &[SocketAddr]) -> Option<Vec<NameServerConfig>> {
    if named.is_empty() {
        let (system, _) = hickory_resolver::system_conf::read_system_conf().ok()?;
        return Some(system.into_parts().2);
    }
    let at = |port: u16, mut how: ConnectionConfig| {
        how.port = port;
        how
    };
    let server = |server: &SocketAddr| {
        let ways = vec![at(server.port(), ConnectionConfig::udp()), at(server.port(), ConnectionConfig::tcp())];
        NameServerConfig::new(server.ip(), true, ways)
    };
    Some(named.iter().map(server).collect())
}

fn build(servers: Vec<NameServerConfig>) -> Option<TokioResolver> {
    let mut options = ResolverOpts::default();
    options.timeout = TIMEOUT;
    options.attempts = 1;
    // SECURITY: a verdict is for one connection, so an answer is never kept for another one.
    options.cache_size = 0;
    options.positive_max_ttl = Some(Duration::ZERO);
    options.negative_max_ttl = Some(Duration::ZERO);
    options.use_hosts_file = ResolveHosts::Never;
    options.preserve_intermediates = true;
    options.num_concurrent_reqs = 1;
    options.case_randomization = true;
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    TokioResolver::builder_with_config(config, TokioRuntimeProvider::default()).with_options(options).build().ok()
}
