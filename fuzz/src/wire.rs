//! The control socket: one line, as the host and as its client parse it.

use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// Parses the bytes as a line of either side.
///
/// # Panics
/// A line that was understood changes when it is written and parsed again.
pub fn wire(bytes: &[u8]) {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| Builder::new_current_thread().build().expect("the runtime can be made"));
    let understood = runtime.block_on(service::understood(bytes));
    #[cfg(test)]
    assert!(understood.iter().any(Option::is_some), "neither side understands `{}`", bytes.escape_ascii());
    for (side, line) in understood.iter().enumerate() {
        let Some(line) = line else { continue };
        let again = runtime.block_on(service::understood(line));
        assert!(again.get(side).is_some_and(|again| again.as_ref() == Some(line)), "parsed again, the line differs");
    }
}
