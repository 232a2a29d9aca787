//! Whether a body is of a kind that this version knows.

use serde::Deserialize;
use vocabulary::record::RecordKind;

pub(super) fn is_known_kind(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Peek {
        #[expect(dead_code, reason = "only whether it can be read matters")]
        kind: RecordKind,
    }
    serde_json::from_slice::<Peek>(body).is_ok()
}
