//! The records of undos.

use super::*;

fn registered() -> Record {
    let (kind, covers, covers_key, done_at, words) = (RecordKind::UndoRegistered, http("PUT"), digest(), vec![404], text("w"));
    UndoRegistered {
        ask: ask(),
        at: 1,
        bytes: 3,
        covers,
        covers_key,
        done_at,
        id: 1,
        kind,
        params: digest(),
        spent_ms: 5,
        v: VERSION,
        words,
    }
    .into()
}

fn done(by: Option<Principal>) -> Record {
    let (end, op, of) = (UndoEnd::Done, by.is_none().then_some(3), RunId::from_parts(2, [8; 10]));
    UndoDone { at: 1, by, end, id: 1, kind: RecordKind::UndoDone, of, op, status: op.map(|_| 204), v: VERSION }.into()
}

pub(super) fn one_of_each() -> Vec<Record> {
    let (kind, params) = (RecordKind::UndoDischarged, digest());
    let discharged = UndoDischarged { ask: ask(), at: 1, id: 1, kind, params, spent_ms: 5, v: VERSION }.into();
    vec![registered(), discharged, done(None), done(Some(user()))]
}
