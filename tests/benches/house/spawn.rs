//! A whole run, and a host call, compared with the bare engine doing the same.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tests::host::TestHost;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use wasmtime::component::{Component, ComponentType, InstancePre, Lift, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

use crate::world::{CALLS, NOTHING, Still, assembled};
use crate::{pairs, row};

/// The bare engine. The settings that affect its cost are those of the sandbox.
fn bare_engine() -> Engine {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(64).total_core_instances(1000).total_memories(128).total_tables(1000).total_stacks(64);
    let mut config = Config::new();
    config.concurrency_support(false).epoch_interruption(true).cranelift_nan_canonicalization(true).wasm_backtrace_max_frames(None);
    config.async_stack_zeroing(true).allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config).unwrap()
}

async fn bare_run(pre: &InstancePre<()>, engine: &Engine) {
    let mut store = Store::new(engine, ());
    store.set_epoch_deadline(u64::MAX / 2);
    let instance = pre.instantiate_async(&mut store).await.unwrap();
    let interface = instance.get_export_index(&mut store, None, "wasi:cli/run@0.2.0").unwrap();
    let run = instance.get_export_index(&mut store, Some(&interface), "run").unwrap();
    let run = instance.get_typed_func::<(), (Result<(), ()>,)>(&mut store, run).unwrap();
    run.call_async(&mut store, ()).await.unwrap().0.unwrap();
}

/// The type `failure` of `types.wit`.
#[derive(ComponentType, Lift)]
#[component(record)]
struct Failure {
    code: String,
    message: String,
}

async fn bare_agent(pre: &InstancePre<()>, engine: &Engine) {
    let mut store = Store::new(engine, ());
    store.set_epoch_deadline(u64::MAX / 2);
    let instance = pre.instantiate_async(&mut store).await.unwrap();
    let interface = instance.get_export_index(&mut store, None, "bailiwick:agent/agent@0.1.0").unwrap();
    let run = instance.get_export_index(&mut store, Some(&interface), "run").unwrap();
    let run = instance.get_typed_func::<(&str,), (Result<String, Failure>,)>(&mut store, run).unwrap();
    let answer = run.call_async(&mut store, ("{}",)).await.unwrap().0;
    assert!(answer.map_err(|failure| failure.code + &failure.message).is_ok());
}

const RUNS: usize = 2000;
const AT_ONCE: usize = 256;

/// Runs `one` many times, `at_once` at a time, on the runtime's two threads.
fn many<F: Future<Output = ()> + Send + 'static>(runtime: &Runtime, at_once: usize, mut one: impl FnMut() -> F) -> Duration {
    let began = Instant::now();
    runtime.block_on(async {
        let mut all = JoinSet::new();
        for _ in 0..RUNS {
            all.spawn(one());
            if all.len() >= at_once {
                all.join_next().await.unwrap().unwrap();
            }
        }
        while let Some(ended) = all.join_next().await {
            ended.unwrap();
        }
    });
    began.elapsed()
}

/// A component, and how the bare engine runs it.
struct Spawned<B> {
    what: &'static str,
    wasm: Vec<u8>,
    bare: B,
}

/// Spawn, run and drop, recorded, with so many at once that the disk does not limit the rate.
fn spawned<F: Future<Output = ()> + Send + 'static>(of: Spawned<impl Fn(Arc<InstancePre<()>>, Engine) -> F>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let engine = bare_engine();
    let component = Component::new(&engine, &of.wasm).unwrap();
    let mut linker = Linker::new(&engine);
    linker.define_unknown_imports_as_traps(&component).unwrap();
    let pre = Arc::new(linker.instantiate_pre(&component).unwrap());
    let host = runtime.block_on(async { TestHost::new() });
    let order = host.order_of("bench", &of.wasm, &[]);
    runtime.block_on(async { drop(host.run(order.clone()).await) });
    let bare = || many(&runtime, 32, || (of.bare)(Arc::clone(&pre), engine.clone()));
    let ours = || {
        many(&runtime, AT_ONCE, || {
            let (house, order) = (host.house.clone(), order.clone());
            async move {
                let report = tests::host::report(house.start(order, run::own_principal()).await.unwrap()).await;
                assert_eq!(report.outcome, vocabulary::Outcome::Done);
            }
        })
    };
    let (ratio, base, candidate) = pairs(bare, ours);
    let each = |whole: Duration| whole.as_secs_f64() * 1e6 / RUNS as f64;
    let figure = format!("{ratio:.2}× ({:.0} µs against {:.0} µs)", each(candidate), each(base));
    let what = format!("spawn + run + drop, recorded, 256 at once: {}", of.what);
    row(&what, &figure, "1.5×", "bare `InstancePre` doing the same call, 2 threads");
}

/// A typical agent, and the smallest possible component.
pub(crate) fn spawn() {
    spawned(Spawned {
        what: "an agent of the Rust SDK, JSON in and out",
        wasm: std::fs::read(tests::guests::guest("bad_output")).unwrap(),
        bare: |pre: Arc<InstancePre<()>>, engine: Engine| async move { bare_agent(&pre, &engine).await },
    });
    spawned(Spawned {
        what: "a component that does nothing and has no memory",
        wasm: assembled(NOTHING),
        bare: |pre: Arc<InstancePre<()>>, engine: Engine| async move { bare_run(&pre, &engine).await },
    });
}

/// A host call that asks nothing.
pub(crate) fn call() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let engine = bare_engine();
    let component = Component::new(&engine, assembled(CALLS)).unwrap();
    let mut linker = Linker::new(&engine);
    linker.instance("wasi:clocks/monotonic-clock@0.2.0").unwrap().func_wrap("now", |_, (): ()| Ok((7u64,))).unwrap();
    let pre = linker.instantiate_pre(&component).unwrap();
    let ours_engine = sandbox::Engine::new(&sandbox::EngineOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    home::make_folder(&home).unwrap();
    let cache = sandbox::Cache::new(home, [0; 32], tests::host::bailiwick(), vec!["compile-component".to_owned()]);
    let wasm = assembled(CALLS);
    let prepared = sandbox::Prepared::new(&ours_engine, &cache.load(&ours_engine, vocabulary::Digest::of(&wasm), &wasm).unwrap()).unwrap();
    let timed = |work: &mut dyn FnMut()| {
        let began = Instant::now();
        work();
        began.elapsed()
    };
    let (ratio, base, candidate) = pairs(
        || timed(&mut || runtime.block_on(bare_run(&pre, &engine))),
        || {
            timed(&mut || {
                let start = sandbox::Start::default();
                let never = std::future::pending::<vocabulary::Stopping>();
                let ended = runtime.block_on(sandbox::enter(&prepared, start, Box::new(Still::default()), never)).unwrap();
                assert_eq!(ended.outcome, vocabulary::Outcome::Done);
            })
        },
    );
    let figure = format!("{ratio:.2}× ({:.0} ns against {:.0} ns)", candidate.as_secs_f64() * 1e3, base.as_secs_f64() * 1e3);
    row("a host call that asks nothing (the clock)", &figure, "2×", "a bare host call that returns a number");
}
