//! A server understands a request in the same way as the policy judged it: tested with real servers and a credential.

use serde_json::{Value, json};
use tests::apps::App;
use tests::asks::{asks, config, set};
use tests::program::Program;
use tests::rabbitmq::RabbitMq;
use tests::server::{Server, Step, response};
use vocabulary::record::Record;

const VALUE: &str = "canary-77d0a5b3c1e94f";

/// The configuration of `asks` with these paths and these named headers.
fn narrow(port: u16, key: &str, paths: &[&str], headers: &[&str]) -> String {
    let headers = if headers.is_empty() { String::new() } else { format!("headers = {headers:?}") };
    config(port, key)
        .replace("paths = [\"/**\"]", &format!("paths = {paths:?}"))
        .replace("headers = [\"content-encoding\", \"x-amz-target\", \"x-digest\"]", &headers)
}

fn named(ran: &tests::asks::Ran) -> Vec<Vec<String>> {
    let asked = ran.records.iter().filter_map(|record| match record {
        Record::Asked(asked) => Some(&asked.ask),
        Record::Refused(refused) => Some(&refused.ask),
        _ => None,
    });
    asked.map(|ask| ask.headers.iter().map(ToString::to_string).collect()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_signed_only_from_what_is_granted_and_the_record_names_its_source() {
    let server = Server::answering(|_, _| vec![Step::Say(response(200, b"copied"))]).await;
    let key = "kind = \"sigv4\"\nkey-id = \"AKID\"\nregion = \"us-east-1\"\nservice = \"s3\"";
    let program = Program::new(&narrow(server.port(), key, &["/agent-bucket/**"], &["x-amz-copy-source"]));
    set(&program, "key", VALUE);
    let copy = |from: &str| json!({ "method": "PUT", "url": server.url("/agent-bucket/new"), "headers": [["x-amz-copy-source", from]] });
    let ran = tokio::task::block_in_place(|| asks(&program, &[], &[copy("/agent-bucket/old"), copy("/payroll/salaries.csv")]));
    assert_eq!(ran.refused(), ["resource-not-granted"], "{ran:?}");
    let heard = server.heard();
    assert_eq!(heard.len(), 1);
    assert!(heard[0].head.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-copy-source;x-amz-date"), "{}", heard[0].head);
    assert_eq!(named(&ran), [["x-amz-copy-source: /agent-bucket/old"], ["x-amz-copy-source: /payroll/salaries.csv"]]);
    // Without a mention in the grant, the header is refused for every path.
    let program = Program::new(&narrow(server.port(), key, &["/**"], &["x-digest"]));
    set(&program, "key", VALUE);
    let ran = tokio::task::block_in_place(|| asks(&program, &[], &[copy("/agent-bucket/old")]));
    assert_eq!((ran.refused(), server.heard().len()), (vec!["header-not-granted"], 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_of_a_request_are_on_the_record_and_a_secret_among_them_is_stars() {
    let server = Server::answering(|_, _| vec![Step::Say(response(200, b"in"))]).await;
    let program = Program::new(&narrow(server.port(), "kind = \"bearer\"", &["/**"], &["x-amz-target", "x-digest"]));
    set(&program, "key", VALUE);
    let first = json!({ "url": server.url("/"), "headers": [["x-amz-target", "secretsmanager.GetSecretValue"], ["X-Digest", "not told"], ["accept", "a/b"]] });
    // The value is known by then, so a guest that has it can't write it to the record.
    let second = json!({ "url": server.url(&format!("/{VALUE}")), "headers": [["x-amz-target", VALUE]] });
    let ran = tokio::task::block_in_place(|| asks(&program, &[], &[first, second]));
    let stars = format!("x-amz-target: {}", "*".repeat(VALUE.len()));
    let expected: [&[&str]; 2] = [&["x-amz-target: secretsmanager.GetSecretValue", "x-digest", "accept"], &[&stars]];
    assert_eq!(named(&ran), expected);
    let bodies: Vec<Vec<u8>> = ran.records.iter().map(Record::to_bytes).collect();
    assert!(bodies.iter().all(|body| !String::from_utf8_lossy(body).contains(VALUE)), "{ran:?}");
}

/// nginx decodes an encoded slash before it looks for a location: one granted segment becomes two there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_encoded_slash_reaches_nginx_only_where_a_grant_has_one() {
    let Some(app) =
        App::nginx("        location /public/ { return 200 'public'; }\n        location /secret/ { return 200 'secret'; }", &[])
    else {
        return;
    };
    let at = |path: &str| json!({ "url": format!("http://127.0.0.1:{}{path}", app.port()) });
    let program = Program::new(&narrow(app.port(), "kind = \"bearer\"", &["/public/**", "/*", "/public/named%2F*"], &[]));
    set(&program, "key", VALUE);
    let paths = [
        "/secret%2Fa",
        "/public%2Fa",
        "/public/a%2Fb",
        "/public/x/..%2F..%2Fsecret%2Fa",
        "/public/..%20/secret",
        "/public/named%2Fa",
        "/public/a",
    ];
    let ran = tokio::task::block_in_place(|| asks(&program, &[], &paths.map(at)));
    assert_eq!(ran.refused(), ["path-not-granted", "path-not-granted", "path-not-granted", "malformed", "malformed"], "{ran:?}");
    let told: Vec<String> = ran.told().into_iter().map(|(_, body)| body).filter(|body| !body.is_empty()).collect();
    assert_eq!(told, ["public", "public"]);
    assert_eq!(app.stop().len(), 2);
}

/// The default virtual host of RabbitMQ is called `/`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_of_rabbitmq_in_its_first_virtual_host_can_be_granted_and_asked_for() {
    let Some(rabbit) = RabbitMq::start("service", VALUE) else { return };
    let key = format!("kind = \"basic\"\nuser = \"service\"\nport = {}", rabbit.port());
    let program = Program::new(&narrow(rabbit.port(), &key, &["/api/queues/%2F/*", "/api/whoami"], &[]));
    set(&program, "key", VALUE);
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", rabbit.port());
    let json_body = |path: &str| json!({ "method": "PUT", "url": url(path), "headers": [["content-type", "application/json"]], "body": "{\"durable\":true}" });
    let requests: [Value; 5] = [
        json_body("/api/queues/%2F/mine"),
        json!({ "url": url("/api/queues/%2f/mine") }),
        json!({ "url": url("/api/queues/%2F") }),
        json!({ "url": url("/api/queues/%2F/mine%2Fget") }),
        json!({ "url": url("/api/queues/other/mine") }),
    ];
    let ran = tokio::task::block_in_place(|| asks(&program, &[], &requests));
    let told = ran.told();
    assert!(told[0].0 == 201 && told[1].0 == 200 && told[1].1.contains("\"name\":\"mine\""), "{told:?}");
    assert_eq!(ran.refused(), ["path-not-granted"; 3]);
}
