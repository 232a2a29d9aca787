//! Which inputs reach an author's function, and which never do.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use super::{SCHEMAS_INPUT, panic_line, run};
use crate::{Failure, JsonSchema};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The name of the person to greet.
    name: String,
    #[serde(default)]
    times: u8,
}

#[derive(Serialize, JsonSchema)]
struct Output {
    greeting: String,
    times: u8,
}

fn greet(input: Input) -> Result<Output, Failure> {
    if input.name.is_empty() {
        return Err(Failure::new("nobody", "the name is empty"));
    }
    Ok(Output { greeting: format!("Hello, {}.", input.name), times: input.times })
}

fn never(_: Input) -> Result<Output, Failure> {
    panic!("the author's function was called");
}

#[test]
fn output_is_json() {
    let output: Value = serde_json::from_str(&run(r#"{"name": "Ada"}"#, greet).unwrap()).unwrap();
    assert_eq!(output, json!({"greeting": "Hello, Ada.", "times": 0}));
}

#[test]
fn own_failure_arrives_unchanged() {
    assert_eq!(run(r#"{"name": ""}"#, greet), Err(Failure::new("nobody", "the name is empty")));
}

#[test]
fn bad_input_names_what_is_wrong_and_is_not_run() {
    for (input, complaint) in [
        ("", "EOF"),
        ("{}", "missing field `name`"),
        (r#"{"name": 1}"#, "invalid type: integer `1`"),
        (r#"{"name": "Ada", "nmae": ""}"#, "unknown field `nmae`"),
        (r#"{"name": "Ada"} x"#, "trailing characters"),
    ] {
        let failure = run(input, never).unwrap_err();
        assert_eq!(failure.code, Failure::BAD_INPUT);
        assert!(failure.message.contains(complaint), "`{input}` gave `{}`", failure.message);
        assert!(failure.message.contains("line 1 column"), "`{input}` gave `{}`", failure.message);
    }
}

#[test]
fn reserved_input_answers_the_schemas_and_is_not_run() {
    let schemas: Value = serde_json::from_str(&run(SCHEMAS_INPUT, never).unwrap()).unwrap();
    assert_eq!(schemas.pointer("/input/properties/name/description"), Some(&json!("The name of the person to greet.")));
    assert_eq!(schemas.pointer("/input/required"), Some(&json!(["name"])));
    assert_eq!(schemas.pointer("/input/additionalProperties"), Some(&json!(false)));
    assert_eq!(schemas.pointer("/output/required"), Some(&json!(["greeting", "times"])));
}

#[test]
fn only_the_exact_reserved_input_is_reserved() {
    for input in [r#"{"$schema": "bailiwick:schemas", "name": "Ada"}"#, r#"{"$schema": "bailiwick:other"}"#, r#""bailiwick:schemas""#] {
        assert_eq!(run(input, never).unwrap_err().code, Failure::BAD_INPUT);
    }
}

#[test]
fn a_panic_names_file_and_line() {
    let here = std::panic::Location::caller();
    let line = panic_line(Some(here), Some("no such thing"));
    assert_eq!(line, format!("panicked at {}:{}:{}: no such thing", here.file(), here.line(), here.column()));
}
