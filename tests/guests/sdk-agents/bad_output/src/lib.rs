//! Returns what its own output schema does not allow: the schema says a number, the value is a string.

use bailiwick_sdk::{Failure, JsonSchema};
use serde::{Deserialize, Serialize, Serializer};

#[derive(Deserialize, JsonSchema)]
struct Input {}

#[derive(Serialize, JsonSchema)]
struct Output {
    #[serde(serialize_with = "as_text")]
    #[schemars(with = "u32")]
    count: u32,
}

fn as_text<S: Serializer>(count: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{count} or so"))
}

fn run(_input: Input) -> Result<Output, Failure> {
    Ok(Output { count: 3 })
}

bailiwick_sdk::agent!(run);
