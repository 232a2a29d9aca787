//! Finds leaked credentials in a folder: tokens of known shapes and private keys. Reports never contain the secret itself.
//! The agent uses no network, so it does not test whether a credential still works.

mod baseline;
mod decode;
mod files;
mod git;
mod glob;
mod input;
mod output;
mod own;
mod path;
mod read;
mod report;
mod rule;
mod scan;
mod search;
mod walk;

#[cfg(test)]
mod tests;

pub use input::{Input, Shard};
pub use output::{History, Output, Skipped, Unsupported};

use crate::baseline::Baseline;
use crate::files::Scan;
use crate::report::Reporter;
use crate::search::Search;
use crate::walk::walk;
use bailiwick_sdk::{Failure, log, progress};
use std::path::Path;

/// BOUND: how many unsupported parts of a configuration are named.
const UNSUPPORTED_NAMED_MAX: usize = 100;

/// Scans, and reports what it finds.
///
/// # Errors
///
/// If the input is invalid, or the folder, the configuration or the baseline that it names can't be read.
pub fn run(input: Input) -> Result<Output, Failure> {
    let globs = input.checked()?;
    let root = input.root.trim_end_matches('/');
    let listable = if root.is_empty() { Path::new("/") } else { Path::new(root) };
    let own = own::load(listable, input.gitleaks_config.as_deref())?;
    let baseline = known(listable, input.baseline.as_deref())?;
    let search = Search::new(own).map_err(|err| Failure::caused("rules", &err))?;
    let mut scan = Scan {
        root,
        search: &search,
        reporter: Reporter::new(input.max_findings, baseline, input.history),
        file_bytes_max: input.max_file_bytes,
        shard: input.shard,
        buffer: Vec::new(),
        output: Output::default(),
    };
    walk(listable, &globs, &mut |found| scan.take(&found))
        .map_err(|err| Failure::new("root", format!("`{}` can't be listed: {err}", input.root)))?;
    scan.tell_of_the_rest();
    let bounds = git::Bounds { commits: input.max_commits, unpacked_bytes: input.max_history_bytes };
    let history = input.history.then(|| git::search(&mut scan, &globs, listable, &bounds));
    let mut output = scan.output;
    output.history = history;
    output.findings = scan.reporter.found();
    output.findings_unreported = scan.reporter.unreported();
    output.own_rules = search.own.rules() as u64;
    output.unsupported = search.own.unsupported();
    tell(&mut output.unsupported);
    output.findings_known = scan.reporter.known();
    progress::update(output.files_scanned, output.files_scanned, "files scanned");
    log::info!(
        "{} files and {} bytes searched, {} findings, skipped: {:?}",
        output.files_scanned,
        output.bytes,
        output.findings,
        output.files_skipped
    );
    Ok(output)
}

bailiwick_sdk::agent!(run);

/// The findings that the baseline lists, if there is a baseline.
fn known(root: &Path, baseline: Option<&str>) -> Result<Baseline, Failure> {
    let Some(path) = baseline else { return Ok(Baseline::default()) };
    let known = Baseline::load(&root.join(path)).map_err(|err| Failure::new("baseline", format!("`{path}` can't be read: {err}")))?;
    log::info!("{} fingerprints are known", known.len());
    Ok(known)
}

/// Warns the operator of unsupported parts of the configuration, and keeps only the first ones in the output.
fn tell(unsupported: &mut Vec<Unsupported>) {
    if !unsupported.is_empty() {
        log::warn!("{} parts of the gitleaks configuration are not supported, see `unsupported`", unsupported.len());
    }
    if let Some(more) = unsupported.len().checked_sub(UNSUPPORTED_NAMED_MAX).filter(|more| *more > 0) {
        unsupported.truncate(UNSUPPORTED_NAMED_MAX);
        unsupported.push(Unsupported { rule: String::new(), why: format!("and {more} more") });
    }
}
