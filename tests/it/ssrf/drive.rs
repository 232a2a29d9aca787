//! One run of the program with a table for its input, and what the record has of each row.
//!
//! Around every run stand witnesses: a name server that remembers every question, a server on loopback that counts who comes, and another
//! that the environment names as the proxy for everything and that nobody may come to.

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

/// What came of one ask, by the record alone.
#[derive(Clone, Debug)]
pub(crate) struct Came {
    /// The host of a permitted request.
    pub(crate) host: Option<String>,
    /// The reason's code with its detail, the fault, or `permit` where an answer came.
    pub(crate) word: String,
    /// Whether the ask was permitted: there is an intent, and what is still to be judged is where a name leads.
    pub(crate) intended: bool,
    /// Whether it was refused, at once or when its name led where it may not.
    pub(crate) refused: bool,
    /// Who was really spoken to.
    pub(crate) peer: Option<SocketAddr>,
}

impl Came {
    /// Whether it was let go, whatever became of it then.
    pub(crate) fn passed(&self) -> bool {
        self.intended && !self.refused
    }
}

/// Everything that one run came to.
pub(crate) struct Driven {
    /// An entry for each ask that was judged, in order.
    pub(crate) came: Vec<Came>,
    /// The lines that the guest printed.
    pub(crate) said: Vec<Value>,
}

/// See the module.
pub(crate) struct Witnesses {
    pub(crate) names: NameServer,
    pub(crate) server: Server,
    proxy: Server,
}

impl Witnesses {
    /// Nobody has a name, and nobody gets an answer.
    pub(crate) async fn closed() -> Self {
        Self::new(|_, _| Answer::nobody(), Server::doing(vec![Step::Close]).await).await
    }

    pub(crate) async fn new(say: impl Fn(&str, usize) -> Answer + Send + Sync + 'static, server: Server) -> Self {
        Self { names: NameServer::saying(say).await, server, proxy: Server::doing(vec![Step::Close]).await }
    }

    /// The port of the server that counts.
    pub(crate) fn port(&self) -> u16 {
        self.server.port()
    }

    /// A configuration with these grants.
    pub(crate) fn program(&self, http: Vec<HttpGrant>) -> Program {
        let grants = Grants { http, ..Grants::default() };
        let network = format!("[network]\nresolvers = [\"{}\"]\n\n", self.names.address);
        Program::new(&(network + &config("asks-listed", &guest("asks_listed"), &grants)))
    }

    /// Asks for each of these in turn.
    pub(crate) fn drive(&self, http: Vec<HttpGrant>, asks: &[Value]) -> Driven {
        self.drive_in(&self.program(http), asks)
    }

    /// The same, in a configuration that is there.
    pub(crate) fn drive_in(&self, program: &Program, asks: &[Value]) -> Driven {
        let lines: Vec<_> = asks.iter().map(Value::to_string).collect();
        std::fs::write(program.config().with_file_name("asks"), lines.join("\n")).unwrap();
        let mut command = program.command(&[], &["run", "asks-listed", "--trust", "--json", "--input", "@asks"]);
        let proxy = self.proxy.url("");
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
            command.env(name, &proxy).env(name.to_lowercase(), &proxy);
        }
        // What a resolver of the system would put behind a name, and what nobody is to be asked by proxy for.
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

    /// What is true of every run: nobody came to the proxy, and nobody was asked about but whom the operator granted, as they stand.
    fn hold(&self, came: &[Came]) {
        assert_eq!(self.proxy.counts().accepted, 0, "the environment names a proxy, and nobody may use it");
        let intended: BTreeSet<_> = came.iter().filter(|came| came.intended).filter_map(|came| came.host.as_deref()).collect();
        for (name, kind) in self.names.questions() {
            assert!(KINDS.contains(&kind), "{name} was asked for by type {kind}");
            // What an alias leads to is the name server's word, and judged.
            let by_alias = ["metadata.google.internal", "inner.corp.test"].iter().any(|alias| name.ends_with(alias));
            assert!(by_alias || intended.contains(name.as_str()), "{name} was asked for, and nobody may ask for it");
        }
    }
}

/// What `show` has of the only run.
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

/// The code of a reason, with its detail but for the wording of what is malformed.
fn reason(reason: &Reason) -> String {
    match reason {
        Reason::AddressNotGranted(what) | Reason::AddressNever(what) | Reason::HeaderNotYours(what) | Reason::HeaderNotGranted(what) => {
            format!("{}({what})", reason.code())
        }
        Reason::OverLimit(what) => format!("{}({what})", reason.code()),
        _ => reason.code().to_owned(),
    }
}

/// GET on every path.
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

/// Asserts that each row came to what is expected of it, and says every one that did not.
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
