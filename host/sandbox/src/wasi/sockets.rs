//! `wasi:sockets`: it is linked, because toolchains import functions that they never use, and each call is refused.
//!
//! Linked by name from what the component imports, without bindings: no socket is ever made, so no method of one can be called, and sixty
//! functions that can't be called are not worth writing. A function that the standard does not have is not linked, so a component that
//! imports one is not started.

use vocabulary::Function;
use wasmtime::Engine;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, Resource, ResourceType, Val};

use crate::guest::Guest;

/// The type of every resource of these interfaces. Only `network`, which carries no authority, is ever given to a guest.
struct Closed;

/// What a call of a function does.
enum Called {
    /// `instance-network`: returns the empty object that other functions take as an argument.
    Network,
    /// One of the three functions that would make something. The call is refused and recorded.
    Refused(Function),
    /// A method of an object that no guest has. The engine checks the type of the handle first, and ends the guest.
    Never,
}

/// What a call of this function does. `None` if the standard has no such function.
fn called(name: &str) -> Option<Called> {
    Some(match name {
        "instance-network" => Called::Network,
        "create-tcp-socket" => Called::Refused(Function::TcpCreateSocket),
        "create-udp-socket" => Called::Refused(Function::UdpCreateSocket),
        "resolve-addresses" => Called::Refused(Function::ResolveAddresses),
        _ if name.starts_with("[method]") => Called::Never,
        _ => return None,
    })
}

/// Links the parts of `wasi:sockets@0.2` that the component imports.
pub(crate) fn link(linker: &mut Linker<Guest>, engine: &Engine, component: &Component) -> wasmtime::Result<()> {
    for (interface, item) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else { continue };
        if !interface.starts_with("wasi:sockets/") || !interface.contains("@0.2.") {
            continue;
        }
        let mut served = linker.instance(interface)?;
        for (name, item) in instance.exports(engine) {
            match item.ty {
                // Pollables and streams come from `wasi:io`. Only resources that are defined in these interfaces are linked here.
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

fn link_function(served: &mut LinkerInstance<'_, Guest>, name: &str) -> wasmtime::Result<()> {
    match called(name) {
        None => Ok(()),
        Some(Called::Never) => served.func_new(name, |_, _, _, _| Err(wasmtime::Error::msg("there is no object that this is a method of"))),
        Some(Called::Network) => served.func_new(name, |mut store, _, _, results| {
            let network = Resource::<Closed>::new_own(0).try_into_resource_any(&mut store)?;
            answer(results, Val::Resource(network))
        }),
        Some(Called::Refused(function)) => served.func_new(name, move |mut store, _, params, results| {
            for param in params {
                // A borrowed object must be returned before the call ends, whatever it is.
                if let Val::Resource(borrowed) = param {
                    borrowed.try_into_resource::<Closed>(&mut store)?;
                }
            }
            let what = params.iter().find_map(|param| if let Val::String(text) = param { Some(text.as_str()) } else { None });
            store.data_mut().refuse(function, what.unwrap_or("socket"), false)?;
            answer(results, Val::Result(Err(Some(Box::new(Val::Enum("access-denied".to_owned()))))))
        }),
    }
}

fn answer(results: &mut [Val], value: Val) -> wasmtime::Result<()> {
    if let Some(result) = results.first_mut() {
        *result = value;
    }
    Ok(())
}
