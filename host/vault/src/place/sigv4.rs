//! AWS Signature Version 4 in the `Authorization` header, according to the «Reference: Signature Version 4» in AWS' IAM guide.

use std::collections::BTreeMap;

use ring::digest::{SHA256, digest};
use ring::hmac::{HMAC_SHA256, Key, sign};
use vocabulary::{Header, Sigv4};
use zeroize::Zeroizing;

use super::encode::{decoded, decoded_form, hex, percent};
use super::{Outgoing, PlaceError, Placed, check_free, made, set_header};

/// Headers that only the host may set, because they state the time or the signature.
const HOSTS_OWN: &[&str] = &["authorization", "date", "host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"];

pub(super) fn place(value: &[u8], sigv4: &Sigv4, request: &mut Outgoing<'_>, now_unix_s: u64) -> Result<Placed, PlaceError> {
    HOSTS_OWN.iter().try_for_each(|name| check_free(request.headers, name))?;
    let query = request.target.query.as_deref().unwrap_or_default();
    check_no_signing(query)?;
    let (time, hash) = (amz_time(now_unix_s), hex(digest(&SHA256, request.body).as_ref()));
    set_header(request.headers, "x-amz-date", &[time.as_bytes()])?;
    set_header(request.headers, "x-amz-content-sha256", &[hash.as_bytes()])?;
    let authority = request.target.authority();
    let signed = request.headers.iter().filter(|header| is_signed(header)).map(|header| (header.name.as_str(), header.value.as_slice()));
    let headers = CanonicalHeaders::new(signed.chain([("host", authority.as_bytes())]));
    let path = canonical_path(&request.target.path, sigv4.service == "s3");
    let canonical = canonical_request(request.method.as_str(), &path, &canonical_query(query), &headers, &hash);
    let scope = Scope { day: time.get(..8).unwrap_or_default(), region: &sigv4.region, service: &sigv4.service };
    let signature = signature(value, &scope, &time, &canonical);
    let said = format!("AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders={}, Signature=", sigv4.key_id, scope.written(), headers.names());
    set_header(request.headers, "authorization", &[said.as_bytes(), signature.as_bytes()])?;
    Ok(Placed { made: made(signature.as_bytes())?.into_iter().collect() })
}

/// SECURITY: a signature in the query would be another one than the host's, with another key or another time.
fn check_no_signing(query: &str) -> Result<(), PlaceError> {
    let signs = |pair: &str| {
        let name = decoded_form(pair.split('=').next().unwrap_or_default().as_bytes());
        name.trim_ascii_start().get(..6).is_some_and(|front| front.eq_ignore_ascii_case(b"x-amz-"))
    };
    if query.split(['&', ';']).any(signs) { Err(PlaceError::Taken("?X-Amz-…".to_owned())) } else { Ok(()) }
}

fn is_signed(header: &Header) -> bool {
    let name = header.name.to_ascii_lowercase();
    name == "content-type" || name.starts_with("x-amz-")
}

/// The region, the service and the day for which a signature is valid.
pub(super) struct Scope<'a> {
    /// The day, for example `20150830`.
    pub(super) day: &'a str,
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

impl Scope<'_> {
    fn written(&self) -> String {
        format!("{}/{}/{}/aws4_request", self.day, self.region, self.service)
    }
}

/// Header names in lower case, in order. Values have no superfluous blanks; values of the same name are joined.
pub(super) struct CanonicalHeaders(BTreeMap<String, Vec<u8>>);

impl CanonicalHeaders {
    pub(super) fn new<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut all = BTreeMap::<String, Vec<u8>>::new();
        for (name, value) in headers {
            all.entry(name.to_ascii_lowercase()).and_modify(|values| values.push(b',')).or_default().extend(single_blanks(value));
        }
        Self(all)
    }

    fn names(&self) -> String {
        self.0.keys().map(String::as_str).collect::<Vec<_>>().join(";")
    }
}

fn single_blanks(value: &[u8]) -> Vec<u8> {
    let mut out = value.trim_ascii().to_vec();
    out.dedup_by(|next, before| *next == b' ' && *before == b' ');
    out
}

pub(super) fn canonical_request(method: &str, path: &str, query: &str, headers: &CanonicalHeaders, hash: &str) -> Vec<u8> {
    let mut to = [method, "\n", path, "\n", query, "\n"].concat().into_bytes();
    for (name, value) in &headers.0 {
        to.extend([name.as_bytes(), b":", value, b"\n"].concat());
    }
    to.extend(["\n", &headers.names(), "\n", hash].concat().into_bytes());
    to
}

/// The path as it is sent, encoded once more. S3 decodes it first, so for S3 it is decoded here too.
///
/// No segments need to be removed: a path with `.`, `..` or an empty segment is not a valid target.
pub(super) fn canonical_path(path: &str, once: bool) -> String {
    let encoded = |segment: &str| if once { percent(&decoded(segment.as_bytes())) } else { percent(segment.as_bytes()) };
    path.split('/').map(|segment| encoded(segment).to_string()).collect::<Vec<_>>().join("/")
}

/// The query, sorted by its encoded parts. A `+` means a blank, as in the servers of AWS.
pub(super) fn canonical_query(query: &str) -> String {
    let encoded = |text: &str| percent(&decoded_form(text.as_bytes())).to_string();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let mut pairs: Vec<_> = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(a, b)| (encoded(a), encoded(b))).collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// The signature in hexadecimal.
pub(super) fn signature(secret: &[u8], scope: &Scope<'_>, time: &str, canonical: &[u8]) -> Zeroizing<String> {
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{}\n{}", scope.written(), *hex(digest(&SHA256, canonical).as_ref()));
    let first = Zeroizing::new([b"AWS4", secret].concat());
    let steps = [scope.day, scope.region, scope.service, "aws4_request"];
    let key = steps.iter().fold(first, |key, step| mac(&key, step.as_bytes()));
    hex(&mac(&key, to_sign.as_bytes()))
}

fn mac(key: &[u8], of: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(sign(&Key::new(HMAC_SHA256, key), of).as_ref().to_vec())
}

/// A time such as `20150830T123600Z`.
pub(super) fn amz_time(unix_s: u64) -> String {
    let (date, seconds) = (vocabulary::Date::of_day(unix_s / 86_400), unix_s % 86_400);
    format!("{}T{:02}{:02}{:02}Z", date.digits(), seconds / 3600, seconds / 60 % 60, seconds % 60)
}
