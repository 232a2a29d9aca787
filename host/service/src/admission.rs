//! Turns what a caller names into a run that may start. The host itself reads here everything that grants something.

use std::collections::BTreeMap;
use std::path::PathBuf;

use package::trust::HeldComponent;
use package::{Authored, ComponentSource, Trusted, trust};
use run::{HomePlace, NetworkOrder, RunOrder};
use vocabulary::record::{Record, RunOpened};
use vocabulary::{Digest, RunId};

use tokio::sync::Semaphore;

use crate::acceptance;
use crate::component::{Obtained, build_cache};
use crate::configured::{Configured, TrustWord};
use crate::err::ServiceError;
use crate::request::{Call, ConfigRef, RunRequest, TrustBasis};

/// A run that may start: the request, and the order that the host made from it. Only [`admit`] and the host itself make one.
#[derive(Clone, Debug)]
pub struct Admitted {
    request: RunRequest,
    order: RunOrder,
    /// Whether this process has already recorded that the configuration is trusted for one run.
    is_recorded: bool,
}

impl Admitted {
    /// The request. This is all that another process gets.
    pub fn request(&self) -> &RunRequest {
        &self.request
    }

    pub(crate) fn order(&self) -> &RunOrder {
        &self.order
    }

    /// The same, after [`crate::Host::record_trust`] has recorded that the configuration is trusted for one run.
    #[must_use]
    pub fn recorded(self) -> Self {
        Self { is_recorded: true, ..self }
    }

    pub(crate) fn is_recorded(&self) -> bool {
        self.is_recorded
    }

    /// The JSON schema of its input, if it has one.
    pub fn input_schema(&self) -> Option<&serde_json::Value> {
        self.order.input_schema.as_ref()
    }

    /// The input of the run.
    pub fn input(&self) -> &str {
        &self.request.call.input
    }

    /// The same run with another input.
    #[must_use]
    pub fn with_input(&self, input: String) -> Self {
        let mut other = self.clone();
        other.request.call.input.clone_from(&input);
        other.order.input = input;
        other
    }

    /// Checks the input against its limit and its schema.
    ///
    /// # Errors
    /// Input that is too large, not JSON, or does not fit the schema.
    pub fn check_input(&self) -> Result<(), ServiceError> {
        Ok(self.order.check_input()?)
    }
}

/// Admits an agent of a trusted configuration. Its component is compared with what was trusted and accepted.
///
/// # Errors
/// The component is not the trusted or accepted one; the agent needs something that was not granted; there is no such engagement.
pub fn admit(
    place: &HomePlace,
    configured: &Configured,
    trusted: &Trusted,
    (name, obtained): (&str, &Obtained),
    call: Call,
) -> Result<Admitted, ServiceError> {
    let agent = configured.agent(name)?;
    configured.hold(place, trusted, name, obtained)?;
    let mut grants = obtained.admit(name, agent)?.grants;
    grants.engagement = call.engagement.as_deref().map(|name| configured.resolved.engagement(name).cloned()).transpose()?;
    if obtained.is_agent() && !call.args.is_empty() {
        return Err(ServiceError::ArgumentsForAgent { agent: name.to_owned() });
    }
    let needs_network = !grants.http.is_empty() || !grants.may.is_empty();
    let order = RunOrder {
        agent: obtained.reference(name),
        args: call.args.clone(),
        config: Some(trusted.digest()),
        durable: call.durable || agent.durable,
        grants,
        input: call.input.clone(),
        input_schema: obtained.component.manifest.as_ref().and_then(|manifest| manifest.input.clone()),
        is_agent: obtained.is_agent(),
        limits: agent.limits.clone(),
        policies: configured.policies(agent),
        network: if needs_network { network(configured) } else { NetworkOrder::default() },
    };
    let trust = if trusted.is_for_this_run() { TrustBasis::Once { authority: trusted.authority() } } else { TrustBasis::Listed };
    let (component, config) = (obtained.component.digest, configured.reference());
    Ok(Admitted { request: RunRequest { agent: name.to_owned(), call, component, config, trust }, order, is_recorded: false })
}

/// The name servers and the certificates for TLS, as the trusted configuration has them.
fn network(configured: &Configured) -> NetworkOrder {
    let network = &configured.resolved.network;
    NetworkOrder { resolvers: network.resolvers.clone(), roots: network.roots.iter().map(|root| root.bytes.clone()).collect() }
}

/// Resolves and admits what a caller in another process names. The caller has built the component already, so nothing is built here.
///
/// SECURITY: a caller only names things, and this function reads them. What the caller says about them can only make the host refuse.
///
/// # Errors
/// The configuration is not trusted or not the one that the caller means; its component is not the one that the caller means; the agent is not
/// admitted.
pub(crate) async fn resolve(place: &HomePlace, request: RunRequest) -> Result<Admitted, ServiceError> {
    let place = place.clone();
    reading(move || resolve_here(&place, request)).await
}

/// Reads configurations and components on a thread that may block.
///
/// BOUND: [`READING_MAX`] at once. Reading continues after its caller has gone away, and the vault, builds and the record need the same
/// threads.
pub(crate) async fn reading<T: Send + 'static>(read: impl FnOnce() -> Result<T, ServiceError> + Send + 'static) -> Result<T, ServiceError> {
    static PLACES: Semaphore = Semaphore::const_new(READING_MAX);
    let place = PLACES.acquire().await.map_err(|_| ServiceError::TaskLost("reads the configuration"))?;
    let done = tokio::task::spawn_blocking(move || {
        let done = read();
        drop(place);
        done
    });
    done.await.unwrap_or(Err(ServiceError::TaskLost("reads the configuration")))
}

/// How many requests of callers are read at once.
const READING_MAX: usize = 8;

fn resolve_here(place: &HomePlace, request: RunRequest) -> Result<Admitted, ServiceError> {
    let RunRequest { agent: name, call, component, config, trust } = request;
    let configured = load(place, &config, trust)?;
    let trusted = trusted(place, &configured, &name, trust)?;
    let obtained = ready(place, &configured, &name)?;
    if obtained.component.digest != component {
        return Err(ServiceError::OtherComponent { agent: name, asked: component, now: obtained.component.digest });
    }
    let admitted = admit(place, &configured, &trusted, (&name, &obtained), call)?;
    obtained.keep(place)?;
    Ok(admitted)
}

/// Reads the file of the configuration that a caller in another process names, and nothing else.
fn named(config: &ConfigRef) -> Result<Authored, ServiceError> {
    if !config.path.is_absolute() {
        return Err(ServiceError::NotAbsolute(config.path.clone()));
    }
    let authored = package::config::read(&config.path)?;
    if authored.digest != config.digest {
        return Err(ServiceError::ConfigChanged { path: config.path.clone(), asked: config.digest, now: authored.digest });
    }
    Ok(authored)
}

/// Reads and resolves the configuration.
///
/// SECURITY: resolving a file means reading what it names, which may be much. So a file that was never trusted in its place is not
/// resolved, unless the caller says that it has just looked at it.
fn load(place: &HomePlace, config: &ConfigRef, trust: TrustBasis) -> Result<Configured, ServiceError> {
    let authored = named(config)?;
    if trust == TrustBasis::Listed && !trust::is_listed(&place.home, &authored)? {
        return Err(ServiceError::NotListed { path: authored.file, digest: authored.digest });
    }
    Configured::of(authored, place)
}

fn trusted(place: &HomePlace, configured: &Configured, name: &str, trust: TrustBasis) -> Result<Trusted, ServiceError> {
    match trust {
        TrustBasis::Listed => Ok(configured.proof(place, TrustWord::SaidBefore, BTreeMap::<String, HeldComponent>::new())?.trusted),
        TrustBasis::Once { authority } => {
            let trusted = configured.proof(place, TrustWord::ThisOnce, configured.components(place, &[name]))?.trusted;
            let path = || configured.authored.file.clone();
            if trusted.authority() == authority { Ok(trusted) } else { Err(ServiceError::AuthorityChanged { path: path() }) }
        }
    }
}

/// The component of an agent, which must exist and be up to date: a file, or the build of its folder.
fn ready(place: &HomePlace, configured: &Configured, name: &str) -> Result<Obtained, ServiceError> {
    let folder = match &configured.agent(name)?.component {
        ComponentSource::File(file) => return Obtained::read(place, file),
        ComponentSource::Folder(folder) => folder,
    };
    let expected = acceptance::check_before_build(configured, place, name)?;
    let built = package::build::fresh(folder, &build_cache(place), expected.as_ref())?;
    let built = built.ok_or_else(|| ServiceError::NotBuilt { agent: name.to_owned() })?;
    Obtained::built(place, &built)
}

/// The name servers and certificates for a run that is resumed. They are not on the record. They come from the configuration that the run
/// was started with, if it still allows what was trusted for the run, or from one that is trusted now. Otherwise those of the system are
/// used.
///
/// # Errors
/// The configuration is not the one that the caller named, or can't be read; the record can't be read.
pub(crate) async fn network_of(place: &HomePlace, run: RunId, config: Option<&ConfigRef>) -> Result<NetworkOrder, ServiceError> {
    let Some(config) = config.cloned() else { return Ok(NetworkOrder::default()) };
    let place = place.clone();
    reading(move || network_here(&place, run, &config)).await
}

fn network_here(place: &HomePlace, run: RunId, config: &ConfigRef) -> Result<NetworkOrder, ServiceError> {
    let authored = named(config)?;
    let opened = opened(place, run)?.filter(|opened| opened.config == Some(authored.digest));
    if opened.is_none() && !trust::is_listed(&place.home, &authored)? {
        return Ok(NetworkOrder::default());
    }
    let configured = Configured::of(authored, place)?;
    if network(&configured) == NetworkOrder::default() {
        return Ok(NetworkOrder::default());
    }
    let is_listed = trust::find(&place.home, &configured.authored, &configured.whole)?.is_some();
    let was_trusted = || opened.map_or(Ok(false), |opened| was_trusted(place, &configured, &opened));
    Ok(if is_listed || was_trusted()? { network(&configured) } else { NetworkOrder::default() })
}

/// The configuration that a run was started with, if the record names its file.
///
/// # Errors
/// The record can't be read.
pub(crate) async fn config_of(place: &HomePlace, run: RunId) -> Result<Option<ConfigRef>, ServiceError> {
    let place = place.clone();
    reading(move || opened(&place, run)?.map_or(Ok(None), |opened| config_here(&place, &opened))).await
}

/// The configuration that a run was started with, if the record names its file.
pub(crate) fn config_here(place: &HomePlace, opened: &RunOpened) -> Result<Option<ConfigRef>, ServiceError> {
    let Some(digest) = opened.config else { return Ok(None) };
    let mut path = None;
    for record in journal::Reader::open(&place.home)?.of_run(journal::log_run()) {
        if let Ok(Record::ConfigTrusted(trusted)) = Record::parse(&record?.body)
            && trusted.config == digest
        {
            path = Some(PathBuf::from(trusted.path.as_str()));
        }
    }
    Ok(path.map(|path| ConfigRef { digest, path }))
}

/// The record that opened a run.
pub(crate) fn opened(place: &HomePlace, run: RunId) -> Result<Option<RunOpened>, ServiceError> {
    let Some(first) = journal::Reader::open(&place.home)?.of_run(run).next() else { return Ok(None) };
    match Record::parse(&first?.body) {
        Ok(Record::RunOpened(opened)) => Ok(Some(opened)),
        Ok(_) | Err(_) => Ok(None),
    }
}

/// Whether the record shows that this configuration, with what it allows now and with the component of the run, was trusted.
pub(crate) fn was_trusted(place: &HomePlace, configured: &Configured, opened: &RunOpened) -> Result<bool, ServiceError> {
    let agent = opened.agent.name.as_str();
    let mut components = BTreeMap::new();
    if let Some(ComponentSource::File(_)) = configured.resolved.agents.get(agent).map(|agent| &agent.component) {
        let bytes = package::store::get(&place.home, opened.agent.digest)?;
        let component = package::inspect(&bytes).map_err(|cause| ServiceError::Component { what: agent.to_owned(), cause })?;
        components.insert(agent.to_owned(), HeldComponent::of(&component));
    }
    let (config, authority) = (configured.authored.digest, configured.whole.clone().held_to(&components).digest()?);
    let mut is_trusted = false;
    for record in journal::Reader::open(&place.home)?.of_run(journal::log_run()) {
        if let Ok(record) = Record::parse(&record?.body) {
            is_trusted = trusted_after(is_trusted, &record, config, authority);
        }
    }
    Ok(is_trusted)
}

/// Whether a configuration is trusted after this record of the log. A later decision replaces an earlier one.
fn trusted_after(before: bool, record: &Record, config: Digest, authority: Digest) -> bool {
    match record {
        Record::ConfigTrusted(trusted) => before || (trusted.config, trusted.authority) == (config, authority),
        Record::ConfigUntrusted(untrusted) => before && untrusted.config != config,
        _ => before,
    }
}

#[cfg(test)]
mod tests {
    use run::{TrustChange, TrustSaid, own_principal};

    use super::*;

    #[test]
    fn a_later_decision_takes_an_earlier_one_back() {
        let (config, authority, other) = (Digest::of(b"config"), Digest::of(b"authority"), Digest::of(b"other"));
        let after = |changes: &[TrustChange]| {
            let records =
                changes.iter().map(|change| TrustSaid { path: "/p".to_owned(), change: change.clone() }.record(&own_principal(), 1));
            records.fold(false, |before, record| trusted_after(before, &record, config, authority))
        };
        let trusted = |authority| TrustChange::Trusted { authority, config, once: true };
        let (took, took_other) = (TrustChange::Untrusted { config }, TrustChange::Untrusted { config: other });
        assert!(after(&[trusted(authority)]), "the control");
        assert!(after(&[trusted(authority), took_other]), "another one was taken back");
        assert!(!after(&[trusted(authority), took.clone()]));
        assert!(after(&[trusted(authority), took, trusted(authority)]));
        assert!(!after(&[trusted(other)]), "it allowed something else");
    }
}
