//! The forms of a home that this version of the program makes and uses.

use home::KnownForms;

/// BOUND for older programs: a form that is raised here keeps them away from every home that this version has used. Then `needs` is this
/// version, and a home of the form before is kept in `tests/homes`.
pub const FORMS: KnownForms = KnownForms {
    home: 1,
    parts: &[("record", vocabulary::record::VERSION), ("keys", journal::KEYS_FORM), ("vault", vault::VAULT_FORM)],
    program: env!("CARGO_PKG_VERSION"),
    needs: "0.1.0",
};

/// The forms as a host says them to its clients: both must have the same.
pub fn spoken_forms() -> String {
    let parts = FORMS.parts.iter().map(|(name, form)| format!(", {name} {form}"));
    std::iter::once(format!("home {}", FORMS.home)).chain(parts).collect()
}
