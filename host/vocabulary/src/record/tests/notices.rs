//! Records of notices.

use super::super::*;
use super::{digest, http, text};

pub(super) fn one_of_each() -> Vec<Record> {
    let v = VERSION;
    vec![
        NoticeAsked {
            at: 1,
            attempt: 2,
            channel: text("ops"),
            digest: digest(),
            kind: RecordKind::NoticeAsked,
            of: RunId::from_parts(1, [0; 10]),
            op: 1,
            resource: http("POST"),
            v,
        }
        .into(),
        NoticeEnded {
            at: 1,
            attempt: 2,
            channel: text("ops"),
            detail: text("why"),
            digest: digest(),
            end: NoticeEnd::GaveUp,
            kind: RecordKind::NoticeEnded,
            of: RunId::from_parts(1, [0; 10]),
            op: 1,
            peer: Some("[::1]:80".parse().unwrap()),
            status: Some(500),
            v,
        }
        .into(),
    ]
}
