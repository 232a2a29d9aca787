//! `wasi:random`: all random numbers come from the run's seed, so that a rebuild gets the same.

use rand_chacha::rand_core::RngCore as _;
use vocabulary::Stop;

use crate::bindings::wasi::random::{insecure, insecure_seed, random};
use crate::guest::Guest;

impl Guest {
    fn draw(&mut self, len: u64) -> Result<Vec<u8>, Stop> {
        if len > self.limits.random_bytes {
            return Err(Stop::Limit(vocabulary::Limit::RandomBytes));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        self.random.fill_bytes(&mut bytes);
        Ok(bytes)
    }
}

impl random::Host for Guest {
    fn get_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        Ok(self.draw(len)?)
    }

    fn get_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.random.next_u64())
    }
}

impl insecure::Host for Guest {
    fn get_insecure_random_bytes(&mut self, len: u64) -> wasmtime::Result<Vec<u8>> {
        Ok(self.draw(len)?)
    }

    fn get_insecure_random_u64(&mut self) -> wasmtime::Result<u64> {
        Ok(self.random.next_u64())
    }
}

impl insecure_seed::Host for Guest {
    fn insecure_seed(&mut self) -> wasmtime::Result<(u64, u64)> {
        Ok((self.random.next_u64(), self.random.next_u64()))
    }
}
