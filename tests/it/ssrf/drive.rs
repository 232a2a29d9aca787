//! Runs the program with a table as its input, and reads the result of each row from the record.
//!
//! Witnesses watch every run: a name server that logs every question, a server on loopback that counts connections, and another server
//! that the environment names as the proxy for everything, and to which nobody may connect.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::Value;
use tests::guests::guest;
use tests::names::{Answer, NameServer};
use tests::program::{Program, config};
use tests::seen::answered;
use tests::server::{Server, Step};
use vocabulary::record::{AnswerClass, Answered, Asked, Record};
use vocabulary::{Grants, HttpGrant, Method, Outcome, Reason, Scheme};

/// The types of question that a host asks: A and AAAA. No `HTTPS`, no `SVCB`, no `ANY`.
const KINDS: [u16; 2] = [1, 28];

/// The result of one ask, from the record alone.
#[derive(Clone, Debug)]
pub(crate) struct Came {
    /// The host of a permitted request.
    pub(crate) host: Option<String>,
    /// The reason's code with its detail, the fault, or `permit` if there was an answer.
    pub(crate) word: String,
    /// Whether the ask was permitted: there is an intent, and only the resolved address is still to be judged.
    pub(crate) intended: bool,
    /// Whether it was refused, at once or because of the resolved address.
    pub(crate) refused: bool,
    /// The peer of the real connection.
    pub(crate) peer: Option<SocketAddr>,
}

impl Came {
    /// Whether the ask passed the decision, whatever happened then.
    pub(crate) fn passed(&self) -> bool {
        self.intended && !self.refused
    }
}

/// The results of one run.
pub(crate) struct Driven {
    /// An entry for each ask that was judged, in order.
    pub(crate) came: Vec<Came>,
    /// The lines that the guest printed.
    pub(crate) said: Vec<Value>,
}

/// The witnesses of a run; see the module.
pub(crate) struct Witnesses {
    pub(crate) names: NameServer,
    pub(crate) server: Server,
    proxy: Server,
}

impl Witnesses {
    /// Witnesses whose name server knows no name, and whose server never answers.
    pub(crate) async fn closed() -> Self {
        Self::new(|_, _| Answer::nobody(), Server::doing(vec![Step::Close]).await).await
    }

    pub(crate) async fn new(say: impl Fn(&str, usize) -> Answer + Send + Sync + 'static, server: Server) -> Self {
        Self { names: NameServer::saying(say).await, server, proxy: Server::doing(vec![Step::Close]).await }
    }

    /// The port of the counting server.
    pub(crate) fn port(&self) -> u16 {
        self.server.port()
    }

    /// A configuration with these grants.
    pub(crate) fn program(&self, http: Vec<HttpGrant>) -> Program {
        let grants = Grants { http, ..Grants::default() };
        let network = format!("[network]\nresolvers = [\"{}\"]\n\n", self.names.address);
        Program::new(&(network + &config("asks-listed", &guest("asks_listed"), &grants)))
    }

    /// Makes each of these asks in turn.
    pub(crate) fn drive(&self, http: Vec<HttpGrant>, asks: &[Value]) -> Driven {
        self.drive_in(&self.program(http), asks)
    }

    /// The same, with an existing configuration.
    pub(crate) fn drive_in(&self, program: &Program, asks: &[Value]) -> Driven {
        let lines: Vec<_> = asks.iter().map(Value::to_string).collect();
        std::fs::write(program.config().with_file_name("asks"), lines.join("\n")).unwrap();
        let mut command = program.command(&[], &["run", "asks-listed", "--trust", "--json", "--input", "@asks"]);
        let proxy = self.proxy.url("");
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env(name, &proxy).env(name.to_lowercase(), &proxy);
        }
        // Settings of the system resolver and of proxies, which must have no effect.
        command.env("NO_PROXY", "none.test").env("no_proxy", "none.test").env("LOCALDOMAIN", "captured.test").env("RES_OPTIONS", "ndots:9");
        let ran = command.output().unwrap();
        assert!(ran.status.success(), "{}\n{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
        let printed = report.pointer("/claims/output").and_then(Value::as_str).unwrap();
        let said = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let records = shown(program);
        assert_eq!(closed(&records), [Outcome::Done]);
        let came = came(&records);
        self.hold(&came);
        Driven { came, said }
    }

    /// Checks for every run: nobody connected to the proxy, and only granted names were looked up, unchanged.
    fn hold(&self, came: &[Came]) {
        assert_eq!(self.proxy.counts().accepted, 0, "the environment names a proxy, which must not be used");
        let intended: BTreeSet<_> = came.iter().filter(|came| came.intended).filter_map(|came| came.host.as_deref()).collect();
        for (name, kind) in self.names.questions() {
            assert!(KINDS.contains(&kind), "{name} was asked for by type {kind}");
            // The target of an alias comes from the name server, and is judged.
            let by_alias = ["metadata.google.internal", "inner.corp.test"].iter().any(|alias| name.ends_with(alias));
            assert!(by_alias || intended.contains(name.as_str()), "{name} was asked for, and nobody may ask for it");
        }
    }
}

/// The records that `show` prints of the only run.
fn shown(program: &Program) -> Vec<Record> {
    let shown = program.run(&["show", "latest", "--json"]);
    assert!(shown.status.success(), "{shown:?}");
    let text = String::from_utf8(shown.stdout).unwrap();
    let record = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        Record::parse(&serde_json::to_vec(&line["record"]).unwrap()).unwrap()
    };
    text.lines().map(record).collect()
}

fn closed(records: &[Record]) -> Vec<Outcome> {
    let outcome = |record: &Record| if let Record::RunClosed(closed) = record { Some(closed.outcome.clone()) } else { None };
    records.iter().filter_map(outcome).collect()
}

fn came(records: &[Record]) -> Vec<Came> {
    let one = |record: &Record| match record {
        Record::Refused(refused) => {
            assert_eq!(refused.alike, 1, "each row has a record of its own");
            Some(Came { host: None, word: reason(&refused.reason), intended: false, refused: true, peer: None })
        }
        Record::Asked(asked) => Some(intended(records, asked)),
        _ => None,
    };
    records.iter().filter_map(one).collect()
}

fn intended(records: &[Record], asked: &Asked) -> Came {
    let answers: Vec<&Answered> = answered(records).filter(|answered| answered.op == asked.op).collect();
    assert_eq!(answers.len(), 1, "{asked:?}: {answers:?}");
    let answer = answers[0];
    let word = match (answer.class(), &answer.reason) {
        (AnswerClass::RefusedAddress, Some(why)) => reason(why),
        (AnswerClass::Response, None) => "permit".to_owned(),
        (AnswerClass::Failed, None) => serde_json::to_value(answer.how.http().unwrap().fault).unwrap().as_str().unwrap().to_owned(),
        _ => panic!("{answer:?}"),
    };
    let host = asked.ask.resource.http().map(|http| http.host.to_string());
    Came { host, word, intended: true, refused: answer.reason.is_some(), peer: answer.peer() }
}

/// The code of a reason with its detail, except for the text about a malformed ask.
fn reason(reason: &Reason) -> String {
    match reason {
        Reason::AddressNotGranted(what) | Reason::AddressNever(what) | Reason::HeaderNotYours(what) | Reason::HeaderNotGranted(what) => {
            format!("{}({what})", reason.code())
        }
        Reason::OverLimit(what) => format!("{}({what})", reason.code()),
        _ => reason.code().to_owned(),
    }
}

/// A grant of GET on every path.
pub(crate) fn grant(scheme: Scheme, host: &str, port: Option<u16>) -> HttpGrant {
    HttpGrant {
        addresses: Vec::new(),
        credential: None,
        headers: Vec::new(),
        host: host.parse().unwrap(),
        methods: vec![Method::new("GET").unwrap()],
        paths: vec!["/**".parse().unwrap()],
        port,
        scheme,
        until: None,
        within: vocabulary::HttpBounds::default(),
    }
}

/// Asserts that each row has the expected result, and lists all rows that do not.
#[track_caller]
pub(crate) fn assert_each<'a>(pairs: impl Iterator<Item = (&'a str, &'a str, &'a Came)>) {
    let wrong = |(row, expected, came): (&str, &str, &Came)| {
        let is_so = match expected {
            "permit" => came.passed(),
            "refused" => came.refused && !came.intended,
            _ => came.word.eq_ignore_ascii_case(expected),
        };
        // A server that is refused was not contacted.
        (!is_so || (came.refused && came.peer.is_some())).then(|| format!("{row:?} should be {expected}, but came to {came:?}"))
    };
    let wrong: Vec<_> = pairs.filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
