//! What the host makes with a credential whose value itself is not sent: signatures and tokens.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::target::HttpTarget;

/// AWS Signature Version 4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Sigv4 {
    /// The access key id.
    pub key_id: String,
    /// The region, for example `eu-central-1`.
    pub region: String,
    /// The service, for example `secretsmanager`.
    pub service: String,
}

/// A keyed hash of what is sent, as webhooks use it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Hmac {
    /// The header that contains it, in lower case.
    pub header: String,
    /// The text before it in that header.
    pub before: String,
    /// The hash function.
    pub hash: Hash,
    /// The encoding.
    pub encoding: Encoding,
    /// What is signed: text with `{body}` exactly once, and optionally `{timestamp}`, `{method}` and `{path}` (with its query).
    pub over: String,
    /// The header in which the host sends the time that it signed, in seconds since 1970. The name is in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp_header: Option<String>,
}

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hash {
    /// SHA-1, which some senders of webhooks still require.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

/// How bytes are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Hexadecimal in lower case.
    Hex,
    /// Base 64 with the standard alphabet and padding.
    Base64,
}

/// A JWT that is made for each request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Jwt {
    /// The algorithm of the signature.
    pub algorithm: JwtAlgorithm,
    /// Fixed claims. The host adds `iat` and `exp`.
    pub claims: BTreeMap<String, String>,
    /// The `kid` in its header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// The time from now to `exp`, in seconds, at most 3,600. `iat` is a minute before now, so for a server that counts from `iat`, at most
    /// 3,540.
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

/// A token that the host obtains at an endpoint, and keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Oauth2 {
    /// The client id.
    pub client_id: String,
    /// The grant of RFC 6749 with which tokens are obtained.
    pub grant: OauthGrant,
    /// The scope that is requested, separated by blanks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The endpoint that issues tokens. Its addresses are checked like those of any other host.
    pub token: HttpTarget,
    /// Private addresses to which the name of the endpoint may resolve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub token_addresses: Vec<ipnet::IpNet>,
}

/// The grant with which a token is obtained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OauthGrant {
    /// The value is the client's secret, sent as `Basic`.
    ClientCredentials,
    /// The value is a refresh token. If the endpoint replaces it, the new one is kept in the vault of the home.
    Refresh,
}
