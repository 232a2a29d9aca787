//! The two streams: data to stdout, words to stderr. The only place that prints.
//!
//! A reader that went away is no error: `bailiwick ps | head` ends as it would have.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::err::CliError;

fn wrote(result: io::Result<()>) -> Result<(), CliError> {
    match result {
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(err) => Err(CliError::Write(err)),
        Ok(()) => Ok(()),
    }
}

/// One JSON document, for `--json`.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), CliError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|err| CliError::Write(err.into()))?;
    text.push(b'\n');
    bytes(&text)
}

/// One JSON document a line, for streams.
pub(crate) fn json_line<T: Serialize>(value: &T) -> Result<(), CliError> {
    let mut text = serde_json::to_vec(value).map_err(|err| CliError::Write(err.into()))?;
    text.push(b'\n');
    bytes(&text)
}

/// A line of data.
pub(crate) fn line(text: &str) -> Result<(), CliError> {
    wrote(writeln!(io::stdout().lock(), "{text}"))
}

/// Data as it is.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    wrote(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// A line of words for people. A terminal that is gone is told nothing.
pub(crate) fn words(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Whether data goes to a person's eyes, so that it has to be escaped.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether words do, so that progress may be drawn.
pub(crate) fn words_to_terminal() -> bool {
    io::stderr().is_terminal()
}
