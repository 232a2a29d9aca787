//! Leave to cause one effect, once, as a value.
//!
//! A [`Permit`] says what may be done, for which run and operation, within which bounds, under which lease, and until when. It has no
//! reference to anything of the process that made it, so it could be sent to another one.
//!
//! - INVARIANT: only `gate` makes a permit. [`issue`] is a function of this crate, and `gate` is the only room that has this crate among its
//!   dependencies (`tests/it/tidy.rs`). Other rooms know the type from `effects`, and a type without its crate has no constructor:
//!
//! ```compile_fail,E0451
//! use vocabulary::{Bounds, OpId, RunId};
//! use permit::Permit;
//!
//! let (bounds, op, run) = (Bounds::default(), OpId(1), RunId::from_parts(1, [0; 10]));
//! let forged: Permit<()> = Permit { ask: (), bounds, op, run };
//! ```
//!
//!   The same terms, handed to the gate's own function:
//!
//! ```
//! use vocabulary::{Bounds, OpId, RunId};
//! use permit::{Permit, PermitParts, issue};
//!
//! let (bounds, op, run) = (Bounds::default(), OpId(1), RunId::from_parts(1, [0; 10]));
//! let issued: Permit<()> = issue(PermitParts { ask: (), bounds, op, run });
//! ```
//!
//! - INVARIANT: a permit can't be copied, and what causes an effect takes it by value. So it is used once.

use vocabulary::{Bounds, OpId, RunId};

/// Leave to do what `A` asks, once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "nothing happens without it, and its operation is settled as abandoned"]
pub struct Permit<A> {
    ask: A,
    bounds: Bounds,
    op: OpId,
    run: RunId,
}

/// What a permit is made of.
#[derive(Debug)]
pub struct PermitParts<A> {
    /// What may be done.
    pub ask: A,
    /// Within which bounds: among them the credential under whose lease it is done, and when it lapses.
    pub bounds: Bounds,
    /// Which operation it is; 0 for a look at a mount, which has no number.
    pub op: OpId,
    /// Whose.
    pub run: RunId,
}

/// Makes a permit. For `gate` alone: after the ask was judged, and for an act, after its intent is durable.
pub fn issue<A>(terms: PermitParts<A>) -> Permit<A> {
    let PermitParts { ask, bounds, op, run } = terms;
    Permit { ask, bounds, op, run }
}

impl<A> Permit<A> {
    /// What may be done.
    pub fn ask(&self) -> &A {
        &self.ask
    }

    /// Within which bounds.
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// The credential under whose lease it is done.
    pub fn credential(&self) -> Option<&str> {
        self.bounds.credential.as_deref()
    }

    /// Which operation it is.
    pub fn op(&self) -> OpId {
        self.op
    }

    /// Whose it is.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Whether it may no longer be begun, at this moment in seconds since 1970.
    pub fn has_lapsed(&self, now_unix_s: u64) -> bool {
        self.bounds.until_unix_s.is_some_and(|until| now_unix_s >= until)
    }

    /// Uses it up.
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
