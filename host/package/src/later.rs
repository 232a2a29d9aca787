//! Capabilities of later versions.

/// Words that later versions accept in the same places, each with the feature that it arrives with.
pub(crate) const LATER: &[(&str, &str)] =
    &[("approvals", "approvals"), ("undo", "approvals"), ("agents", "agents that call agents"), ("model", "models")];
