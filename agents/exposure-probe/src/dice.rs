//! Random words that no server knows, for paths that can't exist and origins that no server trusts.
//!
//! INVARIANT: the words come from the sandbox's seeded randomness, through the standard library, so that a run that is rebuilt uses
//! the same words.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;

const LETTERS: u64 = 26;
/// How many letters a word has. With 26 choices for each, no file has such a name by accident.
const WORD_LEN: u32 = 12;

/// Makes random words, a new one each time.
pub(crate) struct Dice {
    state: RandomState,
    made: u64,
}

impl Dice {
    pub(crate) fn new() -> Self {
        Self { state: RandomState::new(), made: 0 }
    }

    /// A word of lower case letters only: a server folds no case, splits nothing, and sees no file extension.
    pub(crate) fn word(&mut self) -> String {
        self.made += 1;
        let mut rest = self.state.hash_one(self.made);
        let mut word = String::new();
        for _ in 0..WORD_LEN {
            let letter = u8::try_from(rest % LETTERS).unwrap_or(0);
            word.push(char::from(b'a' + letter));
            rest /= LETTERS;
        }
        word
    }

    /// Paths that look like `path` and can't exist: with the first name replaced, and if there are several names, with the last one
    /// replaced too. The beginning and the end of a name stay, since servers choose a handler by them.
    pub(crate) fn alike(&mut self, path: &str) -> Vec<String> {
        let (path, query) = path.split_once('?').map_or((path, String::new()), |(path, query)| (path, format!("?{query}")));
        let names: Vec<&str> = path.trim_end_matches('/').split('/').collect();
        let slash = if path.is_empty() || path.ends_with('/') { "/" } else { "" };
        let places = if names.len() > 1 { vec![0, names.len() - 1] } else { vec![0] };
        let mut all = Vec::new();
        for place in places {
            let replaced = |(n, name): (usize, &&str)| if n == place { self.name_like(name) } else { (*name).to_owned() };
            let names: Vec<String> = names.iter().enumerate().map(replaced).collect();
            all.push(format!("{}{slash}{query}", names.join("/")));
        }
        all
    }

    /// `.env.bak` becomes `.WORD.bak`, `index.php~` becomes `WORD.php~`, `server-status` becomes `WORD`.
    fn name_like(&mut self, name: &str) -> String {
        let word = self.word();
        let dotless = name.trim_start_matches('.');
        let dots = name.get(..name.len() - dotless.len()).unwrap_or_default();
        match dotless.split_once('.') {
            Some((_, ending)) => format!("{dots}{word}.{ending}"),
            None => format!("{dots}{word}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Dice;

    #[test]
    fn a_path_alike_keeps_what_a_server_chooses_by() {
        let mut dice = Dice::new();
        let cases: [(&str, &[(&str, &str)]); 6] = [
            (".env.bak", &[(".", ".bak")]),
            ("index.php~", &[("", ".php~")]),
            (".git/HEAD", &[(".", "/HEAD"), (".git/", "")]),
            ("phpmyadmin/", &[("", "/")]),
            ("", &[("", "/")]),
            ("graphql?query=x", &[("", "?query=x")]),
        ];
        for (path, alike) in cases {
            let made = dice.alike(path);
            assert_eq!(made.len(), alike.len(), "{path}");
            for (made, (front, back)) in made.iter().zip(alike) {
                assert!(made.starts_with(front) && made.ends_with(back) && made != path, "{path}: {made}");
            }
        }
    }

    #[test]
    fn no_word_comes_twice() {
        let mut dice = Dice::new();
        let words: std::collections::BTreeSet<String> = (0..1000).map(|_| dice.word()).collect();
        assert_eq!(words.len(), 1000);
        assert!(words.iter().all(|word| word.len() == 12));
    }
}
