//! Tokens made from a rule's description: tokens that it must find, and near misses. This source itself contains no
//! token that a scanner would find.

use crate::rule::check::{BECH32, Check, base62, crc_hex, crc32, expanded, polymod};
use crate::rule::shape::{Alphabet, Part};
use crate::rule::{Form, Rule};

/// Numbers that are the same in every run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Which length to choose for parts that may have several.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Lengths {
    Least,
    Any,
}

/// One part of a token, with its alphabet.
#[derive(Clone)]
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) from: Option<(&'static Alphabet, usize, usize)>,
}

/// A token, and the text that it needs around it.
#[derive(Clone)]
pub(crate) struct Sample {
    pub(crate) before: String,
    pub(crate) keyword: String,
    /// The index of the piece that is the keyword.
    pub(crate) keyword_at: usize,
    pub(crate) pieces: Vec<Piece>,
    pub(crate) after: String,
}

impl Sample {
    /// The text that the rule has to mark.
    pub(crate) fn token(&self) -> String {
        let (head, tail) = self.pieces.split_at(self.keyword_at);
        let join = |pieces: &[Piece]| pieces.iter().map(|piece| piece.text.as_str()).collect::<String>();
        format!("{}{}{}", join(head), self.keyword, join(tail))
    }

    pub(crate) fn text(&self) -> String {
        format!("{}{}{}", self.before, self.token(), self.after)
    }
}

pub(crate) fn letters(alphabet: &Alphabet) -> Vec<char> {
    (0..128_u8).filter(|byte| alphabet.has(*byte)).map(char::from).collect()
}

pub(crate) fn filled(random: &mut Random, alphabet: &Alphabet, length: usize) -> String {
    let letters = letters(alphabet);
    (0..length).map(|_| *random.one(&letters)).collect()
}

fn pieces(random: &mut Random, parts: &[Part], lengths: Lengths) -> Vec<Piece> {
    let mut made = Vec::new();
    for part in parts {
        match part {
            Part::Run(alphabet, from, to) | Part::Until(alphabet, from, to, _) => {
                let more = if lengths == Lengths::Least { 0 } else { random.below(to - from + 1) };
                let text = filled(random, alphabet, from + more);
                made.push(Piece { text, from: Some((*alphabet, *from, *to)) });
                if let Part::Until(.., literal) = part {
                    made.push(Piece { text: (*literal).to_owned(), from: None });
                }
            }
            Part::Lit(literal) => made.push(Piece { text: (*literal).to_owned(), from: None }),
            Part::Any(literals) => made.push(Piece { text: (*random.one(literals)).to_owned(), from: None }),
        }
    }
    made
}

/// Ways in which a named credential is written: the text before and after the value.
const ASSIGNMENTS: &[(&str, &str)] = &[
    ("{UPPER}_API_KEY=", "\n"),
    ("export MY_{UPPER}_TOKEN=\"", "\"\n"),
    ("{lower}_secret: \"", "\"\n"),
    ("  \"{lower}-access-token\": \"", "\",\n"),
    ("const {lower}AuthKey = '", "';\n"),
    ("api_key_{lower} = '", "'\n"),
    ("{Capital}ApiKey := `", "`\n"),
    ("{lower}.secret-key=", "\n"),
];

const AROUND: &[(&str, &str)] = &[("", ""), ("key = \"", "\"\n"), ("https://", "@host/"), ("x\\n", "\\n"), ("a%3D", "&b=1"), ("- ", "\n")];

fn assigned(random: &mut Random, word: &str) -> (String, String) {
    let (before, after) = random.one(ASSIGNMENTS);
    let capital = word[..1].to_ascii_uppercase() + &word[1..];
    let before = before.replace("{UPPER}", &word.to_ascii_uppercase()).replace("{lower}", word).replace("{Capital}", &capital);
    (before, (*after).to_owned())
}

/// A token that the rule must find.
pub(crate) fn sample(random: &mut Random, rule: &Rule, lengths: Lengths) -> Sample {
    let keyword = (*random.one(rule.keywords)).to_owned();
    let (before, after) = random.one(AROUND);
    let (before, after) = ((*before).to_owned(), (*after).to_owned());
    let mut made = match rule.form {
        Form::Token(parts) | Form::Url(parts) => Sample { before, keyword, keyword_at: 0, pieces: pieces(random, parts, lengths), after },
        Form::Within(head, tail) => {
            let head = pieces(random, head, lengths);
            let keyword_at = head.len();
            Sample { before, keyword, keyword_at, pieces: [head, pieces(random, tail, lengths)].concat(), after }
        }
        Form::Named(parts) => {
            let (before, after) = assigned(random, &keyword);
            Sample { before, keyword: String::new(), keyword_at: 0, pieces: pieces(random, parts, lengths), after }
        }
        Form::PrivateKey => private_key(random, &keyword),
        Form::Login => {
            let before = format!("DATABASE = {keyword}svc:");
            let text = filled(random, &crate::rule::shape::WORD, 12);
            let pieces = vec![Piece { text, from: Some((&crate::rule::shape::WORD, 8, 128)) }];
            Sample { before, keyword: String::new(), keyword_at: 0, pieces, after: "@db.corp.internal:5432/app\n".to_owned() }
        }
    };
    mend(rule, &mut made);
    made
}

fn private_key(random: &mut Random, keyword: &str) -> Sample {
    let label = *random.one(&["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "PGP PRIVATE KEY BLOCK"]);
    let end = *random.one(&["\n", "\r\n", "\\n", "\\r\\n", "\" +\n    \"", "\n    # ", "\nProc-Type: 4,ENCRYPTED\n\n"]);
    let body = filled(random, &crate::rule::shape::BASE64, 64);
    let pieces = vec![Piece { text: format!("{label}-----"), from: None }];
    Sample { before: "  ".to_owned(), keyword: keyword.to_owned(), keyword_at: 0, pieces, after: format!("{end}{body}{end}") }
}

/// Corrects the checksum, if the rule has one.
fn mend(rule: &Rule, sample: &mut Sample) {
    let keyword = sample.keyword.clone();
    let Some(last) = sample.pieces.last_mut() else { return };
    match rule.check {
        Check::Crc62 if last.text.len() == 36 => {
            let random = &last.text[..30];
            last.text = format!("{random}{}", String::from_utf8_lossy(&base62(crc32(random.as_bytes()))));
        }
        Check::CrcHex => {
            let token = sample.token();
            let sum = crc_hex(&token.as_bytes()[..token.len() - 9]);
            sample.pieces.last_mut().unwrap().text = sum;
        }
        Check::Bech32 => {
            let values: Vec<u8> = last.text.bytes().map(|byte| BECH32.iter().position(|known| *known == byte).unwrap() as u8).collect();
            let data = &values[..values.len() - 6];
            let prefix = expanded(keyword.trim_end_matches('1').as_bytes());
            let sum = polymod(&[&prefix, data, &[0; 6]].concat()) ^ 1;
            let digits = (0..6).map(|n| (sum >> (5 * (5 - n)) & 31) as u8);
            last.text = data.iter().copied().chain(digits).map(|value| char::from(BECH32[usize::from(value)])).collect();
        }
        Check::Shape | Check::Entropy(_) | Check::Crc62 => {}
    }
}
