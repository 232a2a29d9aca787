//! The logger behind the `log` facade: one line for each log record on standard error, which the host records as said by the agent.

use log::{LevelFilter, Log, Metadata, Record};
use std::fmt::Write as _;
use std::io::Write as _;

/// BOUND: a longer line is cut, so that one log record can't use up the run's log bytes.
const LINE_BYTES_MAX: usize = 4096;

struct StandardError;

static LOGGER: StandardError = StandardError;

/// Installs the logger, at `info`, unless the agent has its own.
pub(crate) fn install() {
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

impl Log for StandardError {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let message = record.args().to_string();
            say(&format!("{} {}: {}", record.level(), record.target(), message));
        }
    }

    fn flush(&self) {}
}

/// Writes one line. If the host no longer accepts lines, its record says so; so the result is ignored here.
pub(crate) fn say(text: &str) {
    let mut line = one_line(text);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::keep_line(&line);
    line.push('\n');
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// The text with its control characters escaped and its length bounded: one log record must not look like two.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(LINE_BYTES_MAX));
    for character in text.chars() {
        if line.len() >= LINE_BYTES_MAX {
            line.push('…');
            break;
        }
        if character.is_control() {
            let _ = write!(line, "{}", character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{LINE_BYTES_MAX, one_line};

    #[test]
    fn a_record_is_one_line() {
        assert_eq!(one_line("a\nINFO forged: b\u{1b}[2J"), "a\\nINFO forged: b\\u{1b}[2J");
    }

    #[test]
    fn a_long_record_is_cut() {
        assert_eq!(one_line(&"x".repeat(LINE_BYTES_MAX * 2)).len(), LINE_BYTES_MAX + '…'.len_utf8());
    }
}
