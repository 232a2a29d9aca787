//! The message while this process waits for another one.

use home::Waiting;

use crate::{out, words};

/// Says which process this one waits for, since when that process has the lock, and when this one gives up.
pub(crate) fn say(waiting: &Waiting) {
    out::words(&said(waiting));
}

fn said(Waiting { other, what, left }: &Waiting) -> String {
    let since = other.since_s.map_or_else(String::new, |since_s| format!(" since {} UTC", words::utc(since_s.saturating_mul(1000))));
    // Rounded up, so that the message never says 0 s.
    let left = left.as_millis().div_ceil(1000);
    format!("waiting for {other}, which {what}{since}; giving up in {left} s")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use home::{Doing, Other};

    use super::*;

    #[test]
    fn a_wait_names_whom_since_when_and_how_long() {
        let other = Other { pid: Some(4711), program: Some("bailiwick run".to_owned()), doing: Doing::Stopped, since_s: Some(86_400) };
        let waiting = Waiting { other, what: "holds the home".to_owned(), left: Duration::from_millis(29_400) };
        assert_eq!(
            said(&waiting),
            "waiting for process 4711 (`bailiwick run`, stopped), which holds the home since 1970-01-02 00:00:00 UTC; giving up in 30 s"
        );
        let nobody = Waiting { other: Other::default(), ..waiting };
        assert_eq!(said(&nobody), "waiting for another process, which holds the home; giving up in 30 s");
    }
}
