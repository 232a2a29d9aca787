//! How a value is read: at a terminal without echo, otherwise from standard input. Never from an argument.

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};
use vault::VALUE_BYTES_MAX;
use zeroize::Zeroizing;

use crate::err::CliError;
use crate::out;

/// Reads one line, or one key in PEM. At a terminal it is typed twice without echo.
pub(super) fn value(name: &str) -> Result<Zeroizing<Vec<u8>>, CliError> {
    let value = twice(&format!("value of {name}: "))?;
    if value.is_empty() { Err(CliError::NoValue { name: name.to_owned() }) } else { Ok(value) }
}

/// Reads a passphrase in the same way.
pub(super) fn passphrase() -> Result<Zeroizing<Vec<u8>>, CliError> {
    twice("passphrase: ")
}

fn twice(prompt: &str) -> Result<Zeroizing<Vec<u8>>, CliError> {
    if !std::io::stdin().is_terminal() {
        return line();
    }
    let first = unseen(prompt)?;
    let again = unseen("once more: ")?;
    if first == again { Ok(first) } else { Err(CliError::TypedTwice) }
}

/// Reads a value, or returns `None` for an empty line at a terminal or an empty standard input.
pub(super) fn value_or_none(name: &str) -> Result<Option<Zeroizing<Vec<u8>>>, CliError> {
    if !std::io::stdin().is_terminal() {
        let line = line()?;
        return Ok((!line.is_empty()).then_some(line));
    }
    let first = unseen(&format!("value of {name} (Enter alone keeps the present one): "))?;
    if first.is_empty() {
        return Ok(None);
    }
    let again = unseen("once more: ")?;
    if first == again { Ok(Some(first)) } else { Err(CliError::TypedTwice) }
}

fn line() -> Result<Zeroizing<Vec<u8>>, CliError> {
    let failed = CliError::file("read", Path::new("standard input"));
    let mut value = Zeroizing::new(Vec::with_capacity(VALUE_BYTES_MAX + 3));
    std::io::stdin().lock().take(VALUE_BYTES_MAX as u64 + 3).read_to_end(&mut value).map_err(failed)?;
    Ok(value)
}

/// Reads byte by byte, so that no buffer keeps the value. The terminal passes every key on and shows none; its mode is restored however
/// this ends.
fn unseen(prompt: &str) -> Result<Zeroizing<Vec<u8>>, CliError> {
    let failed = |err: rustix::io::Errno| CliError::file("read", Path::new("the terminal"))(err.into());
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin).map_err(failed)?;
    let mut hidden = before.clone();
    hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
    hidden.special_codes[SpecialCodeIndex::VMIN] = 1;
    hidden.special_codes[SpecialCodeIndex::VTIME] = 0;
    // What was typed before the prompt is discarded; what is typed after it is never shown.
    tcsetattr(&stdin, OptionalActions::Flush, &hidden).map_err(failed)?;
    let _ = write!(std::io::stderr(), "{prompt}");
    let mut value = Zeroizing::new(Vec::with_capacity(VALUE_BYTES_MAX + 3));
    let typed = keys(&stdin, &mut value);
    let restored = tcsetattr(&stdin, OptionalActions::Flush, &before);
    out::words("");
    restored.map_err(failed)?;
    if typed.map_err(failed)? { Ok(value) } else { Err(CliError::EndedEarly { means: vocabulary::Means::CtrlC }) }
}

/// Reads up to the end of the line. Returns false if Ctrl-C ended it.
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
                // A value over the bound is refused later as too long.
                [byte] if value.len() < VALUE_BYTES_MAX + 2 => value.push(byte),
                [_] => {}
            },
            Err(rustix::io::Errno::INTR) => {}
            Err(err) => return Err(err),
        }
    }
}
