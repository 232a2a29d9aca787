//! `wasi:sockets`: linked, because tool chains import what they never use, and refused when called.
//!
//! Linked by name from what the component imports, without bindings: no socket is ever made, so no method of one can be
//! reached, and sixty functions that can't be called are not worth writing.

use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, Resource, ResourceType, Val};

use crate::guest::Guest;

/// Behind every resource of these interfaces; only `network`, which carries nothing, is ever handed out.
struct Closed;

/// What a call of a function does.
enum Called {
    /// `instance-network`: hands out the empty object that others take as an argument.
    Network,
    /// Refused and recorded: the three ways in.
    Refused { capability: &'static str, function: &'static str },
    /// Needs an object that is never made.
    Forged,
}

fn called(name: &str) -> Called {
    match name {
        "instance-network" => Called::Network,
        "create-tcp-socket" => Called::Refused { capability: "sockets", function: "wasi:sockets/tcp-create-socket#create-tcp-socket" },
        "create-udp-socket" => Called::Refused { capability: "sockets", function: "wasi:sockets/udp-create-socket#create-udp-socket" },
        "resolve-addresses" => Called::Refused { capability: "names", function: "wasi:sockets/ip-name-lookup#resolve-addresses" },
        _ => Called::Forged,
    }
}

/// Links what of `wasi:sockets@0.2` the component imports.
pub(crate) fn link(linker: &mut Linker<Guest>, engine: &Engine, component: &Component) -> wasmtime::Result<()> {
    for (interface, item) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        if !interface.starts_with("wasi:sockets/") || !interface.contains("@0.2.") {
            continue;
        }
        let mut served = linker.instance(interface)?;
        for (name, item) in instance.exports(engine) {
            match item.ty {
                // Pollables and streams come from `wasi:io`; only what is defined here is a resource of its own.
                ComponentItem::Resource(_) if is_own(name) => {
                    served.resource(name, ResourceType::host::<Closed>(), |_, _| Ok(()))?;
                }
                ComponentItem::ComponentFunc(_) => link_function(&mut served, name)?,
                _ => {}
            }
        }
    }
    Ok(())
}

fn is_own(name: &str) -> bool {
    matches!(
        name,
        "network" | "tcp-socket" | "udp-socket" | "incoming-datagram-stream" | "outgoing-datagram-stream" | "resolve-address-stream"
    )
}

fn link_function(served: &mut wasmtime::component::LinkerInstance<'_, Guest>, name: &str) -> wasmtime::Result<()> {
    served.func_new(name, {
        let called = called(name);
        let name = name.to_owned();
        move |mut store, _, params, results| {
            for param in params {
                // A borrowed object is given back before the call ends; what it is does not matter.
                if let Val::Resource(borrowed) = param {
                    borrowed.try_into_resource::<Closed>(&mut store)?;
                }
            }
            let answer = match &called {
                Called::Forged => return Err(wasmtime::Error::msg(format!("`{name}` was called on an object that was never handed out"))),
                Called::Network => Val::Resource(Resource::<Closed>::new_own(0).try_into_resource_any(&mut store)?),
                Called::Refused { capability, function } => {
                    let what = params.iter().find_map(|param| if let Val::String(text) = param { Some(text.as_str()) } else { None });
                    store.data_mut().refuse(capability, function, what.unwrap_or("socket"), false)?;
                    Val::Result(Err(Some(Box::new(Val::Enum("access-denied".to_owned())))))
                }
            };
            if let Some(result) = results.first_mut() {
                *result = answer;
            }
            Ok(())
        }
    })
}
