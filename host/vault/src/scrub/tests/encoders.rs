//! Encoders for bytes, as programs have them. They share no code with the decoders that are tested.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

pub(super) type Encoder = (&'static str, fn(&[u8]) -> Vec<u8>);

pub(super) const ALL: &[Encoder] = &[
    ("percent", |bytes| each(bytes, |byte| if byte.is_ascii_alphanumeric() { (byte as char).to_string() } else { format!("%{byte:02X}") })),
    ("percent, all, lower case", |bytes| each(bytes, |byte| format!("%{byte:02x}"))),
    ("percent, twice", |bytes| each(bytes, |byte| format!("%25{byte:02X}"))),
    ("percent, three times", |bytes| each(bytes, |byte| format!("%2525{byte:02X}"))),
    ("form", |bytes| {
        each(bytes, |byte| match byte {
            b' ' => "+".to_owned(),
            byte if byte.is_ascii_alphanumeric() => (byte as char).to_string(),
            byte => format!("%{byte:02X}"),
        })
    }),
    ("entities, decimal", |bytes| letters(bytes, |letter| format!("&#{letter};"))),
    ("entities, hexadecimal", |bytes| letters(bytes, |letter| format!("&#x{letter:x};"))),
    ("entities, with noughts", |bytes| letters(bytes, |letter| format!("&#{letter:07};"))),
    ("entities, hexadecimal, with noughts, upper case", |bytes| letters(bytes, |letter| format!("&#X{letter:04X};"))),
    ("entities, without semicolons", |bytes| letters(bytes, |letter| format!("&#{letter:04}")).into_iter().chain(*b" ").collect()),
    ("entities, twice", |bytes| letters(bytes, |letter| format!("&amp;#{letter};"))),
    ("html", |bytes| html(bytes, "&quot;", "&#x27;")),
    ("html, other", |bytes| html(bytes, "&#34;", "&#039;")),
    ("json", |bytes| serde_json::to_vec(&String::from_utf8_lossy(bytes)).unwrap()),
    ("json, all by number", |bytes| units(bytes, |unit| format!("\\u{unit:04x}"))),
    ("json, twice", |bytes| {
        let once = serde_json::to_string(&String::from_utf8_lossy(bytes)).unwrap();
        serde_json::to_vec(&once).unwrap()
    }),
    ("backslash x", |bytes| each(bytes, |byte| format!("\\x{byte:02X}"))),
    ("octal", |bytes| each(bytes, |byte| format!("\\{byte:03o}"))),
    ("rust", |bytes| letters(bytes, |letter| format!("\\u{{{letter:x}}}"))),
    ("quoted-printable", |bytes| {
        let mut column = 0;
        each(bytes, |byte| {
            let written = if byte.is_ascii_alphanumeric() { (byte as char).to_string() } else { format!("={byte:02X}") };
            column += written.len();
            if column < 20 {
                return written;
            }
            column = 0;
            format!("{written}=\r\n")
        })
    }),
    ("quoted-printable, all", |bytes| each(bytes, |byte| format!("={byte:02x}"))),
    ("utf-16, little end first", |bytes| wide(bytes, u16::to_le_bytes)),
    ("utf-16, big end first", |bytes| wide(bytes, u16::to_be_bytes)),
    ("base 64", |bytes| STANDARD.encode(bytes).into_bytes()),
    ("base 64 for addresses", |bytes| URL_SAFE_NO_PAD.encode(bytes).into_bytes()),
    ("base 64 in lines of 76", |bytes| lines(STANDARD.encode(bytes).as_bytes(), 76, "\r\n")),
    ("base 64 in lines of 9, indented", |bytes| lines(STANDARD.encode(bytes).as_bytes(), 9, "\n\t  ")),
    ("hexadecimal", |bytes| each(bytes, |byte| format!("{byte:02x}"))),
    ("hexadecimal, upper case, colons", |bytes| each(bytes, |byte| format!("{byte:02X}:"))),
    ("hexadecimal, dashes", |bytes| each(bytes, |byte| format!("{byte:02x}-"))),
    ("hexadecimal, blanks", |bytes| each(bytes, |byte| format!("{byte:02x} "))),
    ("hexadecimal, as in C", |bytes| each(bytes, |byte| format!("0x{byte:02x},"))),
    ("hexadecimal, as in C, blanks", |bytes| each(bytes, |byte| format!("0x{byte:02X}, "))),
    ("hexadecimal, in lines", |bytes| lines(&each(bytes, |byte| format!("{byte:02x}")), 30, "\n")),
    ("decimal list", |bytes| each(bytes, |byte| format!("{byte},"))),
    ("decimal list, blanks", |bytes| each(bytes, |byte| format!("{byte}, "))),
];

fn each(bytes: &[u8], mut encode: impl FnMut(u8) -> String) -> Vec<u8> {
    bytes.iter().flat_map(|byte| encode(*byte).into_bytes()).collect()
}

/// The characters of a text, or its bytes if it is not text.
fn letters(bytes: &[u8], encode: impl Fn(u32) -> String) -> Vec<u8> {
    match str::from_utf8(bytes) {
        Ok(text) => text.chars().flat_map(|letter| encode(u32::from(letter)).into_bytes()).collect(),
        Err(_) => each(bytes, |byte| encode(u32::from(byte))),
    }
}

fn units(bytes: &[u8], encode: impl Fn(u16) -> String) -> Vec<u8> {
    String::from_utf8_lossy(bytes).encode_utf16().flat_map(|unit| encode(unit).into_bytes()).collect()
}

fn wide(bytes: &[u8], order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    String::from_utf8_lossy(bytes).encode_utf16().flat_map(order).collect()
}

fn html(bytes: &[u8], quote: &str, apostrophe: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', quote).replace('\'', apostrophe).into_bytes()
}

fn lines(text: &[u8], length: usize, end: &str) -> Vec<u8> {
    text.chunks(length).collect::<Vec<_>>().join(end.as_bytes())
}
