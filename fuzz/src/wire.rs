//! The control socket: one line, as a holder of a home and as its client would take it.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// # Panics
/// Where a line that was understood is another one, once it is written and read again.
pub fn wire(bytes: &[u8]) {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| Builder::new_current_thread().build().expect("a runtime can be made"));
    let understood = runtime.block_on(service::understood(bytes));
    #[cfg(test)]
    assert!(understood.iter().any(Option::is_some), "neither side understands `{}`", bytes.escape_ascii());
    for (side, line) in understood.iter().enumerate() {
        let Some(line) = line else { continue };
        let again = runtime.block_on(service::understood(line));
        assert!(again.get(side).is_some_and(|again| again.as_ref() == Some(line)), "read again, it is another line");
    }
}
