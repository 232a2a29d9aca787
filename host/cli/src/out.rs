//! The two streams: data goes to stdout, messages go to stderr. Only this module prints.
//!
//! A closed pipe is not an error: `bailiwick ps | head` ends like `bailiwick ps`.

use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat, fstat};
use rustix::termios::tcgetwinsize;
use serde::Serialize;

use crate::fold::{self, folded};
use crate::words::safe;

/// The indent of a continued line.
const INDENT: &str = "    ";

/// Why output could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutError {
    /// Standard output can't be written to.
    #[error("could not write to standard output")]
    Write(#[source] io::Error),
    /// The path that the operator named is not a regular file.
    #[error("`{}` is not a regular file", safe(&.0.to_string_lossy()))]
    NotAFile(PathBuf),
    /// The file that the operator named could not be written.
    #[error("could not write `{}`", safe(&path.to_string_lossy()))]
    File {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}

fn wrote(result: io::Result<()>) -> Result<(), OutError> {
    match result {
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(err) => Err(OutError::Write(err)),
        Ok(()) => Ok(()),
    }
}

/// Prints one JSON document, for `--json`.
pub(crate) fn json<T: Serialize>(value: &T) -> Result<(), OutError> {
    let text = serde_json::to_string_pretty(value).map_err(|err| OutError::Write(err.into()))?;
    bytes((inert(&text) + "\n").as_bytes())
}

/// Prints one JSON document in one line, for streams of documents.
pub(crate) fn json_line<T: Serialize>(value: &T) -> Result<(), OutError> {
    let text = serde_json::to_string(value).map_err(|err| OutError::Write(err.into()))?;
    bytes((inert(&text) + "\n").as_bytes())
}

/// The same JSON without control characters: characters that are invisible or mislead are written as `\u….`.
///
/// SECURITY: serde_json escapes only characters below U+0020, but U+009B begins an escape sequence just as ESC `[` does.
fn inert(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter == '\n' || !vocabulary::is_misleading(letter) {
            text.push(letter);
        } else {
            let mut units = [0; 2];
            letter.encode_utf16(&mut units).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}")));
        }
    }
    text
}

/// Writes one JSON document into a file that the operator named. If this fails, the file is as before.
///
/// SECURITY: the folder may be a stranger's checkout. If there is a FIFO, a link or a device at the path, the program neither waits for it
/// nor follows it.
pub(crate) fn file<T: Serialize>(file: &Path, value: &T) -> Result<(), OutError> {
    let text = serde_json::to_string_pretty(value).map_err(|err| OutError::Write(err.into()))?;
    if std::fs::symlink_metadata(file).is_ok_and(|found| !found.is_file()) {
        return Err(OutError::NotAFile(file.to_owned()));
    }
    if let Some(name) = file.file_name() {
        // Removes what a killed process has left of this file. Only files of this name are removed: this is the user's own folder.
        home::sweep(file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")), |left| name == left);
    }
    home::replace(file, (inert(&text) + "\n").as_bytes(), home::SHARED).map_err(|cause| OutError::File { path: file.to_owned(), cause })
}

/// Prints rows of data, of which the first has the heads, so that they fit a terminal.
pub(crate) fn table(rows: &[Vec<String>]) -> Result<(), OutError> {
    crate::words::table_in(rows, width(io::stdout())).iter().try_for_each(|text| line(text))
}

/// Prints a line of data. On a terminal, a long line is continued with an indent.
///
/// SECURITY: a terminal wraps a long line by itself. The end of a guest's words would then look like a line of the host's.
pub(crate) fn line(text: &str) -> Result<(), OutError> {
    let lines = folded(text, "", INDENT, width(io::stdout()));
    wrote(writeln!(io::stdout().lock(), "{}", lines.join("\n")))
}

/// Prints what a guest printed. If a person may see it next to messages of the host, each line, and each piece of a long line, begins with
/// the guest's name. Another program gets it unchanged.
pub(crate) fn guest(name: &str, text: &str) -> Result<(), OutError> {
    if !is_terminal() && !is_one_stream() {
        return bytes(text.as_bytes());
    }
    let (mark, width) = (mark(name), width(io::stdout()));
    let lines = text.lines().flat_map(|line| folded(&safe(line), &mark, &mark, width));
    wrote(lines.into_iter().try_for_each(|line| writeln!(io::stdout().lock(), "{line}")))
}

/// Prints what a guest said while it ran, for people: like [`guest`], on standard error.
pub(crate) fn guest_words(name: &str, text: &str) {
    let mark = mark(name);
    folded(text, &mark, &mark, width(io::stderr())).iter().for_each(|line| put_words(line));
}

/// The mark at the beginning of a guest's lines. No line of the host's begins with it.
pub(crate) fn mark(name: &str) -> String {
    format!("{name}: ")
}

/// Whether both streams go to the same file (`2>&1`), so that their lines are mixed.
fn is_one_stream() -> bool {
    match (fstat(io::stdout()), fstat(io::stderr())) {
        (Ok(data), Ok(words)) => (data.st_dev, data.st_ino) == (words.st_dev, words.st_ino) && !is_null(&data),
        _ => false,
    }
}

/// Whether a stream goes to a device, such as the one that discards everything.
fn is_null(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice
}

/// The width of a terminal in columns. `None` if the stream is not a terminal.
fn width(stream: impl AsFd) -> Option<usize> {
    // The width of a terminal that does not report one.
    const USUAL: usize = 80;
    /// Room for a mark and some words.
    const LEAST: usize = 20;
    if !rustix::termios::isatty(&stream) {
        return None;
    }
    let columns = tcgetwinsize(&stream).map_or(0, |size| usize::from(size.ws_col));
    Some(if columns == 0 { USUAL } else { columns.max(LEAST) })
}

/// Prints bytes unchanged.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), OutError> {
    let mut stdout = io::stdout().lock();
    wrote(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// Prints a message for people; a long line is continued with an indent, as in [`line()`].
pub(crate) fn words(text: &str) {
    folded(text, "", INDENT, width(io::stderr())).iter().for_each(|line| put_words(line));
}

/// Prints a message with commands between backquotes, which are never broken so that they can be copied. It has no text of a guest.
pub(crate) fn command(text: &str) {
    let lines = match width(io::stderr()) {
        Some(width) => fold::with_whole_words(text, INDENT, width),
        None => vec![text.to_owned()],
    };
    lines.iter().for_each(|line| put_words(line));
}

/// Prints a line on standard error. If the terminal is gone, nothing is printed.
fn put_words(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Whether standard output is a terminal, so that data has to be escaped.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether standard error is a terminal, so that progress may be drawn.
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
        assert!(!shown.chars().any(vocabulary::is_misleading), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).ok(), Some(json));
    }
}
