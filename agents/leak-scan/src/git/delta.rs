//! Applies a delta: makes an object from another one and the differences.

use super::object::Broken;

/// Reads a number with seven bits per byte, least significant first; returns the rest of the bytes too.
pub(super) fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0;
    for (n, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(n + 1..)?));
        }
    }
    None
}

/// Applies `delta` to `base`. The lengths must be those that the delta says, and the result at most `bytes_max` long.
pub(super) fn apply(base: &[u8], delta: &[u8], bytes_max: usize) -> Result<Vec<u8>, Broken> {
    let corrupt = Broken::Corrupt("a delta");
    let Some(((from, to), mut rest)) = number(delta).and_then(|(from, rest)| number(rest).map(|(to, rest)| ((from, to), rest))) else {
        return Err(corrupt);
    };
    if from != base.len() as u64 {
        return Err(Broken::Corrupt("a delta for another base"));
    }
    let Some(length) = usize::try_from(to).ok().filter(|length| *length <= bytes_max) else { return Err(Broken::TooLarge) };
    let mut out = Vec::with_capacity(length);
    while let [code, after @ ..] = rest {
        let piece = if code & 0x80 != 0 {
            let Some((at, count, after)) = copied(*code, after) else { return Err(corrupt) };
            rest = after;
            base.get(at..at.saturating_add(count))
        } else {
            let count = usize::from(*code);
            rest = after.get(count..).unwrap_or_default();
            after.get(..count).filter(|_| count > 0)
        };
        let Some(piece) = piece.filter(|piece| out.len() + piece.len() <= length) else { return Err(corrupt) };
        out.extend_from_slice(piece);
    }
    if out.len() == length { Ok(out) } else { Err(corrupt) }
}

/// Where to copy from (up to four bytes), and how much (up to three bytes); only the bytes that the code names are present.
fn copied(code: u8, bytes: &[u8]) -> Option<(usize, usize, &[u8])> {
    let (mut values, mut rest) = ([0_usize; 2], bytes);
    for bit in 0..7 {
        if code >> bit & 1 == 1 {
            let (byte, after) = rest.split_first()?;
            let (value, shift) = if bit < 4 { (values.get_mut(0)?, bit) } else { (values.get_mut(1)?, bit - 4) };
            *value |= usize::from(*byte) << (8 * shift);
            rest = after;
        }
    }
    let [at, count] = values;
    Some((at, if count == 0 { 0x1_0000 } else { count }, rest))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::{Broken, apply};

    #[test]
    fn a_delta_copies_and_inserts() {
        let delta = [5, 7, 0x91, 1, 3, 4, b'-', b'x', b'y', b'z'];
        assert_eq!(apply(b"abcde", &delta, 100).unwrap(), b"bcd-xyz");
    }

    #[test]
    fn a_delta_that_lies_is_corrupt_and_takes_no_memory() {
        for delta in [
            [].as_slice(),
            &[5],
            &[4, 1, 1, b'x'],
            &[5, 2, 1, b'x'],
            &[5, 1, 2, b'x', b'y'],
            &[5, 1, 0, b'x'],
            &[5, 3, 0x91, 4, 3],
            &[5, 3, 0x91, 4],
            &[5, 9, 9, b'x'],
            &[0xff; 20],
        ] {
            assert!(matches!(apply(b"abcde", delta, 100), Err(Broken::Corrupt(_))), "{delta:?}");
        }
        let huge = [5, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1, b'x'];
        assert!(matches!(apply(b"abcde", &huge, 100), Err(Broken::TooLarge)));
    }
}
