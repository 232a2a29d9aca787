//! Tests of adding and removing values.

use super::*;

fn made(number: usize) -> Secret {
    // Like tokens of one issuer, these values have the same beginning and the same end.
    secret(&format!("eyJhbGciOiJSUzI1NiJ9.{:020}.signature-{number:08}-of-it==", number * 7_919))
}

#[test]
fn thousands_of_values_are_each_found_and_each_gone_once_they_are_taken_out() {
    let known = Scrubber::default();
    (0..3_000).for_each(|number| known.insert(&made(number), number as u64).unwrap());
    (0..3_000).step_by(2).for_each(|number| known.remove(&made(number), number as u64));
    for number in (0..3_000).step_by(37) {
        let text = [b"<", made(number).expose(), b">"].concat();
        let found = known.find(&text);
        let expected: Vec<u64> = (number % 2 == 1).then_some(number as u64).into_iter().collect();
        assert_eq!(found.of.keys().copied().collect::<Vec<_>>(), expected, "{number}");
    }
    (0..3_000).for_each(|number| known.remove(&made(number), number as u64));
    assert!(known.is_empty() && !known.finds(made(1).expose()));
}

#[test]
fn what_was_put_in_twice_is_there_until_it_was_taken_out_twice() {
    let known = Scrubber::default();
    let value = secret("plain-value-2");
    (0..2).for_each(|_| known.insert(&value, 1).unwrap());
    known.insert(&value, 2).unwrap();
    known.remove(&value, 1);
    assert_eq!(known.find(value.expose()).of.keys().copied().collect::<Vec<_>>(), [1, 2]);
    known.remove(&value, 1);
    known.remove(&value, 1);
    assert_eq!(known.find(value.expose()).of.keys().copied().collect::<Vec<_>>(), [2]);
    known.remove(&value, 2);
    assert!(known.is_empty());
}

#[test]
fn more_forms_than_are_looked_for_are_refused_and_nothing_is_forgotten() {
    let known = Scrubber::default();
    let value = |number: usize| secret(&format!("{number:09}-value"));
    let fits = (0..crate::scrub::FORMS_MAX).take_while(|number| known.insert(&value(*number), 0).is_ok()).count();
    assert!((5_000..crate::scrub::FORMS_MAX).contains(&fits), "{fits}");
    assert!(known.insert(&value(fits), 0).is_err() && !known.finds(value(fits).expose()));
    assert!(known.finds(value(0).expose()) && known.finds(value(fits - 1).expose()));
    known.remove(&value(0), 0);
    known.insert(&value(fits), 0).unwrap();
}
