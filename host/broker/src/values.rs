//! The present values of a run's credentials, from all sources: the home, a program, a server.

use std::sync::Arc;

use net::Timeouts;
use vault::{Secret, SourceError, Value};
use vocabulary::{Binding, HttpTarget, OpId};

use crate::context::RunContext;
use crate::host_request::ValueFor;
use crate::remote::Servers;

/// A source that may have a value did not return it.
pub(crate) struct NotHad;

/// The values. See the documentation of the module.
pub(crate) struct Values {
    context: Arc<RunContext>,
    servers: Servers,
}

impl Values {
    pub(crate) fn new(context: Arc<RunContext>) -> Self {
        Self { context, servers: Servers::default() }
    }

    pub(crate) fn context(&self) -> &Arc<RunContext> {
        &self.context
    }

    /// The value of a binding. `None` if the binding certainly has no value. An error if it may have one that could not be fetched.
    pub(crate) async fn of(&self, binding: &Binding, why: ValueFor) -> Result<Option<Value>, NotHad> {
        match self.context.vault.value(binding).await {
            Ok(value) => Ok(Some(value)),
            Err(SourceError::Remote) => self.servers.value(&self.context, binding, why).await.map(Some).ok_or(NotHad),
            Err(err) if err.is_none() => Ok(None),
            Err(_) => Err(NotHad),
        }
    }

    /// Like [`Values::of`], for a caller that does not distinguish a missing value from a source that does not answer.
    pub(crate) async fn any(&self, binding: &Binding, op: OpId) -> Option<Value> {
        self.of(binding, ValueFor { op, timeouts: Timeouts::default() }).await.ok().flatten()
    }

    /// The same, if the value may be sent to this target.
    pub(crate) async fn any_for(&self, binding: &Binding, target: &HttpTarget, op: OpId) -> Option<Secret> {
        let Value { secret, destinations, .. } = self.any(binding, op).await?;
        let may = destinations.is_none_or(|to| policy::destination::may_go(&binding.name, &to, std::iter::once(target)).is_ok());
        may.then_some(secret)
    }
}
