//! A person's word on acts of which nobody knows whether they happened, in a run that was cut off. It is kept on the record as it is said.

use gate::{OpenAct, OpenRun, Said, Stage};
use serde::{Deserialize, Serialize};
use vocabulary::record::{AnswerClass, Record};
use vocabulary::{Principal, RunId, UnknownAct};

use crate::err::RunError;
use crate::local_host::LocalHost;

/// A person's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settlement {
    /// On which acts.
    pub acts: Which,
    /// Whether they happened.
    pub did: bool,
}

/// The acts that a word is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// The only one that waits for a word. Where several do, it is an error.
    Only,
    /// Each that waits for a word.
    All,
    /// These operations.
    Ops(Vec<u64>),
}

/// What a word did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettleReport {
    /// Acts that it was on, those with the same word before it too.
    pub settled: Vec<UnknownAct>,
    /// Acts that still wait for a word.
    pub left: Vec<UnknownAct>,
}

impl LocalHost {
    /// Keeps a person's word: it is on the record when this returns, whether or not other acts still wait for one, and whether or not the run
    /// can go on. Nothing is rebuilt. Where one of the acts can't be settled so, the whole word is refused.
    ///
    /// # Errors
    /// A run that goes on or is not open; acts that need no word, or have another one; several acts where one is meant.
    pub async fn settle(&self, run: RunId, word: &Settlement, by: &Principal) -> Result<SettleReport, RunError> {
        let _taken = self.take_cut_off(run)?;
        let open = self.inner.gate.with_ledger(|ledger| ledger.open_run(run).cloned()).ok_or(RunError::NoSuchRun(run))?;
        let unsettled = open.unsettled();
        let settled = match &word.acts {
            Which::Ops(ops) => ops.iter().map(|op| self.named(run, &open, *op, word.did)).collect::<Result<_, _>>()?,
            Which::Only | Which::All if unsettled.is_empty() => return Err(RunError::NothingToSettle(run)),
            // SECURITY: one word never settles acts that the person may not have been asked about.
            Which::Only if unsettled.len() > 1 => return Err(RunError::SettleWhich { run, acts: unsettled }),
            Which::Only | Which::All => unsettled.clone(),
        };
        let is_named = |op: u64| settled.iter().any(|act: &UnknownAct| act.op == op);
        let (new, left): (Vec<UnknownAct>, Vec<UnknownAct>) = unsettled.into_iter().partition(|act| is_named(act.op));
        let ops: Vec<u64> = new.iter().map(|act| act.op).collect();
        if let Some(appended) = self.inner.gate.settle(run, &ops, word.did, by)? {
            appended.durable.await?;
        }
        Ok(SettleReport { settled, left })
    }

    /// Whether acts are on the record as unknown, and nobody has said yet what became of them. Where the record does not say so, a rebuild
    /// finds out which acts wait for a word.
    pub(crate) fn check_settled(&self, run: RunId) -> Result<(), RunError> {
        let is_said_unknown = |open: &OpenRun| open.pending.values().any(|act| act.stage == Stage::Unknown && act.is_unsettled());
        let acts = self.inner.gate.with_ledger(|ledger| ledger.open_run(run).filter(|open| is_said_unknown(open)).map(OpenRun::unsettled));
        acts.map_or(Ok(()), |acts| Err(RunError::Unsettled { run, acts }))
    }

    /// An act that a person names, if a word on it can be kept or is there already.
    fn named(&self, run: RunId, open: &OpenRun, op: u64, did: bool) -> Result<UnknownAct, RunError> {
        let act = |pending: &OpenAct| UnknownAct { op, what: pending.ask.resource.line() };
        match open.pending.get(&op) {
            Some(pending) if pending.is_unsettled() => Ok(act(pending)),
            Some(OpenAct { word: Some(Said { did: said, .. }), .. }) if *said == did => {
                open.pending.get(&op).map(act).ok_or(RunError::NothingToSettle(run))
            }
            Some(OpenAct { word: Some(said), .. }) => Err(RunError::SaidOtherwise { run, op, said: said.clone() }),
            _ => Err(RunError::NeedsNoWord { run, op, why: self.why_no_word(run, open, op)? }),
        }
    }

    /// Why an act needs no word, in words.
    fn why_no_word(&self, run: RunId, open: &OpenRun, op: u64) -> Result<String, RunError> {
        if op == 0 || op > open.last_op {
            return Ok(format!("the run has no such act: its last is op {}", open.last_op));
        }
        if let Some(pending) = open.pending.get(&op) {
            let what = &pending.ask.resource;
            return Ok(match pending.stage {
                Stage::Answered => format!("it happened: the answer to {what} had begun"),
                Stage::Asked | Stage::Unknown => format!("{what} changes nothing, and is simply asked again"),
            });
        }
        let reader = self.inner.journal.reader()?;
        let mut why = "it was no act, but a timer".to_owned();
        for record in reader.of_run(run) {
            match Record::parse(&record?.body) {
                Ok(Record::Answered(answered)) if answered.op == op => why = answered_words(answered.class(), answered.status()),
                Ok(Record::Refused(refused)) if refused.op == op => {
                    why = format!("it was refused: {} never left the host", refused.ask.resource)
                }
                _ => {}
            }
        }
        Ok(why)
    }
}

fn answered_words(outcome: AnswerClass, status: Option<u16>) -> String {
    match (outcome, status) {
        (AnswerClass::Response, Some(status)) => format!("it happened: it was answered with {status}"),
        (AnswerClass::Response | AnswerClass::Done, _) => "it happened: it was answered".to_owned(),
        (AnswerClass::NotDone, _) => "it did not happen, as the answer says".to_owned(),
        (AnswerClass::RefusedAddress | AnswerClass::RefusedCredential | AnswerClass::RefusedLapsed, _) => {
            "it was refused: it never left the host".to_owned()
        }
        (AnswerClass::Failed, _) => "it failed, and the agent was told so".to_owned(),
        (AnswerClass::Unknown, _) => "the agent was told that it may have happened, and has gone on".to_owned(),
        (AnswerClass::Abandoned, _) => "the agent gave it up".to_owned(),
    }
}
