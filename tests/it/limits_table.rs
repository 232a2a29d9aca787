//! `docs/limits.md` is made from the table in `effect`: what is documented is what holds. `BLESS=1` writes it anew.

use std::fmt::Write as _;

use tests::tools::root;
use vocabulary::LIMITS;

const ENDS: &str = "The run ends: `limit`, exit 5.";

/// What becomes of a run that reaches it.
fn when_hit(limit: &str) -> &'static str {
    match limit {
        "compile-memory" => "The component is not compiled and the run is not started: exit 1.",
        "concurrent" => "The request is refused as `over-limit`; the guest gets `connection-limit-reached` and goes on.",
        "files-open" => "The guest gets `quota` and goes on.",
        "findings" => "The finding is refused as `over-limit`; the agent is told and goes on.",
        "header-bytes" => {
            "Of a request: the run ends, exit 5. Of a response: the guest gets `HTTP-response-header-section-size` and goes on."
        }
        "input-bytes" => "The run is not started: exit 5.",
        "payload-bytes" => "The run goes on, and its report says that it can't be resumed.",
        "response-bytes" => "The body breaks off there: the guest gets `HTTP-response-body-size` and goes on.",
        "active-timeout" | "asks" | "handles" | "held-bytes" | "hostcall-bytes" | "instances" | "listing-entries" | "log-bytes"
        | "memory" | "output-bytes" | "random-bytes" | "record-bytes" | "request-bytes" | "stack" | "tables" | "value-hits" => ENDS,
        other => panic!("say here what becomes of a run that reaches `{other}`"),
    }
}

fn table() -> String {
    let mut text = String::from(
        "# Limits\n\n\
        Every run has all of them. They are set for an agent in `bailiwick.toml`:\n\n\
        ```toml\n[agents.NAME]\nlimits = { memory = \"128MiB\", active-timeout = \"10m\", asks = 5000 }\n```\n\n\
        Sizes are written as a number of bytes or with `KiB`, `MiB`, `GiB`; times with `ms`, `s`, `m`. Zero, and more than the\n\
        largest value, are errors. What is resolved stands in `run-opened` on the record and in the report of the run; a limit that\n\
        ends a run stands in `run-closed` by its name.\n\n\
        | limit | default | max | why | what happens when it is hit |\n|---|---|---|---|---|\n",
    );
    for row in LIMITS {
        let (default, max) = (row.show(row.default), row.show(row.max));
        let _ = writeln!(text, "| `{}` | {default} | {max} | {} | {} |", row.name, row.reason, when_hit(row.name));
    }
    text.push_str(
        "\nThis page is made from the table in `host/vocabulary/src/limits.rs` by a test, with `BLESS=1 cargo test -p tests limits_table`.\n",
    );
    text
}

#[test]
fn the_page_is_the_table() {
    crate::golden::check(&root().join("docs/limits.md"), &table());
}
