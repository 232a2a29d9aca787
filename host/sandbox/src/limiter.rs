//! Limits the memory and tables of all instances of a run together. Growing beyond the limit ends the run.

use vocabulary::{Limits, Stop};
use wasmtime::ResourceLimiter;

/// Counts what the engine is about to allocate.
pub(crate) struct Limiter {
    memory_max: u64,
    tables_max: u64,
    instances_max: usize,
    memory: u64,
    tables: u64,
    /// The largest sum of all linear memories, in bytes.
    pub(crate) peak_memory: u64,
}

impl Limiter {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            memory_max: limits.memory_bytes,
            tables_max: limits.table_elements,
            instances_max: usize::try_from(limits.instances).unwrap_or(usize::MAX),
            memory: 0,
            tables: 0,
            peak_memory: 0,
        }
    }
}

fn grown(total: u64, current: usize, desired: usize) -> u64 {
    let more = desired.saturating_sub(current);
    total.saturating_add(u64::try_from(more).unwrap_or(u64::MAX))
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = grown(self.memory, current, desired);
        if total > self.memory_max {
            return Err(Stop::Limit(vocabulary::Limit::Memory).into());
        }
        self.memory = total;
        self.peak_memory = self.peak_memory.max(total);
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = grown(self.tables, current, desired);
        if total > self.tables_max {
            return Err(Stop::Limit(vocabulary::Limit::Tables).into());
        }
        self.tables = total;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.instances_max
    }

    fn tables(&self) -> usize {
        self.instances_max
    }

    fn memories(&self) -> usize {
        self.instances_max
    }
}
