//! `credentials review` and `credentials show`: what is wrong with credentials, by the configuration, the vault and the record.

use serde_json::Value;
use tests::program::Program;
use vault::{Local, Secret};

const STRONG: &str = "Zk9vQ2x7pL3mT8rW1nYb5";
const STRONG_TOO: &str = "b7Hs0KqPz4uXe6VdJc2Rf";

/// Each fault is planted once; credentials without a fault are not named.
#[test]
fn a_review_names_each_planted_fault_with_its_risk() {
    let wasm = tests::guests::guest("get").display().to_string();
    let grant = |agent: &str, more: &str, names: &[&str]| {
        let http = |name: &&str| {
            format!(
                "[[agents.{agent}.http]]\nhost = \"a.example.com\"\nmethods = [\"GET\"]\npaths = [\"/{name}/**\"]\ncredential = \"{name}\"\n"
            )
        };
        format!("[agents.{agent}]\ncomponent = {wasm:?}\n{more}{}", names.iter().map(http).collect::<String>())
    };
    let credential = |name: &str, more: &str| {
        let usual = [
            ("hosts", "hosts = [\"a.example.com\"]"),
            ("owner", "owner = \"sec@example.com\""),
            ("rotate-every", "rotate-every = \"9000d\""),
            ("environment", "environment = \"production\""),
        ];
        let lines: Vec<&str> = usual.iter().filter(|(key, _)| !more.contains(&format!("-{key}"))).map(|(_, line)| *line).collect();
        let own: Vec<&str> = more.lines().filter(|line| !line.starts_with('-')).collect();
        format!("[credentials.{name}]\nkind = \"bearer\"\n{}\n{}\n", lines.join("\n"), own.join("\n"))
    };
    let names = ["good", "ownerless", "broad", "clear", "old", "lasting", "everywhere", "gone"];
    let config = [
        "[environments.sandbox]\nmatch = [{ host = \"*.sandbox.example.com\" }]\n".to_owned(),
        grant("one", "", &[&names[..], &["shared", "twin", "double"]].concat()),
        grant("two", "", &["shared"]),
        grant("over", "expires = \"2020-01-01\"\n", &["left"]),
        credential("good", ""),
        credential("ownerless", "-owner"),
        credential("broad", "-hosts\nhosts = [\"*.example.com\"]"),
        credential("clear", "scheme = \"http\""),
        credential("old", "-rotate-every\nrotate-every = \"1d\""),
        credential("lasting", "-rotate-every"),
        credential("everywhere", "-hosts\n-environment\nhosts = [\"*.sandbox.example.com\", \"a.example.com\"]\npaths = [\"/x\"]"),
        credential("gone", ""),
        credential("shared", ""),
        credential("idle", ""),
        credential("left", ""),
        credential("twin", ""),
        credential("double", "-environment\nenvironment = \"sandbox\""),
    ];
    let program = Program::new(&config.concat());
    let vault = Local::new(&program.folder().join("home"));
    let now_s = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let set = |name: &str, value: &str, age_days: u64| {
        vault.set(name, Secret::new(value.as_bytes().to_vec()).unwrap(), now_s - age_days * 86_400).unwrap();
    };
    names.iter().for_each(|name| set(name, &format!("{STRONG}-of-{name}"), if *name == "old" { 2 } else { 0 }));
    set("twin", STRONG, 0);
    set("double", STRONG, 0);
    set("shared", "47110815", 0);
    set("stray", STRONG_TOO, 0);
    set("weak-stray", "08154711", 0);
    vault.revoke("gone").unwrap();
    let output = program.run(&["credentials", "review", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let faults: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let said: Vec<String> =
        faults.iter().map(|fault| ["credential", "code", "nhi"].map(|key| fault[key].as_str().unwrap().to_owned()).join(" ")).collect();
    let expected = [
        "broad over-broad NHI5:2025",
        "clear clear-text NHI4:2025",
        "double two-environments NHI8:2025",
        "everywhere two-environments NHI8:2025",
        "gone revoked-yet-granted NHI1:2025",
        "idle unused NHI1:2025",
        "lasting no-rotation NHI7:2025",
        "left agent-expired NHI1:2025",
        "old overdue NHI7:2025",
        "ownerless no-owner NHI1:2025",
        "shared guessable NHI4:2025",
        "shared shared NHI9:2025",
        "stray unused NHI1:2025",
        "twin two-environments NHI8:2025",
        "weak-stray unused NHI1:2025",
        "weak-stray guessable NHI4:2025",
    ];
    assert_eq!(said, expected);
    let table = String::from_utf8(program.run(&["credentials", "review"]).stdout).unwrap();
    assert!(table.contains("NHI7:2025 long-lived secrets") && !table.contains(STRONG), "{table}");
    let shown = String::from_utf8(program.run(&["credentials", "show", "shared"]).stdout).unwrap();
    assert!(shown.contains("one, two") && shown.contains("never"), "{shown}");
    // `ls` and `show` mark exactly the values that can be guessed.
    let listed = String::from_utf8(program.run(&["credentials", "ls"]).stdout).unwrap();
    let marked: Vec<&str> =
        listed.lines().filter(|line| line.contains("CAN BE GUESSED")).filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(marked, ["shared", "weak-stray"], "{listed}");
    assert!(shown.contains("CAN BE GUESSED"), "{shown}");
    let other = String::from_utf8(program.run(&["credentials", "show", "stray"]).stdout).unwrap();
    assert!(!other.contains("CAN BE GUESSED"), "{other}");
}
