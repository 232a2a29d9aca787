//! `keys`: other keys in the place of those of the home.

use std::path::{Path, PathBuf};

use effect::SafeText;
use effect::record::{KeyRotated, Kind, Record, RotatedKey, VERSION};
use journal::{Keep, Rotation};

use crate::err::CliError;
use crate::{exit, out, place};

/// BOUND: bytes of a public key on the record, and of a signature.
const TEXT_BYTES_MAX: usize = 256;

/// Rotate the keys of the home
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Put new keys in the place of the present ones, while nothing runs
    #[command(after_help = EXAMPLES)]
    Rotate(Rotate),
}

#[derive(Debug, clap::Args)]
struct Rotate {
    /// Which keys
    #[arg(value_enum, required = true)]
    keys: Vec<Which>,
    #[command(flatten)]
    keep: KeepArgs,
}

/// Where the new keys are kept; without any of these, as the present ones are.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct KeepArgs {
    /// Seal them under the 32 bytes in this file, which is made if it is not there: on another disk, say
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Seal them under the passphrase in this file, which `BAILIWICK_PASSPHRASE_FILE` names from then on
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Seal them under a key of the kernel: type `user`, description `bailiwick-keys:` and the path of the home
    #[arg(long)]
    keyring: bool,
    /// Keep them open in the home
    #[arg(long)]
    in_home: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    /// The one that signs the record
    Journal,
    /// The one that wraps the keys of runs
    Home,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick keys rotate journal
  bailiwick keys rotate journal home --key-file /media/stick/bailiwick.key
  bailiwick keys rotate journal home --passphrase-file ~/passphrase

The record names the new key, and goes on under the same name. `journal.pub` then has both public keys, the new one signed by the old one, so who \
trusts a copy of the old one can verify what the new one signs. What was copied of the home before can be read with the old keys for ever.

A key that is sealed opens only while the file, the passphrase or the key of the kernel is at hand: for each command, and without it nothing runs. If \
that is lost, so is the key: keep a copy of it, apart from the home.";

pub(crate) fn run(args: &Args) -> Result<u8, CliError> {
    let What::Rotate(rotate) = &args.what;
    let keep = rotate.keep.keep()?;
    if let Keep::UnderPassphrase(file) = &keep {
        // After the one that the environment names, which opens the present keys.
        key::name_passphrase_file(file.clone());
    }
    let place = place::place()?;
    for which in &rotate.keys {
        let key = if *which == Which::Journal { RotatedKey::Journal } else { RotatedKey::Home };
        let options = place::journal_options();
        let done = journal::rotate(&place.home, Some(&place.state), (key, &keep), options, record).map_err(CliError::Keys)?;
        out::words(&format!("was  {}", done.was));
        out::words(&format!("now  {}", done.now));
    }
    if rotate.keys.contains(&Which::Journal) {
        out::words("keep a copy of `journal.pub` elsewhere: it has both, the new one signed by the old one");
    }
    match &keep {
        Keep::UnderPassphrase(_) => {
            out::words("from now on `BAILIWICK_PASSPHRASE_FILE` has to name the file with the passphrase, for each command");
        }
        Keep::UnderFile(file) => out::words(&format!("from now on each command needs `{}`; keep a copy of it", file.display())),
        Keep::UnderKeyring => {
            out::words("from now on each command needs the key of the kernel; keep a copy of it, since a restart takes it away")
        }
        Keep::AsNow | Keep::InHome => {}
    }
    Ok(exit::DONE)
}

impl KeepArgs {
    fn keep(&self) -> Result<Keep, CliError> {
        let absolute = |path: &Path| std::path::absolute(path).map_err(CliError::file("find", path));
        Ok(match self {
            Self { key_file: Some(file), .. } => Keep::UnderFile(absolute(file)?),
            Self { passphrase_file: Some(file), .. } => Keep::UnderPassphrase(absolute(file)?),
            Self { keyring: true, .. } => Keep::UnderKeyring,
            Self { in_home: true, .. } => Keep::InHome,
            _ => Keep::AsNow,
        })
    }
}

fn record(rotation: &Rotation) -> Vec<u8> {
    let text = |text: &str| SafeText::new(text, TEXT_BYTES_MAX);
    let record = KeyRotated {
        at: place::now_s() * 1000,
        by: ::run::own_principal(),
        from: rotation.from,
        key: rotation.key,
        kind: Kind::KeyRotated,
        link: rotation.link.as_deref().map(text),
        now: text(&rotation.now),
        under: rotation.under,
        v: VERSION,
        was: text(&rotation.was),
    };
    Record::from(record).to_bytes()
}
