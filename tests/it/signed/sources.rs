//! Sources of values, end to end: programs, files, the key ring of the kernel, and a server with the API of HashiCorp Vault. That
//! server is a stand-in that answers like the documented API, because there is no package of the real one.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use linux_keyutils::{KeyRing, KeyRingIdentifier};
use serde_json::{Value, json};
use tests::asks::{Ran, asks, assert_nowhere, config};
use tests::program::Program;
use tests::server::{Heard, Server, Step, response};

use super::{CANARY, get};

/// The API that requires the value.
async fn api() -> Server {
    Server::answering(|_, heard| super::echo(heard)).await
}

fn bearer(source: &str) -> String {
    format!("kind = \"bearer\"\nsource = {source}")
}

fn run(program: &Program, requests: &[Value]) -> Ran {
    tokio::task::block_in_place(|| asks(program, &[], requests))
}

fn with(value: &str) -> String {
    format!("authorization: Bearer {value}")
}

/// Checks that the request is refused on the record, and that the API received nothing.
#[track_caller]
fn assert_unavailable(ran: &Ran, api: &Server, what: &str) {
    assert_eq!(ran.refused(), ["credential-unavailable"], "{what}: {ran:?}");
    assert_eq!(api.heard().len(), 0, "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_prints_the_value_and_what_is_no_value_lets_nobody_in() {
    let folder = tempfile::tempdir().unwrap();
    let script = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path.display().to_string()
    };
    let api = api().await;
    for (name, text) in [
        ("too-much", "head -c 10000 /dev/zero | tr '\\0' a"),
        ("fails", &*format!("echo {CANARY}; exit 3")),
        ("nothing", ":"),
        ("short", "echo short"),
        ("lines", "echo first-of-two-lines; echo second-of-two-lines"),
    ] {
        let program = Program::new(&config(api.port(), &bearer(&format!("{:?}", format!("exec:{}", script(name, text))))));
        let ran = run(&program, &[get(&api.url("/a"))]);
        assert_unavailable(&ran, &api, name);
        assert_nowhere(&program, &ran, CANARY);
    }
    let missing = Program::new(&config(api.port(), &bearer("\"exec:/nonexistent/program\"")));
    assert_unavailable(&run(&missing, &[get(&api.url("/a"))]), &api, "missing");
    let count = folder.path().join("count");
    let prints = script("prints", "echo x >> \"$1\"; echo \"$2\"; echo not-this-of-standard-error >&2");
    let source = format!("[{:?}, {:?}, {CANARY:?}]", format!("exec:{prints}"), count.display().to_string());
    let program = Program::new(&config(api.port(), &bearer(&source)));
    let ran = run(&program, &[get(&api.url("/a")), get(&api.url("/b"))]);
    assert!(ran.told().iter().all(|(status, body)| *status == 200 && body.contains(&with("********"))), "{ran:?}");
    assert!(api.heard().len() == 2 && api.heard().iter().all(|heard| heard.has_header(&with(CANARY))));
    assert_eq!(std::fs::read_to_string(count).unwrap(), "x\n", "started once for both");
    assert!(!String::from_utf8_lossy(&ran.said).contains("not-this"), "standard error is not passed on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_replaced_between_two_requests_is_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (file, next) = (folder.path().join("token"), format!("next-{CANARY}"));
    std::fs::write(&file, format!("{CANARY}\n")).unwrap();
    let (path, value) = (file.clone(), next.clone());
    let api = Server::answering(move |number, _| {
        if number == 0 {
            // As Kubernetes does: another file replaces it.
            let beside = path.with_extension("new");
            std::fs::write(&beside, &value).unwrap();
            std::fs::rename(&beside, &path).unwrap();
        }
        // Each answer has both values, including the one that is not used any more.
        vec![Step::Say(response(200, format!("{CANARY} {value}").as_bytes()))]
    })
    .await;
    let program = Program::new(&config(api.port(), &bearer(&format!("{:?}", format!("file:{}", file.display())))));
    let ran = run(&program, &[get(&api.url("/a")), get(&api.url("/b"))]);
    let heard = api.heard();
    assert!(heard[0].has_header(&with(CANARY)) && heard[1].has_header(&with(&next)), "{heard:?}");
    assert!(!ran.told()[1].1.contains("canary"), "{:?}", ran.told());
    let api = self::api().await;
    let gone = Program::new(&config(api.port(), &bearer("\"file:nonexistent\"")));
    assert_unavailable(&run(&gone, &[get(&api.url("/a"))]), &api, "no file");
}

/// A key in the key ring of this session, set as log-ins do; the program inherits the session. Without a key ring, only the refusal is
/// tested.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_the_kernel_keeps_for_the_session_lets_in_and_no_other_does() {
    let api = api().await;
    let program = |name: &str| Program::new(&config(api.port(), &bearer(&format!("\"keyring:{name}\""))));
    let name = format!("of-a-test-{}", std::process::id());
    assert_unavailable(&run(&program(&name), &[get(&api.url("/a"))]), &api, "no key");
    // Done on the thread that starts the program, since the program inherits its session.
    let ran = tokio::task::block_in_place(|| {
        let ring = KeyRing::from_special_id(KeyRingIdentifier::Session, true);
        let key = match ring.and_then(|ring| ring.add_key(&format!("bailiwick:{name}"), CANARY.as_bytes())) {
            Ok(key) => key,
            Err(err) => {
                eprintln!("the kernel gives no key ring here ({err:?})");
                return None;
            }
        };
        let program = program(&name);
        let ran = asks(&program, &[], &[get(&api.url("/a"))]);
        assert_nowhere(&program, &ran, CANARY);
        key.invalidate().unwrap();
        Some(ran)
    });
    let Some(ran) = ran else { return };
    assert!(ran.told()[0].1.contains(&with("********")), "{ran:?}");
    assert!(api.heard().len() == 1 && api.heard()[0].has_header(&with(CANARY)));
}

/// The answers of the server at a path.
type Answers = Arc<dyn Fn(&Heard) -> Vec<Step> + Send + Sync>;

fn answer(status: u16, body: &Value) -> Vec<Step> {
    vec![Step::Say(response(status, body.to_string().as_bytes()))]
}

/// The documented answers of KV version 1 and 2, of a log-in by AppRole, and of errors, each at its own path.
fn documented(heard: &Heard) -> Vec<Step> {
    let has = |line: &str| heard.has_header(line);
    let denied = || answer(403, &json!({ "errors": ["permission denied", CANARY] }));
    if heard.path == "/v1/auth/approle/login" {
        let asked: Value = serde_json::from_slice(&heard.body).unwrap_or_default();
        let is_known = heard.method == "POST" && asked == json!({ "role_id": "role-1", "secret_id": "secret-id-of-the-role" });
        let auth = json!({ "auth": { "client_token": "s.token-of-the-server", "lease_duration": 1200, "renewable": true } });
        return if is_known { answer(200, &auth) } else { answer(400, &json!({ "errors": ["invalid role or secret ID"] })) };
    }
    if !has("x-vault-request: true") || !has("x-vault-token: s.token-of-the-server") || heard.method != "GET" {
        return denied();
    }
    let in_namespace = has("x-vault-namespace: team-1/");
    match heard.path.as_str() {
        "/v1/kv/inventory" => answer(200, &json!({ "lease_duration": 2_764_800, "data": { "token": CANARY, "other": "x" } })),
        "/v1/secret/data/inventory" => {
            let metadata =
                json!({ "created_time": "2018-03-22T02:24:06.945319214Z", "deletion_time": "", "destroyed": false, "version": 2 });
            answer(200, &json!({ "data": { "data": { "token": CANARY }, "metadata": metadata } }))
        }
        "/v1/kv/of-team" if in_namespace => answer(200, &json!({ "data": { "token": CANARY } })),
        "/v1/kv/of-team" | "/v1/kv/forbidden" => denied(),
        "/v1/kv/sealed" => answer(503, &json!({ "errors": ["Vault is sealed"] })),
        "/v1/kv/slow" => vec![Step::Hang],
        "/v1/kv/drips" => vec![Step::Say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec()), Step::Hang],
        "/v1/kv/long" => answer(200, &json!({ "data": { "token": CANARY, "rest": "x".repeat(2 << 20) } })),
        "/v1/kv/moved" => vec![Step::Say(b"HTTP/1.1 307 Moved\r\nlocation: /v1/kv/inventory\r\ncontent-length: 0\r\n\r\n".to_vec())],
        "/v1/kv/closed" => vec![Step::Close],
        _ => answer(404, &json!({ "errors": [] })),
    }
}

struct Kept {
    server: Server,
    folder: tempfile::TempDir,
}

impl Kept {
    async fn new(answers: Answers) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), "s.token-of-the-server\n").unwrap();
        std::fs::write(folder.path().join("secret-id"), "secret-id-of-the-role\n").unwrap();
        std::fs::write(folder.path().join("wrong"), "s.token-of-nobody-here").unwrap();
        Self { server: Server::answering(move |_, heard| answers(heard)).await, folder }
    }

    fn file(&self, name: &str) -> String {
        format!("{:?}", self.folder.path().join(name).display().to_string())
    }

    /// A program with the secret at this path, and these lines in `[vault]`.
    fn program(&self, api: &Server, path: &str, login: &str) -> Program {
        let vault = format!("[vault]\naddress = \"http://127.0.0.1:{}\"\n{login}\n", self.server.port());
        Program::new(&format!("{vault}{}", config(api.port(), &bearer(&format!("\"vault:{path}#token\"")))))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_vault_gives_the_value_by_each_way_in() {
    let kept = Kept::new(Arc::new(documented)).await;
    let token = format!("token-file = {}", kept.file("token"));
    let approle = format!("approle = {{ role = \"role-1\", file = {} }}", kept.file("secret-id"));
    let namespace = format!("namespace = \"team-1/\"\n{token}");
    for (path, login, asked) in [
        ("kv/inventory", &token, 1),
        ("secret/data/inventory", &token, 1),
        ("secret/data/inventory", &approle, 2),
        ("kv/of-team", &namespace, 1),
    ] {
        let (api, before) = (api().await, kept.server.heard().len());
        let program = kept.program(&api, path, login);
        let ran = run(&program, &[get(&api.url("/a")), get(&api.url("/b"))]);
        assert!(ran.told().iter().all(|(status, body)| *status == 200 && body.contains(&with("********"))), "{path}: {ran:?}");
        assert!(api.heard().len() == 2 && api.heard().iter().all(|heard| heard.has_header(&with(CANARY))), "{path}");
        assert_eq!(kept.server.heard().len() - before, asked, "{path}: the value is kept for the second request");
        for secret in [CANARY, "s.token-of-the-server", "secret-id-of-the-role"] {
            assert_nowhere(&program, &ran, secret);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_vault_that_gives_no_value_lets_nobody_in() {
    let kept = Kept::new(Arc::new(documented)).await;
    let token = format!("token-file = {}", kept.file("token"));
    let wrong = format!("token-file = {}", kept.file("wrong"));
    let nobody = format!("approle = {{ role = \"role-2\", file = {} }}", kept.file("secret-id"));
    let missing = format!("token-file = {}", kept.file("nonexistent"));
    let api = api().await;
    for (path, login) in [
        ("kv/forbidden", &token),
        ("kv/of-team", &token),
        ("kv/nothing-here", &token),
        ("kv/sealed", &token),
        ("kv/long", &token),
        ("kv/moved", &token),
        ("kv/closed", &token),
        ("kv/inventory", &wrong),
        ("kv/inventory", &nobody),
        ("kv/inventory", &missing),
    ] {
        let program = kept.program(&api, path, login);
        let ran = run(&program, &[get(&api.url("/a"))]);
        assert_unavailable(&ran, &api, path);
        assert_nowhere(&program, &ran, CANARY);
    }
    // The host does not follow the redirect.
    assert_eq!(kept.server.heard().iter().filter(|heard| heard.path == "/v1/kv/inventory").count(), 1);
    let Kept { server, folder } = kept;
    let nobody_there =
        format!("[vault]\naddress = \"http://127.0.0.1:1\"\ntoken-file = {:?}\n", folder.path().join("token").display().to_string());
    let down = Program::new(&format!("{nobody_there}{}", config(api.port(), &bearer("\"vault:kv/inventory#token\""))));
    assert_unavailable(&run(&down, &[get(&api.url("/a"))]), &api, "down");
    drop(server);
}

/// The guest's time-out also applies to the host's requests for it: a missing answer costs the guest no more than one of the API would.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_vault_that_never_answers_costs_no_more_than_the_guests_patience() {
    let kept = Kept::new(Arc::new(documented)).await;
    let api = api().await;
    for path in ["kv/slow", "kv/drips"] {
        let program = kept.program(&api, path, &format!("token-file = {}", kept.file("token")));
        let ran = run(&program, &[json!({ "url": api.url("/a"), "wait_ms": 200, "between_ms": 200 })]);
        assert_unavailable(&ran, &api, path);
        let waited =
            ran.records.iter().find_map(|record| if let vocabulary::record::Record::Answered(it) = record { Some(it.at) } else { None });
        let asked =
            ran.records.iter().find_map(|record| if let vocabulary::record::Record::Asked(it) = record { Some(it.at) } else { None });
        let waited = waited.zip(asked).map(|(end, begin)| end - begin);
        assert!(
            waited.is_some_and(|waited| (200..20_000).contains(&waited)),
            "{path}: {waited:?} ms, although the host's own time-out is 60 s"
        );
    }
}
