//! Panics in the middle of its work, with the message that its input names.

use bailiwick_sdk::findings::{Finding, Severity};
use bailiwick_sdk::{Failure, JsonSchema, findings};
use serde::{Deserialize, Serialize};

#[derive(Deserialize, JsonSchema)]
struct Input {
    #[serde(default)]
    message: String,
}

#[derive(Serialize, JsonSchema)]
struct Output {}

fn run(input: Input) -> Result<Output, Failure> {
    // A finding from before the panic must still reach the report.
    let _ = findings::report(Finding::new("before", Severity::Low, "said before the panic"));
    panic!("{}", input.message);
}

bailiwick_sdk::agent!(run);
