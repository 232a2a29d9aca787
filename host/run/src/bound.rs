//! Checks before a run begins that its bindings send values only where the owners of the values allow it.

use policy::destination::{OutsideError, check_binding, check_grant};
use vault::{Local, LocalError};
use vocabulary::{Binding, Grants, Source};

use crate::err::RunError;
use crate::local_host::LocalHost;

/// The bindings that would send a value of this vault to a place that its owner does not allow.
///
/// # Errors
/// A vault that does not open.
pub fn outside<'a>(vault: &Local, bindings: impl Iterator<Item = &'a Binding>) -> Result<Vec<OutsideError>, LocalError> {
    let mut local = bindings.filter(|binding| binding.source == Source::Local).peekable();
    if local.peek().is_none() {
        return Ok(Vec::new());
    }
    let listed = vault.list()?;
    let with_value = |name: &str| listed.iter().find(|it| it.name == name && it.version > 0 && !it.revoked);
    Ok(local.filter_map(|binding| check_binding(binding, &with_value(&binding.name)?.destinations).err()).collect())
}

/// The granted requests of these agents that would be refused, because the value of a credential in this vault may not go there.
///
/// # Errors
/// A vault that does not open.
pub fn outside_grants<'a>(vault: &Local, agents: impl Iterator<Item = (&'a str, &'a Grants)>) -> Result<Vec<OutsideError>, LocalError> {
    let listed = vault.list()?;
    let with_value = |name: &str| listed.iter().find(|it| it.name == name && it.version > 0 && !it.revoked);
    let of_agent = |(agent, grants): (&'a str, &'a Grants)| {
        let local = grants.credentials.iter().filter(|binding| binding.source == Source::Local);
        let known = local.filter_map(|binding| Some((binding, with_value(&binding.name)?)));
        let each =
            known.flat_map(|(binding, it)| grants.http.iter().flat_map(move |grant| check_grant(agent, binding, grant, &it.destinations)));
        each.collect::<Vec<_>>()
    };
    Ok(agents.flat_map(of_agent).collect())
}

impl LocalHost {
    /// Compares the bindings with the vault as it is now. Each ask is compared again, because a person may change the destinations in the
    /// meantime. So a vault that does not open is not an error here: it gives no ask a value.
    pub(crate) async fn check_destinations(&self, grants: &Grants) -> Result<(), RunError> {
        if grants.credentials.iter().all(|binding| binding.source != Source::Local) {
            return Ok(());
        }
        let (vault, bindings) = (self.vault(), grants.credentials.clone());
        let looked = tokio::task::spawn_blocking(move || outside(vault.local(), bindings.iter())).await;
        match looked.map_or(Ok(Vec::new()), |looked| looked).map(|found| found.into_iter().next()) {
            Ok(Some(found)) => Err(RunError::Destination(found)),
            Ok(None) | Err(_) => Ok(()),
        }
    }
}
