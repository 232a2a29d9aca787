//! Removes secrets from answers. Each byte of each form in which a secret is recognised becomes `*`, so lengths do not change.
//!
//! A text is searched as it is, and in the forms to which it decodes: percent-encoding, HTML entities, escapes with backslashes,
//! quoted-printable, wide characters, base 64 over line breaks and at any offset, and hexadecimal and decimal bytes with any separators
//! between them. Up to three of these are decoded on top of one another ([`search::NESTING_MAX`]). The search never guesses: text that does
//! not decode to one of these secrets is not changed, however much it looks like one.
//!
//! SECURITY: only whole values are found, so an attacker can't learn a value part by part.

mod digits;
mod entity;
mod escape;
mod fields;
mod forms;
mod inflate;
mod joins;
mod mail;
mod marks;
mod packed;
mod search;
mod set;
mod stream;
#[cfg(test)]
mod tests;
mod view;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

pub use marks::Hits;
pub use packed::PackedError;
pub use stream::Scrubbing;

use marks::Marks;
use search::Search;
use set::Set;

use crate::secret::Secret;

/// BOUND: forms of values in one scrubber. Each value has some 20 forms of some 200 bytes each.
const FORMS_MAX: usize = 1 << 18;

/// The values have more forms than can be searched for. The error says nothing about the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secrets of this run have more forms than can be searched for")]
pub struct TooManyForms;

/// Values that are searched for. They can be added and removed while answers are searched.
#[derive(Default)]
pub struct Scrubber(RwLock<KnownValues>);

/// The values as they are during one search.
type Reading<'a> = RwLockReadGuard<'a, KnownValues>;

struct KnownValues {
    texts: Set,
    names: Set,
    /// A number that changes whenever a value is added.
    state: u64,
}

impl Default for KnownValues {
    fn default() -> Self {
        Self { texts: Set::for_texts(), names: Set::for_names(), state: 0 }
    }
}

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scrubber({} forms)", self.reading().texts.len())
    }
}

impl Scrubber {
    /// A scrubber for these secrets, all under one tag.
    ///
    /// # Errors
    /// There are more forms than can be searched for.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Result<Self, TooManyForms> {
        let scrubber = Self::default();
        secrets.into_iter().try_for_each(|secret| scrubber.insert(secret, 0))?;
        Ok(scrubber)
    }

    /// Adds a value. A value that is added twice has to be removed twice.
    ///
    /// # Errors
    /// There are more forms than can be searched for. Then this value is not added.
    pub fn insert(&self, secret: &Secret, tag: u64) -> Result<(), TooManyForms> {
        static STATES: AtomicU64 = AtomicU64::new(1);
        let (texts, names) = (forms::in_texts(secret.expose()), forms::in_names(secret.expose()));
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if known.texts.len() + known.names.len() + texts.len() + names.len() > FORMS_MAX {
            return Err(TooManyForms);
        }
        texts.iter().for_each(|form| known.texts.insert(form, tag));
        names.iter().for_each(|form| known.names.insert(form, tag));
        known.state = STATES.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Removes a value that no longer gives access to anything.
    pub fn remove(&self, secret: &Secret, tag: u64) {
        let (texts, names) = (forms::in_texts(secret.expose()), forms::in_names(secret.expose()));
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        texts.iter().for_each(|form| known.texts.remove(form, tag));
        names.iter().for_each(|form| known.names.remove(form, tag));
    }

    /// Whether there are no values to search for.
    pub fn is_empty(&self) -> bool {
        self.reading().texts.len() == 0
    }

    /// Whether any of the values is in a text.
    pub fn finds(&self, text: &[u8]) -> bool {
        self.find(text).places > 0
    }

    /// Which of the values are in a text, and how often.
    pub fn find(&self, text: &[u8]) -> Hits {
        self.marks(text).hits
    }

    /// Scrubs a whole text at once, and returns what was found.
    pub fn scrub(&self, text: &mut [u8]) -> Hits {
        let mut marks = self.marks(text);
        marks.take(text);
        marks.hits
    }

    fn marks(&self, text: &[u8]) -> Marks {
        let mut marks = Marks::default();
        let known = self.reading();
        if let Some(search) = Search::new([&known.texts], false) {
            marks.add(search.through(text).into_iter().map(|found| (found.start, found.end, found.tag)));
        }
        marks
    }

    fn reading(&self) -> Reading<'_> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<'a>(all: &[&'a Self]) -> Vec<Reading<'a>> {
        all.iter().map(|scrubber| scrubber.reading()).collect()
    }
}
