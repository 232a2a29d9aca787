//! `credentials`: the values in the vault of this home. None is ever printed.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
use serde::Serialize;
use vault::{Local, Secret, VALUE_BYTES_MAX};
use zeroize::Zeroizing;

use crate::err::CliError;
use crate::{exit, out, place, words};

/// Keep, list and revoke the values of credentials
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Set a value, or a new one: from a prompt, or from standard input
    #[command(after_help = SET)]
    Set {
        /// As `[credentials.NAME]` has it
        name: String,
    },
    /// Which there are; never a value
    #[command(after_help = LS)]
    Ls {
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Take a value back: every ask from now on is refused
    #[command(after_help = REVOKE)]
    Revoke {
        /// As it was set
        name: String,
    },
}

const EXAMPLES: &str = "\
Examples:
  bailiwick credentials set inventory          asks for the value, and shows nothing of it
  bailiwick credentials set inventory < token  or reads it; one line end is left out
  bailiwick credentials ls
  bailiwick credentials revoke inventory

A value is never an argument: those are seen by everybody on the machine.";
const SET: &str = "\
Example:
  bailiwick credentials set inventory";
const LS: &str = "\
Example:
  bailiwick credentials ls --json";
const REVOKE: &str = "\
Example:
  bailiwick credentials revoke inventory";

#[derive(Serialize)]
struct Row {
    name: String,
    version: u64,
    set_at: u64,
    revoked: bool,
}

pub(crate) fn run(args: &Args) -> Result<u8, CliError> {
    let home = place::place()?.home;
    let vault = Local::new(&home);
    match &args.what {
        What::Set { name } => set(&home, &vault, name)?,
        What::Ls { json } => list(&vault, *json)?,
        What::Revoke { name } => {
            vault.revoke(name)?;
            out::words(&format!("{} is revoked: what asks for it from now on is refused", words::safe(name)));
        }
    }
    Ok(exit::DONE)
}

#[expect(clippy::disallowed_methods, reason = "door: the home, for its first secret")]
fn set(home: &Path, vault: &Local, name: &str) -> Result<(), CliError> {
    let secret = Secret::of_line(std::mem::take(&mut *value(name)?)).map_err(vault::LocalError::from)?;
    std::os::unix::fs::DirBuilderExt::mode(std::fs::DirBuilder::new().recursive(true), 0o700)
        .create(home)
        .map_err(CliError::file("make", home))?;
    let version = vault.set(name, secret, place::now_s())?;
    out::words(&format!("{name} is set, version {version}"));
    Ok(())
}

/// One line: typed twice and unseen at a terminal, else as it comes.
fn value(name: &str) -> Result<Zeroizing<Vec<u8>>, CliError> {
    if !std::io::stdin().is_terminal() {
        return line();
    }
    let first = unseen(&format!("value of {name}: "))?;
    let again = unseen("once more: ")?;
    if first == again { Ok(first) } else { Err(CliError::TypedTwice) }
}

fn line() -> Result<Zeroizing<Vec<u8>>, CliError> {
    let failed = CliError::file("read", Path::new("standard input"));
    let mut value = Zeroizing::new(Vec::with_capacity(VALUE_BYTES_MAX + 3));
    std::io::stdin().lock().take(VALUE_BYTES_MAX as u64 + 3).read_to_end(&mut value).map_err(failed)?;
    Ok(value)
}

/// Read byte by byte, so that no buffer keeps it. The terminal hands every key over and shows none; it is as it was before however this ends.
fn unseen(prompt: &str) -> Result<Zeroizing<Vec<u8>>, CliError> {
    let failed = |err: rustix::io::Errno| CliError::file("read", Path::new("the terminal"))(err.into());
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin).map_err(failed)?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
    hidden.special_codes[SpecialCodeIndex::VMIN] = 1;
    hidden.special_codes[SpecialCodeIndex::VTIME] = 0;
    let _ = write!(std::io::stderr(), "{prompt}");
    tcsetattr(&stdin, OptionalActions::Flush, &hidden).map_err(failed)?;
    let mut value = Zeroizing::new(Vec::with_capacity(VALUE_BYTES_MAX + 3));
    let typed = keys(&stdin, &mut value);
    let restored = tcsetattr(&stdin, OptionalActions::Flush, &before);
    out::words("");
    restored.map_err(failed)?;
    if typed.map_err(failed)? { Ok(value) } else { Err(CliError::EndedEarly { name: exit::CTRL_C }) }
}

/// Up to the end of the line; false where it was broken off.
fn keys(stdin: &std::io::Stdin, value: &mut Vec<u8>) -> Result<bool, rustix::io::Errno> {
    const CTRL_C: u8 = 3;
    const CTRL_D: u8 = 4;
    const CTRL_U: u8 = 21;
    let mut key = [0];
    loop {
        match rustix::io::read(stdin, &mut key) {
            Ok(0) => return Ok(true),
            Ok(_) => match key {
                [b'\n' | b'\r' | CTRL_D] => return Ok(true),
                [CTRL_C] => return Ok(false),
                [CTRL_U] => value.clear(),
                [8 | 127] => drop(value.pop()),
                // Past what may be, it is refused as too long.
                [byte] if value.len() < VALUE_BYTES_MAX + 2 => value.push(byte),
                [_] => {}
            },
            Err(rustix::io::Errno::INTR) => {}
            Err(err) => return Err(err),
        }
    }
}

fn list(vault: &Local, json: bool) -> Result<(), CliError> {
    let rows = vault.list()?.into_iter().map(|it| Row { name: it.name, version: it.version, set_at: it.set_at, revoked: it.revoked });
    let rows: Vec<Row> = rows.collect();
    if json {
        return out::json(&rows);
    }
    let head = ["NAME", "VERSION", "SET", "STATE"].map(str::to_owned).to_vec();
    let cells =
        |row: &Row| vec![row.name.clone(), row.version.to_string(), words::utc(row.set_at.saturating_mul(1000)), state(row).to_owned()];
    let table: Vec<Vec<String>> = std::iter::once(head).chain(rows.iter().map(cells)).collect();
    words::table(&table).iter().try_for_each(|line| out::line(line))
}

fn state(row: &Row) -> &'static str {
    if row.revoked { "revoked" } else { "set" }
}
