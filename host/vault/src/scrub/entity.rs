//! Characters as HTML and XML write them: by number, or by name.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::escape::{Decoded, number};

/// Names of ASCII characters (HTML, section 13.5), and the characters that they stand for.
const NAMES: &[(&[u8], u8)] = &[
    (b"Hat", b'^'),
    (b"NewLine", b'\n'),
    (b"QUOT", b'"'),
    (b"Tab", b'\t'),
    (b"UnderBar", b'_'),
    (b"VerticalLine", b'|'),
    (b"amp", b'&'),
    (b"apos", b'\''),
    (b"ast", b'*'),
    (b"bsol", b'\\'),
    (b"colon", b':'),
    (b"comma", b','),
    (b"commat", b'@'),
    (b"dollar", b'$'),
    (b"equals", b'='),
    (b"excl", b'!'),
    (b"grave", b'`'),
    (b"gt", b'>'),
    (b"lbrace", b'{'),
    (b"lbrack", b'['),
    (b"lcub", b'{'),
    (b"lowbar", b'_'),
    (b"lpar", b'('),
    (b"lsqb", b'['),
    (b"lt", b'<'),
    (b"midast", b'*'),
    (b"num", b'#'),
    (b"percnt", b'%'),
    (b"period", b'.'),
    (b"plus", b'+'),
    (b"quest", b'?'),
    (b"quot", b'"'),
    (b"rbrace", b'}'),
    (b"rbrack", b']'),
    (b"rcub", b'}'),
    (b"rpar", b')'),
    (b"rsqb", b']'),
    (b"semi", b';'),
    (b"sol", b'/'),
    (b"verbar", b'|'),
    (b"vert", b'|'),
    (b"AMP", b'&'),
    (b"GT", b'>'),
    (b"LT", b'<'),
];
/// Names that were accepted without a semicolon before there was a standard, and still are.
const WITHOUT_SEMICOLON: [(&[u8], u8); 5] = [(b"amp", b'&'), (b"AMP", b'&'), (b"lt", b'<'), (b"gt", b'>'), (b"quot", b'"')];
/// Names of the characters from U+00A0 to U+00FF, in order.
const LATIN: &str = "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 acute micro para \
middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave \
Iacute Icirc Iuml ETH Ntilde Ograve Oacute Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc \
atilde auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute ocirc otilde ouml divide oslash \
ugrave uacute ucirc uuml yacute thorn yuml";
/// BOUND: bytes of the longest of these names.
const NAME_BYTES_MAX: usize = 12;

/// The character at the beginning of a text that begins with `&`. The ampersand may itself be escaped.
pub(super) fn decoded(text: &[u8]) -> Option<Decoded> {
    let mut at = 1;
    let mut found = one(text.get(at..)?)?;
    while found.len == 1 && found.bytes.first() == Some(&b'&') {
        let Some(next) = text.get(at + found.taken..).and_then(one) else { break };
        at += found.taken;
        found = next;
    }
    found.taken += at;
    Some(found)
}

/// The character for the text after the ampersand.
fn one(text: &[u8]) -> Option<Decoded> {
    match text {
        [b'#', b'x' | b'X', digits @ ..] => numbered(digits, 16, 2),
        [b'#', digits @ ..] => numbered(digits, 10, 1),
        name => named(name),
    }
}

/// A character by its number. The semicolon may be missing, which browsers accept too.
fn numbered(text: &[u8], base: u32, before: usize) -> Option<Decoded> {
    let (number, digits) = number(text, base)?;
    let end = usize::from(text.get(digits) == Some(&b';'));
    Decoded::letter(number, before + digits + end)
}

fn named(text: &[u8]) -> Option<Decoded> {
    static BY_NAME: LazyLock<HashMap<&[u8], u32>> = LazyLock::new(|| {
        let latin = LATIN.split(' ').map(str::as_bytes).zip(0xa0..);
        NAMES.iter().map(|(name, byte)| (*name, u32::from(*byte))).chain(latin).collect()
    });
    let letters = text.iter().take(NAME_BYTES_MAX).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    if text.get(letters) == Some(&b';') {
        return Decoded::letter(*BY_NAME.get(text.get(..letters)?)?, letters + 1);
    }
    WITHOUT_SEMICOLON.iter().find(|(name, _)| text.starts_with(name)).map(|(name, byte)| Decoded::byte(*byte, name.len()))
}
