//! Finds out which limit of a run the engine has reached, where only the engine's message says so.
//!
//! The engine has no types for these errors: in wasmtime 48 each is a plain message (`bail!` in `vm/component/handle_table.rs`, `store.rs`
//! and `component/func/options.rs`). So this file reads the messages, and no other file does. Tests with guests that meet each of these
//! limits fail when another version of the engine says it in other words (`tests/it/entered.rs`, `tests/it/limits.rs`).

use vocabulary::Limit;
use wasmtime::Trap;

/// The limit that an error of the engine is about. `call_limit` is the limit that bounds the bytes of one call.
///
/// SECURITY: only the innermost message is read. The messages around it contain names of the guest's own functions.
pub(crate) fn limit_met(err: &wasmtime::Error, call_limit: Limit) -> Option<Limit> {
    match err.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => return Some(Limit::Stack),
        Some(_) => return None,
        None => {}
    }
    let said = err.root_cause().to_string();
    if said.starts_with("too much data is being copied between the host and the guest") {
        Some(call_limit)
    } else if said.ends_with(": store handle limit exceeded") {
        Some(Limit::Handles)
    } else if said.starts_with("resource limit exceeded: ") {
        Some(Limit::Instances)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(err: &wasmtime::Error) -> Option<Limit> {
        limit_met(err, Limit::HostcallBytes)
    }

    #[test]
    fn a_limit_is_named_by_the_engine_and_never_by_the_guest() {
        let handles = || wasmtime::Error::msg("cannot allocate another handle: store handle limit exceeded");
        assert_eq!(met(&handles()), Some(Limit::Handles));
        assert_eq!(met(&handles().context("error while executing at wasm backtrace: 0: f")), Some(Limit::Handles));
        assert_eq!(met(&wasmtime::Error::msg("resource limit exceeded: instance count too high at 65")), Some(Limit::Instances));
        let said_by_guest = "error while executing at wasm backtrace: 0: x!f: store handle limit exceeded";
        assert_eq!(met(&wasmtime::Error::from(Trap::UnreachableCodeReached).context(said_by_guest)), None);
        assert_eq!(met(&wasmtime::Error::msg("another error").context(said_by_guest)), None);
        assert_eq!(met(&wasmtime::Error::from(Trap::StackOverflow).context(said_by_guest)), Some(Limit::Stack));
    }
}
