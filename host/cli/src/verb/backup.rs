//! `backup`: everything in the home that can't be created again, in one signed file.

use std::path::PathBuf;
use std::sync::Arc;

use ::run::{BackupStep, CleanUp, Content};
use serde::Serialize;
use vocabulary::exit;

use crate::err::CliError;
use crate::screen::Screen;
use crate::signals::Signals;
use crate::{out, place, words};

/// Make a backup of the home, also while runs are active
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The file to create; it must not exist yet
    file: PathBuf,
    /// Seal the backup under the passphrase in this file
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Leave out the files with keys; without a copy of those, the backup can be verified, but nothing sealed in it can be opened
    #[arg(long)]
    without_keys: bool,
    /// Print what is in the backup as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick backup /backup/monday
  bailiwick backup /backup/monday --passphrase-file ~/backup-passphrase
  bailiwick restore /backup/monday                into an empty home

The record is verified first, and the backup contains it up to that point. The backup is signed with the key of the record. It leaves out \
caches, built and compiled code, and components that no open run needs. A backup contains the keys of the home as they are: a person who \
has the file can read what is sealed in the home, unless the backup is sealed under a passphrase of its own, or made without keys.";

#[derive(Serialize)]
struct Made {
    file: String,
    log: String,
    size: u64,
    root: vocabulary::Digest,
    files: usize,
    bytes: u64,
    open: Vec<vocabulary::RunId>,
    sealed: bool,
    with_keys: bool,
}

pub(crate) async fn run(args: &Args) -> Result<u8, CliError> {
    let mut signals = Signals::new()?;
    let place = place::place()?;
    let passphrase = args.passphrase_file.as_deref().map(key::read_passphrase).transpose().map_err(::run::BackupError::from)?;
    let is_sealed = passphrase.is_some();
    let content = if args.without_keys { Content::WithoutKeys } else { Content::WithKeys };
    let (file, ending, screen) = (args.file.clone(), Arc::new(CleanUp::default()), Screen::shared());
    let (ended, shown) = (ending.clone(), screen.clone());
    let asked = place.clone();
    let work = move || {
        let passphrase = passphrase.as_ref().map(|bytes| bytes.as_slice());
        Ok(::run::backup(&asked, &file, content, passphrase, &ended, &mut |step| match step {
            BackupStep::Proved(records) => shown.quietly(&format!("verified {} records", words::count(records))),
            BackupStep::Copied(bytes, of) => shown.quietly(&format!("copied {} of {}", words::bytes(bytes), words::bytes(of))),
        })?)
    };
    let taken: Result<_, CliError> = signals.undoing(&ending, work).await;
    screen.clear();
    let taken = taken?;
    if args.json {
        out::json(&Made {
            file: args.file.to_string_lossy().into_owned(),
            log: taken.log,
            size: taken.size,
            root: taken.root,
            files: taken.files,
            bytes: taken.bytes,
            open: taken.open,
            sealed: is_sealed,
            with_keys: !args.without_keys,
        })?;
        return Ok(exit::DONE);
    }
    let files = words::many(taken.files as u64, "file", "files");
    out::words(&format!("backup    {}: {files}, {}", words::safe(&args.file.to_string_lossy()), words::bytes(taken.bytes)));
    out::words(&format!("record    {}, root {}", words::many(taken.size, "record", "records"), words::short_hex(&taken.root)));
    if !taken.open.is_empty() {
        out::words(&format!("open      {} that had not ended", words::many(taken.open.len() as u64, "run", "runs")));
    }
    match (is_sealed, args.without_keys) {
        (true, _) => out::words("sealed    under the passphrase: without it, nobody can open the backup, not even you"),
        (false, true) => {
            out::words("keys      not included: keep `journal.key`, `home.key`, `keys` and `vault.key*` of the home elsewhere")
        }
        (false, false) => out::words("keys      included as they are in the home: keep the file where only you can read it"),
    }
    if !args.without_keys
        && let Some(needed) = needed(&place)
    {
        out::words(&needed);
    }
    Ok(exit::DONE)
}

/// What opens the keys of a home, if they are sealed. No backup contains that.
pub(super) fn needed(place: &::run::HomePlace) -> Option<String> {
    let under =
        journal::kept(&place.home).ok()?.into_iter().flatten().map(|under| under.words()).collect::<std::collections::BTreeSet<_>>();
    let words = under.into_iter().collect::<Vec<_>>().join(", and ");
    (!words.is_empty()).then(|| format!("needed    {}, which opens the keys of the home and is not in any backup", words::safe(&words)))
}
