//! `docs/limits.md` is made from the table in `vocabulary`, so the page always has the limits that apply. `BLESS=1` writes it again.

use std::fmt::Write as _;

use tests::tools::root;
use vocabulary::LIMITS;

const ENDS: &str = "The run ends: `limit`, exit 5.";

/// What happens to a run that reaches a limit.
fn when_hit(limit: &str) -> &'static str {
    match limit {
        "compile-memory" => "The component is not compiled and the run is not started: exit 1.",
        "concurrent" => "The request is refused as `over-limit`; the guest gets `connection-limit-reached` and continues.",
        "files-open" => "The guest gets `quota` and continues.",
        "findings" => "The finding is refused as `over-limit`; the agent gets this error and continues.",
        "header-bytes" => {
            "Of a request: the run ends, exit 5. Of a response: the guest gets `HTTP-response-header-section-size` and continues."
        }
        "input-bytes" => "The run is not started: exit 5.",
        "payload-bytes" => "The run continues, and its report says that it can't be resumed.",
        "response-bytes" => "The body ends there: the guest gets `HTTP-response-body-size` and continues.",
        "active-timeout" | "asks" | "handles" | "held-bytes" | "hostcall-bytes" | "instances" | "listing-entries" | "log-bytes"
        | "memory" | "output-bytes" | "random-bytes" | "record-bytes" | "request-bytes" | "stack" | "tables" | "value-hits" => ENDS,
        other => panic!("add here what happens to a run that reaches `{other}`"),
    }
}

fn table() -> String {
    let mut text = String::from(
        "# Limits\n\n\
        Every run has all these limits. You set them for an agent in `bailiwick.toml`:\n\n\
        ```toml\n[agents.NAME]\nlimits = { memory = \"128MiB\", active-timeout = \"10m\", asks = 5000 }\n```\n\n\
        A size is a number of bytes, or a number with `KiB`, `MiB` or `GiB`; a time has `ms`, `s` or `m`. Zero, and more than the\n\
        largest value, are errors. `run-opened` on the record and the report of the run have the limits of the run; `run-closed`\n\
        names the limit that ended it.\n\n\
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
