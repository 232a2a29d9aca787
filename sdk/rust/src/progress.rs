//! How far the agent says it is. Mirrors `progress`.

/// Say that `done` of `total` are done; `total` is 0 where it is not known, `what` is one short line.
///
/// A slot, not a queue: the newest replaces what was there. Natively the newest is kept for [`crate::testing::take_progress`].
pub fn update(done: u64, total: u64, what: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::wire::bailiwick::agent::progress::update(done, total, what);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::keep_progress(done, total, what);
}
