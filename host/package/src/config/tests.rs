//! Tests of configurations.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use vocabulary::Digest;

use super::{ComponentSource, ConfigError, FILE_NAME, Resolved, find, read};

mod credential;

/// A folder with `src/`, `file` and a home, in which configurations are tested.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for sub in ["src/deep", "home/runs"] {
            std::fs::create_dir_all(folder.path().join(sub)).unwrap();
        }
        std::fs::write(folder.path().join("file"), "x").unwrap();
        Self { folder }
    }

    fn path(&self, sub: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(sub)
    }

    fn resolve_with(&self, text: &str, home: &Path) -> Result<Resolved, String> {
        let file = self.folder.path().join(FILE_NAME);
        std::fs::write(&file, text).unwrap();
        let said = |err: ConfigError| err.to_string().replace(&format!("{}/", self.folder.path().display()), "");
        read(&file).and_then(|authored| authored.resolve(home)).map_err(said)
    }

    fn resolve(&self, text: &str) -> Result<Resolved, String> {
        self.resolve_with(text, &self.path("home"))
    }
}

#[track_caller]
fn wrong(text: &str, said: &str) {
    let err = Place::new().resolve(text).unwrap_err();
    assert!(err.contains(said), "{err}\n  does not say\n{said}");
}

/// An agent with these lines, which start at line 3.
fn agent(lines: &str) -> String {
    format!("[agents.x]\ncomponent = \"x\"\n{lines}\n")
}

/// An HTTP grant in which one line is replaced. It starts at line 3.
fn http(key: &str, line: &str) -> String {
    let lines = [("host", "host = \"a.test\""), ("methods", "methods = [\"GET\"]"), ("paths", "paths = [\"/**\"]")];
    let mut text: Vec<&str> = lines.iter().map(|(of, usual)| if *of == key { line } else { usual }).collect();
    if !lines.iter().any(|(of, _)| *of == key) {
        text.push(line);
    }
    agent(&format!("[[agents.x.http]]\n{}", text.join("\n")))
}

fn mount(guest: &str, host: &str) -> String {
    format!("[[agents.x.files]]\nguest = \"{guest}\"\nhost = \"{host}\"\nmode = \"read\"\n")
}

fn lines(resolved: &Resolved) -> Vec<String> {
    let spelling = crate::Spelling::from_folder_of(&resolved.file);
    crate::Whole::of(resolved).unwrap().lines(&spelling)
}

#[test]
fn everything_of_this_version_is_understood() {
    let place = Place::new();
    let text = r#"
[agents.leak-scan]
component = "agents/leak-scan"
owner = "appsec@example.com"
purpose = "find leaked credentials"
expires = "2027-06-30"
limits = { memory = "64MiB", active-timeout = "90s", concurrent = 8 }
env = { LANG = "C" }
uses = []
[[agents.leak-scan.files]]
guest = "/src"
host = "src"
mode = "read"

[agents.probe]
component = "probe.wasm"
[[agents.probe.http]]
host = "127.0.0.1"
port = 8080
scheme = "http"
methods = ["GET", "HEAD"]
paths = ["/**"]
until = "2026-12-31"
[[agents.probe.http]]
host = "*.example.com"
methods = ["GET"]
paths = ["/api/**"]
addresses = ["10.2.0.0/16", "fd12:3456::/32"]

[network]
resolvers = ["127.0.0.1:5353", "[::1]:53"]
roots = ["file"]
"#;
    let resolved = place.resolve(text).unwrap();
    assert_eq!(resolved.digest, Digest::of(text.as_bytes()));
    let scan = &resolved.agents["leak-scan"];
    assert_eq!(scan.component, ComponentSource::Folder(place.path("agents/leak-scan")));
    assert_eq!((scan.limits.memory_bytes, scan.limits.active_timeout_ms, scan.limits.concurrent), (64 << 20, 90_000, 8));
    assert_eq!(scan.grants.files[0].host, place.path("src"));
    assert_eq!(scan.grants.env["LANG"], "C");
    assert!(!scan.durable);
    let probe = &resolved.agents["probe"];
    assert_eq!(probe.component, ComponentSource::File(place.path("probe.wasm")));
    assert!(probe.durable, "what may act on the world can be resumed");
    assert_eq!((probe.grants.http[0].port(), probe.grants.http[1].port()), (8080, 443));
    assert_eq!(probe.grants.http[1].addresses.len(), 2);
    assert_eq!(resolved.network.roots.iter().map(|root| &root.path).collect::<Vec<_>>(), [&place.path("file")]);
    assert_eq!(resolved.network.resolvers.len(), 2);
    let said = lines(&resolved).join("\n");
    for line in [
        "agent leak-scan",
        "as /src",
        "LANG=C",
        "active-timeout = 90s, concurrent = 8",
        "10.2.0.0/16",
        "127.0.0.1:5353",
        "until 2026-12-31",
    ] {
        assert!(said.contains(line), "{said}\n  does not say {line}");
    }
}

#[test]
fn an_empty_file_grants_nothing() {
    let resolved = Place::new().resolve("").unwrap();
    assert!(resolved.agents.is_empty());
    assert_eq!(lines(&resolved), ["nothing"]);
}

#[test]
fn what_is_not_toml_is_named_by_its_line() {
    wrong("[agents.x]\ncomponent = \"a\"\ncomponent = \"b\"\n", "bailiwick.toml:3: duplicate key");
    wrong("[agents.x]\ncomponent = \"a\"\n[agents.x]\n", "bailiwick.toml:3: duplicate key");
    wrong("[agents.x]\ncomponent = \n", "bailiwick.toml:2: ");
    wrong(&format!("a = {}", "[".repeat(100_000)), "bailiwick.toml:1: ");
}

#[test]
fn unknown_keys_are_named_wherever_they_are() {
    wrong(
        "[agent.x]\n",
        "bailiwick.toml:1: agent: is not a key here; the keys are agents, credentials, engagements, environments, network",
    );
    wrong(&agent("memory = 1"), "bailiwick.toml:3: agents.x.memory: is not a key here");
    wrong(&agent("limits = { memroy = \"1MiB\" }"), "bailiwick.toml:3: agents.x.limits.memroy: `memroy` is not a limit");
    wrong(&http("pats", "pats = []"), "bailiwick.toml:7: agents.x.http[0].pats: is not a key here");
    wrong(&agent("[[agents.x.files]]\nwrite = true"), "bailiwick.toml:4: agents.x.files[0].write: is not a key here");
    wrong("[network]\ndns = 1", "bailiwick.toml:2: network.dns: is not a key here; the keys are resolvers, roots");
    wrong("\"a\\u001b[2Jb\" = 1", "bailiwick.toml:1: a\\u{1b}[2Jb: is not a key here");
}

#[test]
fn what_arrives_later_is_refused_and_says_so() {
    wrong("[notify.y]\n", "bailiwick.toml:1: notify: is not part of this version: it arrives with");
    wrong(
        &agent("[[agents.x.files]]\nguest = \"/s\"\nhost = \"src\"\nmode = \"stage\""),
        "agents.x.files[0].mode: is not part of this version: it arrives with approvals",
    );
    wrong(
        "[agents.x]\ncomponent = \"oci://r.test/x@sha256:00\"",
        "bailiwick.toml:2: agents.x.component: is not part of this version: it arrives with packages",
    );
    wrong(&agent("uses = [\"approvals\"]"), "agents.x.uses[0]: is not part of this version: it arrives with approvals");
}

#[test]
fn impossible_values_are_named() {
    let cases = [
        ("[agents.X]\ncomponent = \"x\"".to_owned(), "agents.X: `X` is not a valid agent name"),
        ("[agents.\"../x\"]\ncomponent = \"x\"".to_owned(), "is not a valid agent name"),
        ("[agents.x]\n".to_owned(), "bailiwick.toml:1: agents.x.component: is missing"),
        ("[agents.x]\ncomponent = \"https://a.test/x.wasm\"".to_owned(), "agents.x.component: must be a folder"),
        (agent("owner = 1"), "agents.x.owner: must be a string, not integer"),
        (agent("expires = \"2027-02-30\""), "agents.x.expires: `2027-02-30` is not a date"),
        (agent("expires = 2027-02-03"), "agents.x.expires: must be a string, not datetime"),
        (agent("uses = [\"findings\"]"), "agents.x.uses[0]: needs no grant"),
        (agent("uses = [\"credentials\"]"), "agents.x.uses[0]: is granted by `[[agents.NAME.credentials]]`"),
        (agent("uses = [\"shell\"]"), "agents.x.uses[0]: `uses` must be empty"),
        (agent("env = { \"A=B\" = \"c\" }"), "is not the name of a variable"),
        (agent("env = { A = \"b\\u0000c\" }"), "agents.x.env.A: must not contain a NUL"),
        (agent("limits = { memory = 0 }"), "agents.x.limits.memory: must be a whole number from 1"),
        (agent("limits = { memory = \"5GiB\" }"), "agents.x.limits.memory: `5GiB` is not a value for this limit"),
        (agent("limits = { memory = -1 }"), "agents.x.limits.memory: must be a whole number"),
        (agent("limits = { memory = 1.5 }"), "agents.x.limits.memory: must be a string or a number, not float"),
        (agent("http = []"), "agents.x.http: must not be empty"),
        (agent("http = {}"), "agents.x.http: must be a list, not table"),
        (http("durable", "[agents.y]\ncomponent = \"y\"\ndurable = \"yes\""), "agents.y.durable: must be true or false"),
        (
            "[agents.x]\ncomponent = \"x\"\ndurable = false\n[[agents.x.http]]\nhost = \"a.test\"\nmethods = [\"GET\"]\npaths = [\"/\"]"
                .to_owned(),
            "bailiwick.toml:3: agents.x.durable: can't be false",
        ),
        ("[network]\nresolvers = [\"localhost:53\"]".to_owned(), "network.resolvers[0]: `localhost:53` is not an address"),
        ("[network]\nresolvers = [\"127.0.0.1:0\"]".to_owned(), "network.resolvers[0]:"),
        ("[network]\nroots = [\"nowhere.pem\"]".to_owned(), "nowhere.pem` is not there"),
        ("[network]\nroots = [\"src\"]".to_owned(), "src` is not a file"),
    ];
    for (text, said) in cases {
        wrong(&text, said);
    }
}

#[test]
fn impossible_grants_are_named() {
    let cases = [
        ("host", "", "bailiwick.toml:3: agents.x.http[0].host: is missing"),
        ("host", "host = \"*\"", "bailiwick.toml:4: agents.x.http[0].host: `*` is not a host pattern"),
        ("host", "host = \"*.com\"", "agents.x.http[0].host:"),
        ("host", "host = \"127.1\"", "agents.x.http[0].host:"),
        ("host", "host = \"a.test:80\"", "agents.x.http[0].host:"),
        ("methods", "methods = []", "bailiwick.toml:5: agents.x.http[0].methods: must not be empty"),
        ("methods", "methods = [\"GET\", \"get\"]", "agents.x.http[0].methods[1]: `get` is not a method"),
        ("methods", "methods = [\"CONNECT\"]", "agents.x.http[0].methods[0]:"),
        ("paths", "paths = [\"api\"]", "bailiwick.toml:6: agents.x.http[0].paths[0]: `api` is not a path pattern"),
        ("paths", "paths = \"/\"", "agents.x.http[0].paths: must be a list, not string"),
        ("port", "port = 0", "agents.x.http[0].port: must be a whole number from 1"),
        ("port", "port = 65536", "agents.x.http[0].port: must be a number from 1 to 65535"),
        ("port", "port = \"80\"", "agents.x.http[0].port: must be a number, not string"),
        ("scheme", "scheme = \"ftp\"", "agents.x.http[0].scheme: `ftp` is not a scheme"),
        ("until", "until = \"soon\"", "agents.x.http[0].until: `soon` is not a date"),
        ("addresses", "addresses = [\"10.2.3.4/16\"]", "agents.x.http[0].addresses[0]: `10.2.3.4/16` is not a network"),
        ("addresses", "addresses = [\"10.2.0.0\"]", "agents.x.http[0].addresses[0]:"),
        ("addresses", "addresses = [\"0.0.0.0/0\"]", "agents.x.http[0].addresses: the network `0.0.0.0/0` is too wide"),
        (
            "addresses",
            "addresses = [\"169.254.0.0/16\"]",
            "agents.x.http[0].addresses: the network `169.254.0.0/16` contains an address of a metadata",
        ),
        ("addresses", "addresses = [\"64:ff9b::/96\"]", "agents.x.http[0].addresses: the network `64:ff9b::/96` is an IPv6 form"),
        ("host", "host = \"metadata.google.internal\"", "agents.x.http[0].host: a metadata service can't be granted"),
        ("addresses", "addresses = [\"::ffff:10.0.0.0/104\"]", "agents.x.http[0].addresses[0]:"),
        ("host", "host = \"10.0.0.1\"\naddresses = [\"10.0.0.0/8\"]", "agents.x.http[0].addresses: has no effect here"),
    ];
    for (key, line, said) in cases {
        wrong(&http(key, line), said);
    }
}

#[test]
fn a_mount_is_a_folder_that_is_there() {
    wrong(&agent(&mount("/s", "nowhere")), "bailiwick.toml:5: agents.x.files[0].host: `");
    wrong(&agent(&mount("/s", "nowhere")), "nowhere` is not there");
    wrong(&agent(&mount("/s", "file")), "file` is not a folder");
    wrong(&agent(&mount("/s", "/dev/null")), "is not a folder");
    wrong(&agent("[[agents.x.files]]\nguest = \"/s\"\nmode = \"read\""), "agents.x.files[0].host: is missing");
    wrong(&agent("[[agents.x.files]]\nguest = \"/s\"\nhost = \"src\""), "agents.x.files[0].mode: is missing");
    wrong(&agent("[[agents.x.files]]\nguest = \"/s\"\nhost = \"src\"\nmode = \"write\""), "`write` is not a mode");
}

#[test]
fn no_mount_touches_the_home() {
    wrong(&agent(&mount("/s", ".")), "contains the host's own home");
    wrong(&agent(&mount("/s", "/")), "contains the host's own home");
    wrong(&agent(&mount("/s", "home")), "is inside the host's own home");
    wrong(&agent(&mount("/s", "home/runs")), "is inside the host's own home");
    wrong(&agent(&mount("/s", "src/../home")), "is inside the host's own home");
    let place = Place::new();
    symlink(place.path("home/runs"), place.path("src/link")).unwrap();
    assert!(place.resolve(&agent(&mount("/s", "src/link"))).unwrap_err().contains("is inside the host's own home"));
    symlink(place.path(""), place.path("src/up")).unwrap();
    assert!(place.resolve(&agent(&mount("/s", "src/up"))).unwrap_err().contains("contains the host's own home"));
}

#[test]
fn a_home_behind_a_link_or_not_yet_made_is_found_all_the_same() {
    let place = Place::new();
    symlink(place.path("src"), place.path("alias")).unwrap();
    for home in ["alias", "alias/deep", "alias/to/be/made", "src/deep/./later"] {
        let err = place.resolve_with(&agent(&mount("/s", "src")), &place.path(home)).unwrap_err();
        assert!(err.contains("home"), "{home}: {err}");
    }
    assert!(place.resolve_with(&agent(&mount("/s", "src")), &place.path("srcs")).is_ok(), "a longer name is another folder");
}

#[test]
fn a_link_is_resolved_to_the_folder_it_names() {
    let place = Place::new();
    symlink(place.path("src/deep"), place.path("link")).unwrap();
    assert_eq!(place.resolve(&agent(&mount("/s", "link"))).unwrap().agents["x"].grants.files[0].host, place.path("src/deep"));
}

#[test]
fn where_the_guest_sees_a_mount_is_plain_and_its_own() {
    for guest in ["src", "/s/", "//s", "/s/../t", "/./s", "/s\\\\t", "/s\\u0000", "/s\\u202e"] {
        wrong(&agent(&mount(guest, "src")), "agents.x.files[0].guest: ");
    }
    for (first, second) in [("/s", "/s"), ("/s", "/s/t"), ("/s/t", "/s"), ("/", "/s")] {
        wrong(&agent(&format!("{}{}", mount(first, "src"), mount(second, "src/deep"))), "agents.x.files[1].guest: is the same as");
    }
    assert!(Place::new().resolve(&agent(&format!("{}{}", mount("/s", "src"), mount("/st", "src")))).is_ok());
    assert!(Place::new().resolve(&agent(&mount("/", "src"))).is_ok());
}

#[test]
fn an_agent_is_not_started_past_its_last_day() {
    let resolved = Place::new().resolve(&agent("expires = \"1970-01-02\"")).unwrap();
    assert!(resolved.agent("x", 2 * 86_400 - 1).is_ok());
    assert!(matches!(resolved.agent("x", 2 * 86_400), Err(ConfigError::Expired { .. })));
    assert!(matches!(resolved.agent("\u{1b}y", 0), Err(ConfigError::NoAgent { .. })));
}

#[test]
fn the_nearest_file_above_is_found() {
    let place = Place::new();
    assert!(matches!(find(&place.path("src/deep")), Err(ConfigError::Absent(_))));
    std::fs::write(place.path(FILE_NAME), "").unwrap();
    assert_eq!(find(&place.path("src/deep")).unwrap(), place.path(FILE_NAME));
    std::fs::write(place.path("src").join(FILE_NAME), "").unwrap();
    assert_eq!(find(&place.path("src/deep")).unwrap(), place.path("src").join(FILE_NAME));
}

#[test]
fn a_file_that_is_none_is_not_waited_for() {
    let place = Place::new();
    let pipe = place.path("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert!(matches!(read(&pipe), Err(ConfigError::File(_))));
    assert!(matches!(read(&place.path("src")), Err(ConfigError::File(_))));
    std::fs::write(place.path("latin"), b"\xe4").unwrap();
    assert!(matches!(read(&place.path("latin")), Err(ConfigError::NotText(_))));
    std::fs::write(place.path("large"), vec![b'#'; (1 << 20) + 1]).unwrap();
    assert!(matches!(read(&place.path("large")), Err(ConfigError::File(_))));
}
