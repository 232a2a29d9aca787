//! The sealed payloads of the records of a run, as text and as JSON.

use std::collections::BTreeMap;

use gate::{Given, Missing, RunHeader, request, sealed};
use journal::{Position, Reader};
use serde_json::{Value, json};
use vocabulary::record::Record;
use vocabulary::{Capability, HttpAsk, RunId, exit};

use crate::err::CliError;
use crate::log::Shown;
use crate::sealed::{Stars, document, lines};
use crate::{out, words};

/// A run, and the values that are replaced by stars in what is shown.
pub(super) struct Beside<'a> {
    pub(super) reader: &'a Reader,
    pub(super) run: RunId,
    /// The position of the run's first record.
    pub(super) from: Position,
    pub(super) stars: Stars,
}

/// The answers that the run received, by operation.
pub(super) type Answers = BTreeMap<u64, Given>;

/// What is shown with one record, besides the record itself.
#[derive(Default)]
pub(super) struct KeptBeside {
    pub(super) lines: Vec<String>,
    pub(super) document: Option<Value>,
}

impl Beside<'_> {
    pub(super) fn given(&self) -> Result<Answers, CliError> {
        Ok(gate::given(self.reader, self.run, self.from)?)
    }

    /// The record with the number `seq` in the run.
    fn record(&self, seq: u64) -> Result<(journal::StoredRecord, Shown), CliError> {
        let mut last = 0;
        for record in self.reader.of_run_from(self.run, self.from) {
            let record = record?;
            last = record.seq;
            if record.seq == seq {
                let shown = Shown::new(&record);
                return Ok((record, shown));
            }
        }
        match last {
            0 => Err(CliError::NoSuchRun(self.run.to_string())),
            last => Err(CliError::NoSuchRecord { run: self.run, seq, last }),
        }
    }

    fn header(&self) -> Result<RunHeader, CliError> {
        let (record, _) = self.record(1)?;
        RunHeader::load(self.reader, &record).map_err(|err| CliError::NotShown(Missing::of_load(&err)))
    }

    /// The body that belongs to one record.
    pub(super) fn body(&self, seq: u64, raw: bool, as_json: bool) -> Result<u8, CliError> {
        let (record, shown) = self.record(seq)?;
        let bytes = match &shown.known {
            Some(Record::Asked(asked)) => self.request(&record, asked.op, &self.given()?).map_err(CliError::NotShown)?.body.to_vec(),
            Some(Record::Answered(answered)) => self.answer_to(answered.op)?,
            Some(Record::Received(received)) => self.answer_to(received.op)?,
            Some(Record::RunOpened(_)) => self.header()?.input.into_bytes(),
            Some(Record::RunClosed(_)) => sealed(self.reader, &record).map_err(CliError::NotShown)?,
            _ => return Err(CliError::HasNoBody { seq }),
        };
        print(&self.stars.out_of(&bytes), raw, as_json)
    }

    fn request(&self, record: &journal::StoredRecord, op: u64, given: &Answers) -> Result<HttpAsk, Missing> {
        match given.get(&op) {
            Some(given) if given.held_value => Err(Missing::HeldValue),
            _ => request(self.reader, record),
        }
    }

    fn answer_to(&self, op: u64) -> Result<Vec<u8>, CliError> {
        match self.given()?.remove(&op) {
            Some(Given { missing: Some(missing), .. }) => Err(CliError::NotShown(missing)),
            Some(given) if !given.is_cut => Ok(given.body),
            _ => Err(CliError::NotShown(Missing::NotKept)),
        }
    }

    pub(super) fn input(&self, raw: bool, as_json: bool) -> Result<u8, CliError> {
        let header = self.header()?;
        if as_json {
            out::json(&json!({ "args": self.args(&header), "input": document(&self.stars.out_of(header.input.as_bytes())) }))?;
            return Ok(exit::DONE);
        }
        if !raw {
            let args = self.args(&header).iter().map(|arg| format!("arg    {}", words::safe(arg))).collect::<Vec<_>>();
            args.iter().try_for_each(|line| out::line(line))?;
        }
        print(&self.stars.out_of(header.input.as_bytes()), raw, false)
    }

    fn args(&self, header: &RunHeader) -> Vec<String> {
        header.args.iter().map(|arg| self.stars.out_of_text(arg)).collect()
    }

    pub(super) fn grants(&self, as_json: bool) -> Result<u8, CliError> {
        let grants = self.grants_text(&self.header()?);
        if as_json {
            out::json(&serde_json::from_str::<Value>(&grants).unwrap_or(Value::String(grants)))?;
        } else {
            grants.lines().try_for_each(|line| out::line(&words::safe(line)))?;
        }
        Ok(exit::DONE)
    }

    fn grants_text(&self, header: &RunHeader) -> String {
        self.stars.out_of_text(&serde_json::to_string_pretty(&header.spec.grants).unwrap_or_default())
    }

    pub(super) fn answers(&self, as_json: bool) -> Result<u8, CliError> {
        for (op, given) in self.given()? {
            if as_json {
                out::json_line(&json!({ "op": op, "answer": self.answer_document(&given, Bodies::Shown) }))?;
            } else {
                out::line(&format!("op {op}"))?;
                self.answer_lines(&given, Bodies::Shown).iter().try_for_each(|line| out::line(&format!("  {line}")))?;
            }
        }
        Ok(exit::DONE)
    }

    /// The request or answer of a record without its body, and how to show the body.
    pub(super) fn heads(&self, record: &journal::StoredRecord, shown: &Shown, given: &Answers) -> KeptBeside {
        self.kept(record, shown, given, Bodies::Named)
    }

    /// All sealed payloads of a record.
    pub(super) fn whole(&self, record: &journal::StoredRecord, shown: &Shown, given: &Answers) -> Vec<String> {
        self.kept(record, shown, given, Bodies::Shown).lines
    }

    pub(super) fn document(&self, record: &journal::StoredRecord, shown: &Shown, given: &Answers) -> Option<Value> {
        self.kept(record, shown, given, Bodies::Shown).document
    }

    fn kept(&self, record: &journal::StoredRecord, shown: &Shown, given: &Answers, bodies: Bodies) -> KeptBeside {
        match &shown.known {
            Some(Record::Asked(asked)) if asked.ask.capability == Capability::Http => match self.request(record, asked.op, given) {
                Ok(ask) => KeptBeside { lines: self.request_lines(&ask, bodies), document: Some(self.request_document(&ask, bodies)) },
                Err(missing) => self.missing("request", &missing),
            },
            Some(Record::Answered(answered)) => match given.get(&answered.op) {
                Some(given) => KeptBeside { lines: self.answer_lines(given, bodies), document: Some(self.answer_document(given, bodies)) },
                None => KeptBeside::default(),
            },
            Some(Record::RunOpened(_)) if bodies == Bodies::Shown => match RunHeader::load(self.reader, record) {
                Ok(header) => self.opened(&header),
                Err(err) => self.missing("input and grants", &Missing::of_load(&err)),
            },
            Some(Record::RunClosed(closed)) if bodies == Bodies::Shown && closed.output.is_some() => match sealed(self.reader, record) {
                Ok(output) => {
                    let output = self.stars.out_of(&output);
                    KeptBeside { lines: titled("output", lines(&output)), document: Some(json!({ "output": document(&output) })) }
                }
                Err(missing) => self.missing("output", &missing),
            },
            _ => KeptBeside::default(),
        }
    }

    fn missing(&self, what: &str, missing: &Missing) -> KeptBeside {
        KeptBeside { lines: vec![words::safe(&format!("{what}: {missing}"))], document: Some(json!({ "missing": missing.to_string() })) }
    }

    fn opened(&self, header: &RunHeader) -> KeptBeside {
        let input = self.stars.out_of(header.input.as_bytes());
        let grants = self.grants_text(header);
        let mut all: Vec<String> = self.args(header).iter().map(|arg| format!("arg {}", words::safe(arg))).collect();
        all.extend(titled("input", lines(&input)));
        all.extend(titled("grants", grants.lines().map(words::safe).collect()));
        let grants: Value = serde_json::from_str(&grants).unwrap_or(Value::String(grants));
        KeptBeside { lines: all, document: Some(json!({ "args": self.args(header), "input": document(&input), "grants": grants })) }
    }

    fn url(&self, ask: &HttpAsk) -> String {
        let target = &ask.target;
        self.stars.out_of_text(&format!("{}://{}{}", target.scheme.as_str(), target.authority(), target.path_and_query()))
    }

    fn request_lines(&self, ask: &HttpAsk, bodies: Bodies) -> Vec<String> {
        let mut all = vec![format!("> {} {}", ask.method, words::safe(&self.url(ask)))];
        all.extend(self.stars.fields(&ask.headers).iter().map(|(name, value)| format!("> {}: {}", words::safe(name), words::safe(value))));
        all.extend(self.body_lines("request", &ask.body, bodies));
        all
    }

    fn request_document(&self, ask: &HttpAsk, bodies: Bodies) -> Value {
        let body = self.body_document(&ask.body, bodies);
        json!({ "request": { "method": ask.method, "url": self.url(ask), "headers": self.stars.fields(&ask.headers), "body": body } })
    }

    fn answer_lines(&self, given: &Given, bodies: Bodies) -> Vec<String> {
        let mut all = Vec::new();
        let field = |(name, value): &(String, String)| format!("< {}: {}", words::safe(name), words::safe(value));
        if let Some(head) = &given.head {
            all.push(format!("< {}", head.status));
            all.extend(self.stars.fields(&head.headers).iter().map(field));
        }
        all.extend(given.answer.iter().map(|answer| format!("< {}", words::safe(&answer.to_string()))));
        all.extend(self.body_lines("answer", &given.body, bodies));
        all.extend(self.stars.fields(&given.trailers).iter().map(field));
        if let Some(missing) = &given.missing {
            all.push(words::safe(&format!("answer: {missing}")));
            return all;
        }
        match (given.is_cut, given.is_whole) {
            (true, _) => all.push("not all of the answer was kept".to_owned()),
            (false, false) => all.push("the agent did not receive the end of the answer".to_owned()),
            (false, true) => {}
        }
        all
    }

    fn answer_document(&self, given: &Given, bodies: Bodies) -> Value {
        let head = given.head.as_ref();
        json!({
            "status": head.map(|head| head.status),
            "headers": head.map(|head| self.stars.fields(&head.headers)),
            "body": self.body_document(&given.body, bodies),
            "answer": given.answer,
            "trailers": self.stars.fields(&given.trailers),
            "whole": given.is_whole,
            "kept": !given.is_cut,
            "missing": given.missing.as_ref().map(Missing::to_string),
        })
    }

    fn body_lines(&self, what: &str, body: &[u8], bodies: Bodies) -> Vec<String> {
        match bodies {
            _ if body.is_empty() => Vec::new(),
            Bodies::Named => vec![format!("{what} body of {}: `--body` shows it", words::bytes(body.len() as u64))],
            Bodies::Shown => titled(&format!("{what} body"), lines(&self.stars.out_of(body))),
        }
    }

    fn body_document(&self, body: &[u8], bodies: Bodies) -> Value {
        match bodies {
            Bodies::Named => json!({ "bytes": body.len() }),
            Bodies::Shown => document(&self.stars.out_of(body)),
        }
    }
}

/// Whether bodies are shown, or only mentioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bodies {
    Named,
    Shown,
}

fn titled(title: &str, lines: Vec<String>) -> Vec<String> {
    std::iter::once(format!("{title}:")).chain(lines.into_iter().map(|line| format!("  {line}"))).collect()
}

/// Prints bytes. SECURITY: raw bytes are never written to a terminal.
fn print(bytes: &[u8], raw: bool, as_json: bool) -> Result<u8, CliError> {
    if as_json {
        out::json(&document(bytes))?;
    } else if raw && out::is_terminal() {
        return Err(CliError::RawToTerminal);
    } else if raw {
        out::bytes(bytes)?;
    } else {
        lines(bytes).iter().try_for_each(|line| out::line(line))?;
    }
    Ok(exit::DONE)
}
