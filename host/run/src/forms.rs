//! The forms of home, record, keys and vault that this version of the program writes and uses.

use home::KnownForms;

/// BOUND for older programs: raising a form here locks them out of every home that this version has used. If you raise one, set `needs`
/// to this version, and keep a home of the earlier form in `tests/homes`.
pub const FORMS: KnownForms = KnownForms {
    home: 1,
    parts: &[("record", vocabulary::record::VERSION), ("keys", journal::KEYS_FORM), ("vault", vault::VAULT_FORM)],
    program: env!("CARGO_PKG_VERSION"),
    needs: "0.1.0",
};

/// The forms as text, which a host sends to its clients. Both must have the same.
pub fn spoken_forms() -> String {
    let parts = FORMS.parts.iter().map(|(name, form)| format!(", {name} {form}"));
    std::iter::once(format!("home {}", FORMS.home)).chain(parts).collect()
}
