//! Finds leaked credentials in a folder: known token shapes and private keys, reported without the secret itself.
//! Knows no network: whether a credential still works is another agent's question.

mod glob;
mod report;
mod rule;
mod scan;
mod walk;

#[cfg(test)]
mod tests;

use crate::glob::Globs;
use crate::report::Reporter;
use crate::scan::Scanner;
use crate::walk::{Found, walk};
use bailiwick_sdk::{Failure, JsonSchema, log, progress};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// BOUND: a file is read into memory whole, so this is what one may cost at most.
const FILE_BYTES_LIMIT: u64 = 16 * 1024 * 1024;
/// BOUND: how many findings a run may ask for.
const FINDINGS_LIMIT: u32 = 100_000;
/// A NUL within this much of the beginning makes a file binary.
const HEAD_BYTES: usize = 8 * 1024;
/// How many files lie between two words on progress.
const PROGRESS_EVERY: u64 = 32;
/// BOUND: how much of what could not be read is told by its name; the rest is one number.
const UNREADABLE_NAMED_MAX: u64 = 20;

/// Which folder is scanned, and how far.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Input {
    /// The folder, as the agent sees it.
    pub root: String,
    /// A larger file is skipped and counted.
    #[schemars(range(min = 1, max = 16_777_216))]
    pub max_file_bytes: u64,
    /// What is left out. `*` matches within a name, `**` across folders. A pattern without a slash matches a name at any
    /// depth, one with a slash the path below the root. A folder that matches is not entered.
    #[schemars(length(max = 64), inner(length(min = 1, max = 256)))]
    pub exclude: Vec<String>,
    /// Findings past this number are counted and not reported.
    #[schemars(range(max = 100_000))]
    pub max_findings: u32,
}

impl Default for Input {
    fn default() -> Self {
        Self { root: "/src".to_owned(), max_file_bytes: 1024 * 1024, exclude: Vec::new(), max_findings: 1000 }
    }
}

/// What was scanned, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Output {
    /// Files read to their end and searched.
    pub files_scanned: u64,
    /// What was not searched, by reason.
    pub files_skipped: Skipped,
    /// Bytes searched.
    pub bytes: u64,
    /// Everything found.
    pub findings: u64,
    /// Of these, how many were not reported: past `max-findings`, or refused by the host.
    pub findings_unreported: u64,
}

/// Why something was not searched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Skipped {
    /// Files with a NUL within their first 8 KiB; UTF-16 text is among these.
    pub binary: u64,
    /// Files larger than `max-file-bytes`.
    pub too_large: u64,
    /// Files and folders that could not be read, and what is neither file nor folder.
    pub unreadable: u64,
    /// Symbolic links; none is followed.
    pub symlink: u64,
    /// Files and folders that `exclude` names, `.git`, and folders that a `CACHEDIR.TAG` marks; a folder counts once.
    pub excluded: u64,
}

fn run(input: Input) -> Result<Output, Failure> {
    let globs = checked(&input)?;
    let root = input.root.trim_end_matches('/');
    let mut scan = Scan {
        scanner: Scanner::new().map_err(|err| Failure::caused("rules", &err))?,
        reporter: Reporter::new(input.max_findings),
        file_bytes_max: input.max_file_bytes,
        buffer: Vec::new(),
        output: Output::default(),
    };
    let listable = if root.is_empty() { Path::new("/") } else { Path::new(root) };
    walk(listable, &globs, &mut |found| scan.take(root, &found))
        .map_err(|err| Failure::new("root", format!("`{}` can't be listed: {err}", input.root)))?;
    scan.tell_of_the_rest();
    let mut output = scan.output;
    output.findings = scan.reporter.found();
    output.findings_unreported = scan.reporter.unreported();
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

/// The host checks the input against the schema; this holds without it too.
fn checked(input: &Input) -> Result<Globs, Failure> {
    let bad = |message: String| Err(Failure::new(Failure::BAD_INPUT, message));
    if !(1..=FILE_BYTES_LIMIT).contains(&input.max_file_bytes) {
        return bad(format!("`max-file-bytes` is not between 1 and {FILE_BYTES_LIMIT}"));
    }
    if input.max_findings > FINDINGS_LIMIT {
        return bad(format!("`max-findings` is more than {FINDINGS_LIMIT}"));
    }
    Globs::new(&input.exclude).or_else(|err| bad(format!("`exclude`: {err}")))
}

/// One scan under way.
struct Scan {
    scanner: Scanner,
    reporter: Reporter,
    file_bytes_max: u64,
    /// Used again for each file, so that memory does not grow with their number.
    buffer: Vec<u8>,
    output: Output,
}

impl Scan {
    fn take(&mut self, root: &str, found: &Found<'_>) {
        let skipped = &mut self.output.files_skipped;
        match found {
            Found::File { path, relative } => self.file(root, path, relative),
            Found::Symlink => skipped.symlink += 1,
            Found::Excluded => skipped.excluded += 1,
            Found::Unreadable { relative, err } => self.unreadable(root, relative, err),
        }
    }

    /// The operator is to see what was not searched: a secret may be in there.
    fn unreadable(&mut self, root: &str, relative: &str, err: &io::Error) {
        let unreadable = &mut self.output.files_skipped.unreadable;
        *unreadable += 1;
        if *unreadable <= UNREADABLE_NAMED_MAX {
            log::warn!("could not search `{root}/{relative}`: {err}");
        }
    }

    fn tell_of_the_rest(&self) {
        let unnamed = self.output.files_skipped.unreadable.saturating_sub(UNREADABLE_NAMED_MAX);
        if unnamed > 0 {
            log::warn!("could not search {unnamed} more");
        }
    }

    fn file(&mut self, root: &str, path: &Path, relative: &str) {
        let content = File::open(path).and_then(|file| read(file, self.file_bytes_max, &mut self.buffer));
        let skipped = &mut self.output.files_skipped;
        match content {
            Ok(Content::Text { bytes }) => {
                let text = self.buffer.get(..bytes).unwrap_or_default();
                self.output.files_scanned += 1;
                self.output.bytes += text.len() as u64;
                self.reporter.report(root, relative, text, &self.scanner.hits(text));
                if self.output.files_scanned.is_multiple_of(PROGRESS_EVERY) {
                    progress::update(self.output.files_scanned, 0, relative);
                }
            }
            Ok(Content::Binary) => skipped.binary += 1,
            Ok(Content::TooLarge) => skipped.too_large += 1,
            Err(err) => self.unreadable(root, relative, &err),
        }
    }
}

enum Content {
    /// So many bytes at the beginning of the buffer.
    Text {
        bytes: usize,
    },
    Binary,
    TooLarge,
}

/// Reads a file to its end into `buffer`, or as much of it as it takes to see that it is to be skipped.
fn read(mut file: File, bytes_max: u64, buffer: &mut Vec<u8>) -> io::Result<Content> {
    let length = file.metadata()?.len();
    if length > bytes_max {
        return Ok(Content::TooLarge);
    }
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let head = fill(&mut file, buffer, 0, HEAD_BYTES.min(length.saturating_add(1)))?;
    if buffer.get(..head).is_some_and(|head| head.contains(&0)) {
        return Ok(Content::Binary);
    }
    // It may have grown since: read on to its end, up to one byte more than is allowed.
    let mut end = head;
    let mut room = length.max(head).saturating_add(1);
    loop {
        let filled = fill(&mut file, buffer, end, room)?;
        if filled > bytes_max {
            return Ok(Content::TooLarge);
        }
        if filled < room {
            return Ok(Content::Text { bytes: filled });
        }
        end = filled;
        room = bytes_max.saturating_add(1).min(room.saturating_mul(2));
    }
}

/// Reads into `buffer[from..to]` and returns where it came to: `to`, or less at the end of the file.
fn fill(file: &mut File, buffer: &mut Vec<u8>, from: usize, to: usize) -> io::Result<usize> {
    if buffer.len() < to {
        buffer.resize(to, 0);
    }
    let mut at = from;
    while let Some(rest) = buffer.get_mut(at..to).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(read) => at += read,
            Err(err) if err.kind() == io::ErrorKind::Interrupted => {}
            Err(err) => return Err(err),
        }
    }
    Ok(at)
}
