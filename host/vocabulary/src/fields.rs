//! Fields of an ask as bytes, for its digest. Each is preceded by its length.

pub(crate) fn put(to: &mut Vec<u8>, field: &[u8]) {
    to.extend_from_slice(&(field.len() as u64).to_be_bytes());
    to.extend_from_slice(field);
}
