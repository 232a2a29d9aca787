//! `credentials review` and `credentials show`: what is wrong with credentials, by the configuration, the vault and the record.

use serde_json::Value;
use tests::program::Program;
use vault::{Local, Secret};

/// Each fault is planted once; what has none is not named.
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
    names.iter().for_each(|name| set(name, &format!("value-of-{name}"), if *name == "old" { 2 } else { 0 }));
    set("twin", "one-value-for-both", 0);
    set("double", "one-value-for-both", 0);
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
        "shared shared NHI9:2025",
        "twin two-environments NHI8:2025",
    ];
    assert_eq!(said, expected);
    let table = String::from_utf8(program.run(&["credentials", "review"]).stdout).unwrap();
    assert!(table.contains("NHI7:2025 long-lived secrets") && !table.contains("value-of"), "{table}");
    let shown = String::from_utf8(program.run(&["credentials", "show", "shared"]).stdout).unwrap();
    assert!(shown.contains("one, two") && shown.contains("never"), "{shown}");
}
