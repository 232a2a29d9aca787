//! The engine: its profile, its pool, and the ticker that makes guests take turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{Config, Inlining, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::err::SandboxError;
use crate::guest_threads::guest_threads;

/// How long a guest computes before others get their turn.
const TICK: Duration = Duration::from_millis(1);
/// A ticker that has not ticked for this long is dead, however busy the machine is.
const TICKER_SILENCE_MAX: Duration = Duration::from_secs(10);
/// How many slots of the pool are cleaned together.
const DECOMMIT_BATCH: u32 = 8;
/// Each memory reserves 4 GiB of address space, so that the page tables check bounds.
const MEMORY_RESERVATION: u64 = 4 << 30;

/// What one run may take from the pool. The pool has this much for each of its runs, so that no run finds it empty because of another run.
#[derive(Clone, Copy, Debug)]
pub struct Footprint {
    /// Number of core instances. It is at least the largest value of the limit `instances`.
    pub instances: u32,
    /// Number of linear memories. Each reserves at least 4 GiB of address space.
    pub memories: u32,
    /// Number of tables. Each reserves 8 MiB of address space.
    pub tables: u32,
}

impl Default for Footprint {
    /// - 128 instances, the largest value of the limit.
    /// - 16 memories: one for each part of a composed component.
    /// - 128 tables: one for each instance.
    fn default() -> Self {
        Self { instances: 128, memories: 16, tables: 128 }
    }
}

/// The options of an engine. Everything else is fixed by the profile.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// What one run may take from the pool.
    pub footprint: Footprint,
    /// How many runs may be inside the engine at once. Further runs wait.
    pub slots: u32,
    /// The size of a guest's call stack, in bytes.
    pub stack_bytes: u64,
}

impl Default for EngineOptions {
    /// - The default footprint, which is enough for any component.
    /// - 64 slots, enough for one person's machine.
    /// - The stack size that is the default of its limit.
    fn default() -> Self {
        Self { footprint: Footprint::default(), slots: 64, stack_bytes: vocabulary::Limits::default().stack_bytes }
    }
}

/// The settings that determine what a component may contain, how it computes, and whether a compiled component fits.
///
/// On: Cranelift, signals-based traps, guard pages before memories, epoch interruption, NaN canonicalisation, SIMD, bulk memory,
/// multi-value, reference types, extended constants. Off: threads, several memories in a module (`package::inspect` refuses them), 64-bit
/// memories, relaxed SIMD, tail calls, GC, exceptions, stack switching, wide arithmetic, custom page sizes, everything asynchronous of the
/// component model (`concurrency_support`: a plain host call costs half without it), backtraces with the tables that only they need, core
/// dumps.
fn config(stack_bytes: u64) -> Config {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .cranelift_nan_canonicalization(true)
        .signals_based_traps(true)
        .guard_before_linear_memory(true)
        .memory_reservation(MEMORY_RESERVATION)
        .memory_may_move(false)
        .wasm_backtrace_max_frames(None)
        .generate_address_map(false)
        .native_unwind_info(false)
        .wasm_simd(true)
        .wasm_relaxed_simd(false)
        .wasm_bulk_memory(true)
        .wasm_multi_value(true)
        .wasm_multi_memory(false)
        .wasm_extended_const(true)
        .wasm_tail_call(false)
        .wasm_memory64(false)
        .wasm_wide_arithmetic(false)
        .wasm_custom_page_sizes(false)
        .compiler_inlining(Inlining::No)
        .max_wasm_stack(usize::try_from(stack_bytes).unwrap_or(512 << 10))
        // BOUND: the host's own code has 1.5 MiB of a fibre's stack. An overflow there would end the process.
        .async_stack_size(usize::try_from(stack_bytes).unwrap_or(512 << 10) + (1536 << 10))
        .async_stack_zeroing(true);
    config
}

/// An engine that only compiles: it has no pool and no ticker.
pub(crate) fn compiler() -> wasmtime::Result<wasmtime::Engine> {
    wasmtime::Engine::new(&config(EngineOptions::default().stack_bytes))
}

/// The profile: 16 hexadecimal digits that identify everything on which a compiled component depends.
///
/// # Errors
/// No engine can be made at all.
pub fn profile() -> Result<String, SandboxError> {
    let engine = compiler().map_err(|err| SandboxError::Engine(err.into()))?;
    Ok(profile_of(&engine))
}

pub(crate) fn profile_of(engine: &wasmtime::Engine) -> String {
    struct Feed(blake3::Hasher);
    impl std::hash::Hasher for Feed {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
    }
    let mut feed = Feed(blake3::Hasher::new());
    std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut feed);
    feed.0.finalize().to_hex().chars().take(16).collect()
}

fn pool(slots: u32, footprint: Footprint) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    let batch = DECOMMIT_BATCH.min(slots);
    // Slots that wait to be cleaned, or that a thread is just cleaning, can't be used. So the pool has more slots than runs.
    let cores = thread::available_parallelism().map_or(2, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX).max(2));
    // There are as many guest threads at the front as at the back, and substitutes for threads that are in long calls.
    let threads = cores.saturating_mul(3);
    let places = slots.saturating_add(batch.saturating_mul(threads.saturating_add(1)));
    let times = |many: u32| places.saturating_mul(many);
    pool.total_component_instances(places)
        .total_stacks(places)
        .total_core_instances(times(footprint.instances))
        .total_memories(times(footprint.memories))
        .total_tables(times(footprint.tables))
        .max_core_instances_per_component(footprint.instances)
        .max_memories_per_component(footprint.memories)
        .max_tables_per_component(footprint.tables)
        .max_memories_per_module(footprint.memories)
        .max_tables_per_module(footprint.tables.min(64))
        .table_elements(1_000_000)
        .max_memory_size(usize::try_from(MEMORY_RESERVATION).unwrap_or(usize::MAX))
        .max_unused_warm_slots(100.min(slots))
        // Each return of memory to the system interrupts every core that runs a guest, so several slots are returned together. A slot is
        // not used again before it was returned.
        .decommit_batch_size(usize::try_from(batch).unwrap_or(1));
    pool
}

/// One engine with its pool. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: wasmtime::Engine,
    /// Computed once, because the record of every run has it.
    profile: Arc<str>,
    slots: Arc<Semaphore>,
    ticker: Arc<Ticker>,
}

impl Engine {
    /// Reserves the pool's address space and starts the ticker.
    ///
    /// # Errors
    /// Too little address space, or a system without what the profile needs.
    pub fn new(options: &EngineOptions) -> Result<Self, SandboxError> {
        let mut config = config(options.stack_bytes);
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options.slots, options.footprint)));
        let inner = wasmtime::Engine::new(&config).map_err(|err| SandboxError::Engine(err.into()))?;
        let ticker = Arc::new(Ticker::start(inner.clone()));
        let profile = profile_of(&inner).into();
        Ok(Self { inner, profile, slots: Arc::new(Semaphore::new(usize::try_from(options.slots).unwrap_or(1))), ticker })
    }

    /// See [`profile`].
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// Waits for a slot in the pool. Callers are served in order.
    pub(crate) async fn slot(&self) -> Result<OwnedSemaphorePermit, SandboxError> {
        if !self.ticker.is_alive() {
            return Err(SandboxError::TickerStopped);
        }
        Arc::clone(&self.slots).acquire_owned().await.map_err(|_| SandboxError::TickerStopped)
    }
}

/// Advances the epoch. Without it, a guest that loops could never be interrupted, so no guest runs if the ticker is dead.
struct Ticker {
    started: Instant,
    ticked_ms: Arc<AtomicU64>,
    _alive: Arc<()>,
}

impl Ticker {
    #[expect(clippy::disallowed_methods, reason = "door: the ticker measures its own silence, which no guest sees")]
    fn start(engine: wasmtime::Engine) -> Self {
        let started = Instant::now();
        let ticked_ms = Arc::new(AtomicU64::new(0));
        let alive = Arc::new(());
        let (shared, watch) = (Arc::clone(&ticked_ms), Arc::downgrade(&alive));
        // If the thread can't be started, the ticker never ticks, and the first run finds it dead.
        let _ = thread::Builder::new().name("epoch".to_owned()).spawn(move || {
            while watch.strong_count() > 0 {
                thread::sleep(TICK);
                engine.increment_epoch();
                guest_threads().watch();
                shared.store(millis(started.elapsed()), Ordering::Relaxed);
            }
        });
        Self { started, ticked_ms, _alive: alive }
    }

    fn is_alive(&self) -> bool {
        let silent_ms = millis(self.started.elapsed()).saturating_sub(self.ticked_ms.load(Ordering::Relaxed));
        silent_ms <= millis(TICKER_SILENCE_MAX)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test fails by panicking, and makes a moment of its own")]
mod tests {
    use super::{Engine, EngineOptions, Ticker, profile};
    use std::sync::Arc;
    use std::sync::atomic::AtomicU64;
    use std::time::{Duration, Instant};

    #[test]
    fn a_component_compiled_without_the_pool_fits_the_pool() {
        let engine = Engine::new(&EngineOptions { slots: 1, ..EngineOptions::default() }).unwrap();
        assert_eq!(engine.profile(), profile().unwrap());
    }

    #[test]
    fn a_silent_ticker_is_found_dead() {
        let started = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        let dead = Ticker { started, ticked_ms: Arc::new(AtomicU64::new(0)), _alive: Arc::new(()) };
        assert!(!dead.is_alive());
    }
}
