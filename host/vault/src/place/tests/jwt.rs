//! Tests of tokens: they match the published examples of RFC 7515 and RFC 8037, and their signatures verify.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::{Value, json};
use vocabulary::{Jwt, JwtAlgorithm, Placement};

use super::{NOW, Request, taken, text};
use crate::place::PlaceError;
use crate::place::jwt::sign;
use crate::secret::Secret;

/// The numbers of the key of RFC 7515, appendix A.2: modulus, exponents, primes, and the numbers derived from them.
const RFC7515: [&str; 8] = [
    "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    "AQAB",
    "Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7YwVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3Mkqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1ZdiYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRuOopznQ",
    "4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDwGUc",
    "uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9RWdc",
    "BwKfV3Akq5_MFZDFZCnW-wzl-CCo83WoZvnLQwCTeDv8uzluRSnm71I3QCLdhrqE2e9YkxvuxdBfpT_PI7Yz-FOKnu1R6HsJeDCjn12Sk3vmAktV2zb34MCdy7cpdTh_YVr7tss2u6vneTwrA86rZtu5Mbr1C1XsmvkxHQAdYo0",
    "h_96-mK1R_7glhsum81dZxjTnYynPbZpHziZjeeHcXYsXaaMwkOlODsWa7I9xXDoRwbKgB719rrmI2oKr6N3Do9U0ajaHF-NKJnwgjMd2w9cjz3_-kyNlxAr2v4IKhGNpmM5iIgOS1VZnOZ68m6_pbLBSp3nssTdlqvd0tIiTHU",
    "IYd7DHOhrWvxkwPQsRM2tOgrjbcrfvtQJipd-DlcxyVuuM9sQLdgjVk2oy26F0EmpScGLq2MowX7fhd_QJQ3ydy5cY7YIBi87w93IKLEdfnbJtoOPLUW0ITrJReOgo1cq9SbsxYawBgfp_gh6A5603k2-ZQwVK0JKSHuLFkuQ3U",
];

fn base64url(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// One value in DER.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().position(|byte| *byte != 0).unwrap_or(length.len() - 1)..];
    let long = if content.len() < 128 { Vec::new() } else { vec![0x80 | u8::try_from(length.len()).unwrap()] };
    [&[tag], long.as_slice(), length, content].concat()
}

/// RFC 8017 appendix A.1.2.
fn pkcs1(numbers: &[Vec<u8>]) -> Vec<u8> {
    let positive = |number: &Vec<u8>| if number[0] < 128 { der(2, number) } else { der(2, &[&[0], number.as_slice()].concat()) };
    der(0x30, &[der(2, &[0]), numbers.iter().flat_map(positive).collect()].concat())
}

/// RFC 5958, version 1.
fn pkcs8(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    der(0x30, &[der(2, &[0]), der(0x30, algorithm), der(4, key)].concat())
}

/// `rsaEncryption`, without parameters.
const RSA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
/// `id-Ed25519`.
const EDWARDS: &[u8] = &[6, 3, 0x2b, 0x65, 0x70];

fn pem(label: &str, key: &[u8]) -> Secret {
    let text = STANDARD.encode(key).into_bytes();
    let lines: Vec<_> = text.chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    Secret::of_text(format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")).into_bytes()).unwrap()
}

fn rsa_key() -> Vec<u8> {
    pkcs1(&RFC7515.map(base64url))
}

fn edwards_key() -> Vec<u8> {
    let seed = der(4, &base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"));
    pkcs8(EDWARDS, &seed)
}

#[test]
fn the_published_signatures_of_rsa_and_ed25519_come_out_as_published() {
    let message = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let published = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    for key in [pem("RSA PRIVATE KEY", &rsa_key()), pem("PRIVATE KEY", &pkcs8(RSA, &rsa_key()))] {
        assert_eq!(sign(JwtAlgorithm::Rs256, &key, message.as_bytes()).unwrap(), base64url(published));
    }
    // RFC 8037, appendix A.4.
    let signature =
        sign(JwtAlgorithm::EdDsa, &pem("PRIVATE KEY", &edwards_key()), b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc");
    let published = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(signature.unwrap(), base64url(published));
}

fn jwt(algorithm: JwtAlgorithm) -> Jwt {
    let claims = [("iss", "12345"), ("aud", "https://\"api\".example.test")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    Jwt { algorithm, claims: BTreeMap::from(claims), key_id: None, lifetime_s: 540 }
}

/// Places a token, and splits it into header, claims, signed text and signature.
fn token(jwt: &Jwt, key: &Secret) -> Result<(Value, Value, String, Vec<u8>), PlaceError> {
    let mut request = Request::new("GET", "/");
    let placed = request.place(key.expose(), &Placement::Jwt(jwt.clone()))?;
    let token = request.header("authorization").strip_prefix("Bearer ").unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    assert_eq!(text(&placed.made), [token, signature]);
    let (header, claims) = signed.split_once('.').unwrap();
    let parsed = |part: &str| serde_json::from_slice(&base64url(part)).unwrap();
    Ok((parsed(header), parsed(claims), signed.to_owned(), base64url(signature)))
}

#[test]
fn a_token_says_who_it_is_of_and_how_long_it_is_good() {
    let key = pem("RSA PRIVATE KEY", &rsa_key());
    let (header, claims, signed, signature) = token(&jwt(JwtAlgorithm::Rs256), &key).unwrap();
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT"}));
    assert_eq!(claims, json!({"iss": "12345", "aud": "https://\"api\".example.test", "iat": NOW - 60, "exp": NOW + 540}));
    let public = RsaPublicKeyComponents { n: base64url(RFC7515[0]), e: base64url(RFC7515[1]) };
    public.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).unwrap();
    let (header, ..) = token(&Jwt { key_id: Some("k\"1".to_owned()), ..jwt(JwtAlgorithm::Rs256) }, &key).unwrap();
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT", "kid": "k\"1"}));
}

#[test]
fn keys_of_curves_sign_what_their_public_keys_verify() {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
    let (header, _, signed, signature) = token(&jwt(JwtAlgorithm::Es256), &pem("PRIVATE KEY", document.as_ref())).unwrap();
    assert_eq!((header["alg"].as_str(), signature.len()), (Some("ES256"), 64));
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key()).verify(signed.as_bytes(), &signature).unwrap();

    let second = Ed25519KeyPair::generate_pkcs8(&random).unwrap();
    for key in [edwards_key(), second.as_ref().to_vec()] {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&key).unwrap();
        let (header, _, signed, signature) = token(&jwt(JwtAlgorithm::EdDsa), &pem("PRIVATE KEY", &key)).unwrap();
        assert_eq!(header["alg"].as_str(), Some("EdDSA"));
        UnparsedPublicKey::new(&ED25519, pair.public_key()).verify(signed.as_bytes(), &signature).unwrap();
    }
}

#[test]
fn a_key_of_another_kind_signs_nothing() {
    let (rsa, edwards) = (pem("PRIVATE KEY", &pkcs8(RSA, &rsa_key())), pem("PRIVATE KEY", &edwards_key()));
    let mislabelled = pem("RSA PRIVATE KEY", &edwards_key());
    let line = |text: &str| Secret::new(text.as_bytes().to_vec()).unwrap();
    let (plain, broken, other) = (line("correct horse"), line("pem:PRIVATE KEY:MC4!"), line("pem:CERTIFICATE:MC4CAQAw"));
    for (algorithm, keys) in [
        (JwtAlgorithm::Rs256, [&edwards, &mislabelled, &plain, &broken, &other]),
        (JwtAlgorithm::Es256, [&rsa, &edwards, &mislabelled, &plain, &broken]),
        (JwtAlgorithm::EdDsa, [&rsa, &mislabelled, &plain, &broken, &other]),
    ] {
        for key in keys {
            assert_eq!(token(&jwt(algorithm), key).err(), Some(PlaceError::Key));
        }
    }
}

#[test]
fn a_token_is_the_hosts_to_make_in_all_that_counts() {
    let key = pem("PRIVATE KEY", &edwards_key());
    for name in ["iat", "exp"] {
        let mut own = jwt(JwtAlgorithm::EdDsa);
        own.claims.insert(name.to_owned(), "9999999999".to_owned());
        assert_eq!(token(&own, &key).err(), Some(PlaceError::Claims));
    }
    for lifetime_s in [0, 3601, u64::MAX] {
        assert_eq!(token(&Jwt { lifetime_s, ..jwt(JwtAlgorithm::EdDsa) }, &key).err(), Some(PlaceError::Claims));
    }
    let mut long = jwt(JwtAlgorithm::EdDsa);
    long.claims.insert("long".to_owned(), "x".repeat(4096));
    assert_eq!(token(&long, &key).err(), Some(PlaceError::Long));
    let mut request = Request::new("GET", "/").with("Authorization", "Bearer mine");
    assert_eq!(request.place(key.expose(), &Placement::Jwt(jwt(JwtAlgorithm::EdDsa))).err(), taken("authorization"));
}

#[test]
fn the_longest_key_that_signs_is_a_secret() {
    let bits = |bits: usize| vec![0xff; bits / 8];
    let numbers = [bits(4096), vec![1, 0, 1], bits(4096), bits(2048), bits(2048), bits(2048), bits(2048), bits(2048)];
    let key = pem("PRIVATE KEY", &pkcs8(RSA, &pkcs1(&numbers)));
    assert_eq!(key.expose().len(), 3188);
}
