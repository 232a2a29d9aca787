//! How asks and the sources of answers are named on the record.

use vocabulary::record::AskedFor;
use vocabulary::{Act, Ask, Function, Resource, SafeText};

/// Where an answer comes from.
pub(crate) fn source_of(act: &Act) -> SafeText {
    match act {
        Act::Http(ask) => SafeText::new(&format!("{}://{}:{}", ask.target.scheme.as_str(), ask.target.host, ask.target.port), 512),
        Act::Credential(ask) => SafeText::new(&format!("credential:{}", ask.name), 512),
    }
}

/// An ask, with its resource as the guest said it.
pub(crate) fn asked_for(ask: &Ask) -> AskedFor {
    asked_of(ask.function(), ask.resource())
}

/// A function and what it is asked for, with nothing else that the record can say of an ask.
pub(crate) fn asked_of(function: Function, resource: Resource) -> AskedFor {
    AskedFor { capability: function.capability(), function, headers: Vec::new(), placeholders: 0, resolved: None, resource }
}
