//! Tests of `[credentials]`, `[environments]`, `[engagements]` and `[vault]`.

use vocabulary::{Encoding, Hash, May, Placement, Source, Tier};

use super::{Place, agent, wrong};

/// A credential with these lines, which start at line 3.
fn credential(lines: &str) -> String {
    format!("[credentials.y]\nhosts = [\"a.test\"]\n{lines}\n")
}

const GRANT: &str = "[[agents.x.http]]\nhost = \"a.test\"\nmethods = [\"GET\"]\npaths = [\"/**\"]\ncredential = \"y\"";

#[test]
fn every_key_of_a_credential_has_its_effect() {
    let text = r#"
        [environments.sandbox]
        match = [{ host = "*.sandbox.test" }, { host = "a.test", paths = ["/s/**"] }]
        [credentials.y]
        kind = "basic"
        user = "svc"
        hosts = ["a.test"]
        port = 8443
        methods = ["GET", "PUT"]
        paths = ["/api/**"]
        environment = "sandbox"
        agents = ["x@sha256:0000000000000000000000000000000000000000000000000000000000000001", "z"]
        until = "2027-01-31"
        uses = 5
        rate = "10/m"
        owner = "sec@example.com"
        rotate-every = "30d"
        rotate = { set = { method = "PUT", path = "/api/users/svc", body = '{"tags":""}', field = "password" }, test = "/api/whoami" }
        [agents.x]
        component = "x"
        env = { TOKEN = { placeholder = "y" }, LANG = "C" }
        [[agents.x.http]]
        host = "a.test"
        port = 8443
        methods = ["GET"]
        paths = ["/**"]
        credential = "y"
        [[agents.x.credentials]]
        name = "y"
        may = ["identify", "rotate"]
        [engagements.q4]
        targets = ["*.example.com", "127.0.0.0/8"]
        window = { from = "2026-11-01T00:00:00Z", until = "2026-12-31T12:30:05Z" }
        rate = "50/s"
        tier = "staged"
    "#;
    let resolved = Place::new().resolve(text).unwrap();
    let agent = &resolved.agents["x"];
    let binding = &agent.grants.credentials[0];
    assert_eq!(binding.placement, Placement::Basic { user: "svc".to_owned() });
    assert_eq!((binding.port, binding.uses, binding.rotate_every_s), (Some(8443), Some(5), Some(30 * 86_400)));
    assert_eq!((binding.environment.as_deref(), binding.owner.as_deref()), (Some("sandbox"), Some("sec@example.com")));
    assert_eq!(binding.rate.unwrap().to_string(), "10/m");
    assert_eq!((binding.agents[0].digest.is_some(), binding.agents[1].digest), (true, None));
    let rotation = binding.rotation.as_ref().unwrap();
    assert_eq!((rotation.set.path.as_str(), rotation.test_path.as_str()), ("/api/users/svc", "/api/whoami"));
    assert_eq!(agent.grants.may["y"], [May::Identify, May::Rotate]);
    assert_eq!((agent.grants.placeholders["TOKEN"].as_str(), agent.grants.env["LANG"].as_str()), ("y", "C"));
    assert_eq!(agent.grants.environments[0].places.len(), 2);
    let q4 = resolved.engagement("q4").unwrap();
    assert_eq!((q4.from_s, q4.until_s, q4.tier), (1_793_491_200, 1_798_720_205, Tier::Staged));
    assert!(resolved.engagement("q5").unwrap_err().to_string().contains("has no engagement `q5`; it has: q4"));
}

#[test]
fn every_kind_of_credential_and_every_source_is_read() {
    let place = Place::new();
    let read = |lines: &str| {
        let vault = "[vault]\naddress = \"https://vault.test:8200\"\ntoken-file = \"file\"\n";
        let resolved = place.resolve(&format!("{vault}{}", credential(lines))).unwrap_or_else(|err| panic!("{lines}: {err}"));
        resolved.credentials["y"].clone()
    };
    for (lines, kind) in [
        ("kind = \"bearer\"", "bearer"),
        ("kind = \"header\"\nheader = \"X-Key\"\ntemplate = \"Token {}\"", "header"),
        ("kind = \"query\"\nquery = \"key\"", "query"),
        ("kind = \"path\"\ntemplate = \"bot{}\"\nsegment = 2", "path"),
        ("kind = \"form\"\nfield = \"token\"", "form"),
        ("kind = \"json\"\nfield = \"api key\"", "json"),
        ("kind = \"sigv4\"\nkey-id = \"AKID\"\nregion = \"eu-central-1\"\nservice = \"iam\"", "sigv4"),
        ("kind = \"hmac\"\nheader = \"X-Hub-Signature-256\"\ntemplate = \"sha256={}\"", "hmac"),
        ("kind = \"jwt\"\nalgorithm = \"RS256\"\nclaims = { iss = \"1\" }\nlifetime = \"600s\"", "jwt"),
        ("kind = \"oauth2\"\nclient-id = \"c\"\ntoken = \"https://id.test/token\"", "oauth2"),
    ] {
        assert_eq!(read(lines).placement.kind(), kind, "{lines}");
    }
    let hmac = "kind = \"hmac\"\nheader = \"X-S\"\ntemplate = \"v0={}\"\nhash = \"sha512\"\nencoding = \"base64\"\nover = \"v0:{timestamp}:{body}\"\n\
                timestamp-header = \"X-T\"";
    let Placement::Hmac(hmac) = read(hmac).placement else { panic!("no hmac") };
    assert_eq!((hmac.hash, hmac.encoding, hmac.timestamp_header.as_deref()), (Hash::Sha512, Encoding::Base64, Some("x-t")));
    for (source, kind) in [
        ("\"local\"", "local"),
        ("\"env:TOKEN\"", "env"),
        ("\"file:file\"", "file"),
        ("\"exec:/usr/bin/pass\"", "exec"),
        ("[\"exec:/usr/bin/op\", \"read\", \"op://a/b\"]", "exec"),
        ("\"keyring:inventory\"", "keyring"),
        ("\"vault:secret/data/app#password\"", "vault"),
    ] {
        assert_eq!(read(&format!("kind = \"bearer\"\nsource = {source}")).source.kind(), kind, "{source}");
    }
    let Source::Exec(words) = read("kind = \"bearer\"\nsource = [\"exec:/bin/op\", \"read\"]").source else { panic!("no command") };
    assert_eq!(words, ["/bin/op", "read"]);
}

#[test]
fn what_bounds_a_grant_further_is_read_and_what_it_can_not_mean_is_named() {
    let grant = |lines: &str| agent(&format!("[[agents.x.http]]\nhost = \"a.test\"\nmethods = [\"GET\"]\npaths = [\"/**\"]\n{lines}"));
    let pin = format!("sha256:{}", "0".repeat(64));
    let lines = format!("pins = [\"{pin}\"]\nrate = \"5/s\"\nrequest-bytes = \"1KiB\"\nresponse-bytes = 99");
    let resolved = Place::new().resolve(&grant(&lines)).unwrap();
    let within = &resolved.agents["x"].grants.http[0].within;
    assert_eq!((within.pins[0].to_string(), within.rate.unwrap().to_string()), (pin.clone(), "5/s".to_owned()));
    assert_eq!((within.request_bytes, within.response_bytes), (Some(1024), Some(99)));
    for (lines, said) in [
        ("pins = []".to_owned(), "agents.x.http[0].pins: must not be empty"),
        ("pins = [\"sha256:00\"]".to_owned(), "agents.x.http[0].pins[0]: `sha256:00` is not a pin"),
        (format!("scheme = \"http\"\npins = [\"{pin}\"]"), "agents.x.http[0].pins: has no effect with `http`"),
        ("rate = \"5\"".to_owned(), "agents.x.http[0].rate: `5` is not a rate"),
        ("request-bytes = \"1TiB\"".to_owned(), "agents.x.http[0].request-bytes: `1TiB` is not a value"),
        ("response-bytes = 0".to_owned(), "agents.x.http[0].response-bytes: must be a whole number from 1"),
    ] {
        wrong(&grant(&lines), said);
    }
}

#[test]
fn what_a_credential_can_not_mean_is_named() {
    let bearer = |more: &str| credential(&format!("kind = \"bearer\"\n{more}"));
    let kind = |kind: &str, more: &str| credential(&format!("kind = \"{kind}\"\n{more}"));
    let granted = |more: &str| format!("{}{}", bearer(more), agent(GRANT));
    let cases = [
        (agent(GRANT), "agents.x.http[0].credential: `y` is not a credential"),
        (bearer("user = \"me\""), "bailiwick.toml:4: credentials.y.user: is not a key here"),
        (bearer("value = \"s3cret\""), "bailiwick.toml:4: credentials.y.value: is not a key here"),
        (kind("telepathy", ""), "credentials.y.kind: `telepathy` is not a kind"),
        (kind("header", "header = \"Host\""), "credentials.y.header: `Host` is not a placement"),
        (kind("header", "header = \"X-A\"\ntemplate = \"{}{}\""), "credentials.y.template"),
        (kind("header", "header = \"X-A\"\ntemplate = \"none\""), "credentials.y.template"),
        (kind("path", "template = \"../{}\""), "credentials.y.template"),
        (kind("hmac", "header = \"X-A\"\nover = \"nothing\""), "credentials.y.over"),
        (
            kind("hmac", "header = \"X-A\"\nover = \"{timestamp}{body}\""),
            "credentials.y.over: must contain `{timestamp}` if `timestamp-header` is set",
        ),
        (kind("hmac", "header = \"X-A\"\nover = \"{body}\"\ntimestamp-header = \"X-T\""), "credentials.y.over: must contain `{timestamp}`"),
        (
            kind("hmac", "header = \"X-A\"\ntimestamp-header = \"X-T\""),
            "credentials.y.timestamp-header: needs an `over` with `{timestamp}`",
        ),
        (kind("hmac", "header = \"X-A\"\nhash = \"md5\""), "credentials.y.hash: is not one of: sha1, sha256, sha512"),
        (kind("jwt", "claims = { iss = \"a\" }"), "credentials.y.algorithm: is missing"),
        (kind("jwt", "algorithm = \"none\"\nclaims = {}"), "credentials.y.algorithm: is not one of: "),
        (kind("jwt", "algorithm = \"EdDSA\"\nclaims = { exp = \"9\" }"), "the host sets the times"),
        (kind("jwt", "algorithm = \"EdDSA\"\nclaims = {}\nlifetime = \"3601s\""), "`3601s` is not a time"),
        (kind("oauth2", "client-id = \"c\"\ntoken = \"https://me@id.test/\""), "credentials.y.token"),
        (kind("oauth2", "client-id = \"c\"\ntoken = \"http://169.254.169.254/\""), "credentials.y.token: a metadata service"),
        (bearer("rate = \"10/d\""), "credentials.y.rate: `10/d` is not a rate"),
        (bearer("uses = 0"), "credentials.y.uses: must be a whole number from 1"),
        (bearer("rotate-every = \"1y\""), "credentials.y.rotate-every: `1y` is not a time"),
        (bearer("environment = \"sandbox\""), "credentials.y.environment: `sandbox` is not an environment"),
        (bearer("agents = [\"x@sha256:00\"]"), "credentials.y.agents[0]"),
        (bearer("source = \"exec:pass\""), "needs the absolute path of its program"),
        (bearer("source = \"vault:a#b\""), "needs `[vault]` with the address of the server"),
        (bearer("source = \"vault:../a#b\""), "is not a source"),
        (
            bearer("source = \"env:T\"\nrotate = { set = { method = \"PUT\", path = \"/\", field = \"p\" }, test = \"/\" }"),
            "needs the source `local`",
        ),
        (bearer("rotate = { set = { method = \"GET\", path = \"/\", field = \"p\" }, test = \"/\" }"), "`GET` is not a method"),
        (bearer("rotate = { set = { method = \"PUT\", path = \"/a/../b\", field = \"p\" }, test = \"/\" }"), "is not a path"),
        (granted("agents = [\"z\"]"), "agents.x.http: grants a credential whose `agents` do not include this agent"),
        (format!("{}{}", bearer(""), agent("[[agents.x.credentials]]\nname = \"y\"\nmay = [\"rotate\"]")), "has no `rotate` table"),
        (
            format!("{}{}", bearer(""), agent("durable = false\n[[agents.x.credentials]]\nname = \"y\"\nmay = [\"identify\"]")),
            "durable: can't be false where `http` or `credentials` are granted",
        ),
        (
            format!("{}{}", bearer(""), agent("[[agents.x.credentials]]\nname = \"y\"\nmay = [\"read\"]")),
            "`read` is not a use of a credential",
        ),
        (
            format!("{}{}", bearer(""), agent("env = { T = { placeholder = \"y\" } }")),
            "agents.x.env.T.placeholder: `y` is not a credential",
        ),
        ("[environments.production]\nmatch = [{ host = \"a.test\" }]".to_owned(), "environments.production: can't be defined"),
        ("[environments.s]\nmatch = []".to_owned(), "environments.s.match: must not be empty"),
        ("[vault]\naddress = \"https://v.test\"".to_owned(), "needs one of `token-file`, `approle` and `kubernetes`"),
        ("[vault]\naddress = \"https://v.test/v1\"\ntoken-file = \"t\"".to_owned(), "vault.address: must have no path"),
    ];
    for (text, said) in cases {
        wrong(&text, said);
    }
    let engagement = |line: &str| {
        let lines =
            ["targets = [\"a.test\"]", "window = { from = \"2026-11-01T00:00:00Z\", until = \"2026-12-01T00:00:00Z\" }", "tier = \"live\""];
        let key = |line: &str| line.split(' ').next().map(str::to_owned);
        let lines: Vec<&str> = lines.into_iter().map(|usual| if key(usual) == key(line) { line } else { usual }).collect();
        format!("[engagements.e]\n{}", lines.join("\n"))
    };
    for (line, said) in [
        ("targets = [\"127.0.0.1/8\"]", "engagements.e.targets[0]: `127.0.0.1/8` is not a"),
        ("targets = []", "engagements.e.targets: must not be empty"),
        ("window = { from = \"2026-12-01T00:00:00Z\", until = \"2026-12-01T00:00:00Z\" }", "engagements.e.window: ends before it begins"),
        ("window = { from = \"2026-12-01\", until = \"2026-12-02T00:00:00Z\" }", "engagements.e.window.from: `2026-12-01` is not a moment"),
        ("window = { from = \"2026-12-01T24:00:00Z\", until = \"2026-12-02T00:00:00Z\" }", "is not a moment"),
        ("tier = \"yolo\"", "engagements.e.tier: `yolo` is not a tier"),
    ] {
        wrong(&engagement(line), said);
    }
}
