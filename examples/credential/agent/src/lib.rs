//! Says which items of an inventory are running out.
//!
//! The inventory answers only requests that have its token. The agent does not have the token: the host puts it into each request.

use bailiwick_sdk::findings::{self, Finding, Severity};
use bailiwick_sdk::http::{Client, Error};
use bailiwick_sdk::{Failure, JsonSchema, log};
use serde::{Deserialize, Serialize};

/// The input of the agent. Comments become part of the schema.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Where the inventory is: scheme, host and port.
    inventory: String,
    /// If there are fewer pieces of an item than this, more should be ordered.
    #[serde(default = "enough")]
    enough: u64,
}

fn enough() -> u64 {
    10
}

#[derive(Deserialize)]
struct Item {
    name: String,
    pieces: u64,
}

/// The output of the agent.
#[derive(Serialize, JsonSchema)]
pub struct Output {
    /// Items in stock.
    items: usize,
    /// Items of which more should be ordered; each is a finding too.
    running_out: usize,
    /// What the inventory said its token was.
    echoed: String,
    /// Whether the agent could read the prices.
    prices: bool,
}

/// Asks for the items, and reports each one that is running out as a finding.
///
/// # Errors
/// If the inventory does not answer, or does not answer with a list of items.
pub fn run(input: Input) -> Result<Output, Failure> {
    let client = Client::new();
    let get = |path: &str| client.get(&format!("{}{path}", input.inventory)).send()?.error_for_status();
    let items: Vec<Item> = get("/items")?.json()?;
    let mut running_out = 0;
    for item in items.iter().filter(|item| item.pieces < input.enough) {
        running_out += 1;
        let title = format!("{} pieces of {} are left", item.pieces, item.name);
        findings::report(Finding::new("running-out", Severity::Low, title))?;
    }
    // A curious agent learns nothing more: the value comes back as stars, and a request that is not granted is refused.
    let echoed = get("/items/echo")?.text()?;
    let prices = match get("/prices") {
        Ok(_) => true,
        Err(Error::Refused) => {
            log::warn!("the prices are not granted");
            false
        }
        Err(err) => return Err(err.into()),
    };
    Ok(Output { items: items.len(), running_out, echoed, prices })
}

bailiwick_sdk::agent!(run);

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use bailiwick_sdk::http::{Response, StatusCode};
    use bailiwick_sdk::testing::{self, answer_http, take_findings};
    use serde_json::json;

    use super::*;

    #[test]
    fn an_item_of_which_little_is_left_is_a_finding() {
        answer_http(|request| {
            assert!(!request.headers().contains_key("authorization"), "the agent holds no credential");
            match request.uri().path() {
                "/items" => Ok(Response::new(StatusCode::OK, r#"[{"name":"nut","pieces":3},{"name":"bolt","pieces":40}]"#)),
                "/items/echo" => Ok(Response::new(StatusCode::OK, "Bearer ****")),
                _ => Err(Error::Refused),
            }
        });
        let output = testing::run(run, &json!({ "inventory": "http://inventory.test" })).unwrap();
        assert_eq!(output, json!({ "items": 2, "running_out": 1, "echoed": "Bearer ****", "prices": false }));
        let titles: Vec<_> = take_findings().into_iter().map(|finding| finding.title).collect();
        assert_eq!(titles, ["3 pieces of nut are left"]);
    }
}
