//! What a dry run decided.

use gate::Touched;
use serde::Serialize;
use vocabulary::{Outcome, exit};

use crate::words::count;

/// How many acts of a dry run would have gone which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Decided {
    /// Those that would be permitted.
    pub(crate) permitted: u64,
    /// Those for which people would be asked.
    pub(crate) asked: u64,
    /// Those that were refused.
    pub(crate) refused: u64,
    /// Those that the report has no room for: the record has them.
    pub(crate) more: u64,
}

impl Decided {
    pub(crate) fn of(touched: &Touched) -> Self {
        let mut decided = Self { more: touched.more.refused, ..Self::default() };
        for row in &touched.refused {
            let of_it = match &row.would {
                None => &mut decided.refused,
                Some(would) if *would == vocabulary::WouldBe::Permitted => &mut decided.permitted,
                Some(_) => &mut decided.asked,
            };
            *of_it += row.alike;
        }
        decided
    }

    /// The exit code of a dry run. A failure of the agent says nothing if acts of it were not done.
    pub(crate) fn exit(self, outcome: &Outcome) -> u8 {
        let came_to_its_end =
            matches!(outcome, Outcome::Done | Outcome::Failed { .. } | Outcome::NotCommitted { .. } | Outcome::Trapped { .. });
        match self {
            _ if !came_to_its_end => exit::of_outcome(outcome, false, exit::Strictness::Lenient),
            Self { refused, more, .. } if refused + more > 0 => exit::REFUSED,
            Self { asked, .. } if asked > 0 => exit::WAITING,
            Self { permitted, .. } if permitted > 0 => exit::DONE,
            _ => exit::of_outcome(outcome, false, exit::Strictness::Lenient),
        }
    }
}

pub(super) fn words(touched: &Touched) -> String {
    let Decided { permitted, asked, refused, more } = Decided::of(touched);
    let rest = if more > 0 { format!(", {} not listed here", count(more)) } else { String::new() };
    format!("{} would be permitted, {} would ask people, {} refused{rest}", count(permitted), count(asked), count(refused))
}

#[cfg(test)]
mod tests {
    use vocabulary::{Limit, Outcome, SafeText, exit};

    use super::Decided;

    #[test]
    fn the_code_of_a_dry_run_says_what_was_decided() {
        let text = || SafeText::new("x", 8);
        let failed = Outcome::Failed { code: text(), message: text() };
        let decided = |permitted, asked, refused| Decided { permitted, asked, refused, more: 0 };
        for (decided, outcome, code) in [
            (decided(0, 0, 0), &Outcome::Done, exit::DONE),
            (decided(0, 0, 0), &failed, exit::AGENT),
            (decided(2, 0, 0), &failed, exit::DONE),
            (decided(2, 1, 0), &Outcome::Done, exit::WAITING),
            (decided(2, 1, 1), &failed, exit::REFUSED),
            (Decided { more: 1, ..decided(2, 0, 0) }, &Outcome::Done, exit::REFUSED),
            (decided(1, 1, 1), &Outcome::Limit { limit: Limit::Asks }, exit::LIMIT),
        ] {
            assert_eq!(decided.exit(outcome), code, "{decided:?} {outcome:?}");
        }
    }
}
