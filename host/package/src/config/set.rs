//! Lists whose order has no meaning.

use serde::Serialize;

/// Sorts the items by their text and removes duplicates. Two files that list the same methods in another order are then the same authority.
///
/// Use it only for lists that are sets. The order of grants decides which one is used, and the order of name servers decides which one is
/// asked first.
pub(super) fn set<T: Serialize>(items: Vec<T>) -> Vec<T> {
    let mut keyed: Vec<(Vec<u8>, T)> = items.into_iter().map(|item| (vocabulary::canon::to_vec(&item), item)).collect();
    keyed.sort_by(|(one, _), (other, _)| one.cmp(other));
    keyed.dedup_by(|(one, _), (other, _)| one == other);
    keyed.into_iter().map(|(_, item)| item).collect()
}
