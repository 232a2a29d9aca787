//! Uses each part of the SDK once: several requests at a time, a finding for each, progress, a log line.

use bailiwick_sdk::findings::{Finding, Severity};
use bailiwick_sdk::http::{Client, Method, Response, all};
use bailiwick_sdk::{Failure, JsonSchema, findings, log, progress};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The URLs to ask for, all at the same time.
    #[serde(default)]
    urls: Vec<String>,
    /// The body of a POST to each URL; without it, a GET is sent.
    #[serde(default)]
    body: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    answers: Vec<Answer>,
}

#[derive(Serialize, JsonSchema)]
struct Answer {
    url: String,
    status: u16,
    text: String,
}

fn run(input: Input) -> Result<Output, Failure> {
    log::info!("{} to ask", input.urls.len());
    let client = Client::new();
    let requests = input.urls.iter().map(|url| match &input.body {
        Some(body) => client.request(Method::POST, url).body(body.clone()),
        None => client.get(url),
    });
    let total = input.urls.len() as u64;
    let mut answers = Vec::new();
    for (url, answer) in input.urls.iter().zip(all(requests.collect())) {
        progress::update(answers.len() as u64, total, url);
        let (status, text) = match answer.map(|answer| (answer.status().as_u16(), Response::text(answer))) {
            Ok((status, Ok(text))) => (status, text),
            Ok((status, Err(err))) => (status, err.to_string()),
            Err(err) => (0, err.to_string()),
        };
        let finding = Finding::new("asked", Severity::Info, format!("{url} answered {status}")).at(url, 0, 0);
        findings::report(finding).map_err(|refusal| Failure::new("refused", refusal.to_string()))?;
        answers.push(Answer { url: url.clone(), status, text });
    }
    Ok(Output { answers })
}

bailiwick_sdk::agent!(run);
