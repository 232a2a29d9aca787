//! A keyed hash of what is sent, as webhooks use it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac::{Algorithm, Context, HMAC_SHA1_FOR_LEGACY_USE_ONLY, HMAC_SHA256, HMAC_SHA512, Key};
use vocabulary::{Encoding, Hash, Hmac};
use zeroize::Zeroizing;

use super::encode::hex;
use super::{Outgoing, PlaceError, Placed, made, set_header};

pub(super) fn place(value: &[u8], hmac: &Hmac, request: &mut Outgoing<'_>, now_unix_s: u64) -> Result<Placed, PlaceError> {
    let timestamp = now_unix_s.to_string();
    let path = request.target.path_and_query();
    let parts = Parts { timestamp: &timestamp, method: request.method.as_str(), path: &path, body: request.body };
    let mut context = Context::with_key(&Key::new(algorithm(hmac.hash), value));
    parts.fill(&hmac.over, |part| context.update(part))?;
    let tag = context.sign();
    let written = match hmac.encoding {
        Encoding::Hex => hex(tag.as_ref()),
        Encoding::Base64 => Zeroizing::new(STANDARD.encode(tag)),
    };
    if let Some(name) = &hmac.timestamp_header {
        set_header(request.headers, name, &[timestamp.as_bytes()])?;
    }
    set_header(request.headers, &hmac.header, &[hmac.before.as_bytes(), written.as_bytes()])?;
    Ok(Placed { made: made(written.as_bytes())?.into_iter().collect() })
}

fn algorithm(hash: Hash) -> Algorithm {
    match hash {
        Hash::Sha1 => HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => HMAC_SHA256,
        Hash::Sha512 => HMAC_SHA512,
    }
}

/// The texts that replace the words in braces.
struct Parts<'a> {
    timestamp: &'a str,
    method: &'a str,
    path: &'a str,
    body: &'a [u8],
}

impl Parts<'_> {
    /// Passes what is signed to `to`, one piece at a time.
    ///
    /// SECURITY: words are replaced in the template only. A word in braces that the guest writes into its path or body stands for itself.
    fn fill(&self, template: &str, mut to: impl FnMut(&[u8])) -> Result<(), PlaceError> {
        let (mut rest, mut bodies) = (template, 0);
        while let Some(at) = rest.find(['{', '}']) {
            let (before, word) = rest.split_at_checked(at).ok_or(PlaceError::Template)?;
            let (word, after) = word.strip_prefix('{').and_then(|word| word.split_once('}')).ok_or(PlaceError::Template)?;
            to(before.as_bytes());
            to(match word {
                "timestamp" => self.timestamp.as_bytes(),
                "method" => self.method.as_bytes(),
                "path" => self.path.as_bytes(),
                "body" => {
                    bodies += 1;
                    self.body
                }
                _ => return Err(PlaceError::Template),
            });
            rest = after;
        }
        to(rest.as_bytes());
        if bodies == 1 { Ok(()) } else { Err(PlaceError::Template) }
    }
}
