//! Ten different runs to be killed: what they do, and the configuration under which they do it.

use crate::guests::guest;
use crate::server::Server;

/// A run to be killed at random points.
#[derive(Debug)]
pub struct Case {
    /// Its name.
    pub name: &'static str,
    /// The agent in the configuration.
    pub agent: &'static str,
    /// Options of `run` before the agent's own arguments.
    pub options: &'static [&'static str],
    /// The agent's own arguments.
    pub args: fn(&Server) -> Vec<String>,
    /// Whether what it prints depends only on the answers.
    pub one_output: bool,
}

const fn case(name: &'static str, agent: &'static str, args: fn(&Server) -> Vec<String>) -> Case {
    Case { name, agent, options: &[], args, one_output: true }
}

/// All cases.
pub const CASES: [Case; 10] = [
    case("posts", "each", |server| each(server, &["POST /a", "PUT /b", "POST /c"])),
    case("gets", "gets", |server| vec![server.url(""), "12".to_owned(), "4".to_owned()]),
    case("pieces", "pieces", |server| vec![server.url(""), "4".to_owned(), "500".to_owned()]),
    Case { one_output: false, ..case("in-flight", "flight", |server| vec![server.url(""), "2".to_owned()]) },
    case("two-at-once", "two", |server| vec![server.url("")]),
    case("held", "each", |server| each(server, &["POST /before", "POST /held/x", "GET /between", "POST /held/y", "POST /after"])),
    case("held-at-once", "two", |server| vec![server.url("/held")]),
    case("board", "each", |server| each(server, &["POST /before", "POST /board/x"])),
    Case { options: &["--durable", "--detach"], ..case("sleeps", "sleeps", |_| vec!["6000".to_owned()]) },
    Case {
        one_output: false,
        options: &["--input", r#"{"name":"broker","steps":["create","set","test","finish"]}"#],
        ..case("rotates", "rotates", |_| Vec::new())
    },
];

fn each(server: &Server, asks: &[&str]) -> Vec<String> {
    let one = |ask: &&str| {
        let (method, path) = ask.split_once(' ').expect("a method and a path");
        serde_json::json!({ "method": method, "url": server.url(path), "body": path }).to_string()
    };
    asks.iter().map(one).collect()
}

/// Acts to `/held/…` need one of the board, and acts to `/board/…` two.
pub(super) const POLICY: &str = r#"
@id("all") permit (principal, action, resource);
@id("held") @approval("board")
forbid (principal, action in Action::"http", resource) when { context.request.path like "/held/*" }
unless { context.approvals.contains("board") };
@id("board") @approval("board") @quorum("2")
forbid (principal, action in Action::"http", resource) when { context.request.path like "/board/*" }
unless { context.approvals.contains("board") };
"#;

/// The configuration of all cases. The keys are those of `alice` and `bob`.
pub(super) fn config(server: &Server, keys: &[(&str, String)]) -> String {
    use std::fmt::Write as _;
    let port = server.port();
    let mut text = "[policy]\nfiles = [\"policy/*.cedar\"]\n".to_owned();
    for (person, key) in keys {
        let _ = write!(text, "\n[people.{person}]\ngroups = [\"board\"]\nkeys = [{:?}]\n", key.trim());
    }
    let agents = [
        ("each", "sends_each"),
        ("gets", "many_gets"),
        ("pieces", "body_in_pieces"),
        ("flight", "three_requests_in_flight"),
        ("two", "two_posts"),
        ("sleeps", "sleeps"),
        ("rotates", "rotates"),
    ];
    for (agent, name) in agents {
        let wasm = guest(name).display().to_string();
        let _ = write!(text, "\n[agents.{agent}]\ncomponent = {wasm:?}\n");
        match agent {
            "rotates" => text.push_str("\n[[agents.rotates.credentials]]\nname = \"broker\"\nmay = [\"rotate\"]\n"),
            "sleeps" => {}
            _ => {
                let _ = write!(
                    text,
                    "\n[[agents.{agent}.http]]\nhost = \"127.0.0.1\"\nport = {port}\nscheme = \"http\"\nmethods = [\"GET\", \"POST\", \
                     \"PUT\"]\npaths = [\"/**\"]\n"
                );
            }
        }
    }
    let _ = write!(
        text,
        "\n[credentials.broker]\nkind = \"basic\"\nuser = \"service\"\nsource = \"local\"\nhosts = [\"127.0.0.1\"]\nscheme = \"http\"\nport = \
         {port}\n[credentials.broker.rotate]\ntest = \"/api/whoami\"\n[credentials.broker.rotate.set]\nmethod = \"PUT\"\npath = \
         \"/api/users/service\"\nbody = '{{\"tags\": \"administrator\"}}'\nfield = \"password\"\n"
    );
    text
}
