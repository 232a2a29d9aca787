//! How asks are named on the record.

use vocabulary::record::AskedFor;
use vocabulary::{Ask, Function, Resource};

/// An ask, with its resource as the guest said it.
pub(crate) fn asked_for(ask: &Ask) -> AskedFor {
    asked_of(ask.function(), ask.resource())
}

/// A function and what it is asked for, with nothing else that the record can say of an ask.
pub(crate) fn asked_of(function: Function, resource: Resource) -> AskedFor {
    AskedFor { capability: function.capability(), function, headers: Vec::new(), placeholders: 0, resolved: None, resource }
}
