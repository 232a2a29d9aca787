//! Entering values and their destinations: at a terminal, from standard input, and which are accepted.

use tests::program::Program;
use tests::tty::Tty;
use vault::Local;

use crate::damaged::both;

const OLD: &str = "Zk9vQ2x7pL3mT8rW1nYb5";
const NEW: &str = "b7Hs0KqPz4uXe6VdJc2Rf";
const PLACE: &str = "https://a.example.com";

fn program() -> Program {
    Program::new("[credentials.key]\nkind = \"bearer\"\nhosts = [\"a.example.com\"]\n")
}

/// Sets a value; returns the exit code and the output.
fn set(program: &Program, more: &[&str], value: &str) -> (Option<i32>, String) {
    let output = program.run_with(&[&["credentials", "set", "key"], more].concat(), value);
    (output.status.code(), both(&output))
}

fn version(program: &Program) -> u64 {
    Local::new(&program.place().home).get("key").unwrap().1
}

#[test]
fn a_terminal_asks_for_the_value_first_unseen_and_then_for_its_places_by_name() {
    let program = program();
    let mut tty = Tty::new(&program, &["credentials", "set", "key"]);
    tty.until("value of key: ").types(OLD).until("once more: ").types(OLD);
    tty.until("Where may the value of key go?").until("URLs: ").types(PLACE);
    let (code, shown) = tty.ends();
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains(OLD) && shown.contains(PLACE), "{shown}");
    let kept = Local::new(&program.place().home).kept("key").unwrap();
    assert_eq!((kept.version, kept.destinations[0].to_string()), (1, PLACE.to_owned()));
}

/// The terminal echoes the input at `URLs:`, so it is there once, and no error repeats it.
#[test]
fn a_value_that_is_given_as_a_place_is_repeated_by_no_error() {
    let program = program();
    let mut tty = Tty::new(&program, &["credentials", "set", "key"]);
    tty.until("value of key: ").types(OLD).until("once more: ").types(OLD);
    tty.until("URLs: ").types(NEW).until("this is not a destination").until("URLs: ").types(PLACE);
    let (code, shown) = tty.ends();
    assert_eq!((code, shown.matches(NEW).count(), shown.matches(OLD).count()), (Some(0), 1, 0), "{shown}");
    let (code, said) = set(&program, &["--for", NEW], OLD);
    assert!(code == Some(2) && said.contains("not a destination") && said.contains("http://HOST") && !said.contains(NEW), "{said}");
    let (_, said) = set(&program, &["--json-no-such-flag"], OLD);
    assert!(said.contains("json-no-such-flag"), "the control: other errors say what was wrong: {said}");
}

#[test]
fn the_same_value_is_no_new_one_and_one_that_was_given_up_is_taken_only_on_a_persons_word() {
    let program = program();
    assert_eq!(set(&program, &["--for", PLACE], OLD).0, Some(0));
    let (code, said) = set(&program, &[], OLD);
    assert!(code == Some(2) && said.contains("`key` already has this value: nothing was changed"), "{said}");
    let rotated = program.run_with(&["credentials", "rotate", "key"], OLD);
    assert!(rotated.status.code() == Some(2) && both(&rotated).contains("already has this value"), "{}", both(&rotated));
    let (code, said) = set(&program, &["--for", "https://b.example.com"], OLD);
    assert!(code == Some(0) && said.contains("key keeps its value, version 1") && said.contains("https://b.example.com"), "{said}");
    assert_eq!(version(&program), 1);
    for how in ["revoke", "rm"] {
        assert!(program.run(&["credentials", how, "key"]).status.success());
        let (code, said) = set(&program, &["--for", PLACE], OLD);
        assert!(
            code == Some(2) && said.contains("`key` had this value before") && said.contains("--again") && !said.contains(OLD),
            "{how}: {said}"
        );
        assert!(Local::new(&program.place().home).get("key").is_err(), "{how}");
        let (code, said) = set(&program, &["--for", PLACE, "--again"], OLD);
        assert_eq!(code, Some(0), "{how}: {said}");
    }
    // The control: a new value is accepted without a message.
    assert_eq!(set(&program, &[], NEW).0, Some(0));
    let rotated = program.run_with(&["credentials", "rotate", "key"], OLD);
    assert!(rotated.status.code() == Some(2) && both(&rotated).contains("had this value before"), "{}", both(&rotated));
}

#[test]
fn what_can_not_be_done_with_a_value_is_said_with_what_can() {
    let program = program();
    let (code, said) = set(&program, &["--for", PLACE], "");
    assert!(code == Some(2) && said.contains("no value for `key` was read"), "{said}");
    for what in ["rm", "show", "rotate"] {
        let said = both(&program.run(&["credentials", what, "foo"]));
        assert!(said.contains("the vault has no credential `foo`") && said.contains("credentials ls"), "{what}: {said}");
    }
    assert_eq!(set(&program, &["--for", PLACE], OLD).0, Some(0));
    assert!(program.run(&["credentials", "revoke", "key"]).status.success());
    let said = both(&program.run(&["credentials", "restore", "key"]));
    assert!(
        said.contains("was removed from the vault when it was revoked")
            && said.contains("`bailiwick credentials set key` sets a new value"),
        "{said}"
    );
}

/// If the vault does not open, the error names what is missing, and so does the refusal in a run.
#[test]
fn a_vault_whose_key_or_passphrase_is_missing_says_so_by_name() {
    let wasm = tests::guests::guest("sends_each").display().to_string();
    let config = format!(
        "[agents.asks]\ncomponent = {wasm:?}\n{}\n[credentials.key]\nscheme = \"http\"\nkind = \"bearer\"\nhosts = [\"127.0.0.1\"]\n",
        tests::asks::granted("asks", 9, "/**", Some("key"))
    );
    let program = Program::new(&config);
    assert_eq!(set(&program, &["--for", "http://127.0.0.1:9"], OLD).0, Some(0));
    let phrase = program.folder().join("phrase");
    let request = serde_json::json!({ "url": "http://127.0.0.1:9/" }).to_string();
    let said = |name: Option<&std::path::Path>, args: &[&str]| {
        let mut command = program.command(&[], args);
        if let Some(file) = name {
            command.env("BAILIWICK_PASSPHRASE_FILE", file);
        }
        both(&command.output().unwrap())
    };
    let run = ["run", "asks", "--trust", "--", &request];
    let tells = |name: Option<&std::path::Path>, words: &[&str]| {
        for args in [&["credentials", "ls"][..], &run] {
            let said = said(name, args).replace("\n", " ");
            assert!(words.iter().all(|word| said.contains(word)), "{args:?}: {said}");
        }
    };
    // The key file is missing.
    let (key, aside) = (program.place().home.join("vault.key"), program.folder().join("aside"));
    std::fs::rename(&key, &aside).unwrap();
    tells(None, &["vault.key` does not exist"]);
    std::fs::rename(&aside, &key).unwrap();
    // The passphrase is not given, or is not the vault's.
    assert!(program.run_with(&["credentials", "seal", "passphrase"], "the passphrase of this home").status.success());
    tells(None, &["is sealed under a passphrase", "BAILIWICK_PASSPHRASE_FILE"]);
    let put = |text: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(&phrase, text).unwrap();
        std::fs::set_permissions(&phrase, std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    put("another passphrase");
    tells(Some(&phrase), &["does not open with the passphrase in", "phrase`"]);
    // The control: with the right passphrase the vault opens, and then the connection is refused.
    put("the passphrase of this home");
    assert!(
        said(Some(&phrase), &["credentials", "ls"]).contains("https://")
            || said(Some(&phrase), &["credentials", "ls"]).contains("http://127.0.0.1:9")
    );
    assert!(!said(Some(&phrase), &run).contains("passphrase"));
}
