//! Tests of the authority of a configuration.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use serde_json::Value;
use vocabulary::Source;

use super::{Authority, Difference, Spelling, Whole};
use crate::config;

mod canonical;
mod paths;
mod placed;

/// Each key of a configuration that has an effect, at least once.
pub(crate) const EVERYTHING: &str = r#"
[agents.probe]
component = "probe.wasm"
expires = "2100-01-01"
limits = { memory = "32MiB", concurrent = 8 }
env = { CHOSEN = "one", KEY = { placeholder = "token" } }
[[agents.probe.files]]
guest = "/src"
host = "src"
mode = "read"
[[agents.probe.http]]
host = "api.example.com"
port = 8443
methods = ["GET", "PUT"]
paths = ["/v1/**"]
addresses = ["10.2.0.0/16"]
headers = ["x-more"]
idempotency = "idempotency-key"
credential = "token"
until = "2099-01-01"
rate = "5/s"
request-bytes = 1000
response-bytes = 2000
pins = ["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
[[agents.probe.http]]
host = "api.example.com"
methods = ["HEAD"]
paths = ["/v1/more"]
credential = "token"
[[agents.probe.http]]
host = "api.example.com"
methods = ["GET"]
paths = ["/signed"]
credential = "signed"
[[agents.probe.http]]
host = "api.example.com"
methods = ["GET"]
paths = ["/printed"]
credential = "printed"
[[agents.probe.http]]
host = "api.example.com"
methods = ["GET"]
paths = ["/kept"]
credential = "kept"
[[agents.probe.credentials]]
name = "turned"
may = ["rotate", "identify"]
[[agents.probe.credentials]]
name = "asked"
may = ["identify"]
[[agents.probe.credentials]]
name = "pathed"
may = ["identify"]
[[agents.probe.credentials]]
name = "formed"
may = ["identify"]
[[agents.probe.credentials]]
name = "hashed"
may = ["identify"]
[[agents.probe.credentials]]
name = "claimed"
may = ["identify"]
[agents.built]
component = "built"
durable = true

[credentials.token]
kind = "bearer"
hosts = ["api.example.com"]
source = "file:secrets/token"
port = 8443
methods = ["GET"]
paths = ["/v1/**"]
agents = ["probe", "built"]
environment = "staging"
until = "2098-01-01"
uses = 3
rate = "7/m"
owner = "sec@example.com"
rotate-every = "30d"
[credentials.signed]
kind = "sigv4"
hosts = ["api.example.com"]
key-id = "AKID"
region = "eu-central-1"
service = "s3"
source = "vault:secret/data/app#key"
[credentials.printed]
kind = "header"
header = "x-key"
template = "Key {}"
hosts = ["api.example.com"]
source = ["exec:/bin/sh", "-c", "echo value-of-it"]
[credentials.kept]
kind = "oauth2"
hosts = ["api.example.com"]
source = "env:CLIENT_SECRET"
client-id = "me"
grant = "client-credentials"
token = "https://id.example.com/token"
token-addresses = ["10.3.0.0/16"]
scope = "read"
[credentials.turned]
kind = "basic"
user = "svc"
hosts = ["api.example.com"]
rotate = { set = { method = "PUT", path = "/users/svc", body = '{"a":"b"}', field = "password" }, test = "/whoami" }
[credentials.asked]
kind = "query"
query = "key"
hosts = ["api.example.com"]
[credentials.pathed]
kind = "path"
segment = 2
template = "k{}"
hosts = ["api.example.com"]
[credentials.formed]
kind = "form"
field = "key"
hosts = ["api.example.com"]
scheme = "http"
[credentials.hashed]
kind = "hmac"
header = "x-signature"
template = "v1={}"
hash = "sha512"
encoding = "base64"
over = "{timestamp}.{body}"
timestamp-header = "x-time"
hosts = ["api.example.com"]
[credentials.claimed]
kind = "jwt"
algorithm = "EdDSA"
claims = { iss = "me", aud = "them" }
key-id = "k1"
lifetime = "60s"
hosts = ["api.example.com"]
[credentials.spare]
kind = "bearer"
hosts = ["spare.example.com"]
source = "keyring:spare"

[vault]
address = "https://vault.example.com"
addresses = ["10.4.0.0/16"]
namespace = "team"
approle = { role = "reader", file = "../secret-id" }
[environments.staging]
match = [{ host = "api.example.com", paths = ["/v1/**"] }]
[engagements.q4]
targets = ["*.example.com"]
window = { from = "2026-11-01T00:00:00Z", until = "2026-12-31T00:00:00Z" }
rate = "50/s"
tier = "read-only"
[network]
resolvers = ["127.0.0.1:53"]
roots = ["roots.pem"]
"#;

/// The value of a configuration in a new folder, and the path of that folder.
pub(crate) fn whole(folder: &Path, text: &str) -> (PathBuf, Whole) {
    let here = folder.join("here");
    for sub in ["src", "built", "secrets"] {
        std::fs::create_dir_all(here.join(sub)).unwrap();
    }
    std::fs::write(here.join("roots.pem"), "a root").unwrap();
    let file = here.join(config::FILE_NAME);
    std::fs::write(&file, text).unwrap();
    let authored = config::read(&file).unwrap();
    let resolved = authored.resolve(&folder.join("home")).unwrap();
    (authored.file, Whole::of(&resolved).unwrap())
}

#[test]
fn the_same_checkout_in_another_place_is_the_same_value() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir_all(other.path().join("deeper/still")).unwrap();
    let (_, one) = whole(one.path(), EVERYTHING);
    let (_, other) = whole(&other.path().join("deeper/still"), EVERYTHING);
    assert_eq!(one, other);
    assert_eq!(one.digest().unwrap(), other.digest().unwrap());
}

/// Every value in a tree, with its place.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| leaves(value, &format!("{at}/{}", name.replace('/', "~1")), found)),
        Value::Array(items) => items.iter().enumerate().for_each(|(n, value)| leaves(value, &format!("{at}/{n}"), found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => found.push(at.to_owned()),
    }
}

/// Other values of the same kind, of which at least one is valid at each place.
fn others(value: &Value) -> Vec<Value> {
    const TEXTS: &[&str] = &[
        "other",
        "../other",
        "2097-01-01",
        "9/h",
        "POST",
        "/other/**",
        "other.example.com",
        "10.9.0.0/16",
        "127.0.0.9:53",
        "https",
        "http",
        "identify",
        "rotate",
        "sha1",
        "hex",
        "ES256",
        "live",
        "token",
        "https://other.example.com/",
        "client-credentials",
        "refresh",
        "printed",
        "sha256:0000000000000000000000000000000000000000000000000000000000000000",
    ];
    match value {
        Value::Bool(yes) => vec![Value::Bool(!yes)],
        Value::Number(number) => [1, 86_400].map(|more| Value::from(number.as_u64().unwrap_or(0) + more)).to_vec(),
        _ => TEXTS.iter().filter(|text| value != **text).map(|text| Value::from(*text)).collect(),
    }
}

/// Each difference in the value is shown in a line, so that people see everything that they accept.
#[test]
fn every_value_that_is_other_is_in_the_lines() {
    let folder = tempfile::tempdir().unwrap();
    let (config, whole) = whole(folder.path(), EVERYTHING);
    let spelling = Spelling::from_folder_of(&config);
    let mut tried = 0;
    for authority in whole.agents.values() {
        let json = serde_json::to_value(authority).unwrap();
        let mut places = Vec::new();
        leaves(&json, "", &mut places);
        for place in places {
            let mut changed = 0;
            for other in others(json.pointer(&place).unwrap()) {
                let mut json = json.clone();
                *json.pointer_mut(&place).unwrap() = other.clone();
                let Ok(now) = serde_json::from_value::<Authority>(json) else { continue };
                if now == *authority {
                    continue;
                }
                changed += 1;
                let told = Difference::between(authority, &now, &spelling).lines();
                assert!(!told.is_empty() && told.iter().all(|line| !line.contains("the same lines")), "{place}: {other} is in no line");
            }
            // The others can have no other value: the only mode of a mount, the names of forms.
            let fixed = ["/kind", "/from", "/by", "/mode"].iter().any(|end| place.ends_with(end));
            assert!(changed > 0 || fixed, "{place} was not tried");
            tried += changed;
        }
    }
    assert!(tried > 100, "{tried}");
    assert_eq!(Difference::between(&whole.agents["probe"], &whole.agents["probe"], &spelling), Difference::default());
}

#[test]
fn another_variable_limit_or_certificate_and_what_no_agent_has_are_other_values() {
    let folder = tempfile::tempdir().unwrap();
    let (_, before) = whole(folder.path(), EVERYTHING);
    for (was, now) in [
        ("CHOSEN = \"one\"", "CHOSEN = \"two\""),
        ("memory = \"32MiB\"", "memory = \"4GiB\""),
        ("127.0.0.1:53", "127.0.0.2:53"),
        ("hosts = [\"spare.example.com\"]", "hosts = [\"elsewhere.example.com\"]"),
        ("targets = [\"*.example.com\"]", "targets = [\"*.example.org\"]"),
        ("body = '{\"a\":\"b\"}'", "body = '{\"a\":\"c\"}'"),
    ] {
        assert_eq!(EVERYTHING.matches(was).count(), 1, "{was}");
        let (_, after) = whole(folder.path(), &EVERYTHING.replace(was, now));
        assert_ne!(before.digest().unwrap(), after.digest().unwrap(), "{was}");
    }
    let (config, _) = whole(folder.path(), EVERYTHING);
    std::fs::write(config.with_file_name("roots.pem"), "another root").unwrap();
    let resolved = config::read(&config).unwrap().resolve(&folder.path().join("home")).unwrap();
    assert_ne!(before.digest().unwrap(), Whole::of(&resolved).unwrap().digest().unwrap());
}

/// A change of one agent must not be hidden by another agent.
#[test]
fn a_line_that_another_agent_has_already_is_new_for_this_one() {
    let folder = tempfile::tempdir().unwrap();
    let mount = |of: &str| format!("[[agents.{of}.files]]\nguest = \"/s\"\nhost = \"secrets\"\nmode = \"read\"\n");
    let text = |more: &str| format!("[agents.a]\ncomponent = \"a\"\n{more}[agents.b]\ncomponent = \"b\"\n{}", mount("b"));
    let (config, was) = whole(folder.path(), &text(""));
    let (_, now) = whole(folder.path(), &text(&mount("a")));
    let spelling = Spelling::from_folder_of(&config);
    let told = now.difference_from(&was, &spelling);
    let secrets = config.with_file_name("secrets").display().to_string();
    assert_eq!(told, ["- may do nothing else (agent a)".to_owned(), format!("+ read {secrets} as /s (agent a)")]);
    assert!(was.difference_from(&was, &spelling).is_empty(), "the control");
    let (_, more) = whole(folder.path(), &(text("") + "[agents.c]\ncomponent = \"a\"\n[network]\nresolvers = [\"127.0.0.1:53\"]\n"));
    let told = more.difference_from(&was, &spelling);
    assert!(told.contains(&"+ agent c".to_owned()) && told.contains(&"+ names are resolved by 127.0.0.1:53".to_owned()), "{told:?}");
}

/// If no line differs, the part is named. Here, two arguments look like one.
#[test]
fn a_difference_that_no_line_shows_is_named_by_its_part() {
    let folder = tempfile::tempdir().unwrap();
    let (config, whole) = whole(folder.path(), EVERYTHING);
    let was = &whole.agents["probe"];
    let mut now = was.clone();
    let source = now.grants.credentials.iter_mut().find_map(|binding| match &mut binding.source {
        Source::Exec(words) => Some(words),
        _ => None,
    });
    *source.unwrap() = vec!["/bin/sh".into(), "-c".into(), "echo".into(), "value-of-it".into()];
    let told = Difference::between(was, &now, &Spelling::from_folder_of(&config)).lines();
    assert!(
        matches!(told.as_slice(), [line] if line.contains("the same lines, but grants.credentials[") && line.contains("].source.at is written")),
        "{told:?}"
    );
    assert_ne!(was.digest().unwrap(), now.digest().unwrap());
}

/// An attacker may have written the words in it.
#[test]
fn everything_that_a_configuration_causes_is_told_and_moves_no_cursor() {
    let folder = tempfile::tempdir().unwrap();
    let (config, whole) = whole(folder.path(), &EVERYTHING.replace("\"one\"", "\"a\\u001b[2Jb\\nagent other\""));
    let lines = whole.lines(&Spelling::from_folder_of(&config));
    let here = folder.path().canonicalize().unwrap().display().to_string();
    let said = lines.join("\n").replace(&here, "HERE");
    assert!(!lines.iter().any(|line| line.chars().any(vocabulary::is_misleading)), "{said}");
    for words in [
        "builds HERE/here/built, which runs its author's code",
        "runs HERE/here/probe.wasm",
        "reads the file HERE/here/secrets/token, and sends what is in it",
        "sends the secret id in the file HERE/secret-id to https://vault.example.com",
        "runs `/bin/sh -c echo value-of-it` on this machine",
        "reads the variable CLIENT_SECRET of this program's environment",
        "its rotation sends PUT https://api.example.com/users/svc with the body {\"a\":\"b\"}",
        "then GET https://api.example.com/whoami",
        "granted to no agent: credential spare",
        "granted to no agent: for the credential spare: reads the key bailiwick:spare of the kernel",
        "from 2026-11-01T00:00:00Z to 2026-12-31T00:00:00Z",
        "names are resolved by 127.0.0.1:53",
        "TLS also trusts the certificates in HERE/here/roots.pem",
    ] {
        assert!(said.contains(words), "`{words}` is not in: {said}");
    }
}
