//! `run --shard`: one input becomes several, each with its share of the work.

use serde_json::{Value, json};
use service::Admitted;

use crate::err::CliError;

/// The key of the input that names a run's part of the work: `{"index": 0, "of": 4}`, indices from 0.
const KEY: &str = "shard";

/// The input of each shard.
///
/// # Errors
/// An agent whose schema has no such key, or an input that already has it.
pub(super) fn inputs(agent: &str, run: &Admitted, many: u32) -> Result<Vec<String>, CliError> {
    let schema = run.input_schema().and_then(|schema| schema.get("properties")?.get(KEY));
    let input: Value = serde_json::from_str(run.input()).unwrap_or_default();
    match (schema, input) {
        (Some(_), Value::Object(input)) if !input.contains_key(KEY) => Ok((0..many)
            .map(|index| {
                let mut input = input.clone();
                input.insert(KEY.to_owned(), json!({ "index": index, "of": many }));
                Value::Object(input).to_string()
            })
            .collect()),
        (None, _) => Err(CliError::NoShards { agent: agent.to_owned() }),
        // The check against the schema reports an input that is not an object.
        (Some(_), input) if !input.is_object() => Ok(vec![run.input().to_owned()]),
        _ => Err(CliError::ShardTwice),
    }
}
