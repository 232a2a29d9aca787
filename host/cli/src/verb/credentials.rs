//! `credentials`: manages the values in the vault of this home and their use by the configuration. No value is ever printed.

mod enter;
mod known;
mod list;
mod recorded;
mod review;
mod revoke;
mod set;

use ::run::{CredentialWord, HomePlace};
use vault::{KeySource, Local, LocalError};
use vocabulary::exit;
use vocabulary::record::{CredentialChange, SealedUnder};

use self::recorded::Home;
use super::ConfigArg;
use crate::err::CliError;
use crate::{out, place, words};

/// Keep, list, review and revoke the values of credentials
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Set a value, from a prompt or from standard input, and where it may go
    #[command(after_help = SET)]
    Set {
        #[command(flatten)]
        valued: Valued,
        /// A destination of the value, whatever a configuration says; may be repeated
        #[arg(long = "for", value_name = "URL")]
        destinations: Vec<String>,
    },
    /// List the credentials, without their values
    #[command(after_help = LS)]
    Ls {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one credential: where it may go, which agents may use it, and which have used it
    #[command(after_help = SHOW)]
    Show {
        /// The NAME in `[credentials.NAME]`
        name: String,
        #[command(flatten)]
        config: ConfigArg,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Replace the present value by a new one; active runs use it from their next request on
    #[command(after_help = ROTATE)]
    Rotate(Valued),
    /// Revoke a credential, or end leases of active runs: at once, with their streams and connections
    #[command(after_help = REVOKE)]
    Revoke(Revoke),
    /// Allow a revoked credential again, if its value is not in the vault
    #[command(after_help = RESTORE)]
    Restore(Named),
    /// Delete a credential: its value, its destinations and its version
    #[command(after_help = RM)]
    Rm(Named),
    /// Seal the vault under another key: from a file in the home, a passphrase, or the kernel's key ring
    #[command(after_help = SEAL)]
    Seal {
        /// The kind of key
        #[arg(value_enum)]
        under: Under,
    },
    /// Show faults of credentials: unused, guessable, too wide, overdue, shared, in two environments, without an owner
    #[command(after_help = REVIEW)]
    Review {
        #[command(flatten)]
        config: ConfigArg,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Under {
    /// A key in the file `vault.key` of the home
    File,
    /// A passphrase from a prompt or standard input; from then on `BAILIWICK_PASSPHRASE_FILE` names the file with it
    Passphrase,
    /// A key of the kernel, type `user`, description `bailiwick-vault:` and the path of the home
    Keyring,
}

#[derive(Debug, clap::Args)]
struct Named {
    /// The NAME in `[credentials.NAME]`
    name: String,
}

#[derive(Debug, clap::Args)]
struct Valued {
    /// The NAME in `[credentials.NAME]`
    name: String,
    /// Accept a value that can be guessed
    #[arg(long)]
    weak: bool,
    /// Accept a value that the credential had before, and that was replaced, revoked or removed
    #[arg(long)]
    again: bool,
}

#[derive(Debug, clap::Args)]
struct Revoke {
    /// The credential. Without another option, no run may use it any more
    name: Option<String>,
    /// Only for active runs of this agent
    #[arg(long)]
    agent: Option<String>,
    /// Only for this active run
    #[arg(long)]
    run: Option<String>,
    /// Only this lease: `RUN/NAME`
    #[arg(long, conflicts_with_all = ["name", "agent", "run"])]
    lease: Option<String>,
    #[command(flatten)]
    config: ConfigArg,
}

const EXAMPLES: &str = "\
Examples:
  bailiwick credentials set inventory          asks for the value, then where it may go
  bailiwick credentials set inventory --for https://inventory.example.com < token
  bailiwick credentials set app --for 'https://*.example.com' < key.pem
  bailiwick credentials ls
  bailiwick credentials review
  bailiwick credentials revoke inventory

A value is never an argument, because every user of the machine can see arguments.";
const SET: &str = "\
Examples:
  bailiwick credentials set inventory
  bailiwick credentials set inventory --for https://inventory.example.com < token
  bailiwick credentials set app --for https://api.example.com/v1/** --for https://id.example.com/token < key.pem
  bailiwick credentials set inventory --for https://new.example.com < /dev/null   keep the value
  bailiwick credentials set pin --weak    a value that can be guessed; `ls` and `review` mark it

A configuration can narrow where a value goes, but never widen it. A URL is a scheme, a host or `*.` and a suffix, a port (`:*` for any), \
and a path pattern; without a pattern, all paths are meant. One line end after the value is removed.";
const LS: &str = "\
Example:
  bailiwick credentials ls --json";
const SHOW: &str = "\
Example:
  bailiwick credentials show inventory";
const ROTATE: &str = "\
Example:
  bailiwick credentials rotate inventory < token

This changes the value only here. For an agent that may `rotate`, the host also sets a new value at the service and checks that the old \
one is refused.";
const REVOKE: &str = "\
Examples:
  bailiwick credentials revoke inventory                   no run may use it any more
  bailiwick credentials revoke inventory --agent probe     runs of this agent lose it
  bailiwick credentials revoke --run 01K8M3                this run loses all that it has
  bailiwick credentials revoke --lease 01K8M3…/inventory   this run loses this credential

A run that lost a lease does not get it back; one that is started later gets its own, unless the credential itself was revoked.";
const RESTORE: &str = "\
Example:
  bailiwick credentials restore inventory

This withdraws a revocation. If the value was in the vault, the revocation has deleted it: `bailiwick credentials set` sets a new one.";
const RM: &str = "\
Example:
  bailiwick credentials rm inventory

A credential can't be removed while a run has a lease of it: `bailiwick credentials revoke` ends the leases. Removal also forgets that the \
credential was revoked.";
const SEAL: &str = "\
Examples:
  bailiwick credentials seal passphrase
  bailiwick credentials seal file

The old key still opens copies of the file that were made before, and remains of the old file on the disk.";
const REVIEW: &str = "\
Examples:
  bailiwick credentials review
  bailiwick credentials review --json

Each fault names its risk in the OWASP list for non-human identities (NHI, 2025).";

pub(crate) async fn run(args: Args) -> Result<u8, CliError> {
    let place = place::place()?;
    let vault = ::run::local_vault(&place, place::passphrase_file().as_deref());
    match args.what {
        What::Set { valued, destinations } => set::set(&place, &vault, valued, &destinations).await?,
        What::Rotate(valued) => set::rotate(&place, &vault, valued).await?,
        What::Rm(Named { name }) => remove(&place, &vault, name).await?,
        What::Ls { json } => list::all(&place, &vault, json)?,
        What::Show { name, config, json } => list::one(&place, &vault, &config, &name, json)?,
        What::Revoke(what) => revoke::revoke(&place, &vault, what).await?,
        What::Restore(Named { name }) => restore(&place, &vault, name).await?,
        What::Seal { under } => seal(&place, &vault, under).await?,
        What::Review { config, json } => review::review(&place, &vault, &config, json)?,
    }
    Ok(exit::DONE)
}

fn word(credential: String, change: CredentialChange, version: Option<u64>) -> CredentialWord {
    CredentialWord { change, credential, destinations: Vec::new(), version }
}

/// SECURITY: a run that has the credential continues to use its value. So the run must have lost it before everything known about the
/// credential is deleted.
async fn remove(place: &HomePlace, vault: &Local, name: String) -> Result<(), CliError> {
    let home = Home::take(place).await?;
    let shown = words::safe(&name);
    let of = |_: &[vault::Listed]| word(name.clone(), CredentialChange::Removed, None);
    let change = |changed: &vault::Witnessed<'_>| {
        let leases = if vault.is_revoked(&name)? { Vec::new() } else { known::leases(place, &name)? };
        if leases.is_empty() { Ok(changed.remove(&name)?) } else { Err(CliError::InUse { name: name.clone(), leases }) }
    };
    home.change(vault, &of, change).await?;
    out::words(&format!("{shown} is removed"));
    Ok(())
}

async fn restore(place: &HomePlace, vault: &Local, name: String) -> Result<(), CliError> {
    let home = Home::take(place).await?;
    let shown = words::safe(&name);
    let of = |_: &[vault::Listed]| word(name.clone(), CredentialChange::Restored, None);
    let change = |changed: &vault::Witnessed<'_>| match changed.restore(&name) {
        Err(LocalError::Revoked(name)) => Err(CliError::ValueIsGone { name }),
        restored => Ok(restored?),
    };
    home.change(vault, &of, change).await?;
    out::words(&format!("{shown} may be used again"));
    Ok(())
}

async fn seal(place: &HomePlace, vault: &Local, under: Under) -> Result<(), CliError> {
    let (to, under) = match under {
        Under::File => (KeySource::File, SealedUnder::File),
        Under::Keyring => (KeySource::Keyring, SealedUnder::Keyring),
        Under::Passphrase => (KeySource::Passphrase(enter::passphrase()?), SealedUnder::Passphrase),
    };
    Home::take(place).await?.seal(vault, under, |vault| Ok(vault.rekey(&to)?)).await?;
    out::words("the vault is sealed under its new key");
    if under == SealedUnder::Passphrase {
        out::words("from now on `BAILIWICK_PASSPHRASE_FILE` must name the file with the passphrase, for each command");
    }
    Ok(())
}
