//! The agent's own code, compiled for this machine. Shows how fast it is compared with the component, and what each rule finds.
//! `cargo run --release -p leak-scan --example native -- FOLDER [INPUT]`, with more of the input as JSON.

use bailiwick_sdk::testing;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{Write, stdout};
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut input = json!({"root": arguments.next().ok_or("which folder?")?, "max-findings": 100_000});
    let more: Value = arguments.next().map_or(Ok(json!({})), |more| serde_json::from_str(&more))?;
    if let (Some(input), Some(more)) = (input.as_object_mut(), more.as_object()) {
        input.extend(more.clone());
    }
    let began = Instant::now();
    let output = testing::run(leak_scan::run, &input)?;
    let seconds = began.elapsed().as_secs_f64();
    let mut rules: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for finding in testing::take_findings() {
        let at = finding.location.map(|at| format!("{}:{}:{}", at.uri, at.line, at.column)).unwrap_or_default();
        rules.entry(finding.rule).or_default().push(format!("{:?} {at} {}", finding.severity, finding.excerpt.unwrap_or_default()));
    }
    let mut out = stdout().lock();
    for (rule, places) in &rules {
        writeln!(out, "{:5} {rule}", places.len())?;
        for place in places {
            writeln!(out, "        {place}")?;
        }
    }
    let bytes = output.get("bytes").and_then(Value::as_f64).unwrap_or_default();
    writeln!(out, "{output:#}\n{seconds:.2} s, {:.0} MB/s", bytes / seconds / 1e6)?;
    Ok(())
}
