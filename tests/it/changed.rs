//! Changes by an operator are on the record. If the record can't take one, nothing is changed. Only access can still be revoked, with a
//! warning.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;
use tests::guests::guest;
use tests::program::{Program, config};
use vault::{Local, LocalError};
use vocabulary::Grants;
use vocabulary::record::Record;

use crate::damaged::{both, ends, flip, places, segment};

const OLD: &str = "Zk9vQ2x7pL3mT8rW1nYb5";
const NEW: &str = "b7Hs0KqPz4uXe6VdJc2Rf";

/// A home in which something was trusted, accepted, set and revoked, and the offset at which its record can be damaged.
fn home() -> (Program, u64) {
    let credentials = "\n[credentials.key]\nkind = \"bearer\"\nhosts = [\"a.example.com\"]\n\
                       [credentials.elsewhere]\nkind = \"bearer\"\nhosts = [\"a.example.com\"]\nsource = \"env:KEY\"\n";
    let program = Program::new(&(config("exits-with", &guest("exits_with"), &Grants::default()) + credentials));
    ends(&program, &["trust"], 0);
    ends(&program, &["accept", "exits-with"], 0);
    let output = program.run(&["run", "exits-with", "--json", "--", "0"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let set = program.run_with(&["credentials", "set", "key", "--for", "https://a.example.com"], OLD);
    assert!(set.status.success(), "{}", both(&set));
    ends(&program, &["credentials", "revoke", "elsewhere"], 0);
    let at = places(&program, report["run"].as_str().unwrap())[0].offset + 40;
    (program, at)
}

/// Every file that says what is allowed, with its bytes.
fn kept(program: &Program) -> BTreeMap<PathBuf, Vec<u8>> {
    let lock = program.config().with_file_name("bailiwick.lock");
    let files = std::fs::read_dir(&program.place().home).unwrap().map(|entry| entry.unwrap().path());
    // All other files are the record itself, files derived from it, and the files of the process that holds the home.
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let is_kept = |path: &PathBuf| path.is_file() && !name(path).ends_with(".lock") && !name(path).starts_with("journal");
    files.filter(is_kept).chain([lock]).map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Each change that an operator can make, except revoking access in an emergency: the arguments, the input, and the kind of its record.
const CHANGES: [(&[&str], &str, &str); 11] = [
    (&["credentials", "set", "key"], NEW, "credential-changed"),
    (&["credentials", "set", "key", "--for", "https://b.example.com"], "", "credential-changed"),
    (&["credentials", "set", "other", "--for", "https://b.example.com"], NEW, "credential-changed"),
    (&["credentials", "rotate", "key"], "Hq3nW8sLx0VbM5tYc7ZrK", "credential-changed"),
    (&["credentials", "restore", "elsewhere"], "", "credential-changed"),
    (&["credentials", "seal", "file"], "", "vault-sealed"),
    (&["credentials", "rm", "key"], "", "credential-changed"),
    (&["trust"], "", "config-trusted"),
    (&["accept", "exits-with"], "", "agent-accepted"),
    (&["accept", "rm", "exits-with"], "", "agent-unaccepted"),
    (&["trust", "rm", "bailiwick.toml"], "", "config-untrusted"),
];

fn recorded(program: &Program, kind: &str) -> usize {
    let output = program.run(&["audit", "show", "--kind", kind, "--json"]);
    assert!(output.status.success(), "{}", both(&output));
    String::from_utf8(output.stdout).unwrap().lines().count()
}

#[test]
fn where_the_record_can_not_take_it_nothing_is_changed() {
    let (program, at) = home();
    let before = kept(&program);
    assert!(before.keys().any(|path| path.ends_with("vault")) && before.len() > 4, "{:?}", before.keys());
    flip(&segment(&program), at);
    for (args, stdin, _) in CHANGES {
        let output = program.run_with(args, stdin);
        let said = both(&output);
        assert_eq!(output.status.code(), Some(6), "{args:?}: {said}");
        assert!(said.contains("the record is damaged") && said.contains("audit reanchor"), "{args:?}: {said}");
        assert!(!said.contains("is set") && !said.contains("is removed") && !said.contains("is sealed"), "{args:?}: {said}");
        assert!(kept(&program) == before, "{args:?} has changed something");
    }
    // The control: once the record is whole again, each change is made and recorded.
    flip(&segment(&program), at);
    for (args, stdin, kind) in CHANGES {
        let was = recorded(&program, kind);
        let output = program.run_with(args, stdin);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", both(&output));
        assert_eq!(recorded(&program, kind), was + 1, "{args:?}");
    }
}

#[test]
fn that_a_vault_was_sealed_anew_is_on_the_record_with_who_and_under_what() {
    let (program, _) = home();
    assert!(program.run(&["credentials", "seal", "file"]).status.success());
    let phrase = "a passphrase of this test";
    let sealed = program.run_with(&["credentials", "seal", "passphrase"], phrase);
    assert!(sealed.status.success() && both(&sealed).contains("BAILIWICK_PASSPHRASE_FILE"), "{}", both(&sealed));
    let known = tests::host::records(&program.place().home, journal::log_run());
    let under: Vec<_> = known
        .iter()
        .filter_map(|record| match record {
            Record::VaultSealed(sealed) => Some((serde_json::to_string(&sealed.under).unwrap(), sealed.by.clone())),
            _ => None,
        })
        .collect();
    let by = run::own_principal;
    assert_eq!(under, [("\"file\"".to_owned(), by()), ("\"passphrase\"".to_owned(), by())]);
    let line = ends(&program, &["audit", "show", "--kind", "vault-sealed"], 0);
    assert!(line.contains("the vault is sealed under a passphrase by") && !line.contains(phrase), "{line}");
}

#[test]
fn a_credential_is_revoked_in_a_damaged_home_and_that_this_is_not_on_the_record_is_said() {
    let (program, at) = home();
    let value = || Local::new(&program.place().home).get("key").map(drop);
    flip(&segment(&program), at);
    let said = ends(&program, &["credentials", "revoke", "key"], 6);
    assert!(said.contains("`key` is revoked, but this is not recorded") && said.contains("the record is damaged"), "{said}");
    assert!(matches!(value(), Err(LocalError::Revoked(_))));
    // Once the record is whole again, the revocation is recorded, and only once.
    flip(&segment(&program), at);
    let was = recorded(&program, "credential-changed");
    let said = ends(&program, &["credentials", "revoke", "key"], 0);
    assert!(said.contains("key is revoked (as it was before)"), "{said}");
    assert_eq!(recorded(&program, "credential-changed"), was + 1);
    let said = ends(&program, &["credentials", "revoke", "key"], 2);
    assert!(said.contains("nothing was revoked: `key` was revoked before"), "{said}");
    assert_eq!(recorded(&program, "credential-changed"), was + 1);
}

#[test]
fn a_revocation_that_revokes_nothing_is_an_error_and_one_without_anything_says_what_it_takes() {
    let (program, _) = home();
    for args in [&["--agent", "nope"][..], &["key", "--agent", "nope"], &["--agent", "exits-with"]] {
        let said = ends(&program, &[&["credentials", "revoke"], args].concat(), 2);
        assert!(said.contains("nothing was revoked: no active run of an agent `") && said.contains("has a lease"), "{said}");
    }
    let said = ends(&program, &["credentials", "revoke"], 2);
    for word in ["NAME", "--agent", "--run", "--lease"] {
        assert!(said.contains(word) && said.contains("say what to revoke"), "{said}");
    }
    assert!(Local::new(&program.place().home).get("key").is_ok(), "none of these has revoked the credential itself");
    // The control: with the name alone, it is revoked.
    ends(&program, &["credentials", "revoke", "key"], 0);
}
