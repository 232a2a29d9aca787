//! What the host makes with a credential where its value itself is not sent: signatures and tokens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::target::HttpTarget;

/// AWS Signature Version 4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sigv4 {
    /// The access key id.
    pub key_id: String,
    /// `eu-central-1`.
    pub region: String,
    /// `secretsmanager`.
    pub service: String,
}

/// A keyed hash of what is sent, as webhooks have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Hmac {
    /// The header it goes into, in lower case.
    pub header: String,
    /// What stands before it there.
    pub before: String,
    /// Which hash.
    pub hash: Hash,
    /// How it is written.
    pub encoding: Encoding,
    /// What is signed: text with `{body}` once, and where wanted `{timestamp}`, `{method}`, `{path}` (with its query).
    pub over: String,
    /// The header in which the host tells the seconds since 1970 that it signed; in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp_header: Option<String>,
}

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hash {
    /// SHA-1, which some senders of webhooks still want.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Lower case.
    Hex,
    /// The standard alphabet, padded.
    Base64,
}

/// A JWT that is made for each request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Jwt {
    /// Which signature.
    pub algorithm: JwtAlgorithm,
    /// Fixed, besides `iat` and `exp`, which the host sets.
    pub claims: BTreeMap<String, String>,
    /// `kid` in its header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// From now to `exp`, in seconds: 3,600 at most. `iat` is a minute before now, so where a server counts from there, 3,540.
    pub lifetime_s: u64,
}

/// A signature of RFC 7518 or RFC 8037.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum JwtAlgorithm {
    /// RSA with PKCS #1 v1.5.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA over P-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// A token that the host obtains at an endpoint of its own, and keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Oauth2 {
    /// The client.
    pub client_id: String,
    /// By which grant of RFC 6749.
    pub grant: OauthGrant,
    /// As asked for, separated by blanks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Where tokens are had. Its addresses are judged as any other's.
    pub token: HttpTarget,
    /// Private addresses that the name of the endpoint may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_addresses: Vec<ipnet::IpNet>,
}

/// By which a token is had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OauthGrant {
    /// The value is the client's secret, sent as `Basic`.
    ClientCredentials,
    /// The value is a refresh token. One that the endpoint replaces is kept in the vault of the home.
    Refresh,
}
