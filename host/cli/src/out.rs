//! The two streams: data to stdout, words to stderr. The only place that prints.
//!
//! A reader that went away is no error: `bailiwick ps | head` ends as it would have.

use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat, fstat};
use rustix::termios::tcgetwinsize;
use serde::Serialize;

use crate::err::CliError;

/// Behind what a long line goes on.
const INDENT: &str = "    ";

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
///
/// SECURITY: the folder may be a stranger's checkout: a FIFO, a link or a device in the file's place is neither waited for nor followed.
#[expect(clippy::disallowed_methods, reason = "door: files that the operator named")]
pub(crate) fn file<T: Serialize>(file: &Path, value: &T) -> Result<(), CliError> {
    let text = serde_json::to_string_pretty(value).map_err(|err| CliError::Write(err.into()))?;
    if std::fs::symlink_metadata(file).is_ok_and(|found| !found.is_file()) {
        return Err(CliError::NotAFile(file.to_owned()));
    }
    let new = beside(file);
    let make = || std::fs::OpenOptions::new().write(true).create_new(true).open(&new);
    let written = make().and_then(|mut made| {
        let written = made.write_all((inert(&text) + "\n").as_bytes()).and_then(|()| std::fs::rename(&new, file));
        written.inspect_err(|_| {
            // What was half written is of no use; that it can't be removed either changes nothing.
            let _ = std::fs::remove_file(&new);
        })
    });
    written.map_err(CliError::file("write", file))
}

/// What a file is called while it is written.
pub(crate) fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    file.with_file_name(name)
}

/// A line of data. Where a person sees it, a long one goes on indented.
///
/// SECURITY: a terminal goes on at the edge by itself, so that the end of a guest's words would stand like a line of the host's.
pub(crate) fn line(text: &str) -> Result<(), CliError> {
    let lines = folded(text, "", INDENT, width(io::stdout()));
    wrote(writeln!(io::stdout().lock(), "{}", lines.join("\n")))
}

/// What a guest printed: each of its lines, and each piece of a long one, begins with its name where a person may see it beside what the host
/// says; as it is for another program.
pub(crate) fn guest(name: &str, text: &str) -> Result<(), CliError> {
    if !is_terminal() && !is_one_stream() {
        return bytes(text.as_bytes());
    }
    let (mark, width) = (mark(name), width(io::stdout()));
    let lines = text.lines().flat_map(|line| folded(&crate::words::safe(line), &mark, &mark, width));
    wrote(lines.into_iter().try_for_each(|line| writeln!(io::stdout().lock(), "{line}")))
}

/// What a guest said while it ran, for people: as [`guest`], on standard error.
pub(crate) fn guest_words(name: &str, text: &str) {
    let mark = mark(name);
    folded(text, &mark, &mark, width(io::stderr())).iter().for_each(|line| put_words(line));
}

/// What no line of the host's begins with.
pub(crate) fn mark(name: &str) -> String {
    format!("{name}: ")
}

/// Whether both streams end in one place (`2>&1`), where lines of both stand among each other.
fn is_one_stream() -> bool {
    match (fstat(io::stdout()), fstat(io::stderr())) {
        (Ok(data), Ok(words)) => (data.st_dev, data.st_ino) == (words.st_dev, words.st_ino) && !is_null(&data),
        _ => false,
    }
}

/// The device that keeps nothing.
fn is_null(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
}

/// How wide a terminal is; nothing for what is none.
fn width(stream: impl AsFd) -> Option<usize> {
    // One that says nothing of itself is taken for a usual one.
    const USUAL: usize = 80;
    /// Room for a mark and some words.
    const LEAST: usize = 20;
    if !rustix::termios::isatty(&stream) {
        return None;
    }
    let columns = tcgetwinsize(&stream).map_or(0, |size| usize::from(size.ws_col));
    Some(if columns == 0 { USUAL } else { columns.max(LEAST) })
}

/// A line in pieces that fit: the first behind `first`, the others behind `further`. A letter outside of ASCII may be two columns wide.
fn folded(text: &str, first: &str, further: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width else { return vec![format!("{first}{text}")] };
    let columns = |letter: char| if letter.is_ascii() { 1 } else { 2 };
    let wide = |text: &str| text.chars().map(columns).sum::<usize>();
    let (mut lines, mut line, mut used) = (Vec::new(), first.to_owned(), wide(first));
    for letter in text.chars() {
        if used + columns(letter) > width && used > wide(further) {
            lines.push(std::mem::replace(&mut line, further.to_owned()));
            used = wide(further);
        }
        line.push(letter);
        used += columns(letter);
    }
    lines.push(line);
    lines
}

/// Data as it is.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    wrote(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// A line of words for people; a long one is continued with an indent, as in [`line()`].
pub(crate) fn words(text: &str) {
    folded(text, "", INDENT, width(io::stderr())).iter().for_each(|line| put_words(line));
}

/// A line of words that is meant to be copied: no guest has a part in it.
pub(crate) fn command(text: &str) {
    put_words(text);
}

/// A terminal that is gone is told nothing.
fn put_words(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
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
    use super::{folded, inert};

    #[test]
    fn every_piece_of_a_long_line_begins_with_its_mark() {
        let said = |text: &str| folded(text, "agent: ", "agent: ", Some(20));
        assert_eq!(said("short"), ["agent: short"]);
        assert_eq!(said(&"x".repeat(30)), ["agent: xxxxxxxxxxxxx", "agent: xxxxxxxxxxxxx", "agent: xxxx"]);
        assert!(said(&"\u{4e00}".repeat(30)).iter().all(|line| line.starts_with("agent: ") && line.chars().count() <= 13));
        assert_eq!(folded("HOST EVIDENCE far too long", "", "    ", Some(20)), ["HOST EVIDENCE far to", "    o long"]);
        assert_eq!(folded(&"x".repeat(500), "", "    ", None).len(), 1, "what is no terminal gets it as it is");
    }

    #[test]
    fn json_stays_the_same_and_moves_no_cursor() {
        let text = "\u{9b}2J \u{202e}x \u{7f} \u{e0001} \u{e4} \"\\";
        let json = serde_json::json!({ "a": text });
        let shown = inert(&json.to_string());
        assert!(!shown.chars().any(effect::is_misleading), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).ok(), Some(json));
    }
}
