//! `keys`: other keys in the place of those of the home.

use effect::SafeText;
use effect::record::{KeyRotated, Kind, Record, RotatedKey, VERSION};
use journal::Rotation;

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
    /// Put a new key in the place of the present one, while nothing runs
    #[command(after_help = EXAMPLES)]
    Rotate {
        /// Which key
        #[arg(value_enum)]
        key: Which,
    },
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
  bailiwick keys rotate home

The record names the new key, and goes on under the same name. `journal.pub` then has both public keys, the new one signed by the old one, so who \
trusts a copy of the old one can verify what the new one signs. What was copied of the home before can be read with the old keys for ever.";

pub(crate) fn run(args: &Args) -> Result<u8, CliError> {
    let What::Rotate { key } = args.what;
    let place = place::place()?;
    let key = if key == Which::Journal { RotatedKey::Journal } else { RotatedKey::Home };
    let done = journal::rotate(&place.home, Some(&place.state), key, place::journal_options(), record).map_err(CliError::Keys)?;
    out::words(&format!("was  {}", done.was));
    out::words(&format!("now  {}", done.now));
    if key == RotatedKey::Journal {
        out::words("keep a copy of `journal.pub` elsewhere: it has both, the new one signed by the old one");
    }
    Ok(exit::DONE)
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
        v: VERSION,
        was: text(&rotation.was),
    };
    Record::from(record).to_bytes()
}
