//! Counts together what the host keeps in memory for a guest: request bodies that are being made, answers that are not read yet, header
//! fields, listings. Each of these has its own limit. Without the common limit, a guest could have thousands of each at once.
//!
//! INVARIANT: when a counted thing is dropped, for any reason, its bytes no longer count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use vocabulary::{Header, Stop};

/// The account of one run. Cheap to clone; all clones are the same account.
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

    /// A guard for no bytes, which is to be grown later.
    pub(crate) fn nothing(&self) -> BytesGuard {
        BytesGuard { account: self.clone(), bytes: 0 }
    }

    /// Counts this number of bytes for as long as the returned guard lives.
    pub(crate) fn hold(&self, bytes: usize) -> Result<BytesGuard, Stop> {
        let mut holding = self.nothing();
        holding.grow(bytes)?;
        Ok(holding)
    }
}

/// Counts bytes as long as it lives. It is kept inside the thing that has the bytes.
pub(crate) struct BytesGuard {
    account: Account,
    bytes: u64,
}

impl BytesGuard {
    /// Counts further bytes. If that exceeds the limit, the run ends.
    pub(crate) fn grow(&mut self, bytes: usize) -> Result<(), Stop> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let SharedCount { bytes_max, bytes: all } = &*self.account.0;
        // The calls of one guest come one after the other, so the count can't change in between.
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

    /// Counts this number of bytes from now on.
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

/// The bytes that header fields count for: their text, and what each field costs besides.
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
