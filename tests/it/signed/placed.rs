//! Every other placement: the server's own computation gives the same result, what it sends back is starred, and a request that can't
//! carry the value is not sent.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use ring::{digest, hmac};
use serde_json::{Value, json};
use tests::asks::{Ran, asks, assert_nowhere, config, hex, set};
use tests::program::Program;
use tests::server::{Heard, Server, Step, response};

use super::{CANARY, get, post};

const FORM: &str = "application/x-www-form-urlencoded";

/// Runs the agent once, with this value for `key`.
fn ran(server: &Server, key: &str, value: &str, requests: &[Value]) -> (Program, Ran) {
    tokio::task::block_in_place(|| {
        let program = Program::new(&config(server.port(), key));
        set(&program, "key", value);
        let ran = asks(&program, &[], requests);
        (program, ran)
    })
}

/// A server that answers with `part` of a request, as it is, in hexadecimal and in base 64.
async fn echoing(part: impl Fn(&Heard) -> String + Send + Sync + 'static) -> Server {
    Server::answering(move |_, heard| {
        let part = part(heard);
        let all = format!("{part}\n{}\n{}", hex(part.as_bytes()), STANDARD.encode(&part));
        vec![Step::Say(response(200, all.as_bytes()))]
    })
    .await
}

fn header<'a>(heard: &'a Heard, name: &str) -> &'a str {
    heard.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap_or_default()
}

/// Checks that each answer arrived, and has the value in none of these forms.
fn assert_stars(program: &Program, ran: &Ran, value: &str) {
    assert!(!ran.told().is_empty() && ran.told().iter().all(|(status, body)| *status == 200 && body.contains("********")), "{ran:?}");
    assert_nowhere(program, ran, value);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_of_github_is_signed_so_that_its_receiver_takes_it() {
    let key = hmac::Key::new(hmac::HMAC_SHA256, CANARY.as_bytes());
    let server = Server::answering(move |_, heard| {
        let signature = header(heard, "x-hub-signature-256");
        let expected = format!("sha256={}", hex(hmac::sign(&key, &heard.body).as_ref()));
        let status = if signature == expected { 200 } else { 401 };
        vec![Step::Say(response(status, format!("signed {signature}").as_bytes()))]
    })
    .await;
    let binding = "kind = \"hmac\"\nheader = \"x-hub-signature-256\"\ntemplate = \"sha256={}\"";
    let bodies = ["{\"zen\":\"of signing\"}", "", "{body} {timestamp}"];
    let requests = bodies.map(|body| post(&server.url("/hook"), "application/json", body));
    let (program, ran) = ran(&server, binding, CANARY, &requests);
    assert_stars(&program, &ran, CANARY);
    for heard in server.heard() {
        assert_nowhere(&program, &ran, header(&heard, "x-hub-signature-256").strip_prefix("sha256=").unwrap());
    }
    let wrong = self::ran(&server, binding, "another-value-than-theirs", &requests[..1]).1;
    assert_eq!(wrong.told()[0].0, 401);
    let own = json!({ "method": "POST", "url": server.url("/hook"), "headers": [["X_Hub_Signature_256", "sha256=00"]], "body": "{}" });
    let taken = self::ran(&server, binding, CANARY, &[own]).1;
    assert_eq!((taken.refused(), server.heard().len()), (vec!["header-not-yours"], 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signature_over_the_time_the_method_and_the_path_has_its_time_beside_it() {
    let key = hmac::Key::new(hmac::HMAC_SHA512, CANARY.as_bytes());
    let server = Server::answering(move |_, heard| {
        let Heard { method, path, body, .. } = heard;
        let over = [format!("v0:{}:{method}:{path}:", header(heard, "x-time")).as_bytes(), body].concat();
        let is_right = header(heard, "x-signature") == STANDARD.encode(hmac::sign(&key, &over));
        vec![Step::Say(response(if is_right { 200 } else { 401 }, header(heard, "x-signature").as_bytes()))]
    })
    .await;
    let binding = "kind = \"hmac\"\nheader = \"x-signature\"\ntimestamp-header = \"x-time\"\nhash = \"sha512\"\nencoding = \"base64\"\n\
                   over = \"v0:{timestamp}:{method}:{path}:{body}\"";
    let requests = [post(&server.url("/a?b=%20c"), "text/plain", "a body"), get(&server.url("/plain"))];
    let (program, ran) = ran(&server, binding, CANARY, &requests);
    assert_stars(&program, &ran, CANARY);
}

/// A PEM block in lines of 64 characters, as `openssl` writes it.
fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Whether a token is complete, signed, and issued now.
fn is_token(token: &str, algorithm: &str, verify: &dyn Fn(&[u8], &[u8]) -> bool) -> bool {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts.as_slice() else { return false };
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
    let (Ok(said), Ok(claimed)) = (serde_json::from_slice::<Value>(&decoded(header)), serde_json::from_slice::<Value>(&decoded(claims)))
    else {
        return false;
    };
    let lasts = claimed["exp"].as_u64().zip(claimed["iat"].as_u64()).map(|(end, begin)| end - begin);
    said == json!({ "alg": algorithm, "typ": "JWT", "kid": "key-1" })
        && (claimed["iss"].as_str(), lasts) == (Some("client-7"), Some(180))
        && verify(format!("{header}.{claims}").as_bytes(), &decoded(signature))
}

async fn assert_signed(algorithm: &str, value: &str, verify: impl Fn(&[u8], &[u8]) -> bool + Send + Sync + 'static) {
    let name = algorithm.to_owned();
    let server = Server::answering(move |_, heard| {
        let token = header(heard, "authorization").strip_prefix("Bearer ").unwrap_or_default();
        let status = if is_token(token, &name, &verify) { 200 } else { 401 };
        let all = format!("{token}\n{}\n{}", hex(token.as_bytes()), STANDARD.encode(token));
        vec![Step::Say(response(status, all.as_bytes()))]
    })
    .await;
    let binding =
        format!("kind = \"jwt\"\nalgorithm = {algorithm:?}\nclaims = {{ iss = \"client-7\" }}\nkey-id = \"key-1\"\nlifetime = \"120s\"");
    let (program, ran) = ran(&server, &binding, value, &[get(&server.url("/a")), post(&server.url("/b"), "text/plain", "x")]);
    assert_stars(&program, &ran, value.lines().nth(1).unwrap());
    for heard in server.heard() {
        let token = header(&heard, "authorization").strip_prefix("Bearer ").unwrap();
        assert_nowhere(&program, &ran, token);
        assert_nowhere(&program, &ran, token.rsplit('.').next().unwrap());
    }
    let line = self::ran(&server, &binding, CANARY, &[get(&server.url("/a"))]).1;
    assert_eq!((line.refused(), server.heard().len()), (vec!["credential-unfit"], 2), "no key, no token");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_signed_with_a_key_of_ed25519_from_a_pem_file() {
    let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let public = Ed25519KeyPair::from_pkcs8(key.as_ref()).unwrap().public_key().as_ref().to_vec();
    let verify = move |signed: &[u8], signature: &[u8]| UnparsedPublicKey::new(&ED25519, &public).verify(signed, signature).is_ok();
    assert_signed("EdDSA", &pem("PRIVATE KEY", key.as_ref()), verify).await;
}

/// With a key in PKCS#8, as `openssl` writes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_signed_with_a_key_of_rsa_from_a_pem_file() {
    let Some(openssl) = tests::tools::tool("openssl") else { return };
    let mut command = std::process::Command::new(openssl);
    let made = command.args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let key = String::from_utf8(made.stdout).unwrap();
    let der = STANDARD.decode(key.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
    let public = ring::signature::RsaKeyPair::from_pkcs8(&der).unwrap().public_key().as_ref().to_vec();
    let verify = move |signed: &[u8], signature: &[u8]| {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &public).verify(signed, signature).is_ok()
    };
    assert_signed("RS256", &key, verify).await;
}

/// A value with characters that must be escaped in a path, a form and JSON.
const ODD: &str = "canary/8f3a?#&=+%2F\\\"ü;..";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_segment_of_the_path_a_field_of_a_form_and_one_of_json_arrive_as_they_were_set() {
    let percent = |text: &str| -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
    };
    // As in a bot API: `/bot<token>/method`.
    let server = echoing(|heard| format!("{} {ODD}", heard.path)).await;
    let binding = "kind = \"path\"\nsegment = 1\ntemplate = \"bot{}\"";
    let (program, ran) = ran(&server, binding, ODD, &[get(&server.url("/getMe?a=1"))]);
    assert_stars(&program, &ran, ODD);
    assert_nowhere(&program, &ran, &percent(ODD));
    assert_eq!(server.heard()[0].path, format!("/bot{}/getMe?a=1", percent(ODD)));

    let server = echoing(|heard| format!("{} {ODD}", String::from_utf8_lossy(&heard.body))).await;
    let requests = ["a=1&b=%20", ""].map(|body| post(&server.url("/"), FORM, body));
    let (program, ran) = self::ran(&server, "kind = \"form\"\nfield = \"token\"", ODD, &requests);
    assert_stars(&program, &ran, ODD);
    let bodies: Vec<String> = server.heard().iter().map(|heard| String::from_utf8(heard.body.clone()).unwrap()).collect();
    assert_eq!(bodies, [format!("a=1&b=%20&token={}", percent(ODD)), format!("token={}", percent(ODD))]);
    let long = server.heard()[0].head.lines().any(|line| line == format!("content-length: {}", bodies[0].len()));
    assert!(long, "{}", server.heard()[0].head);

    let server = echoing(|heard| format!("{} {ODD}", String::from_utf8_lossy(&heard.body))).await;
    let requests = ["{\"a\": [1, 2.50]}", " {} "].map(|body| post(&server.url("/"), "application/json", body));
    let (program, ran) = self::ran(&server, "kind = \"json\"\nfield = \"auth key\"", ODD, &requests);
    assert_stars(&program, &ran, ODD);
    for (heard, rest) in server.heard().iter().zip([json!({ "a": [1, 2.5] }), json!({})]) {
        let mut sent: Value = serde_json::from_slice(&heard.body).unwrap();
        assert_eq!(sent.as_object_mut().unwrap().remove("auth key"), Some(ODD.into()));
        assert_eq!(sent, rest);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_has_no_place_for_the_value_is_not_sent() {
    let server = echoing(|heard| heard.path.clone()).await;
    let url = |path: &str| server.url(path);
    let (json, form) = ("kind = \"json\"\nfield = \"token\"", "kind = \"form\"\nfield = \"token\"");
    let packed = json!({ "method": "POST", "url": url("/"), "headers": [["content-type", "application/json"], ["content-encoding", "gzip"]], "body": "{}" });
    let cases = [
        (json, vec![get(&url("/")), post(&url("/"), "text/plain", "{}"), post(&url("/"), "application/json", "[]"), packed]),
        (json, ["{\"Token\":1}", "{\"a\":1", "{}{}", "\u{feff}{}", ""].map(|body| post(&url("/"), "application/json", body)).into()),
        (json, vec![post(&url("/"), "application/json; charset=utf-16", "{}")]),
        (form, ["token=mine", "a=1&T%6Fken=mine", "a;token=mine"].map(|body| post(&url("/"), FORM, body)).into()),
        (form, vec![post(&url("/"), "multipart/form-data", "a=1"), post(&url("/?token=mine"), FORM, "a=1")]),
        ("kind = \"path\"\nsegment = 4", vec![get(&url("/a/b"))]),
        ("kind = \"path\"", vec![get(&url(&format!("/{}", "a".repeat(4090))))]),
        ("kind = \"query\"\nquery = \"key\"", vec![post(&url("/"), FORM, "key=mine")]),
    ];
    for (binding, requests) in cases {
        let (_, ran) = ran(&server, binding, CANARY, &requests);
        assert_eq!(ran.refused(), vec!["credential-unfit"; requests.len()], "{binding} {requests:?}\n{ran:?}");
    }
    assert_eq!(server.heard().len(), 0);
}

/// A value that a guest got elsewhere, or guessed, is not sent in its own request.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_holds_a_value_itself_is_sent_with_stars_in_its_place() {
    let server = echoing(|heard| heard.path.clone()).await;
    let hashed = hex(digest::digest(&digest::SHA256, CANARY.as_bytes()).as_ref());
    let requests =
        [CANARY, &hex(CANARY.as_bytes()), &STANDARD.encode(CANARY), &hashed].map(|body| post(&server.url("/"), "text/plain", body));
    let (_, ran) = ran(&server, "kind = \"bearer\"", CANARY, &requests);
    let heard: Vec<String> = server.heard().iter().map(|heard| String::from_utf8(heard.body.clone()).unwrap()).collect();
    let stars = |length: usize| "*".repeat(length);
    let expected = [stars(CANARY.len()), stars(2 * CANARY.len()), stars(STANDARD.encode(CANARY).len()), hashed];
    assert_eq!((ran.refused(), heard), (Vec::new(), expected.to_vec()), "but a derived text is sent");
    let met = ran.records.iter().filter(|record| matches!(record, vocabulary::record::Record::ValueMet(_))).count();
    assert_eq!(met, 3, "each is on the record");
}
