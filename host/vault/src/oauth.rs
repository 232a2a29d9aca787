//! Token requests and their answers (RFC 6749). Nothing is sent here.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde::Deserialize;
use serde::de::{Deserializer, Visitor};
use vocabulary::{Header, Oauth2, OauthGrant};
use zeroize::Zeroizing;

use crate::place::percent;
use crate::secret::Secret;

/// BOUND: bytes of an endpoint's answer: a token and a refresh token of 4,096 bytes each, and the rest of the object.
pub const TOKEN_ANSWER_BYTES_MAX: usize = 64 << 10;

/// The error codes of an endpoint (section 5.2). No other text of its answer is passed on, because it may contain what was sent.
const CODES: &[&str] =
    &["invalid_client", "invalid_grant", "invalid_request", "invalid_scope", "unauthorized_client", "unsupported_grant_type"];

/// What an endpoint issued.
#[derive(Clone, Debug)]
pub struct Token {
    /// The access token, for [`crate::bearer`].
    pub access: Secret,
    /// The new refresh token. `None` if the old one stays valid.
    pub refresh: Option<Secret>,
    /// For how many seconds the access token is valid. `None` if the endpoint does not say so.
    pub expires_in_s: Option<u64>,
}

impl Token {
    /// For how many seconds the access token gives access: as the endpoint says, or as the token itself says if it is a JWT (RFC 9068),
    /// whichever is longer. `None` if neither says so.
    pub fn lives_s(&self, now_s: u64) -> Option<u64> {
        #[derive(Deserialize)]
        struct Claims {
            exp: u64,
        }
        let claims = || {
            let mut parts = self.access.expose().split(|byte| *byte == b'.');
            let claims = Zeroizing::new(URL_SAFE_NO_PAD.decode(parts.nth(1)?).ok()?);
            parts.next()?;
            serde_json::from_slice::<Claims>(&claims).ok()
        };
        let own = claims().map(|claims| claims.exp.saturating_sub(now_s));
        self.expires_in_s.max(own)
    }
}

/// There is no token. The error says nothing about what was sent or received, except for a code of RFC 6749.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The endpoint refused.
    #[error("the endpoint gave no token (status {status}{})", .code.map(|code| format!(", `{code}`")).unwrap_or_default())]
    Refused {
        /// The status of the answer.
        status: u16,
        /// The error code, if it is one of section 5.2.
        code: Option<&'static str>,
    },
    /// The answer is longer than a token needs.
    #[error("the endpoint's answer has more than {TOKEN_ANSWER_BYTES_MAX} bytes")]
    Long,
    /// The answer is not an object of section 5.1.
    #[error("the endpoint's answer does not have the form of RFC 6749")]
    Malformed,
    /// The token is of a kind that is used in another way.
    #[error("the endpoint's token is not a bearer token")]
    NotBearer,
    /// The token can't be sent in a header, or can't be found in answers.
    #[error("the endpoint's token can't be used: it must have 8 to 4,096 visible ASCII characters")]
    Unfit,
}

/// The headers and the body of a `POST` to the endpoint: section 4.4 with the client's secret as `Basic` (section 2.3.1), or section 6 as a
/// public client.
pub fn token_request(secret: &Secret, oauth2: &Oauth2) -> (Vec<Header>, Bytes) {
    let id = percent(oauth2.client_id.as_bytes());
    let value = percent(secret.expose());
    let mut headers = vec![
        Header { name: "accept".to_owned(), value: b"application/json".to_vec() },
        Header { name: "content-type".to_owned(), value: b"application/x-www-form-urlencoded".to_vec() },
    ];
    let mut body = Zeroizing::new(String::with_capacity(value.len() + id.len() + 64));
    match oauth2.grant {
        OauthGrant::ClientCredentials => {
            let pair = Zeroizing::new([id.as_str(), ":", value.as_str()].concat());
            let pair = Zeroizing::new(STANDARD.encode(pair.as_bytes()));
            headers.push(Header { name: "authorization".to_owned(), value: [b"Basic ", pair.as_bytes()].concat() });
            body.push_str("grant_type=client_credentials");
        }
        OauthGrant::Refresh => {
            for part in ["grant_type=refresh_token&refresh_token=", &value, "&client_id=", &id] {
                body.push_str(part);
            }
        }
    }
    let scope = oauth2.scope.iter().flat_map(|scope| ["&scope=".to_owned(), percent(scope.as_bytes()).to_string()]);
    let body = [body.as_bytes(), scope.collect::<String>().as_bytes()].concat();
    (headers, Bytes::from(body))
}

/// Reads an endpoint's answer: a token with status 200, or the reason why there is none.
///
/// # Errors
/// See [`TokenError`].
pub fn token_answer(status: u16, body: &[u8]) -> Result<Token, TokenError> {
    if body.len() > TOKEN_ANSWER_BYTES_MAX {
        return Err(TokenError::Long);
    }
    let answer: Result<TokenAnswer, _> = serde_json::from_slice(body);
    let code = |answer: &TokenAnswer| answer.error.as_ref().and_then(|error| CODES.iter().copied().find(|code| *code == error.0.as_str()));
    match answer {
        Ok(answer) if status != 200 || answer.error.is_some() => Err(TokenError::Refused { status, code: code(&answer) }),
        Ok(answer) => answer.token(),
        Err(_) if status != 200 => Err(TokenError::Refused { status, code: None }),
        Err(_) => Err(TokenError::Malformed),
    }
}

/// The object of sections 5.1 and 5.2. A field that occurs twice is an error.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Option<Hidden>,
    token_type: Option<Hidden>,
    refresh_token: Option<Hidden>,
    expires_in: Option<Seconds>,
    error: Option<Hidden>,
}

impl TokenAnswer {
    fn token(self) -> Result<Token, TokenError> {
        let (Some(access), Some(kind)) = (self.access_token, self.token_type) else { return Err(TokenError::Malformed) };
        if !kind.0.eq_ignore_ascii_case("bearer") {
            return Err(TokenError::NotBearer);
        }
        let refresh = self.refresh_token.filter(|refresh| !refresh.0.is_empty());
        Ok(Token {
            access: access.secret()?,
            refresh: refresh.map(Hidden::secret).transpose()?,
            expires_in_s: self.expires_in.map(|seconds| seconds.0),
        })
    }
}

/// Text that may be a secret.
struct Hidden(Zeroizing<String>);

impl Hidden {
    fn secret(mut self) -> Result<Secret, TokenError> {
        if !self.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Unfit);
        }
        Secret::new(std::mem::take(&mut *self.0).into_bytes()).map_err(|_| TokenError::Unfit)
    }
}

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from).map(|text| Self(Zeroizing::new(text)))
    }
}

/// A number, or its digits as text, which some endpoints send.
struct Seconds(u64);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Seconds;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("seconds")
            }

            fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Seconds, E> {
                Ok(Seconds(seconds))
            }

            fn visit_str<E: serde::de::Error>(self, digits: &str) -> Result<Seconds, E> {
                digits.parse().map(Seconds).map_err(|_| E::custom("no number"))
            }
        }
        from.deserialize_any(Either)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use vocabulary::{Oauth2, OauthGrant};

    use super::{TOKEN_ANSWER_BYTES_MAX, TokenError, token_answer, token_request};
    use crate::secret::Secret;

    fn request(grant: OauthGrant, id: &str, scope: Option<&str>, secret: &str) -> (Vec<String>, String) {
        let (client_id, scope) = (id.to_owned(), scope.map(str::to_owned));
        let token = "https://login.example.test/token".parse().unwrap();
        let oauth2 = Oauth2 { client_id, grant, scope, token, token_addresses: Vec::new() };
        let (headers, body) = token_request(&Secret::new(secret.as_bytes().to_vec()).unwrap(), &oauth2);
        let shown = headers.iter().map(|header| format!("{}: {}", header.name, str::from_utf8(&header.value).unwrap()));
        (shown.collect(), String::from_utf8(body.to_vec()).unwrap())
    }

    #[test]
    fn a_client_shows_its_secret_as_basic_and_its_refresh_token_in_the_body() {
        let (accept, kind) = ("accept: application/json", "content-type: application/x-www-form-urlencoded");
        // The client of RFC 6749's examples, section 2.3.1.
        let (headers, body) = request(OauthGrant::ClientCredentials, "s6BhdRkqt3", None, "7Fjfp0ZBr1KtDRbnfVdmIw");
        assert_eq!(headers, [accept, kind, "authorization: Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3"]);
        assert_eq!(body, "grant_type=client_credentials");
        // `a%3Ab:c%3A%2525%20d`: a colon in the id does not separate the pair.
        let (headers, body) = request(OauthGrant::ClientCredentials, "a:b", Some("read write&"), "c:%25 dddd");
        assert_eq!(headers.last().unwrap(), "authorization: Basic YSUzQWI6YyUzQSUyNTI1JTIwZGRkZA==");
        assert_eq!(body, "grant_type=client_credentials&scope=read%20write%26");
        let (headers, body) = request(OauthGrant::Refresh, "s6&x=y", Some("read"), "tGzv3JOkF0XG5Qx2TlKWIA&a=b");
        assert_eq!(headers, [accept, kind], "a public client sends no other header");
        assert_eq!(body, "grant_type=refresh_token&refresh_token=tGzv3JOkF0XG5Qx2TlKWIA%26a%3Db&client_id=s6%26x%3Dy&scope=read");
    }

    #[test]
    fn an_answer_is_a_bearer_token_and_where_there_are_its_refresh_token_and_its_end() {
        // The answer of section 5.1.
        let whole = br#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"Bearer","expires_in":3600,"refresh_token":"tGzv3JOkF0XG5Qx2TlKWIA","example_parameter":"x"}"#;
        let token = token_answer(200, whole).unwrap();
        assert_eq!((token.access.expose(), token.expires_in_s), (&b"2YotnFZFEjr1zCsicMWpAA"[..], Some(3600)));
        assert_eq!(token.refresh.unwrap().expose(), b"tGzv3JOkF0XG5Qx2TlKWIA");
        let least = token_answer(200, br#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"BEARER","refresh_token":""}"#).unwrap();
        assert!(least.refresh.is_none() && least.expires_in_s.is_none());
        let text = token_answer(200, br#"{"access_token":"2YotnFZFEjr1zCsicMWpAA","token_type":"bearer","expires_in":"300"}"#).unwrap();
        assert_eq!(text.expires_in_s, Some(300));
        assert!(!format!("{text:?}").contains("2Yotn"));
    }

    #[test]
    fn a_token_lives_as_long_as_the_endpoint_or_the_token_itself_says() {
        let lives = |access: &str, expires: &str| {
            let body = format!(r#"{{"access_token":"{access}","token_type":"Bearer"{expires}}}"#);
            token_answer(200, body.as_bytes()).unwrap().lives_s(1000)
        };
        // Claims `{"exp":4600}`.
        let jwt = "eyJhbGciOiJub25lIn0.eyJleHAiOjQ2MDB9.c2lnbmVk";
        assert_eq!(lives("2YotnFZFEjr1zCsicMWpAA", ""), None);
        assert_eq!(lives("2YotnFZFEjr1zCsicMWpAA", r#","expires_in":60"#), Some(60));
        assert_eq!((lives(jwt, ""), lives(jwt, r#","expires_in":60"#)), (Some(3600), Some(3600)));
        assert_eq!(lives(jwt, r#","expires_in":7200"#), Some(7200));
    }

    #[test]
    fn an_answer_without_a_token_gives_on_a_code_and_no_other_word() {
        let refused = |code| Some(TokenError::Refused { status: 400, code });
        for (body, code) in [
            (r#"{"error":"invalid_client","error_description":"correct-horse is wrong"}"#, Some("invalid_client")),
            (r#"{"error":"invalid_grant"}"#, Some("invalid_grant")),
            (r#"{"error":"correct-horse"}"#, None),
            (r#"{"error":"INVALID_GRANT correct-horse"}"#, None),
            (r#"{"error":{"code":"invalid_grant"}}"#, None),
            (r#"{"access_token":"correct-horse","token_type":"bearer"}"#, None),
            ("<p>correct-horse</p>", None),
            ("", None),
        ] {
            let err = token_answer(400, body.as_bytes()).err();
            assert_eq!(err, refused(code), "{body}");
            assert!(!format!("{err:?} {}", err.unwrap()).contains("horse"));
        }
        let with_200 = token_answer(200, br#"{"error":"invalid_scope","access_token":"correct-horse","token_type":"bearer"}"#).err();
        assert_eq!(with_200, Some(TokenError::Refused { status: 200, code: Some("invalid_scope") }));
        assert_eq!(with_200.unwrap().to_string(), "the endpoint gave no token (status 200, `invalid_scope`)");
    }

    #[test]
    fn an_answer_that_can_be_read_in_two_ways_is_none() {
        let good = r#""access_token":"correct-horse","token_type":"bearer""#;
        for (body, err) in [
            (String::new(), TokenError::Malformed),
            ("[]".to_owned(), TokenError::Malformed),
            ("{}".to_owned(), TokenError::Malformed),
            (r#"{"access_token":"correct-horse"}"#.to_owned(), TokenError::Malformed),
            (r#"{"token_type":"bearer"}"#.to_owned(), TokenError::Malformed),
            (format!("{{{good}}} x"), TokenError::Malformed),
            (format!(r#"{{{good},"access_token":"another-horse"}}"#), TokenError::Malformed),
            (format!(r#"{{{good},"expires_in":-1}}"#), TokenError::Malformed),
            (format!(r#"{{{good},"expires_in":"soon"}}"#), TokenError::Malformed),
            (format!(r#"{{{good},"refresh_token":7}}"#), TokenError::Malformed),
            (format!("{{{good}}}").replace("bearer", "mac"), TokenError::NotBearer),
            (format!("{{{good}}}").replace("bearer", "bearer "), TokenError::NotBearer),
            (format!("{{{good}}}").replace("correct-horse", "short"), TokenError::Unfit),
            (format!("{{{good}}}").replace("correct-horse", r"correct\r\nhorse: x"), TokenError::Unfit),
            (format!("{{{good}}}").replace("correct-horse", "correct horse"), TokenError::Unfit),
            (format!("{{{good}}}").replace("correct-horse", r"correct-h\u00f6rse"), TokenError::Unfit),
            (format!("{{{good}}}").replace("correct-horse", &"x".repeat(4097)), TokenError::Unfit),
            (format!(r#"{{{good},"refresh_token":"short"}}"#), TokenError::Unfit),
            (format!("{{{good}}}{}", " ".repeat(TOKEN_ANSWER_BYTES_MAX)), TokenError::Long),
        ] {
            assert_eq!(token_answer(200, body.as_bytes()).err(), Some(err), "{body}");
        }
    }
}
