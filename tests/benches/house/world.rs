//! Components written by hand, and a world in which nothing happens.

use std::task::{Context, Poll};

use vocabulary::{Act, Claim, ClosedAsk, Door, FileAnswer, FileAsk, FileFault, GuestEvent, OpId, Release, Stop, Timeline};

/// A component that returns at once.
pub(crate) const NOTHING: &str = r#"(component
  (core module $m (func (export "run") (result i32) (i32.const 0)))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance (export "wasi:cli/run@0.2.0") (export "run" (func $run))))"#;

/// A component that reads the clock a million times.
pub(crate) const CALLS: &str = r#"(component
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock (export "now" (func (result u64)))))
  (core func $now (canon lower (func $clock "now")))
  (core module $m
    (import "clock" "now" (func $now (result i64)))
    (func (export "run") (result i32) (local $n i32)
      (loop $again
        (drop (call $now))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $n) (i32.const 1000000))))
      (i32.const 0)))
  (core instance $i (instantiate $m (with "clock" (instance (export "now" (func $now))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance (export "wasi:cli/run@0.2.0") (export "run" (func $run))))"#;

/// A component that waits forever inside a host call, and has no memory.
pub(crate) const WAITS: &str = r#"(component
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $p))
    (export "pollable" (type $q (eq $p)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $q))))))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))
  (core module $m
    (import "host" "block" (func $block (param i32)))
    (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
    (func (export "run") (result i32)
      (call $block (call $subscribe (i64.const 1000000000000000)))
      (i32.const 0)))
  (core instance $i (instantiate $m (with "host" (instance (export "block" (func $block)) (export "subscribe" (func $subscribe))))))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance (export "wasi:cli/run@0.2.0") (export "run" (func $run))))"#;

/// The bytes of one of these components.
pub(crate) fn assembled(text: &str) -> Vec<u8> {
    tests::wat::assembled(text)
}

/// A world that never releases anything.
#[derive(Default)]
pub(crate) struct Still {
    next: u64,
}

impl Door for Still {
    fn submit(&mut self, _: Act) -> Result<OpId, Stop> {
        self.timer(0)
    }
    fn observe(&mut self, _: FileAsk) -> Result<FileAnswer, Stop> {
        Ok(FileAnswer::Fault(FileFault::NotFound))
    }
    fn refuse(&mut self, _: ClosedAsk) -> Result<(), Stop> {
        Ok(())
    }
    fn read_on(&mut self, _: OpId) {}
    fn abandon(&mut self, _: OpId) -> Result<(), Stop> {
        Ok(())
    }
    fn say(&mut self, _: Claim) -> Result<(), Stop> {
        Ok(())
    }
}

impl Timeline for Still {
    fn mono_ns(&self) -> u64 {
        0
    }
    fn opened_unix_ns(&self) -> u64 {
        0
    }
    fn seed(&self) -> [u8; 32] {
        [0; 32]
    }
    fn timer(&mut self, _: u64) -> Result<OpId, Stop> {
        self.next += 1;
        Ok(OpId(self.next))
    }
    fn poll(&mut self) -> Result<Option<Release>, Stop> {
        Ok(None)
    }
    fn poll_release(&mut self, _: &mut Context<'_>) -> Poll<Result<Release, Stop>> {
        Poll::Pending
    }
    fn jump(&mut self) -> Result<Release, Stop> {
        Ok(Release { op: OpId(0), event: GuestEvent::Clock, mono_ns: 0 })
    }
}
