//! The memory of waiting agents.

use std::sync::Arc;

use crate::row;
use crate::world::{Still, WAITS, assembled};

const AGENTS: u32 = 10_000;

pub(crate) fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// RSS growth per agent for 10,000 agents that wait inside a host call. The guest has no linear memory, so none is subtracted.
pub(crate) fn density() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let engine = sandbox::Engine::new(&sandbox::EngineOptions {
        slots: AGENTS,
        footprint: sandbox::Footprint { instances: 1, memories: 1, tables: 1 },
        ..sandbox::EngineOptions::default()
    })
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    home::make_folder(&home).unwrap();
    let cache = sandbox::Cache::new(home, [0; 32], tests::host::bailiwick(), vec!["compile-component".to_owned()]);
    let wasm = assembled(WAITS);
    let prepared = Arc::new(sandbox::Prepared::new(&engine, &cache.load(&engine, vocabulary::Digest::of(&wasm), &wasm).unwrap()).unwrap());
    let wait = |prepared: Arc<sandbox::Prepared>| async move {
        let limits = vocabulary::Limits { active_timeout_ms: 3_600_000, ..vocabulary::Limits::default() };
        let start = sandbox::Start { limits, ..sandbox::Start::default() };
        let never = std::future::pending::<vocabulary::Stopping>();
        drop(sandbox::enter(&prepared, start, Box::new(Still::default()), never).await);
    };
    runtime.block_on(async {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..100 {
            all.spawn(wait(Arc::clone(&prepared)));
        }
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let before = resident_bytes();
        for _ in 100..AGENTS {
            all.spawn(wait(Arc::clone(&prepared)));
        }
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        let grown = resident_bytes() - before;
        let each = grown as f64 / f64::from(AGENTS - 100) / 1024.0;
        row(
            "RSS growth per agent, 10,000 waiting in a host call",
            &format!("{each:.1} KiB"),
            "48 KiB",
            "no linear memory in this guest, so none is subtracted",
        );
        all.abort_all();
    });
}
