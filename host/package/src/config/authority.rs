//! The authority that a file asks for, in lines for the person who is to trust it.

use std::path::Path;

use effect::{LIMITS, Limits, SafeText};

use super::{ComponentSource, Resolved, ResolvedAgent};
use crate::admission::lines;
use crate::capability::Capability;

/// Everything the file would allow, a line each, safe to print: its words may be an attacker's.
pub fn authority(resolved: &Resolved) -> Vec<String> {
    let mut said = Vec::new();
    for (name, agent) in &resolved.agents {
        said.push(format!("agent {name}"));
        said.extend(agent_lines(agent).into_iter().map(|line| format!("  {line}")));
    }
    if !resolved.network.resolvers.is_empty() {
        let resolvers: Vec<String> = resolved.network.resolvers.iter().map(ToString::to_string).collect();
        said.push(format!("names are resolved by {}", resolvers.join(", ")));
    }
    said.extend(resolved.network.roots.iter().map(|root| format!("TLS also believes the certificates in {}", path(root))));
    if said.is_empty() {
        said.push("nothing".to_owned());
    }
    said
}

fn agent_lines(agent: &ResolvedAgent) -> Vec<String> {
    let mut said = vec![match &agent.component {
        ComponentSource::Folder(folder) => format!("builds {}, which runs its author's code on this machine", path(folder)),
        ComponentSource::File(file) => format!("runs {}", path(file)),
    }];
    for capability in Capability::ALL {
        said.extend(lines(*capability, &agent.grants));
    }
    if !agent.grants.env.is_empty() {
        let names: Vec<String> = agent.grants.env.iter().map(|(name, value)| format!("{name}={}", SafeText::new(value, 200))).collect();
        said.push(format!("environment {}", names.join(" ")));
    }
    let defaults = Limits::default();
    let words = |limits: &Limits| serde_json::to_value(limits).unwrap_or_default();
    let (mine, default) = (words(&agent.limits), words(&defaults));
    if mine != default {
        said.push(format!("limits {}", changed(&mine, &default).join(", ")));
    }
    if said.len() == 1 {
        said.push("may do nothing else".to_owned());
    }
    said
}

/// The limits that are not the default. The table and the struct are in the same order, both alphabetical.
fn changed(mine: &serde_json::Value, default: &serde_json::Value) -> Vec<String> {
    let (Some(mine), Some(default)) = (mine.as_object(), default.as_object()) else { return Vec::new() };
    let pairs = LIMITS.iter().zip(mine.values()).zip(default.values());
    pairs
        .filter(|((_, mine), default)| mine != default)
        .map(|((row, mine), _)| format!("{} = {}", row.name, row.show(mine.as_u64().unwrap_or(0))))
        .collect()
}

fn path(path: &Path) -> SafeText {
    SafeText::new(&path.to_string_lossy(), 4096)
}
