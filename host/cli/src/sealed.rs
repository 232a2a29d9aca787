//! Sealed payloads, made safe to show: values are replaced by stars, and control characters are escaped.
//!
//! SECURITY: what the guest received went through the scrubber when it arrived. What the guest sent and its input did not, and a value may
//! have been added to the vault since. So everything is scrubbed for the values that could grant access now: those of the vault, and those
//! that were replaced, revoked or removed there, as long as the home keeps them. If the vault or that list can't be opened, nothing is
//! shown.

use run::HomePlace;
use serde_json::{Value, json};
use vault::Scrubber;
use vocabulary::Header;

use crate::err::CliError;
use crate::{place, words};
use service::now_s;

/// BOUND: bytes of one payload that are shown to people. `--raw` and `--json` print all of them.
const SHOWN_BYTES_MAX: usize = 64 << 10;
/// Bytes in a line of hexadecimal.
const HEX_COLUMNS: usize = 16;

/// Replaces values of credentials by stars.
pub(crate) struct Stars(Scrubber);

impl Stars {
    /// For the values in the vault of this home, and for earlier values that could still grant access.
    pub(crate) fn of(place: &HomePlace) -> Result<Self, CliError> {
        let values = run::local_vault(place, place::passphrase_file().as_deref()).live_values(now_s())?;
        Scrubber::new(values.iter()).map(Self).map_err(|_| CliError::TooManyValues)
    }

    /// The same bytes, with stars in place of values.
    pub(crate) fn out_of(&self, bytes: &[u8]) -> Vec<u8> {
        let mut clean = bytes.to_vec();
        let _ = self.0.scrub(&mut clean);
        clean
    }

    /// The same text, with stars in place of values.
    pub(crate) fn out_of_text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.out_of(text.as_bytes())).into_owned()
    }

    /// Names and values of header fields, with stars in place of values of credentials.
    pub(crate) fn fields(&self, fields: &[Header]) -> Vec<(String, String)> {
        let value = |field: &Header| String::from_utf8_lossy(&self.out_of(&field.value)).into_owned();
        fields.iter().map(|field| (self.out_of_text(&field.name), value(field))).collect()
    }
}

/// Bytes as lines that are safe to print: text if they are UTF-8, otherwise hexadecimal.
pub(crate) fn lines(bytes: &[u8]) -> Vec<String> {
    let shown = bytes.get(..SHOWN_BYTES_MAX).unwrap_or(bytes);
    let whole = |text: &str| text.lines().map(words::safe).collect::<Vec<_>>();
    let mut lines = match str::from_utf8(shown) {
        Ok(text) => whole(text),
        // The bound may split a character.
        Err(err) if err.error_len().is_none() && shown.len() < bytes.len() => {
            whole(&String::from_utf8_lossy(shown.get(..err.valid_up_to()).unwrap_or_default()))
        }
        Err(_) => shown.chunks(HEX_COLUMNS).zip(0..).map(|(chunk, row)| hex_line(row * HEX_COLUMNS, chunk)).collect(),
    };
    if bytes.len() > shown.len() {
        lines.push(format!("… and {} more; `--raw` and `--json` print all of it", words::bytes((bytes.len() - shown.len()) as u64)));
    }
    lines
}

/// One line of a dump: `00000010  de ad be ef …  |....|`
fn hex_line(at: usize, chunk: &[u8]) -> String {
    let hex: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
    let letter = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    let letters: String = chunk.iter().map(letter).collect();
    format!("{at:08x}  {:<47}  |{letters}|", hex.join(" "))
}

/// Bytes as JSON: text if they are UTF-8, otherwise hexadecimal.
pub(crate) fn document(bytes: &[u8]) -> Value {
    match str::from_utf8(bytes) {
        Ok(text) => json!({ "bytes": bytes.len(), "text": text }),
        Err(_) => json!({ "bytes": bytes.len(), "hex": bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_shown_without_what_a_terminal_obeys_and_the_rest_in_hexadecimal() {
        assert_eq!(lines(b"a\x1b[31m\nb\n"), ["a\\u{1b}[31m", "b"]);
        assert_eq!(lines(b"\xff\x00A"), [format!("00000000  {:<47}  |..A|", "ff 00 41")]);
    }

    #[test]
    fn what_is_large_is_cut_and_says_so_also_within_a_letter() {
        let text = format!("{}ä", "x".repeat(SHOWN_BYTES_MAX - 1));
        let shown = lines(text.as_bytes());
        assert_eq!(shown.len(), 2);
        assert!(shown.get(1).is_some_and(|line| line.starts_with("… and 1 B more")), "{shown:?}");
    }
}
