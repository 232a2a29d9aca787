//! The forms of a value that are searched for: the value itself, and the few other forms that no view decodes to it.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::search::unescaped;
use crate::secret::VALUE_BYTES_MIN;

/// One form, which is overwritten when it is dropped.
pub(super) type TextForm = Zeroizing<Vec<u8>>;

/// The forms in texts: the value as it is, as it is when all escapes are decoded, with blanks as HTML forms write them, and in other
/// character sets.
pub(super) fn in_texts(value: &[u8]) -> Vec<TextForm> {
    let mut forms = vec![value.to_vec()];
    // A backslash at the end of a value can't be told from backslashes that escape the text after it.
    let slashes = value.iter().rev().take_while(|byte| **byte == b'\\').count();
    forms.extend(value.get(..value.len() - slashes).map(<[u8]>::to_vec));
    let text = str::from_utf8(value).ok().filter(|text| !text.is_ascii());
    forms.extend(text.and_then(|text| text.chars().map(|letter| u8::try_from(u32::from(letter)).ok()).collect()));
    for (from, to) in [(b' ', b'+'), (b'+', b' ')] {
        let other = |form: &Vec<u8>| form.iter().map(|byte| if *byte == from { to } else { *byte }).collect();
        forms.extend(forms.iter().map(other).collect::<Vec<Vec<u8>>>());
    }
    forms.extend(forms.iter().flat_map(|form| unescaped(form)).collect::<Vec<_>>());
    if let Some(text) = text {
        forms.push(text.encode_utf16().flat_map(u16::to_le_bytes).collect());
        forms.push(text.encode_utf16().flat_map(u16::to_be_bytes).collect());
    }
    sorted(forms)
}

/// The forms in names of header fields. Names are in lower case, so base 64 in them can't be decoded: the forms are base 64 once, and twice
/// in the common alphabet.
pub(super) fn in_names(value: &[u8]) -> Vec<TextForm> {
    let mut forms = Vec::new();
    for once in in_base64(value, &[&STANDARD_NO_PAD, &URL_SAFE_NO_PAD]) {
        forms.extend(in_base64(&once, &[&STANDARD_NO_PAD]));
        forms.push(once);
    }
    forms.retain(|form| form.iter().all(is_of_names));
    forms.extend(in_texts(value).iter().map(|form| form.to_vec()));
    forms.iter_mut().for_each(|form| form.make_ascii_lowercase());
    sorted(forms)
}

/// Base 64 at each of three offsets, without the letters that depend on the bytes before or after.
fn in_base64(bytes: &[u8], alphabets: &[&GeneralPurpose]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let bytes = Zeroizing::new([&vec![0; before], bytes].concat());
        let (from, to) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        for alphabet in alphabets {
            forms.extend(alphabet.encode(&bytes).as_bytes().get(from..to).map(<[u8]>::to_vec));
        }
    }
    forms
}

/// Whether a byte may be in a name (RFC 9110 section 5.6.2). The parts of a value that is spread over names and values may contain other
/// bytes. These parts are searched for as they are.
fn is_of_names(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

fn sorted(forms: Vec<Vec<u8>>) -> Vec<TextForm> {
    let mut forms: Vec<TextForm> = forms.into_iter().filter(|form| form.len() >= VALUE_BYTES_MIN).map(Zeroizing::new).collect();
    forms.sort_unstable_by(|one, other| one.as_slice().cmp(other));
    forms.dedup_by(|one, other| **one == **other);
    forms
}
