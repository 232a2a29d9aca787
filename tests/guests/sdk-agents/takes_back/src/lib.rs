//! Registers undos, withdraws them and sends requests, in the order of its input. Reports each answer in a word.

use bailiwick_sdk::http::{Client, Method};
use bailiwick_sdk::undo::{self, Undo};
use bailiwick_sdk::{Failure, JsonSchema, Refusal};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    steps: Vec<Step>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Step {
    /// `register`, `discharge` or `send`.
    what: String,
    /// How often it is done.
    times: Option<u32>,
    /// The method and the URL: of the act that is taken back, or of the request that is sent.
    act: (String, String),
    /// The method and the URL of the request that takes it back.
    request: (String, String),
    headers: Vec<(String, String)>,
    body: String,
    pre_image: String,
    /// As many more bytes are in the pre-image.
    large: usize,
    done_at: Vec<u16>,
    words: String,
    /// The number of an undo.
    id: u64,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    /// For each step: the number of the undo, `withdrawn`, the status, or why not.
    told: Vec<String>,
}

fn told<T>(answer: Result<T, Refusal>, word: impl FnOnce(T) -> String) -> String {
    answer.map_or_else(|refusal| refusal.code.as_str().to_owned(), word)
}

fn register(step: &Step) -> String {
    let (act, request) = (&step.act, &step.request);
    let mut undo = Undo::new((&act.0, &act.1), (&request.0, &request.1)).body(step.body.as_str()).words(step.words.as_str());
    for (name, value) in &step.headers {
        undo = undo.header(name, value.as_bytes());
    }
    for status in &step.done_at {
        undo = undo.done_at(*status);
    }
    let before = [step.pre_image.as_bytes(), &vec![b'x'; step.large]].concat();
    told(undo.pre_image(before).register(), |id| id.to_string())
}

fn send(step: &Step) -> Result<String, Failure> {
    let method: Method = step.act.0.parse().map_err(|_| Failure::new("bad-method", step.act.0.as_str()))?;
    let mut request = Client::new().request(method, &step.act.1).body(step.body.as_str());
    for (name, value) in &step.headers {
        request = request.header(name, value);
    }
    Ok(match request.send() {
        Ok(answer) => answer.status().as_u16().to_string(),
        Err(err) => format!("{err:?}"),
    })
}

fn run(input: Input) -> Result<Output, Failure> {
    let mut all = Vec::new();
    for step in &input.steps {
        for _ in 0..step.times.unwrap_or(1) {
            all.push(match step.what.as_str() {
                "register" => register(step),
                "discharge" => told(undo::discharge(step.id), |()| "withdrawn".to_owned()),
                "send" => send(step)?,
                other => return Err(Failure::new("bad-step", other)),
            });
        }
    }
    Ok(Output { told: all })
}

bailiwick_sdk::agent!(run);
