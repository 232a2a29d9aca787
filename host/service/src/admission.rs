//! From what a caller names to a run that may start: everything that grants something is read here, in the host.

use std::collections::BTreeMap;

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
use crate::request::{Call, ConfigRef, RunRequest, Trust};

/// A run that may start: what was asked for, and what the host made of it. Only [`admit`] and the host itself make one.
#[derive(Clone, Debug)]
pub struct Admitted {
    request: RunRequest,
    order: RunOrder,
    /// Whether this process has put on the record already that the configuration is trusted for once.
    is_recorded: bool,
}

impl Admitted {
    /// What was asked for. This is all that another process is told.
    pub fn request(&self) -> &RunRequest {
        &self.request
    }

    pub(crate) fn order(&self) -> &RunOrder {
        &self.order
    }

    /// The same, after [`crate::Host::record_trust`] has put on the record that the configuration is trusted for once.
    #[must_use]
    pub fn recorded(self) -> Self {
        Self { is_recorded: true, ..self }
    }

    pub(crate) fn is_recorded(&self) -> bool {
        self.is_recorded
    }

    /// The JSON schema of its input, where it has one.
    pub fn input_schema(&self) -> Option<&serde_json::Value> {
        self.order.input_schema.as_ref()
    }

    /// What it is given.
    pub fn input(&self) -> &str {
        &self.request.call.input
    }

    /// The same with another input.
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

/// Admits an agent of a configuration that may be used. Its component is compared with what was trusted and accepted.
///
/// # Errors
/// The component is not the one that was trusted or accepted, the agent wants what nobody granted, the engagement is not there.
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
        network: if needs_network { network(configured) } else { NetworkOrder::default() },
    };
    let trust = if trusted.is_for_this_run() { Trust::Once { authority: trusted.authority() } } else { Trust::Listed };
    let (component, config) = (obtained.component.digest, configured.reference());
    Ok(Admitted { request: RunRequest { agent: name.to_owned(), call, component, config, trust }, order, is_recorded: false })
}

/// The name servers and the certificates that TLS accepts, as they were trusted.
fn network(configured: &Configured) -> NetworkOrder {
    let network = &configured.resolved.network;
    NetworkOrder { resolvers: network.resolvers.clone(), roots: network.roots.iter().map(|root| root.bytes.clone()).collect() }
}

/// Finds out what a caller in another process means, and whether it may run. The caller has built the component already, so nothing is built here.
///
/// SECURITY: a caller names things, and this reads them: what it says of them counts only where it makes the host refuse.
///
/// # Errors
/// The configuration is not trusted or not the one that the caller means; its component is not the one that the caller means; the agent is not
/// admitted.
pub(crate) async fn resolve(place: &HomePlace, request: RunRequest) -> Result<Admitted, ServiceError> {
    let place = place.clone();
    reading(move || resolve_here(&place, request)).await
}

/// Reads configurations and components on a thread that may wait.
///
/// BOUND: so many at once. A caller that goes away does not end it, and the threads that may wait are also those of the vault, of builds and of the record.
async fn reading<T: Send + 'static>(read: impl FnOnce() -> Result<T, ServiceError> + Send + 'static) -> Result<T, ServiceError> {
    static PLACES: Semaphore = Semaphore::const_new(READING_MAX);
    let place = PLACES.acquire().await.map_err(|_| ServiceError::TaskLost("reads the configuration"))?;
    let done = tokio::task::spawn_blocking(move || {
        let done = read();
        drop(place);
        done
    });
    done.await.unwrap_or(Err(ServiceError::TaskLost("reads the configuration")))
}

/// How many configurations of callers are read at once.
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

/// The configuration that a caller in another process means. Only its own bytes are read.
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

/// The same, understood.
///
/// SECURITY: to understand a file means to read what it names, which may be much. So a file that was never trusted in its place is not understood, unless
/// the caller says that it has just looked at it.
fn load(place: &HomePlace, config: &ConfigRef, trust: Trust) -> Result<Configured, ServiceError> {
    let authored = named(config)?;
    if trust == Trust::Listed && !trust::is_listed(&place.home, &authored)? {
        return Err(ServiceError::NotListed { path: authored.file, digest: authored.digest });
    }
    Configured::of(authored, place)
}

fn trusted(place: &HomePlace, configured: &Configured, name: &str, trust: Trust) -> Result<Trusted, ServiceError> {
    match trust {
        Trust::Listed => Ok(configured.proof(place, TrustWord::SaidBefore, BTreeMap::<String, HeldComponent>::new())?.trusted),
        Trust::Once { authority } => {
            let trusted = configured.proof(place, TrustWord::ThisOnce, configured.components(place, &[name]))?.trusted;
            let path = || configured.authored.file.clone();
            if trusted.authority() == authority { Ok(trusted) } else { Err(ServiceError::AuthorityChanged { path: path() }) }
        }
    }
}

/// The component of an agent, which must be there as it is: a file, or what was built of its folder.
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

/// The name servers and certificates for a run that is resumed. They are not on the record. They come from the configuration that the run was started
/// with, if it still allows what was trusted for the run, or from one that is trusted now. Otherwise the system's are used.
///
/// # Errors
/// The configuration is not the one that the caller means, or can't be read; nor can the record.
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

/// What a run was opened with, according to the record.
fn opened(place: &HomePlace, run: RunId) -> Result<Option<RunOpened>, ServiceError> {
    let Some(first) = journal::Reader::open(&place.home)?.of_run(run).next() else { return Ok(None) };
    match Record::parse(&first?.body) {
        Ok(Record::RunOpened(opened)) => Ok(Some(opened)),
        Ok(_) | Err(_) => Ok(None),
    }
}

/// Whether this configuration, with what it allows now and with the component of the run, was trusted for one command according to the record.
fn was_trusted(place: &HomePlace, configured: &Configured, opened: &RunOpened) -> Result<bool, ServiceError> {
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

/// Whether a configuration is trusted after this record of the log. A later decision takes an earlier one back.
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
