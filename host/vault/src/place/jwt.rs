//! A JWT that is made for one request (RFC 7519). It is signed according to RFC 7515, RFC 7518 and RFC 8037.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Map, Value};
use vocabulary::{Jwt, JwtAlgorithm};
use zeroize::Zeroizing;

use super::{Outgoing, PlaceError, Placed, made, set_header};
use crate::secret::{PKCS1, PKCS8, Secret};

/// The token is dated this much earlier. A server whose clock is slow would otherwise see a token from the future; GitHub recommends a
/// minute.
const DRIFT_S: u64 = 60;
/// BOUND: longest lifetime of a token. Servers accept at most an hour.
const LIFETIME_S_MAX: u64 = 3600;

pub(super) fn place(secret: &Secret, jwt: &Jwt, request: &mut Outgoing<'_>, now_unix_s: u64) -> Result<Placed, PlaceError> {
    let mut token = Zeroizing::new(unsigned(jwt, now_unix_s)?);
    let signature = Zeroizing::new(URL_SAFE_NO_PAD.encode(sign(jwt.algorithm, secret, token.as_bytes())?));
    token.push('.');
    token.push_str(&signature);
    set_header(request.headers, "authorization", &[b"Bearer ", token.as_bytes()])?;
    // SECURITY: everything except the signature can be guessed, so the signature is also searched for alone.
    Ok(Placed { made: [made(token.as_bytes())?, made(signature.as_bytes())?].into_iter().flatten().collect() })
}

/// The header and the claims, each in base 64.
fn unsigned(jwt: &Jwt, now_unix_s: u64) -> Result<String, PlaceError> {
    let hosts_own = |name: &String| name == "iat" || name == "exp";
    if jwt.claims.keys().any(hosts_own) || !(1..=LIFETIME_S_MAX).contains(&jwt.lifetime_s) {
        return Err(PlaceError::Claims);
    }
    let algorithm = match jwt.algorithm {
        JwtAlgorithm::Rs256 => "RS256",
        JwtAlgorithm::Es256 => "ES256",
        JwtAlgorithm::EdDsa => "EdDSA",
    };
    let mut header = Map::from_iter([("alg".to_owned(), Value::from(algorithm)), ("typ".to_owned(), Value::from("JWT"))]);
    header.extend(jwt.key_id.iter().map(|id| ("kid".to_owned(), Value::from(id.as_str()))));
    let mut claims: Map<_, _> = jwt.claims.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    claims.insert("iat".to_owned(), Value::from(now_unix_s.saturating_sub(DRIFT_S)));
    claims.insert("exp".to_owned(), Value::from(now_unix_s.saturating_add(jwt.lifetime_s)));
    let encoded = |map| URL_SAFE_NO_PAD.encode(Value::Object(map).to_string());
    Ok(format!("{}.{}", encoded(header), encoded(claims)))
}

/// Signs with a key in the form that [`Secret::of_text`] returns.
///
/// While the key is used, parts of it are in memory of `ring`, which does not overwrite them.
pub(super) fn sign(algorithm: JwtAlgorithm, secret: &Secret, message: &[u8]) -> Result<Vec<u8>, PlaceError> {
    let (label, key) = secret.private_key().ok_or(PlaceError::Key)?;
    let random = SystemRandom::new();
    match (algorithm, label) {
        (JwtAlgorithm::Rs256, PKCS1) => rsa(RsaKeyPair::from_der(&key), &random, message),
        (JwtAlgorithm::Rs256, _) => rsa(RsaKeyPair::from_pkcs8(&key), &random, message),
        (JwtAlgorithm::Es256, PKCS8) => {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key, &random).map_err(|_| PlaceError::Key)?;
            Ok(pair.sign(&random, message).map_err(|_| PlaceError::Unsigned)?.as_ref().to_vec())
        }
        // PKCS#8 version 1, as OpenSSL writes it, does not contain the public key, so the private key can't be checked against it.
        (JwtAlgorithm::EdDsa, PKCS8) => {
            let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&key).map_err(|_| PlaceError::Key)?;
            Ok(pair.sign(message).as_ref().to_vec())
        }
        (JwtAlgorithm::Es256 | JwtAlgorithm::EdDsa, _) => Err(PlaceError::Key),
    }
}

fn rsa(pair: Result<RsaKeyPair, ring::error::KeyRejected>, random: &SystemRandom, message: &[u8]) -> Result<Vec<u8>, PlaceError> {
    let pair = pair.map_err(|_| PlaceError::Key)?;
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, random, message, &mut signature).map_err(|_| PlaceError::Unsigned)?;
    Ok(signature)
}
