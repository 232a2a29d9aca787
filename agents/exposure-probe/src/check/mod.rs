//! What is looked for, as one table: where to look, what must be seen there, and how bad it is.
//!
//! Asks nobody. INVARIANT: what a check shows is made of its own words and of what `show` lets through, never of a page's text.

mod api;
mod backups;
mod consoles;
mod debug;
mod headers;
mod leftovers;
mod secrets;
mod status;
mod vcs;

use crate::page::Page;
use crate::target::Target;
use bailiwick_sdk::JsonSchema;
use bailiwick_sdk::findings::Severity;
use serde::{Deserialize, Serialize};

pub(crate) use self::headers::Cors;

/// What sort of thing a check looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// What version control keeps beside the files: `.git`, `.svn`, `.hg`.
    Vcs,
    /// `.env` and other files that hold credentials.
    Secrets,
    /// Archives, dumps of databases, and copies of source files.
    Backups,
    /// What editors and operating systems leave behind.
    Leftovers,
    /// Status and metrics pages.
    Status,
    /// Directory listings.
    Listing,
    /// Debug consoles, debug pages, and errors that tell too much.
    Debug,
    /// Pages that a server shows before anybody has set it up.
    Default,
    /// Admin consoles and data stores that answer without a login.
    Consoles,
    /// Descriptions of an API.
    Api,
    /// Security headers.
    Headers,
    /// Flags of cookies.
    Cookies,
    /// Who else may read the answers.
    Cors,
    /// Versions in headers.
    Versions,
    /// Whether clear text is answered.
    Tls,
}

impl Group {
    pub(crate) const ALL: [Self; 15] = [
        Self::Vcs,
        Self::Secrets,
        Self::Backups,
        Self::Leftovers,
        Self::Status,
        Self::Listing,
        Self::Debug,
        Self::Default,
        Self::Consoles,
        Self::Api,
        Self::Headers,
        Self::Cookies,
        Self::Cors,
        Self::Versions,
        Self::Tls,
    ];
}

/// What a check saw, in words that may be shown; nothing where it saw nothing.
pub(crate) type Sight = Option<String>;

/// One thing to look for.
pub(crate) struct Check {
    pub(crate) id: &'static str,
    pub(crate) group: Group,
    pub(crate) severity: Severity,
    pub(crate) cwe: &'static str,
    pub(crate) title: &'static str,
    pub(crate) looks: Looks,
}

/// Where a check looks, and how it knows.
pub(crate) enum Looks {
    /// At what lies at these paths below the target's folder; the empty one is the target's own page.
    AtPaths { paths: &'static [&'static str], holds: Holds, sees: fn(&Page) -> Sight },
    /// At the target's own page, and at those that led there.
    AtRoot { sees: fn(&Root<'_>) -> Sight },
    /// At whatever came as an error.
    AtErrors { sees: fn(&Page) -> Sight },
    /// At the target's own page, asked for on behalf of others.
    AsOthers { sees: Cors },
}

/// What a file that is found may hold, and so what its digest is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Nothing that a digest would give away.
    Plain,
    /// Secrets: the digest is of what is shown.
    Secrets,
    /// The same, and may be so large that only its beginning is asked for.
    Much,
}

/// The target's own page.
pub(crate) struct Root<'a> {
    /// What was asked for first; it may be a redirect.
    pub(crate) pages: &'a [Page],
    /// Where it ended, if it did.
    pub(crate) last: Option<&'a Page>,
}

/// All of them, in the order in which they are looked for and reported.
pub(crate) fn all() -> impl Iterator<Item = &'static Check> {
    let tables = [
        vcs::CHECKS,
        secrets::CHECKS,
        backups::CHECKS,
        leftovers::CHECKS,
        status::CHECKS,
        debug::CHECKS,
        consoles::CHECKS,
        api::CHECKS,
        headers::CHECKS,
    ];
    tables.into_iter().flatten()
}

impl Check {
    /// Some make sense only over https, one only over http.
    pub(crate) fn is_for(&self, target: &Target) -> bool {
        match self.id {
            "hsts" | "cookie-secure" => target.is_https(),
            // Nobody listens in between within one machine, and no certificate is to be had for its own addresses.
            "tls-redirect" => !target.is_https() && !target.is_loopback(),
            _ => true,
        }
    }
}

/// Shows words of a check's own, where all of them are on a page.
pub(crate) fn words(page: &Page, words: &[&str]) -> Sight {
    page.has_all(words).then(|| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "))
}

/// As [`words`], of a file: one that is a page for people shows nothing.
pub(crate) fn file_with(page: &Page, all: &[&str]) -> Sight {
    if page.is_html() { None } else { words(page, all) }
}

/// Shows what a file of that sort begins with.
pub(crate) fn beginning(page: &Page, bytes: &[u8], name: &str) -> Sight {
    page.begins(bytes).then(|| format!("begins as {name}"))
}
