//! The scrubber: an answer that contains values, in forms that the fuzzer combines.

use std::sync::OnceLock;

use vault::{Scrubber, Scrubbing, Secret};

/// The values that the scrubber must find. The second begins with the end of the first.
const VALUES: [&str; 3] = ["s3cr3t/Value+1==", "1==another \"quoted\" value", "0123456789abcdef0123456789abcdef"];

fn known() -> &'static Scrubber {
    static KNOWN: OnceLock<Scrubber> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let values = VALUES.map(|value| Secret::new(value.as_bytes().to_vec()).expect("the value is valid"));
        Scrubber::new(&values).expect("the values fit")
    })
}

/// The first byte is the length of the pieces in which the rest arrives. In the rest, a byte below 0x18 (except tab and line ends) stands
/// for a value in one of its forms.
///
/// # Panics
/// A value comes through, or the result depends on the pieces, or something other than stars is inserted.
pub fn scrubber(bytes: &[u8]) {
    let Some((piece, text)) = bytes.split_first() else { return };
    let text: Vec<u8> = text.iter().flat_map(|byte| planted(*byte)).collect();
    let known = known();
    let whole = scrubbed(known, &text, text.len());
    let pieces = scrubbed(known, &text, usize::from(*piece));
    assert_eq!(whole.as_ref().ok(), pieces.as_ref().ok(), "the result depends on the pieces");
    let Ok(out) = whole else { return };
    for value in VALUES {
        assert!(!out.windows(value.len()).any(|part| part == value.as_bytes()), "a value came through");
    }
    if out.len() == text.len() {
        let changed = out.iter().zip(&text).all(|(out, text)| out == text || *out == b'*');
        assert!(changed, "something other than stars was inserted");
    }
    let mut at_once = text;
    known.scrub(&mut at_once);
    assert!(
        VALUES.iter().all(|value| !at_once.windows(value.len()).any(|part| part == value.as_bytes())),
        "a value came through when the text was scrubbed as a whole"
    );
}

fn scrubbed(known: &Scrubber, text: &[u8], piece: usize) -> Result<Vec<u8>, vault::PackedError> {
    let mut stream = Scrubbing::default();
    let mut out = Vec::new();
    for piece in text.chunks(piece.max(1)) {
        out.extend(stream.push(&[known], piece)?);
    }
    out.extend(stream.finish(&[known], &mut [])?);
    Ok(out)
}

/// The text that a byte of the input stands for.
fn planted(byte: u8) -> Vec<u8> {
    let value = |n: usize| VALUES.get(n % VALUES.len()).map(|value| value.as_bytes()).unwrap_or_default();
    let each = |n, form: &dyn Fn(&u8) -> String| value(n).iter().map(form).collect::<String>().into_bytes();
    match byte {
        b'\t' | b'\n' | b'\r' | 0x18.. => vec![byte],
        n @ 0..=2 => value(n.into()).to_vec(),
        n @ 3..=5 => each(n.into(), &|byte| format!("{byte:02x}")),
        n @ 6..=8 => each(n.into(), &|byte| format!("%{byte:02X}")),
        n @ 11..=12 => each(n.into(), &|byte| format!("\\u{byte:04x}")),
        n @ 14..=16 => each(n.into(), &|byte| format!("&#{byte};")),
        n => value(n.into()).iter().rev().copied().collect(),
    }
}
