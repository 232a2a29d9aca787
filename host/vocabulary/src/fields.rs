//! Fields of an ask as bytes, for its digest. Each is preceded by its length.

use crate::function::Function;

pub(crate) fn put(to: &mut Vec<u8>, field: &[u8]) {
    to.extend_from_slice(&(field.len() as u64).to_be_bytes());
    to.extend_from_slice(field);
}

/// The beginning of the canonical bytes of every ask.
pub(crate) fn front(function: Function) -> Vec<u8> {
    let mut to = Vec::with_capacity(256);
    put(&mut to, function.capability().as_str().as_bytes());
    put(&mut to, function.as_str().as_bytes());
    to
}

/// Reads fields, each of which is preceded by its length.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn next(&mut self) -> Option<&'a [u8]> {
        let (len, rest) = self.0.split_first_chunk::<8>()?;
        let (field, rest) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*len)).ok()?)?;
        self.0 = rest;
        Some(field)
    }

    /// Whether nothing is left.
    pub(crate) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    /// The next field as text.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        str::from_utf8(self.next()?).ok()
    }
}
