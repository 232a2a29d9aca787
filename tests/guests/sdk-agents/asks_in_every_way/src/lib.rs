//! Asks one server once in each way that the SDK's HTTP client has, and reports each result.

use bailiwick_sdk::http::{Client, Error, Response, all};
use bailiwick_sdk::{Failure, JsonSchema};
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::time::Duration;

/// More bytes than one write may pass on.
const LARGE_BYTES: u32 = 300_000;
/// Fewer bytes than the server sends at a time.
const PIECE_BYTES: usize = 700;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The beginning of the granted URLs: scheme, host, port, path.
    base: String,
    /// A URL that is not granted.
    refused: String,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    got: Got,
    posted: Made,
    /// The server's answer to a large body.
    taken: String,
    streamed: Streamed,
    many: Vec<String>,
    late: String,
    missing: String,
    refused: String,
}

#[derive(Serialize, JsonSchema)]
struct Got {
    status: u16,
    said: String,
    text: String,
}

/// A value that is sent as JSON.
#[derive(Serialize)]
struct Thing {
    name: &'static str,
    count: u32,
}

/// The JSON of the answer.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Made {
    id: u32,
}

#[derive(Default, Serialize, JsonSchema)]
struct Streamed {
    pieces: usize,
    largest: usize,
    text: String,
}

fn get(client: &Client, base: &str) -> Result<Got, Error> {
    let answer = client.get(&format!("{base}/got?page=2&word=a%20b")).header("x-asked", "by an agent").send()?;
    let said = answer.headers().get("x-said").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    Ok(Got { status: answer.status().as_u16(), said, text: answer.text()? })
}

fn post_large(client: &Client, base: &str) -> Result<String, Error> {
    let body: Vec<u8> = (0..LARGE_BYTES).map(|n| (n % 251) as u8).collect();
    client.post(&format!("{base}/large")).body(body).send()?.text()
}

fn stream(client: &Client, base: &str) -> Result<Streamed, Failure> {
    let mut answer = client.get(&format!("{base}/stream")).send()?;
    let (mut piece, mut streamed) = ([0; PIECE_BYTES], Streamed::default());
    loop {
        let read = answer.read(&mut piece).map_err(|err| Failure::caused("stream", &err))?;
        if read == 0 {
            return Ok(streamed);
        }
        if streamed.pieces == 0 {
            // The server continues only after this request: a body that is half read does not block other requests.
            client.get(&format!("{base}/between")).send()?.bytes()?;
        }
        streamed.pieces += 1;
        streamed.largest = streamed.largest.max(read);
        streamed.text.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
}

fn ask_many(client: &Client, base: &str) -> Vec<String> {
    let requests = (0..10).map(|n| client.get(&format!("{base}/many/{n}"))).collect();
    all(requests).into_iter().map(|answer| answer.and_then(Response::text).unwrap_or_else(|err| err.to_string())).collect()
}

/// The error of a request that must fail.
fn wrong(answer: Result<Response, Error>) -> String {
    match answer {
        Ok(answer) => format!("status {}", answer.status()),
        Err(err) => format!("{}: {err}", err.code()),
    }
}

fn run(input: Input) -> Result<Output, Failure> {
    let Input { base, refused } = input;
    let client = Client::new();
    let thing = Thing { name: "a thing", count: 3 };
    Ok(Output {
        got: get(&client, &base)?,
        posted: client.post(&format!("{base}/posted")).json(&thing).send()?.json()?,
        taken: post_large(&client, &base)?,
        streamed: stream(&client, &base)?,
        many: ask_many(&client, &base),
        late: wrong(client.get(&format!("{base}/late")).timeout(Duration::from_millis(500)).send()),
        missing: wrong(client.get(&format!("{base}/missing")).send().and_then(Response::error_for_status)),
        refused: wrong(client.get(&refused).send()),
    })
}

bailiwick_sdk::agent!(run);
