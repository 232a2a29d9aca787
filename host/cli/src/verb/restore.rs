//! `restore`: restores a backup into an empty home.

use std::path::PathBuf;
use std::sync::Arc;

use ::run::{CleanUp, Restored, Signer};
use serde::Serialize;
use vocabulary::exit;

use super::audit::public_key;
use crate::err::CliError;
use crate::signals::Signals;
use crate::{out, place, words};

/// Restore a backup into an empty home
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The file of the backup
    file: PathBuf,
    /// The public key of the key that the backup must be signed with
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The file with the passphrase that the backup is sealed under
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Print what was restored as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick restore /backup/monday
  bailiwick restore /backup/monday --key journal.pub --passphrase-file ~/backup-passphrase

All of the backup is checked before anything is put in place, and it is put in place completely or not at all. The home does not know what \
happened after the backup was made: if the state remembers more, run `bailiwick audit accept-rollback`. A run that was open needs \
`bailiwick resume RUN --restored`, since what it did after the backup may be done again.";

#[derive(Serialize)]
struct Done {
    log: String,
    size: u64,
    root: vocabulary::Digest,
    /// When the backup was begun, milliseconds since 1970.
    backup_at: u64,
    files: usize,
    open: Vec<vocabulary::RunId>,
    with_keys: bool,
    signer: &'static str,
    /// How many records of this log the state remembers.
    remembered: Option<u64>,
}

pub(crate) async fn run(args: &Args) -> Result<u8, CliError> {
    let mut signals = Signals::new()?;
    let place = place::to_restore()?;
    let key = args.key.as_deref().map(public_key).transpose()?;
    let passphrase = args.passphrase_file.as_deref().map(key::read_passphrase).transpose().map_err(::run::BackupError::from)?;
    let (file, ending) = (args.file.clone(), Arc::new(CleanUp::default()));
    let ended = ending.clone();
    let asked = place.clone();
    let work = move || {
        let passphrase = passphrase.as_ref().map(|bytes| bytes.as_slice());
        ::run::restore(&asked, &file, key.as_ref(), passphrase, &ended).map_err(CliError::from)
    };
    let done = signals.undoing(&ending, work).await?;
    if args.json {
        out::json(&Done {
            log: done.log,
            size: done.size,
            root: done.root,
            backup_at: done.at,
            files: done.files,
            open: done.open,
            with_keys: done.with_keys,
            signer: if done.signer == Signer::Given { "given" } else { "in-backup" },
            remembered: done.remembered,
        })?;
    } else {
        told(&done).iter().chain(&super::backup::needed(&place)).for_each(|line| out::words(line));
    }
    Ok(exit::DONE)
}

fn told(done: &Restored) -> Vec<String> {
    let size = words::many(done.size, "record", "records");
    let mut lines = vec![
        format!("restored  {} as of {} UTC", words::many(done.files as u64, "file", "files"), words::utc(done.at)),
        format!("record    {size}, root {}", words::short_hex(&done.root)),
    ];
    lines.push(match done.signer {
        Signer::Given => "signer    checked with the given key".to_owned(),
        Signer::InBackup => {
            "signer    not checked: the key came from the backup itself; name your own copy of `journal.pub` with --key".to_owned()
        }
    });
    lines.push(match done.remembered {
        None => {
            "state     this machine remembers nothing of this record, so it can't tell whether more was recorded after the backup"
                .to_owned()
        }
        Some(known) if known > done.size => format!(
            "state     the backup is older than what is remembered: {} of {} records; `bailiwick audit accept-rollback` accepts it as it is",
            words::count(done.size),
            words::count(known)
        ),
        Some(_) => "state     nothing was recorded after the backup, as far as this machine remembers".to_owned(),
    });
    if !done.open.is_empty() {
        let runs = words::many(done.open.len() as u64, "run was", "runs were");
        lines.push(format!(
            "open      {runs} active when the backup was made: what they did since is not known here; `bailiwick ps` shows them"
        ));
    }
    if !done.with_keys {
        lines.push(
            "keys      not in the backup: put `journal.key`, `home.key`, `keys` and `vault.key*` into the home before it is used"
                .to_owned(),
        );
    }
    lines
}
