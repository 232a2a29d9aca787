//! Lists whose order means nothing.

use serde::Serialize;

/// The items in the order of their text, each of them once. Two files that list the same methods in another order are then the same authority.
///
/// It is only for lists that are sets. The order of grants decides which of them is used, and the order of name servers decides which one is
/// asked first.
pub(super) fn set<T: Serialize>(items: Vec<T>) -> Vec<T> {
    let mut keyed: Vec<(Vec<u8>, T)> = items.into_iter().map(|item| (vocabulary::canon::to_vec(&item), item)).collect();
    keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
    keyed.dedup_by(|(one, _), (other, _)| one == other);
    keyed.into_iter().map(|(_, item)| item).collect()
}
