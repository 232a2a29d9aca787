//! `wasi:clocks`: the guest's clock, which stands still between releases.

use vocabulary::Stop;
use wasmtime::component::Resource;

use super::poll::Pollable;
use crate::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use crate::guest::Guest;

const NS_PER_S: u64 = 1_000_000_000;

impl Guest {
    fn read_clock(&mut self) -> Result<u64, Stop> {
        if self.clock.is_spun_on() {
            let release = self.world.jump()?;
            self.take(release)?;
        }
        Ok(self.clock.read_ns())
    }

    fn timer(&mut self, deadline_ns: u64) -> wasmtime::Result<Resource<Pollable>> {
        let pollable = if deadline_ns <= self.clock.current_ns() {
            Pollable::Ready
        } else {
            let op = self.world.timer(deadline_ns)?;
            self.ops.open(op, &self.account);
            Pollable::Timer(op, deadline_ns)
        };
        Ok(self.push(pollable)?)
    }
}

impl monotonic_clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(self.read_clock()?)
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<Pollable>> {
        self.timer(when)
    }

    fn subscribe_duration(&mut self, when: u64) -> wasmtime::Result<Resource<Pollable>> {
        self.timer(self.clock.current_ns().saturating_add(when))
    }
}

impl wall_clock::Host for Guest {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        let unix_ns = self.world.opened_unix_ns().saturating_add(self.read_clock()?);
        Ok(wall_clock::Datetime { seconds: unix_ns / NS_PER_S, nanoseconds: u32::try_from(unix_ns % NS_PER_S)? })
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        Ok(wall_clock::Datetime { seconds: 0, nanoseconds: 1 })
    }
}
