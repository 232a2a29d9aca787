//! Whether a body is of a kind that this version knows.

use effect::record::Kind;
use serde::Deserialize;

pub(super) fn is_known_kind(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Peek {
        #[expect(dead_code, reason = "only whether it can be read matters")]
        kind: Kind,
    }
    serde_json::from_slice::<Peek>(body).is_ok()
}
