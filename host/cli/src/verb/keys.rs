//! `keys`: replaces the keys of the home.

use std::path::{Path, PathBuf};

use journal::{Keep, KeyRotation};
use vocabulary::record::{KeyRotated, Record, RecordKind, RotatedKey, VERSION};
use vocabulary::{SafeText, exit};

use crate::err::{CliError, KeysError};
use crate::signals::Signals;
use crate::{out, place};
use service::now_s;

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
    /// Replace the present keys by new ones, while nothing runs
    #[command(after_help = EXAMPLES)]
    Rotate(Rotate),
}

#[derive(Debug, clap::Args)]
struct Rotate {
    /// The keys to rotate
    #[arg(value_enum, required = true)]
    keys: Vec<Which>,
    #[command(flatten)]
    keep: KeepArgs,
}

/// How the new keys are kept; without any of these options, like the present ones.
#[derive(Debug, clap::Args)]
#[group(multiple = false)]
struct KeepArgs {
    /// Seal them under the 32 bytes in this file, for instance on another disk; the file is created if it does not exist
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Seal them under the passphrase in this file, which `BAILIWICK_PASSPHRASE_FILE` names from then on
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Seal them under a key of the kernel: type `user`, description `bailiwick-keys:` and the path of the home
    #[arg(long)]
    keyring: bool,
    /// Keep them unsealed in the home
    #[arg(long)]
    in_home: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    /// The key that signs the record
    Journal,
    /// The key that wraps the keys of runs
    Home,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick keys rotate journal
  bailiwick keys rotate journal home --key-file /media/stick/bailiwick.key
  bailiwick keys rotate journal home --passphrase-file ~/passphrase

The record names the new key, and continues under the same name. `journal.pub` then has both public keys, the new one signed by the old \
one: a person who trusts a copy of the old one can verify what the new one signs. Earlier copies of the home can still be read with the \
old keys.

A sealed key opens only with the file, the passphrase or the key of the kernel. Each command needs it, and nothing runs without it. If it \
is lost, the sealed key is lost too: keep a copy of it, apart from the home.";

pub(crate) async fn run(args: &Args) -> Result<u8, CliError> {
    let mut signals = Signals::new()?;
    let What::Rotate(rotate) = &args.what;
    let keep = rotate.keep.keep()?;
    let place = place::place()?;
    if let Keep::UnderPassphrase(file) = &keep {
        one_passphrase(&place, &rotate.keys, file)?;
        // Named after the file of the environment, which opens the present keys.
        key::name_passphrase_file(file.clone());
    }
    let was_there = matches!(&keep, Keep::UnderFile(file) if file.exists());
    let mut done = Vec::new();
    for which in &rotate.keys {
        let (key, of) = which.called();
        let (asked, keep) = (place.clone(), keep.clone());
        let work =
            move || Ok::<_, CliError>(journal::rotate(&asked.home, Some(&asked.state), (key, &keep), place::journal_options(), record));
        let rotated =
            signals.finishing(work).await?.map_err(|cause| KeysError::Failed { of, done: done.clone(), cause: Box::new(cause) })?;
        out::words(&format!("was  {}", rotated.was));
        out::words(&format!("now  {}", rotated.now));
        done.push(of);
    }
    if rotate.keys.contains(&Which::Journal) {
        out::words("keep a copy of `journal.pub` elsewhere: it has both public keys, the new one signed by the old one");
    }
    needed(&place, &keep, was_there);
    Ok(exit::DONE)
}

/// Checks that one passphrase opens everything that is sealed under a passphrase, since a later command takes only one.
fn one_passphrase(place: &::run::HomePlace, rotated: &[Which], file: &Path) -> Result<(), KeysError> {
    for (which, under) in [Which::Journal, Which::Home].into_iter().zip(journal::kept(&place.home).unwrap_or_default()) {
        if !rotated.contains(&which) && matches!(under, Some(key::Under::Passphrase(..))) {
            return Err(KeysError::TwoPassphrases { other: which.called().1 });
        }
    }
    match vault::Local::new(&place.home).with_passphrase_file(file).list() {
        Err(vault::LocalError::OtherPassphrase { .. }) => Err(KeysError::VaultUnderOther(file.to_owned())),
        // Other errors of the vault do not concern these keys.
        _ => Ok(()),
    }
}

/// Prints what each command needs from now on.
fn needed(place: &::run::HomePlace, keep: &Keep, was_there: bool) {
    let words = match keep {
        Keep::AsNow | Keep::InHome => return,
        Keep::UnderPassphrase(_) => "`BAILIWICK_PASSPHRASE_FILE` to name the file with the passphrase".to_owned(),
        Keep::UnderKeyring => "the key of the kernel; keep a copy of it, since a restart removes it".to_owned(),
        Keep::UnderFile(file) => {
            let was = if was_there { "existed already" } else { "was created" };
            format!("`{}`, which {was}; keep a copy of it", file.display())
        }
    };
    out::words(&format!("from now on each command needs {words}"));
    let has_key_file = home::list(&place.home).unwrap_or_default().iter().any(|name| name.to_string_lossy().starts_with("vault.key"));
    if has_key_file {
        out::words("the vault of credentials has its own key, which is unsealed in the home: `bailiwick credentials seal --help`");
    }
}

impl Which {
    /// The key as the journal names it, and what it belongs to, in words.
    fn called(self) -> (RotatedKey, &'static str) {
        match self {
            Self::Journal => (RotatedKey::Journal, "journal"),
            Self::Home => (RotatedKey::Home, "home"),
        }
    }
}

impl KeepArgs {
    fn keep(&self) -> Result<Keep, CliError> {
        let absolute = |path: &Path| {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let name = path.file_name().filter(|_| !path.as_os_str().as_encoded_bytes().ends_with(b"/"));
            let name = name.ok_or_else(|| CliError::NotAFile(path.to_owned()))?;
            Ok::<_, CliError>(folder.canonicalize().map_err(CliError::file("find", folder))?.join(name))
        };
        Ok(match self {
            Self { key_file: Some(file), .. } => Keep::UnderFile(absolute(file)?),
            Self { passphrase_file: Some(file), .. } => Keep::UnderPassphrase(absolute(file)?),
            Self { keyring: true, .. } => Keep::UnderKeyring,
            Self { in_home: true, .. } => Keep::InHome,
            _ => Keep::AsNow,
        })
    }
}

fn record(rotation: &KeyRotation) -> Vec<u8> {
    let text = |text: &str| SafeText::new(text, TEXT_BYTES_MAX);
    let record = KeyRotated {
        at: now_s() * 1000,
        by: ::run::own_principal(),
        from: rotation.from,
        key: rotation.key,
        kind: RecordKind::KeyRotated,
        link: rotation.link.as_deref().map(text),
        now: text(&rotation.now),
        under: rotation.under,
        v: VERSION,
        was: text(&rotation.was),
    };
    Record::from(record).to_bytes()
}
