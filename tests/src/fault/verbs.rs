//! The table of the verbs for a sweep: one row each.

/// The state before the verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Start {
    /// A project, and no home.
    Empty,
    /// A home with a run, credentials and an acceptance.
    Used,
    /// As `Used`, with a run that was killed while a POST was under way.
    CutPost,
    /// As `Used`, with a run that was killed while a GET was under way.
    CutGet,
    /// A home that was replaced by an older copy of itself.
    Back,
    /// A home whose record is damaged.
    Damaged,
    /// A home whose record lies in several segments.
    Long,
    /// A backup, without a home.
    Gone,
}

/// How the verb is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// By its command line.
    Verb,
    /// As a run that sends two GETs and two POSTs, one after the other.
    Run,
    /// As a run that sends two POSTs at once.
    AtOnce,
    /// As a run that `stop` ends while it waits for an answer. The fault is made in the process that runs it.
    Stopped,
}

/// A row of the table: one verb.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The name of the row.
    pub name: &'static str,
    /// The state before the verb.
    pub start: Start,
    /// How the verb is executed.
    pub doing: Doing,
    /// The arguments of the program.
    pub words: &'static [&'static str],
    /// The standard input.
    pub input: &'static str,
    /// The command that shows whether the verb has changed something, and the kind of the record of that change.
    pub changes: Option<(&'static [&'static str], &'static str)>,
    /// Whether the change comes before its record. If the verb was cut off in between, the next opening of the home makes the record.
    pub owes: bool,
    /// The allowed exit codes when the verb is repeated after the fault: some verbs can't be done twice.
    pub again: &'static [i32],
    /// The allowed exit codes of `audit verify` and `ps` right after the fault.
    pub between: &'static [i32],
}

const PLAIN: Row =
    Row { name: "", start: Start::Used, doing: Doing::Verb, words: &[], input: "", changes: None, owes: false, again: &[0], between: &[0] };

const LS: &[&str] = &["credentials", "ls"];
const CHANGED: &str = "credential-changed";
const ROTATED: &[&str] = &["audit", "show", "--kind", "key-rotated"];
/// The command that shows what `prune` would remove.
const WOULD_GO: &[&str] = &["prune", "--older-than", "0s", "--drop-accepted", "--drop"];

/// All rows.
pub const ROWS: &[Row] = &[
    Row { name: "first-run", start: Start::Empty, doing: Doing::Run, words: &["run", "each", "--trust"], between: &[0, 2], ..PLAIN },
    Row { name: "run", doing: Doing::Run, words: &["run", "each"], ..PLAIN },
    Row { name: "run-at-once", doing: Doing::AtOnce, words: &["run", "pair", "--"], ..PLAIN },
    Row { name: "resume", start: Start::CutGet, words: &["resume", "latest"], again: &[0, 2], ..PLAIN },
    Row { name: "resume-settled", start: Start::CutPost, words: &["resume", "latest", "--settle", "did"], again: &[0, 2], ..PLAIN },
    Row { name: "stop-live", doing: Doing::Stopped, words: &["run", "each"], again: &[143], ..PLAIN },
    Row { name: "stop", start: Start::CutGet, words: &["stop", "latest"], again: &[0, 2], ..PLAIN },
    Row { name: "stop-settled", start: Start::CutPost, words: &["stop", "latest", "--settle", "did"], again: &[0, 2], ..PLAIN },
    Row {
        name: "credentials-set",
        words: &["credentials", "set", "new", "--for", "https://example.com"],
        input: "Hs4-t8VBnQ1xC6mZ9pL2kJ7gF5dS3aW0",
        changes: Some((LS, CHANGED)),
        again: &[0, 2],
        ..PLAIN
    },
    Row {
        name: "credentials-rotate",
        words: &["credentials", "rotate", "near"],
        input: "Hs4-t8VBnQ1xC6mZ9pL2kJ7gF5dS3aW0",
        changes: Some((LS, CHANGED)),
        again: &[0, 2],
        ..PLAIN
    },
    Row {
        name: "credentials-revoke",
        words: &["credentials", "revoke", "near"],
        changes: Some((LS, CHANGED)),
        owes: true,
        again: &[0, 2],
        ..PLAIN
    },
    Row {
        name: "credentials-seal",
        words: &["credentials", "seal", "passphrase"],
        input: super::lab::PASSPHRASE,
        // No verb shows under what key a vault is sealed, so the change is not checked.
        ..PLAIN
    },
    Row { name: "credentials-restore", words: &["credentials", "restore", "far"], changes: Some((LS, CHANGED)), again: &[0, 2], ..PLAIN },
    Row { name: "credentials-rm", words: &["credentials", "rm", "gone"], changes: Some((LS, CHANGED)), again: &[0, 2], ..PLAIN },
    Row { name: "trust", words: &["trust", "--config", "other.toml"], changes: Some((&["trust", "ls"], "config-trusted")), ..PLAIN },
    Row {
        name: "trust-first",
        start: Start::Empty,
        words: &["trust"],
        changes: Some((&["trust", "ls"], "config-trusted")),
        between: &[0, 2],
        ..PLAIN
    },
    Row {
        name: "trust-rm",
        words: &["trust", "rm", "bailiwick.toml"],
        changes: Some((&["trust", "ls"], "config-untrusted")),
        again: &[0, 2],
        ..PLAIN
    },
    Row { name: "accept", words: &["accept", "each"], changes: Some((&["accept", "ls"], "agent-accepted")), ..PLAIN },
    Row {
        name: "accept-rm",
        words: &["accept", "rm", "pair"],
        changes: Some((&["accept", "ls"], "agent-unaccepted")),
        again: &[0, 2],
        ..PLAIN
    },
    Row {
        name: "accept-rollback",
        start: Start::Back,
        words: &["audit", "accept-rollback"],
        changes: Some((&["audit", "verify"], "rollback-accepted")),
        again: &[0, 2],
        between: &[0, 6],
        ..PLAIN
    },
    Row {
        name: "reanchor",
        start: Start::Damaged,
        words: &["audit", "reanchor", "--reason", "a disk"],
        changes: Some((&["audit", "verify"], "reanchored")),
        again: &[0, 2],
        between: &[0, 6],
        ..PLAIN
    },
    Row { name: "keys-rotate-journal", words: &["keys", "rotate", "journal"], changes: Some((ROTATED, "key-rotated")), ..PLAIN },
    Row { name: "keys-rotate-home", words: &["keys", "rotate", "home"], changes: Some((ROTATED, "key-rotated")), ..PLAIN },
    Row { name: "backup", words: &["backup", "monday"], again: &[0, 2], ..PLAIN },
    Row { name: "restore", start: Start::Gone, words: &["restore", "monday"], again: &[0, 2], between: &[0, 6], ..PLAIN },
    Row {
        name: "prune-archive",
        start: Start::Long,
        words: &["prune", "--older-than", "0s", "--drop-accepted", "--to", "archive", "--yes"],
        changes: Some((WOULD_GO, "pruned")),
        ..PLAIN
    },
    Row {
        name: "prune-drop",
        start: Start::Long,
        words: &["prune", "--larger-than", "1KiB", "--drop-accepted", "--drop", "--yes"],
        changes: Some((WOULD_GO, "pruned")),
        ..PLAIN
    },
];

impl Row {
    /// The row of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ROWS.iter().find(|row| row.name == name)
    }

    /// Whether this verb may make the record shorter.
    #[must_use]
    pub fn shortens(&self) -> bool {
        matches!(self.start, Start::Damaged | Start::Long)
    }
}
