//! Before a run begins: whether its bindings send values only where their owners let them go.

use effect::{Binding, Grants, Source};
use policy::destination::{OutsideError, check_binding};
use vault::{Local, LocalError};

use crate::err::RunError;
use crate::house::House;

/// The bindings that would send a value of this vault where its owner does not let it go.
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

impl House {
    /// Held against what the vault says now. Each ask is held against it again, since a person may say otherwise meanwhile; so a vault that does not
    /// open is no fault here: then no ask has a value.
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
