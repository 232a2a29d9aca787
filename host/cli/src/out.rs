//! The two streams: data to stdout, words to stderr. The only place that prints.
//!
//! A reader that went away is no error: `bailiwick ps | head` ends as it would have.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;

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
    let text = serde_json::to_string_pretty(value).map_err(|err| CliError::Write(err.into()))?;
    bytes((inert(&text) + "\n").as_bytes())
}

/// One JSON document a line, for streams.
pub(crate) fn json_line<T: Serialize>(value: &T) -> Result<(), CliError> {
    let text = serde_json::to_string(value).map_err(|err| CliError::Write(err.into()))?;
    bytes((inert(&text) + "\n").as_bytes())
}

/// The same JSON without anything that a terminal obeys: outside of ASCII, what looks like nothing is written as `\u….`.
///
/// SECURITY: serde_json escapes what is below U+0020 and no more; U+009B begins an escape sequence as well as ESC `[` does.
fn inert(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter == '\n' || !effect::is_misleading(letter) {
            text.push(letter);
        } else {
            let mut units = [0; 2];
            letter.encode_utf16(&mut units).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        }
    }
    text
}

/// One JSON document into a file that the operator named; whole or not at all.
#[expect(clippy::disallowed_methods, reason = "door: files that the operator named")]
pub(crate) fn file<T: Serialize>(file: &Path, value: &T) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(|err| CliError::Write(err.into()))?;
    let new = file.with_extension("new");
    let written = std::fs::write(&new, inert(&text) + "\n").and_then(|()| std::fs::rename(&new, file));
    written.map_err(CliError::file("write", file))
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

#[cfg(test)]
mod tests {
    use super::inert;

    #[test]
    fn json_stays_the_same_and_moves_no_cursor() {
        let text = "\u{9b}2J \u{202e}x \u{7f} \u{e0001} \u{e4} \"\\";
        let json = serde_json::json!({ "a": text });
        let shown = inert(&json.to_string());
        assert!(!shown.chars().any(effect::is_misleading), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).ok(), Some(json));
    }
}
