//! A person's statement of whether acts with an unknown outcome happened, in a run that was cut off. It is recorded exactly as it was made.

use gate::{OpenAct, OpenRun, Stage, Stated};
use serde::{Deserialize, Serialize};
use vocabulary::record::{AnswerClass, Record};
use vocabulary::{Principal, RunId, UnknownAct};

use crate::err::RunError;
use crate::local_host::LocalHost;

/// A person's statement of whether acts with an unknown outcome happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settlement {
    /// The acts that it is about.
    pub acts: Which,
    /// Whether they happened.
    pub did: bool,
}

/// The acts that a settlement is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// The only act that needs to be settled. If there are several, it is an error.
    Only,
    /// Every act that needs to be settled.
    All,
    /// The operations with these numbers.
    Ops(Vec<u64>),
}

/// The result of a settlement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettleReport {
    /// The acts that it was about, including acts that had the same settlement before.
    pub settled: Vec<UnknownAct>,
    /// The acts that still need to be settled.
    pub left: Vec<UnknownAct>,
}

impl LocalHost {
    /// Records a person's settlement. It is durable when this returns, even if other acts still need to be settled and even if the run
    /// can't be resumed. Nothing is rebuilt. If one of the acts can't be settled this way, the whole settlement is refused.
    ///
    /// # Errors
    /// The run is running or is not open; an act needs no settlement, or has a different one; several acts need one and one act is meant.
    pub async fn settle(&self, run: RunId, word: &Settlement, by: &Principal) -> Result<SettleReport, RunError> {
        let _taken = self.take_cut_off(run)?;
        let open = self.inner.gate.with_ledger(|ledger| ledger.open_run(run).cloned()).ok_or(RunError::NoSuchRun(run))?;
        let unsettled = open.unsettled();
        let settled = match &word.acts {
            Which::Ops(ops) => ops.iter().map(|op| self.named(run, &open, *op, word.did)).collect::<Result<_, _>>()?,
            Which::Only | Which::All if unsettled.is_empty() => return Err(RunError::NothingToSettle(run)),
            // SECURITY: one settlement never covers acts that the person may not have been asked about.
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

    /// Returns an error if acts are on the record as unknown and not settled yet. Where the record does not say so, a rebuild finds out
    /// which acts need to be settled.
    pub(crate) fn check_settled(&self, run: RunId) -> Result<(), RunError> {
        let is_said_unknown = |open: &OpenRun| open.pending.values().any(|act| act.stage == Stage::Unknown && act.is_unsettled());
        let acts = self.inner.gate.with_ledger(|ledger| ledger.open_run(run).filter(|open| is_said_unknown(open)).map(OpenRun::unsettled));
        acts.map_or(Ok(()), |acts| Err(RunError::Unsettled { run, acts }))
    }

    /// An act that a person names, if it can be settled or has the same settlement already.
    fn named(&self, run: RunId, open: &OpenRun, op: u64, did: bool) -> Result<UnknownAct, RunError> {
        let act = |pending: &OpenAct| UnknownAct { op, what: pending.ask.resource.line() };
        match open.pending.get(&op) {
            Some(pending) if pending.is_unsettled() => Ok(act(pending)),
            Some(OpenAct { word: Some(Stated { did: said, .. }), .. }) if *said == did => {
                open.pending.get(&op).map(act).ok_or(RunError::NothingToSettle(run))
            }
            Some(OpenAct { word: Some(said), .. }) => Err(RunError::SaidOtherwise { run, op, said: said.clone() }),
            _ => Err(RunError::NeedsNoWord { run, op, why: self.why_no_word(run, open, op)? }),
        }
    }

    /// Why an act needs no settlement, in words.
    fn why_no_word(&self, run: RunId, open: &OpenRun, op: u64) -> Result<String, RunError> {
        if op == 0 || op > open.last_op {
            return Ok(format!("the run has no such act: its last is op {}", open.last_op));
        }
        if let Some(pending) = open.pending.get(&op) {
            let what = &pending.ask.resource;
            return Ok(match pending.stage {
                Stage::Answered => format!("it happened: the answer to {what} had begun"),
                Stage::Asked | Stage::Unknown => format!("{what} changes nothing, and is asked again on resume"),
            });
        }
        let reader = self.inner.journal.reader()?;
        let mut why = "it was a timer and not an act".to_owned();
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
        (AnswerClass::Failed, _) => "it failed, and the agent got the failure".to_owned(),
        (AnswerClass::Unknown, _) => "the agent learned that it may have happened, and continued".to_owned(),
        (AnswerClass::Abandoned, _) => "the agent abandoned it".to_owned(),
    }
}
