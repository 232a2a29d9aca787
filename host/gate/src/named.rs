//! How asks are named on the record.

use vocabulary::record::AskedFor;
use vocabulary::{Ask, Function, Resource};

/// An ask, with its resource in the guest's own words.
pub(crate) fn asked_for(ask: &Ask) -> AskedFor {
    asked_of(ask.function(), ask.resource())
}

/// A function and its resource, without the other fields that the record can have for an ask.
pub(crate) fn asked_of(function: Function, resource: Resource) -> AskedFor {
    AskedFor { capability: function.capability(), function, headers: Vec::new(), placeholders: 0, resolved: None, resource }
}
