//! Tests of the canonical bytes.

use std::collections::BTreeMap;

use serde_json::Value;
use vocabulary::{Digest, Grants};

use super::{EVERYTHING, leaves, others, whole};
use crate::authority::{Authority, Whole};
use crate::config::ConfigError;

/// Decodes the bytes: a left inverse of `Authority::canonical_bytes`.
fn read_back(bytes: &[u8]) -> Authority {
    assert!(vocabulary::canon::is_canonical(bytes));
    let mut json: BTreeMap<String, Value> = serde_json::from_slice(bytes).unwrap();
    assert_eq!(json.keys().collect::<Vec<_>>(), ["authority", "form", "of"]);
    assert_eq!((&json["form"], &json["of"]), (&Value::from(super::super::FORM), &Value::from("agent")));
    serde_json::from_value(json.remove("authority").unwrap()).unwrap()
}

/// Random numbers that are the same in each run (xorshift, Marsaglia 2003).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }
}

/// The places of lists and tables.
fn branches(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.push(at.to_owned());
            fields.iter().for_each(|(name, value)| branches(value, &format!("{at}/{}", name.replace('/', "~1")), found));
        }
        Value::Array(items) => {
            found.push(at.to_owned());
            items.iter().enumerate().for_each(|(n, value)| branches(value, &format!("{at}/{n}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Changes one part: it gets another value, is removed, is doubled, or is swapped with another one.
fn changed(json: &Value, numbers: &mut Numbers) -> Value {
    const TEXTS: &[&str] = &["", ".", "..", "a", "a,b", "a\":\"b", "\u{0}", "\\", "\u{1f600}", "ä", "a\u{308}", "\n", "null", "1"];
    let mut json = json.clone();
    let mut places = Vec::new();
    if numbers.below(2) == 0 {
        leaves(&json, "", &mut places);
        let leaf = json.pointer_mut(&places[numbers.below(places.len())]).unwrap();
        let mut values = others(leaf);
        values.extend(TEXTS.iter().map(|text| Value::from(*text)));
        *leaf = values.swap_remove(numbers.below(values.len()));
        return json;
    }
    branches(&json, "", &mut places);
    match json.pointer_mut(&places[numbers.below(places.len())]).unwrap() {
        Value::Object(fields) => {
            let name = fields.keys().nth(numbers.below(fields.len())).cloned();
            let value = name.as_ref().and_then(|name| fields.remove(name)).unwrap_or_default();
            if numbers.below(2) == 0 {
                fields.insert(TEXTS[numbers.below(TEXTS.len())].to_owned(), value);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let (one, other) = (numbers.below(items.len()), numbers.below(items.len()));
            match numbers.below(3) {
                0 => drop(items.remove(one)),
                1 => items.insert(other, items[one].clone()),
                _ => items.swap(one, other),
            }
        }
        _ => {}
    }
    json
}

/// If a value can be decoded from its bytes, no other value has the same bytes.
#[test]
fn two_authorities_that_differ_never_have_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (_, whole) = whole(folder.path(), EVERYTHING);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut known: BTreeMap<Vec<u8>, Authority> = BTreeMap::new();
    let mut tried = 0;
    for first in whole.agents.values() {
        let held = first.clone().held_to_component(Digest::of(b"one"), vec!["wasi:io/poll@0.2.0".to_owned()]);
        let mut json = serde_json::to_value(held.held_to_source(Digest::of(b"one"), "rustc".to_owned())).unwrap();
        for _ in 0..4000 {
            let other = changed(&json, &mut numbers);
            // Some changes do not result in an authority.
            let Ok(authority) = serde_json::from_value::<Authority>(other.clone()) else { continue };
            let Ok(bytes) = authority.canonical_bytes() else { continue };
            assert_eq!(read_back(&bytes), authority);
            let known = known.entry(bytes).or_insert_with(|| authority.clone());
            assert_eq!(*known, authority, "two values with the same bytes");
            tried += 1;
            // Changes accumulate. When there are many, it starts again.
            json = if numbers.below(20) == 0 { serde_json::to_value(first).unwrap() } else { other };
        }
    }
    assert!(tried > 500 && known.len() > 300, "{tried}, {}", known.len());
}

#[test]
fn an_agent_never_has_the_bytes_of_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let (_, whole) = whole(folder.path(), EVERYTHING);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    for authority in whole.agents.values() {
        let (start, end) = ("{\"authority\":{", "},\"form\":1,\"of\":\"agent\"}");
        let bytes = text(authority.canonical_bytes().unwrap());
        assert!(bytes.starts_with(start) && bytes.ends_with(end), "{bytes}");
    }
    assert!(text(whole.canonical_bytes().unwrap()).ends_with("},\"form\":1,\"of\":\"configuration\"}"));
}

#[test]
fn a_number_that_not_every_reader_holds_exactly_has_no_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (_, whole) = whole(folder.path(), EVERYTHING);
    let mut authority = whole.agents["probe"].clone();
    for (bytes, is_good) in [((1 << 53) - 1, true), (1 << 53, false), (u64::MAX, false)] {
        authority.limits.insert(vocabulary::Limit::Memory, bytes);
        assert_eq!(matches!(authority.digest(), Err(ConfigError::Inexact)), !is_good, "{bytes}");
    }
}

/// One line each: the agents, then the configuration. If these bytes change, everybody has to trust and accept again. So a change needs
/// another `FORM` wherever the same bytes would mean something else.
#[test]
fn the_bytes_are_those_of_form_1() {
    let folder = tempfile::tempdir().unwrap();
    let (_, mut whole) = whole(folder.path(), EVERYTHING);
    whole.agents.values_mut().for_each(|agent| plain_programs(&mut agent.grants));
    let mut lines: Vec<Vec<u8>> = whole.agents.values().map(|agent| agent.canonical_bytes().unwrap()).collect();
    lines.push(whole.canonical_bytes().unwrap());
    let found = lines.iter().map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect::<String>();
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/authority/tests/form-1.jsonl");
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&file, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected, "`BLESS=1` writes it anew; has it to be another form?");
    }
    assert_eq!(found.lines().count(), expected.lines().count());
}

/// The shell is different on each machine.
fn plain_programs(grants: &mut Grants) {
    for pinned in grants.credentials.iter_mut().flat_map(|binding| &mut binding.pinned) {
        *pinned = vocabulary::PinnedFile { digest: Some(Digest::of(b"a shell")), path: "/bin/sh".into() };
    }
}

/// Another order of keys and tables, other quotes, comments, defaults that are written out, sets in another order and with duplicates, and
/// paths in another spelling.
#[test]
fn the_same_authority_in_two_files_that_are_written_differently_has_the_same_bytes() {
    const ONE: &str = r#"
[agents.a]
component = "a.wasm"
limits = { memory = "32MiB" }
[[agents.a.files]]
guest = "/s"
host = "src"
mode = "read"
[[agents.a.http]]
host = "api.example.com"
methods = ["GET", "PUT"]
paths = ["/a/**", "/b%2F"]
addresses = ["10.2.0.0/16", "fd12::/16"]
headers = ["x-one", "x-two"]
pins = ["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "sha256:0000000000000000000000000000000000000000000000000000000000000000"]
credential = "c"
[[agents.a.credentials]]
name = "d"
may = ["identify", "rotate"]
[credentials.c]
kind = "hmac"
header = "x-key"
template = "{}"
hosts = ["api.example.com", "other.example.com"]
methods = ["GET", "PUT"]
paths = ["/a/**", "/c"]
agents = ["a", "b"]
rotate-every = "1d"
source = "file:secrets/c"
environment = "s"
[credentials.d]
kind = "basic"
user = "u"
hosts = ["api.example.com"]
rotate = { set = { method = "PUT", path = "/p", field = "f" }, test = "/t" }
[environments.r]
match = [{ host = "r.example.com" }]
[environments.s]
match = [{ host = "api.example.com", paths = ["/a", "/b"] }, { host = "s.example.com" }]
[engagements.e]
targets = ["*.example.com", "10.0.0.0/8"]
window = { from = "2026-11-01T00:00:00Z", until = "2026-12-31T00:00:00Z" }
tier = "live"
[network]
roots = ["roots.pem", "src/more.pem"]
"#;
    const OTHER: &str = r#"
# The same.
[network]
roots = ["src/../roots.pem", 'src/more.pem', "./roots.pem"]
[engagements]
e.tier = 'live'
e.targets = ["10.0.0.0/8", "*.example.com", "10.0.0.0/8"]
e.window.until = "2026-12-31T00:00:00Z"
e.window.from = "2026-11-01T00:00:00Z"
[environments]
s = { match = [{ host = "s.example.com" }, { paths = ["/b", "/a", "/b"], host = "api.example.com" }] }
r = { match = [{ host = "r.example.com" }] }
[credentials]
d = { rotate.test = "/t", rotate.set = { field = "f", path = "/p", method = "PUT", body = "{}" }, source = "local", hosts = ["api.example.com"], kind = "basic", user = "u" }
c = { kind = "hmac", encoding = "hex", hash = "sha256", over = "{body}", header = "X-Key", hosts = ["other.example.com", "api.example.com"], methods = ["PUT", "GET"], paths = ["/c", "/a/**"], agents = ["b", "a", "b"], rotate-every = "24h", scheme = "https", source = "file:./src/../secrets/c", environment = "s" }
[agents."a"]
durable = true
uses = []
env = {}
owner = "somebody"
purpose = "something"
limits.memory = "33554432"
limits.asks = "100000"
component = "src/../a.wasm"
[[agents.a.credentials]]
may = ["rotate", "identify", "rotate"]
name = "d"
[[agents.a.http]]
scheme = "https"
port = 443
pins = ["sha256:0000000000000000000000000000000000000000000000000000000000000000", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
headers = ["X-Two", "x-one"]
addresses = ["FD12:0::/16", "10.2.0.0/16"]
paths = ["/b%2f", "/a/**", "/a/**"]
methods = ["PUT", "\u0047ET"]
host = """api.example.com"""
credential = "c"
[[agents.a.files]]
mode = "read"
guest = "/s"
host = "./src/../src/"
"#;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("here/src")).unwrap();
    std::fs::write(folder.path().join("here/src/more.pem"), "more").unwrap();
    let of = |text: &str| -> Whole { whole(folder.path(), text).1 };
    let (one, other) = (of(ONE), of(OTHER));
    let text = |whole: &Whole| serde_json::to_string_pretty(whole).unwrap();
    assert_eq!(text(&one), text(&other));
    assert_eq!(one.canonical_bytes().unwrap(), other.canonical_bytes().unwrap());

    // The control: an order that has a meaning is part of the value.
    let grants = "[[agents.a.http]]\nhost = \"api.example.com\"\nmethods = [\"GET\"]\npaths = [\"/a/x\"]\n";
    let (first, last) = (
        ONE.replacen("[[agents.a.http]]", &format!("{grants}[[agents.a.http]]"), 1),
        ONE.replacen("[[agents.a.credentials]]", &format!("{grants}[[agents.a.credentials]]"), 1),
    );
    assert_ne!(of(&first).digest().unwrap(), of(&last).digest().unwrap(), "the first grant that covers a request decides");
    let servers = |list: &str| of(&ONE.replace("[network]\n", &format!("[network]\nresolvers = [{list}]\n"))).digest().unwrap();
    assert_ne!(
        servers("\"127.0.0.1:53\", \"127.0.0.2:53\""),
        servers("\"127.0.0.2:53\", \"127.0.0.1:53\""),
        "the first one is asked first"
    );
}
