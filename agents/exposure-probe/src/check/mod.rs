//! The table of all checks: where to look, what must be seen there, and how severe it is.
//!
//! This module sends no requests. INVARIANT: the text that a check shows consists of its own words and of what `show` lets through,
//! never of a page's text.

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

/// The group of a check: what kind of fault it looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Folders that version control keeps beside the files: `.git`, `.svn`, `.hg`.
    Vcs,
    /// `.env` and other files that hold credentials.
    Secrets,
    /// Archives, dumps of databases, and copies of source files.
    Backups,
    /// Files that editors and operating systems leave behind.
    Leftovers,
    /// Status and metrics pages.
    Status,
    /// Directory listings.
    Listing,
    /// Debug consoles, debug pages, and errors that show too much.
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

/// What a check saw, as text that may be shown; `None` if it saw nothing.
pub(crate) type Sight = Option<String>;

/// One check.
pub(crate) struct Check {
    pub(crate) id: &'static str,
    pub(crate) group: Group,
    pub(crate) severity: Severity,
    pub(crate) cwe: &'static str,
    pub(crate) title: &'static str,
    pub(crate) looks: Looks,
}

/// Where a check looks, and how it recognises a fault.
pub(crate) enum Looks {
    /// At these paths below the target's folder; the empty path is the target's own page.
    AtPaths { paths: &'static [&'static str], holds: Holds, sees: fn(&Page) -> Sight },
    /// At the target's own page, and at the redirects that led there.
    AtRoot { sees: fn(&Root<'_>) -> Sight },
    /// At every answer that is an error.
    AtErrors { sees: fn(&Page) -> Sight },
    /// At the target's own page, asked for on behalf of other origins.
    AsOthers { sees: Cors },
}

/// What a found file may contain, and so what its digest is made from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Nothing secret: the digest may be of the file.
    Plain,
    /// Secrets: the digest is of the text that is shown instead.
    Secrets,
    /// Secrets, in a file that may be so large that only its beginning is asked for.
    Much,
}

/// The target's own page.
pub(crate) struct Root<'a> {
    /// The page that was asked for first, which may be a redirect, and those that followed.
    pub(crate) pages: &'a [Page],
    /// The page where the redirects ended, if they did.
    pub(crate) last: Option<&'a Page>,
}

/// All checks, in the order in which they are made and reported.
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
    /// Whether this check applies to `target`: some make sense only over https, one only over http.
    pub(crate) fn is_for(&self, target: &Target) -> bool {
        match self.id {
            "hsts" | "cookie-secure" => target.is_https(),
            // Nobody can listen within one machine, and no authority issues certificates for its own addresses.
            "tls-redirect" => !target.is_https() && !target.is_loopback(),
            _ => true,
        }
    }
}

/// Shows these words of the check if all of them are on the page.
pub(crate) fn words(page: &Page, words: &[&str]) -> Sight {
    page.has_all(words).then(|| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "))
}

/// As [`words`], for a file: a page for people does not count.
pub(crate) fn file_with(page: &Page, all: &[&str]) -> Sight {
    if page.is_html() { None } else { words(page, all) }
}

/// Shows `name` if the page begins with these bytes.
pub(crate) fn beginning(page: &Page, bytes: &[u8], name: &str) -> Sight {
    page.begins(bytes).then(|| format!("begins as {name}"))
}
