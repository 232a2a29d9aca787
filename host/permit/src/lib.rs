//! Permission to cause one effect, once, as a value.
//!
//! A [`Permit`] says what may be done, for which run and operation, within which bounds, under which lease, and until when. It does not
//! refer to anything in the process that made it, so it could be sent to another process.
//!
//! - INVARIANT: only `gate` makes a permit. [`issue`] is a function of this crate, and besides `effects`, only `gate` depends on this crate
//!   (`tests/it/tidy.rs`). Other rooms get the type from `effects`, which does not export the constructor:
//!
//! ```compile_fail,E0451
//! use vocabulary::{Bounds, OpId, RunId};
//! use permit::Permit;
//!
//! let (bounds, op, run) = (Bounds::default(), OpId(1), RunId::from_parts(1, [0; 10]));
//! let forged: Permit<()> = Permit { ask: (), bounds, op, run };
//! ```
//!
//!   The same parts, passed to the function that the gate uses:
//!
//! ```
//! use vocabulary::{Bounds, OpId, RunId};
//! use permit::{Permit, PermitParts, issue};
//!
//! let (bounds, op, run) = (Bounds::default(), OpId(1), RunId::from_parts(1, [0; 10]));
//! let issued: Permit<()> = issue(PermitParts { ask: (), bounds, op, run });
//! ```
//!
//! - INVARIANT: a permit can't be copied, and the function that causes the effect takes it by value. So a permit is used at most once.

use vocabulary::{Bounds, OpId, RunId};

/// Permission to do what `A` asks, once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit that is dropped causes no effect, and its operation is settled as abandoned"]
pub struct Permit<A> {
    ask: A,
    bounds: Bounds,
    op: OpId,
    run: RunId,
}

/// The parts of a permit.
#[derive(Debug)]
pub struct PermitParts<A> {
    /// The ask that was permitted.
    pub ask: A,
    /// The bounds of the effect. They include the credential under whose lease it is caused, and the time at which the permit lapses.
    pub bounds: Bounds,
    /// The number of the operation; 0 for a look at a mount, which has no number.
    pub op: OpId,
    /// The run that asked.
    pub run: RunId,
}

/// Makes a permit. Only `gate` calls this: after it has judged the ask and, for an act, after the intent is durable.
pub fn issue<A>(terms: PermitParts<A>) -> Permit<A> {
    let PermitParts { ask, bounds, op, run } = terms;
    Permit { ask, bounds, op, run }
}

impl<A> Permit<A> {
    /// The ask that was permitted.
    pub fn ask(&self) -> &A {
        &self.ask
    }

    /// The bounds of the effect.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// The credential under whose lease the effect is caused, if there is one.
    pub fn credential(&self) -> Option<&str> {
        self.bounds.credential.as_deref()
    }

    /// The number of the operation.
    pub fn op(&self) -> OpId {
        self.op
    }

    /// The run that asked.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Whether the permit has lapsed at this time, in seconds since 1970: then the effect may no longer be begun.
    pub fn has_lapsed(&self, now_unix_s: u64) -> bool {
        self.bounds.until_unix_s.is_some_and(|until| now_unix_s >= until)
    }

    /// Consumes the permit and returns its ask and its bounds.
    pub fn into_ask(self) -> (A, Bounds) {
        (self.ask, self.bounds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permit_lapses_at_its_moment_and_one_without_never() {
        let permit = |until_unix_s| {
            let bounds = Bounds { until_unix_s, ..Bounds::default() };
            issue(PermitParts { ask: (), bounds, op: OpId(1), run: RunId::from_parts(1, [0; 10]) })
        };
        assert_eq!([9, 10, 11].map(|now| permit(Some(10)).has_lapsed(now)), [false, true, true]);
        assert!(!permit(None).has_lapsed(u64::MAX));
    }
}
