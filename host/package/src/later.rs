//! Capabilities that are not there yet.

/// What is written in the same places and comes later, and with what.
pub(crate) const LATER: &[(&str, &str)] =
    &[("approvals", "approvals"), ("undo", "approvals"), ("agents", "agents that call agents"), ("model", "models")];
