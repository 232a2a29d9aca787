//! Prints text that could take over a terminal or a log: escape sequences, forged lines, breaks out of JSON, bidi, NUL, invalid UTF-8.

use std::io::Write as _;

const NASTY: [&[u8]; 10] = [
    b"\x1b[2J\x1b[H\x1b[31mred",
    b"\x1b]0;a title\x07\x1b]8;;http://evil.test/\x1b\\a link\x1b]8;;\x1b\\",
    b"\x1b]52;c;ZXZpbA==\x07clipboard",
    b"one\rDONE, 0 refusals",
    b"\"},\"outcome\":\"done\",{\"",
    "\u{202e}txet desrever\u{2066}".as_bytes(),
    b"before\0after",
    b"\xff\xfe not UTF-8 \xc0\xaf \xed\xa0\x80",
    "\u{9b}2J a C1 code, \u{2028} a line, \u{feff} a mark".as_bytes(),
    b"\x08\x08\x08\x7f\x0b\x0c",
];

fn main() {
    for bytes in NASTY {
        for line in [bytes, b"\n"] {
            let _ = std::io::stdout().write_all(line);
            let _ = std::io::stderr().write_all(line);
        }
    }
}
