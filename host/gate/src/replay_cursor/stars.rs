//! Compares texts of a rebuild with recorded texts in which stars replace secrets. A rebuild does not know the secrets, so only the rest of
//! the text and its length are compared.

use std::cell::RefCell;

use vocabulary::{Claim, Outcome, SafeText};

/// The least number of stars that stand for a secret.
const STARS_MIN: usize = 8;

/// Whether bytes equal the recorded ones, except where the record has stars in place of a secret.
pub(super) fn is_same(then: &[u8], now: &[u8]) -> bool {
    let (mut rest, mut at) = (then, 0);
    if then.len() != now.len() {
        return false;
    }
    while let Some(differs) = rest.iter().zip(now.get(at..).unwrap_or_default()).position(|(then, now)| then != now) {
        let before = rest.get(..differs).unwrap_or_default().iter().rev().take_while(|byte| **byte == b'*').count();
        let after = rest.get(differs..).unwrap_or_default().iter().take_while(|byte| **byte == b'*').count();
        if after == 0 || before + after < STARS_MIN {
            return false;
        }
        at += differs + after;
        rest = rest.get(differs + after..).unwrap_or_default();
    }
    true
}

/// The same for all texts of a claim.
pub(super) fn is_same_claim(then: &Claim, now: &Claim) -> bool {
    if then == now {
        return true;
    }
    let apart = |claim: &Claim| {
        let texts = RefCell::new(Vec::new());
        let bare = claim.clone().map_texts(&|text| {
            texts.borrow_mut().push(text.clone());
            SafeText::new("", 0)
        });
        (bare, texts.into_inner())
    };
    let ((then, then_texts), (now, now_texts)) = (apart(then), apart(now));
    then == now && then_texts.len() == now_texts.len() && then_texts.iter().zip(&now_texts).all(|(then, now)| is_same_text(then, now))
}

fn is_same_text(then: &SafeText, now: &SafeText) -> bool {
    is_same(then.as_str().as_bytes(), now.as_str().as_bytes())
}

/// The same for the texts of an outcome.
pub(super) fn is_same_outcome(then: &Outcome, now: &Outcome) -> bool {
    match (then, now) {
        (Outcome::Failed { code, message }, Outcome::Failed { code: now_code, message: now_message }) => {
            is_same_text(code, now_code) && is_same_text(message, now_message)
        }
        (Outcome::Trapped { message }, Outcome::Trapped { message: now_message }) => is_same_text(message, now_message),
        (then, now) => then == now,
    }
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn only_where_the_record_has_stars_for_a_secret_may_anything_else_stand() {
        for (then, now, same) in [
            ("plain", "plain", true),
            ("plain", "plane", false),
            ("a ******** b", "a s3cr3t-v b", true),
            ("a ******** b", "a s*cr*t-v b", true),
            ("a ******** b", "a s3cr3t-v c", false),
            ("a ******** b", "a s3cr3t-vv b", false),
            ("a ******* b", "a s3cr3t- b", false),
            ("********", "s3cr3t-v", true),
            ("******** ********", "s3cr3t-v s3cr3t-v", true),
            ("2 * 3", "2 x 3", false),
        ] {
            assert_eq!(is_same(then.as_bytes(), now.as_bytes()), same, "{then} {now}");
        }
    }
}
