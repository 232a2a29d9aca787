//! The values that a guest is started with.

use std::any::Any;
use std::time::Duration;

use bytes::Bytes;
use gate::{Live, RunHeader, RunWorld};
use sandbox::{CredentialInfo, Prepared, Start};
use vocabulary::SafeText;
use vocabulary::record::EngineRef;

/// How the record names the engine and the host of runs in this process.
pub(crate) fn engine_ref(prepared: &Prepared) -> EngineRef {
    EngineRef {
        host: SafeText::new(env!("CARGO_PKG_VERSION"), 32),
        profile: SafeText::new(prepared.profile(), 32),
        wasmtime: SafeText::new(sandbox::WASMTIME, 32),
    }
}

/// The values that a guest is started with, from the header of its run. They are the same for the first start and for every rebuild.
pub(crate) fn start_of(header: &RunHeader) -> Start {
    let spec = &header.spec;
    let name = spec.agent.name.as_str().to_owned();
    Start {
        args: std::iter::once(name).chain(header.args.iter().cloned()).collect(),
        credentials: spec.grants.credentials.iter().map(|binding| credential_info(&spec.grants, binding)).collect(),
        env: env(header),
        input: Bytes::from(header.input.clone()),
        limits: spec.limits.clone(),
        mounts: spec.grants.files.iter().map(|mount| mount.guest.clone()).collect(),
        rebuilt: None,
        spent: Duration::ZERO,
    }
}

/// The environment variables: those that were granted, and placeholders for credentials. They are the same for every rebuild.
fn env(header: &RunHeader) -> Vec<(String, String)> {
    let grants = &header.spec.grants;
    let placeholders = header.placeholders();
    let text = |name: &String| placeholders.iter().find(|it| it.credential == *name).map(|it| it.text.clone()).unwrap_or_default();
    let held = grants.placeholders.iter().map(|(variable, name)| (variable.clone(), text(name)));
    let all: std::collections::BTreeMap<String, String> = grants.env.clone().into_iter().chain(held).collect();
    all.into_iter().collect()
}

fn credential_info(grants: &vocabulary::Grants, binding: &vocabulary::Binding) -> CredentialInfo {
    let is_sent = grants.http.iter().any(|grant| grant.credential.as_ref() == Some(&binding.name));
    let may = grants.may.get(&binding.name).into_iter().flatten().map(|may| may.as_str());
    CredentialInfo {
        hosts: binding.hosts.iter().map(ToString::to_string).collect(),
        kind: binding.placement.kind(),
        may: is_sent.then_some("send").into_iter().chain(may).collect(),
        name: binding.name.clone(),
    }
}

/// Casts the world that `sandbox` returns to its concrete type.
pub(crate) fn world_back(world: Box<dyn vocabulary::World>) -> Option<Box<RunWorld<Live>>> {
    (world as Box<dyn Any>).downcast().ok()
}
