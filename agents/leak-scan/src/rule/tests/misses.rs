//! Near misses of a rule, made from its description: each differs from a token in one respect.

use super::made::{Lengths, Random, Sample, filled, letters, sample};
use crate::rule::check::Check;
use crate::rule::{Form, Rule};

/// Texts in which the rule must not match.
pub(crate) fn near_misses(random: &mut Random, rule: &Rule) -> Vec<String> {
    let mut missed = match rule.form {
        Form::Token(_) | Form::Url(_) | Form::Within(..) | Form::Named(_) => by_shape(random, rule),
        Form::PrivateKey => return private_keys(random),
        Form::Login => return logins(random),
    };
    match rule.form {
        Form::Token(_) => missed.extend([another_case(random, rule), in_a_word(random, rule)].into_iter().flatten()),
        Form::Within(..) => missed.extend(in_a_word(random, rule)),
        Form::Named(_) => missed.extend(names(random, rule)),
        Form::Url(_) | Form::PrivateKey | Form::Login => {}
    }
    missed.extend(refilled(random, rule));
    missed.extend(unproven(random, rule));
    missed
}

fn least(random: &mut Random, rule: &Rule) -> Sample {
    let mut made = sample(random, rule, Lengths::Least);
    if !matches!(rule.form, Form::Named(_)) {
        (made.before, made.after) = ("key = \"".to_owned(), "\"\n".to_owned());
    }
    made
}

/// Tokens with one character too few, too many, or of another alphabet, in each part.
fn by_shape(random: &mut Random, rule: &Rule) -> Vec<String> {
    let mut missed = Vec::new();
    for n in 0..least(random, rule).pieces.len() {
        let made = least(random, rule);
        let Some((alphabet, from, to)) = made.pieces[n].from else { continue };
        for text in [
            filled(random, alphabet, from - 1),
            filled(random, alphabet, to + 1),
            format!("{}!{}", filled(random, alphabet, from / 2), filled(random, alphabet, from - from / 2 - 1)),
        ] {
            let mut other = made.clone();
            other.pieces[n].text = text;
            missed.push(other.text());
        }
    }
    missed
}

fn another_case(random: &mut Random, rule: &Rule) -> Option<String> {
    let mut made = least(random, rule);
    let swap = |c: char| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
    let other: String = made.keyword.chars().map(swap).collect();
    let differs = other != made.keyword;
    made.keyword = other;
    differs.then(|| made.text())
}

fn in_a_word(random: &mut Random, rule: &Rule) -> Option<String> {
    let mut made = least(random, rule);
    made.before.push('x');
    Some(made.text())
}

/// A value with an unrelated name, one whose name does not say that it is secret, and one that is not assigned to a name.
fn names(random: &mut Random, rule: &Rule) -> Vec<String> {
    let (token, word) = (least(random, rule).token(), rule.keywords[0]);
    vec![
        format!("some_service_api_key = \"{token}\"\n"),
        format!("{word}_host = \"{token}\"\n"),
        format!("{word} key {token}\n"),
        format!("{word}_api_key = \"{token}.html\"\n"),
        format!("{word}_api_key = lookup(\"{token}\")\n"),
    ]
}

/// Placeholders, words that say that the text is not a secret, and too few different characters.
fn refilled(random: &mut Random, rule: &Rule) -> Vec<String> {
    let mut missed = Vec::new();
    let fills: &[usize] = if matches!(rule.check, Check::Entropy(_)) { &[1, 3] } else { &[1] };
    for different in fills {
        let mut made = least(random, rule);
        for piece in &mut made.pieces {
            if let Some((alphabet, from, _)) = piece.from {
                let few: Vec<char> = letters(alphabet).into_iter().rev().take(*different).collect();
                piece.text = few.iter().cycle().take(from).collect();
            }
        }
        // A literal part, such as a dash, adds a different character, so only the entropy may reject this text.
        let literal = made.pieces.iter().any(|piece| piece.from.is_none());
        if !literal || matches!(rule.check, Check::Entropy(_)) {
            missed.push(made.text());
        }
    }
    let mut made = least(random, rule);
    let word = made.pieces.iter_mut().rev().find_map(|piece| {
        let (alphabet, from, _) = piece.from?;
        let word = ["example", "EXAMPLE"].into_iter().find(|word| word.bytes().all(|byte| alphabet.has(byte)))?;
        (from > word.len()).then(|| piece.text.replace_range(1..=word.len(), word))
    });
    missed.extend(word.map(|()| made.text()));
    missed
}

/// The token with one character changed, if a checksum covers each character.
fn unproven(random: &mut Random, rule: &Rule) -> Vec<String> {
    if matches!(rule.check, Check::Shape | Check::Entropy(_)) {
        return Vec::new();
    }
    let mut missed = Vec::new();
    let length = least(random, rule).pieces[0].text.len();
    for at in 0..length {
        let mut made = least(random, rule);
        let (alphabet, ..) = made.pieces[0].from.unwrap();
        let was = made.pieces[0].text[at..].chars().next().unwrap();
        let other = letters(alphabet).into_iter().find(|letter| *letter != was).unwrap();
        made.pieces[0].text.replace_range(at..=at, &other.to_string());
        missed.push(made.text());
    }
    missed
}

fn private_keys(random: &mut Random) -> Vec<String> {
    let body = filled(random, &crate::rule::shape::BASE64, 64);
    let pem = |label: &str, body: &str| ["-----BEG", "IN ", label, "-----", body, "\n-----E", "ND ", label, "-----\n"].concat();
    vec![
        pem("PUBLIC KEY", &format!("\n{body}")),
        pem("CERTIFICATE", &format!("\n{body}")),
        pem("PRIVATE KEY", "\n...\n"),
        pem("PRIVATE KEY", &format!("\n{}", "x".repeat(64))),
        pem("private key", &format!("\n{body}")),
        ["if line == \"-----BEG", "IN PRIVATE KEY-----\" {\n    return Err(\"...\");\n"].concat(),
        ["-----BEG", "IN PRIVATE KEY-----"].concat(),
        ["-----BEG", "IN PRIVATE KEY----\n", &body].concat(),
    ]
}

fn logins(random: &mut Random) -> Vec<String> {
    let password = filled(random, &crate::rule::shape::WORD, 12);
    let at = |user: &str, password: &str, host: &str| format!("postgres://{user}{password}@{host}/app\n");
    vec![
        at("svc:", &password, "localhost"),
        at("svc:", &password, "127.0.0.1"),
        at("svc:", &password, "db.example.com"),
        at("svc:", &password, "db"),
        at("svc:", "${PASSWORD}", "db.corp.internal"),
        at("svc:", "{password}", "db.corp.internal"),
        at("svc:", "short", "db.corp.internal"),
        at("svc:", "placeholder", "db.corp.internal"),
        at("svc:", "xxxxxxxxxxxx", "db.corp.internal"),
        at(":", &password, "db.corp.internal"),
        at("svc", "", "db.corp.internal"),
        format!("x{}", at("svc:", &password, "db.corp.internal")),
    ]
}
