//! Cuts what a guest prints into lines.

use vocabulary::LINE_BYTES_MAX;

/// Collects bytes until a line is complete, or has the largest allowed length.
#[derive(Default)]
pub(crate) struct PrintedLines {
    open: Vec<u8>,
}

impl PrintedLines {
    /// Adds bytes, and calls `line` for each line that is now complete.
    pub(crate) fn push<E>(&mut self, mut bytes: &[u8], mut line: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        while !bytes.is_empty() {
            let room = LINE_BYTES_MAX.saturating_sub(self.open.len());
            let (head, ended) = match bytes.iter().take(room).position(|byte| *byte == b'\n') {
                Some(at) => (at, true),
                None => (room.min(bytes.len()), false),
            };
            let (taken, rest) = bytes.split_at(head);
            self.open.extend_from_slice(taken);
            bytes = if ended { rest.get(1..).unwrap_or_default() } else { rest };
            if ended || self.open.len() >= LINE_BYTES_MAX {
                line(&self.open)?;
                self.open.clear();
            }
        }
        Ok(())
    }

    /// Takes the last line if it has no end.
    pub(crate) fn take_open(&mut self) -> Option<Vec<u8>> {
        (!self.open.is_empty()).then(|| std::mem::take(&mut self.open))
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE_BYTES_MAX, PrintedLines};

    fn lines(pieces: &[&[u8]]) -> (Vec<Vec<u8>>, Option<Vec<u8>>) {
        let (mut buffer, mut seen) = (PrintedLines::default(), Vec::new());
        for piece in pieces {
            let pushed: Result<(), ()> = buffer.push(piece, |line| {
                seen.push(line.to_vec());
                Ok(())
            });
            assert!(pushed.is_ok());
        }
        (seen, buffer.take_open())
    }

    #[test]
    fn lines_do_not_depend_on_how_they_were_written() {
        assert_eq!(lines(&[b"a\n\nbc"]), lines(&[b"a", b"\n", b"\nb", b"c"]));
        assert_eq!(lines(&[b"a\n\nbc"]), (vec![b"a".to_vec(), Vec::new()], Some(b"bc".to_vec())));
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let long = vec![b'x'; 3 * LINE_BYTES_MAX + 1];
        let (seen, open) = lines(&[&long]);
        assert_eq!(seen.len(), 3);
        assert_eq!(open, Some(b"x".to_vec()));
    }
}
