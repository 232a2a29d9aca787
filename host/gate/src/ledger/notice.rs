//! What is known of notices about the acts that wait for people.

use serde::{Deserialize, Serialize};
use vocabulary::record::Record;
use vocabulary::{NoticeEnd, SafeText};

use super::Ledger;

/// BOUND: channels whose notices about one act are remembered. A configuration has fewer.
const CHANNELS_MAX: usize = 64;

/// What became of the notice about one act at one channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// When it was tried last, in milliseconds since 1970.
    pub at: u64,
    /// How often it was tried.
    pub attempts: u64,
    /// What happened at the last attempt, for the operator.
    #[serde(default, skip_serializing_if = "SafeText::is_empty")]
    pub detail: SafeText,
    /// How the last attempt ended. `None` if it is under way, or was cut off.
    pub end: Option<NoticeEnd>,
}

impl Ledger {
    /// Notes an attempt to tell people, or its end. The act may be over meanwhile: then nothing is remembered.
    pub(super) fn note_notice(&mut self, record: &Record) {
        let (of, op, digest, channel) = match record {
            Record::NoticeAsked(it) => (it.of, it.op, it.digest, &it.channel),
            Record::NoticeEnded(it) => (it.of, it.op, it.digest, &it.channel),
            _ => return,
        };
        let approval = self.open.get_mut(&of).and_then(|open| open.approvals.get_mut(&op)).filter(|open| open.digest == digest);
        let Some(approval) = approval else { return };
        if approval.notices.len() >= CHANNELS_MAX && !approval.notices.contains_key(channel) {
            return;
        }
        let notice = approval.notices.entry(channel.clone()).or_default();
        match record {
            Record::NoticeAsked(asked) => {
                (notice.at, notice.attempts, notice.end) = (asked.at, notice.attempts.max(asked.attempt), None);
            }
            Record::NoticeEnded(ended) => {
                (notice.at, notice.detail, notice.end) = (ended.at, ended.detail.clone(), Some(ended.end));
            }
            _ => {}
        }
    }
}
