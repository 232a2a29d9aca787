//! What the host keeps in memory on a guest's behalf, counted together: request bodies in the making, answers not yet read, header
//! fields, listings. Each alone has a limit of its own; without this one a guest could have thousands of each at once.
//!
//! INVARIANT: what is counted is given back when the thing that it was counted for is dropped, however that comes about.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vocabulary::{Header, Stop};

/// One run's account. Cheap to clone; all clones are the same account.
#[derive(Clone)]
pub(crate) struct Account(Arc<SharedCount>);

struct SharedCount {
    bytes_max: u64,
    bytes: AtomicU64,
}

impl Account {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self(Arc::new(SharedCount { bytes_max, bytes: AtomicU64::new(0) }))
    }

    /// To be grown as the thing grows.
    pub(crate) fn nothing(&self) -> BytesGuard {
        BytesGuard { account: self.clone(), bytes: 0 }
    }

    /// Counts so many bytes for as long as what is returned lives.
    pub(crate) fn hold(&self, bytes: usize) -> Result<BytesGuard, Stop> {
        let mut holding = self.nothing();
        holding.grow(bytes)?;
        Ok(holding)
    }
}

/// Bytes that are counted as long as this lives; kept inside the thing that has them.
pub(crate) struct BytesGuard {
    account: Account,
    bytes: u64,
}

impl BytesGuard {
    /// Past the limit, the run ends.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Stop> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let SharedCount { bytes_max, bytes: all } = &*self.account.0;
        // One guest's calls come one after the other, so nobody else counts in between.
        if all.load(Ordering::Relaxed).saturating_add(bytes) > *bytes_max {
            return Err(Stop::Limit(vocabulary::Limit::HeldBytes));
        }
        all.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        Ok(())
    }

    pub(crate) fn shrink(&mut self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX).min(self.bytes);
        self.account.0.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.bytes -= bytes;
    }

    /// Counts this many from now on.
    pub(crate) fn set(&mut self, bytes: usize) -> Result<(), Stop> {
        let now = usize::try_from(self.bytes).unwrap_or(usize::MAX);
        if bytes > now {
            self.grow(bytes - now)
        } else {
            self.shrink(now - bytes);
            Ok(())
        }
    }
}

impl Drop for BytesGuard {
    fn drop(&mut self) {
        self.shrink(usize::MAX);
    }
}

/// What fields count for: their text, and what each costs besides.
pub(crate) fn size(entries: &[Header]) -> usize {
    entries.iter().map(|header| header.name.len() + header.value.len() + size_of::<Header>()).sum()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::Account;

    #[test]
    fn what_is_dropped_is_given_back_and_no_more_than_was_held() {
        let account = Account::new(10);
        let mut one = account.hold(6).unwrap();
        assert!(account.hold(5).is_err());
        let other = account.hold(4).unwrap();
        assert!(one.grow(1).is_err());
        drop(other);
        one.set(10).unwrap();
        one.shrink(100);
        drop(one);
        assert!(account.hold(10).is_ok() && account.hold(11).is_err());
    }
}
