//! `home du`: the disk space that a home uses, by kind.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use clap::Subcommand;
use serde::Serialize;
use vocabulary::exit;

use crate::err::CliError;
use crate::{out, place, words};

/// BOUND: depth of nested folders that are counted. Nothing in a home is that deep.
const DEPTH_MAX: usize = 64;

/// Look after the home
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick home du
  bailiwick home du --json";

#[derive(Debug, Subcommand)]
enum Verb {
    Du(DuArgs),
}

/// Show how much disk space each part of the home uses
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DuArgs {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Each kind of file in a home: the beginning of its path, what it is, and how to reduce its size.
const KINDS: &[(&str, &str, &str)] = &[
    ("journal/", "the record", "`bailiwick prune`"),
    ("set-aside-", "damaged parts that were set aside", "keep them with the record, or archive them"),
    ("journal.touched", "index of what was touched", "remove it; it is created again"),
    ("journal.index", "index of the record", "remove it; it is created again"),
    ("keys", "keys of runs", "one slot for each run stays"),
    ("cache/", "compiled components", "entries that were not used for a long time are removed automatically"),
    ("build/", "builds", "entries that were not used for a long time are removed automatically"),
    ("components/", "components", "they are needed to replay runs"),
    ("vault", "values of credentials", ""),
    ("", "everything else", ""),
];

#[derive(Serialize)]
struct HomeRow {
    what: &'static str,
    /// The space that it uses on the disk, in bytes.
    bytes: u64,
    files: u64,
    less: &'static str,
}

pub(crate) fn run(args: &Args) -> Result<u8, CliError> {
    let Verb::Du(args) = &args.verb;
    let place = place::place()?;
    let mut sums: BTreeMap<usize, (u64, u64)> = BTreeMap::new();
    add(&place.home, Path::new(""), 0, &mut sums)?;
    let row = |(kind, (bytes, files)): (usize, (u64, u64))| KINDS.get(kind).map(|(_, what, less)| HomeRow { what, bytes, files, less });
    let mut rows: Vec<HomeRow> = sums.into_iter().filter_map(row).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.bytes));
    if args.json {
        out::json(&rows)?;
        return Ok(exit::DONE);
    }
    let total = |of: fn(&HomeRow) -> u64| rows.iter().map(of).sum::<u64>();
    let mut table = vec![["SIZE", "FILES", "WHAT", "HOW TO REDUCE IT"].map(str::to_owned).to_vec()];
    table.extend(rows.iter().map(|row| vec![words::bytes(row.bytes), words::count(row.files), row.what.to_owned(), row.less.to_owned()]));
    table.push(vec![words::bytes(total(|row| row.bytes)), words::count(total(|row| row.files)), "in total".to_owned(), String::new()]);
    out::table(&table)?;
    Ok(exit::DONE)
}

/// The space that a home uses on the disk, in bytes, as far as its folders can be listed.
pub(super) fn taken(home: &Path) -> u64 {
    let mut sums = BTreeMap::new();
    // The other rows of `doctor --home` report what can't be listed.
    let _ = add(home, Path::new(""), 0, &mut sums);
    sums.values().map(|(bytes, _)| bytes).sum()
}

fn add(home: &Path, within: &Path, depth: usize, sums: &mut BTreeMap<usize, (u64, u64)>) -> Result<(), CliError> {
    let folder = home.join(within);
    let names = match home::list(&folder) {
        // A home in which nothing has run, or a folder that was removed since it was listed.
        Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        names => names.map_err(CliError::file("list", &folder))?,
    };
    for name in names {
        let path = within.join(&name);
        let Ok(found) = std::fs::symlink_metadata(home.join(&path)) else { continue };
        if found.is_dir() {
            if depth < DEPTH_MAX {
                add(home, &path, depth + 1, sums)?;
            }
            continue;
        }
        let text = path.to_string_lossy();
        let kind = KINDS.iter().position(|(begins, ..)| text.starts_with(begins)).unwrap_or(KINDS.len() - 1);
        let sum = sums.entry(kind).or_default();
        // Space that is reserved but not used counts too, as in `du`.
        sum.0 = sum.0.saturating_add(found.blocks().saturating_mul(512));
        sum.1 += 1;
    }
    Ok(())
}
