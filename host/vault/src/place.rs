//! Where a secret goes in a request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use effect::{Header, HttpTarget, Placement};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// The value can't go where its binding says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// A header field of HTTP/1 has visible ASCII.
    #[error("a value that is not ASCII can't go into a header")]
    NotAscii,
}

/// Puts a value into a request. Where the guest has set the same header or name already, policy has refused it before.
///
/// # Errors
/// A value that can't go there.
pub fn place(secret: &Secret, placement: &Placement, headers: &mut Vec<Header>, target: &mut HttpTarget) -> Result<(), PlaceError> {
    let value = secret.expose();
    let mut header = |name: &str, value: &[u8]| {
        if value.is_ascii() {
            headers.push(Header { name: name.to_owned(), value: value.to_vec() });
            Ok(())
        } else {
            Err(PlaceError::NotAscii)
        }
    };
    match placement {
        Placement::Bearer => header("authorization", &Zeroizing::new([b"Bearer ".as_slice(), value].concat())),
        Placement::Basic { user } => {
            let pair = Zeroizing::new([user.as_bytes(), b":", value].concat());
            let value = Zeroizing::new(format!("Basic {}", STANDARD.encode(&*pair)));
            header("authorization", value.as_bytes())
        }
        Placement::Header { name, before, after } => header(name, &Zeroizing::new([before.as_bytes(), value, after.as_bytes()].concat())),
        Placement::Query { name } => {
            let query = target.query.get_or_insert_default();
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(name);
            query.push('=');
            value.iter().for_each(|byte| match byte {
                byte if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) => query.push(char::from(*byte)),
                byte => query.push_str(&format!("%{byte:02X}")),
            });
            Ok(())
        }
    }
}
