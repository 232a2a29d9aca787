//! Connects the exported function with the author's function: JSON in, JSON out, and the one reserved input.

use crate::{Failure, logger};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The input that asks for the schemas instead of the agent's work.
pub const SCHEMAS_INPUT: &str = r#"{"$schema": "bailiwick:schemas"}"#;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reserved {
    #[serde(rename = "$schema")]
    schema: String,
}

#[derive(Serialize)]
struct Schemas {
    input: schemars::Schema,
    output: schemars::Schema,
}

/// Runs `work` on JSON. [`crate::agent!`] exports this.
///
/// # Errors
///
/// `bad-input` if the input is not of the type `I`, `bad-output` if the output can't be written as JSON, and otherwise the
/// failure that `work` returns.
pub fn run<I, O>(input: &str, work: fn(I) -> Result<O, Failure>) -> Result<String, Failure>
where
    I: DeserializeOwned + JsonSchema,
    O: Serialize + JsonSchema,
{
    #[cfg(target_arch = "wasm32")]
    std::panic::set_hook(Box::new(last_words));
    if asks_for_schemas(input) {
        return written(&schemas::<I, O>());
    }
    logger::install();
    let input = serde_json::from_str(input).map_err(|err| Failure::new(Failure::BAD_INPUT, err.to_string()))?;
    written(&work(input)?)
}

fn asks_for_schemas(input: &str) -> bool {
    serde_json::from_str::<Reserved>(input).is_ok_and(|reserved| reserved.schema == "bailiwick:schemas")
}

fn schemas<I: JsonSchema, O: JsonSchema>() -> Schemas {
    Schemas {
        // The two contracts differ: a field with a default may be missing from an input and never from an output.
        input: SchemaSettings::draft2020_12().for_deserialize().into_generator().into_root_schema_for::<I>(),
        output: SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<O>(),
    }
}

fn written(output: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string(output).map_err(|err| Failure::new("bad-output", err.to_string()))
}

/// Writes one line before the trap, since nothing can be returned after a panic.
#[cfg(target_arch = "wasm32")]
fn last_words(info: &std::panic::PanicHookInfo<'_>) {
    logger::say(&panic_line(info.location(), info.payload_as_str()));
}

#[cfg(any(target_arch = "wasm32", test))]
fn panic_line(location: Option<&std::panic::Location<'_>>, message: Option<&str>) -> String {
    let message = message.unwrap_or("(no message)");
    match location {
        Some(location) => format!("panicked at {location}: {message}"),
        None => format!("panicked at (unknown):0:0: {message}"),
    }
}

#[cfg(test)]
mod tests;
