//! Decodes runs of base64 in a text: secrets are often kept that way (Kubernetes, CI variables), and no rule finds them there.
//!
//! INVARIANT: each byte of a text is decoded at most once, and decoded text is not decoded again.

use std::ops::Range;

/// Shorter runs contain no token that a rule would find.
const RUN_BYTES_MIN: usize = 20;
/// BOUND: how much of one run is decoded.
const RUN_BYTES_MAX: usize = 256 * 1024;

/// What a run decodes to.
pub(crate) struct Encoded<'d> {
    pub(crate) at: Range<usize>,
    pub(crate) decoded: &'d [u8],
}

/// Calls `each` for every run that decodes to text.
pub(crate) fn each_run(text: &[u8], each: &mut dyn FnMut(Encoded<'_>)) {
    let mut decoded = Vec::new();
    let mut at = 0;
    // The last byte that a run of the least length from `at` must have. If it is not a base64 byte, no such run covers it.
    while let Some(last) = text.get(at + RUN_BYTES_MIN - 1) {
        if value(*last).is_none() {
            at += RUN_BYTES_MIN;
            continue;
        }
        let reach = text.get(at..at + RUN_BYTES_MIN).unwrap_or_default();
        let start = at + reach.iter().rposition(|byte| value(*byte).is_none()).map_or(0, |before| before + 1);
        let length = text.get(start..).unwrap_or_default().iter().take_while(|byte| value(**byte).is_some()).count();
        let end = start + length;
        let run = text.get(start..end.min(start + RUN_BYTES_MAX)).unwrap_or_default();
        if length >= RUN_BYTES_MIN && decode(run, &mut decoded) {
            each(Encoded { at: start..end, decoded: &decoded });
        }
        at = end + 1;
    }
}

/// Decodes into `decoded`; returns false as soon as the result is not text.
fn decode(run: &[u8], decoded: &mut Vec<u8>) -> bool {
    decoded.clear();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in run {
        bits = bits << 6 | value(*byte).unwrap_or(0);
        count += 6;
        if count >= 8 {
            count -= 8;
            let byte = (bits >> count & 0xff) as u8;
            if !(byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
                return false;
            }
            decoded.push(byte);
        }
    }
    true
}

/// The value of a digit, in the standard alphabet and in the URL-safe one.
fn value(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::each_run;

    fn runs(text: &str) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        each_run(text.as_bytes(), &mut |run| found.push((run.at.start, String::from_utf8(run.decoded.to_vec()).unwrap())));
        found
    }

    #[test]
    fn runs_that_decode_to_text_are_found_wherever_they_stand() {
        for gap in 0..45 {
            let text = format!("{}\"cGFzc3dvcmQgaXMgaHVudGVyMg==\"", " ".repeat(gap));
            assert_eq!(runs(&text), [(gap + 1, "password is hunter2".to_owned())]);
        }
    }

    #[test]
    fn what_is_short_or_no_text_is_left_alone() {
        assert_eq!(runs("cGFzc3dvcmQgaXMg"), []);
        assert_eq!(runs("a_function_with_quite_a_long_name and a/path/of/many/folders/and/names"), []);
        assert_eq!(runs(&"9f86d081884c7d659a2feaa0c55ad015".repeat(4)), []);
    }
}
