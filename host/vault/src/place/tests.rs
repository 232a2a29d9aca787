//! Tests of every placement, with hostile requests.

mod jwt;
mod signed;
mod sigv4;

use bytes::Bytes;
use vocabulary::{Header, HttpTarget, Method, Placement, Scheme};

use super::{Outgoing, PlaceError, Placed, place};
use crate::secret::Secret;

/// The time in AWS' published examples.
const NOW: u64 = 1_440_938_160;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

/// A complete request.
#[derive(Clone, Debug)]
struct Request {
    method: Method,
    target: HttpTarget,
    headers: Vec<Header>,
    body: Bytes,
}

impl Request {
    fn new(method: &str, path: &str) -> Self {
        let target = HttpTarget::parse(Scheme::Https, "example.amazonaws.com", path).unwrap();
        Self { method: Method::new(method).unwrap(), target, headers: Vec::new(), body: Bytes::new() }
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push(Header { name: name.to_owned(), value: value.as_bytes().to_vec() });
        self
    }

    fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    fn place(&mut self, value: &[u8], placement: &Placement) -> Result<Placed, PlaceError> {
        let mut outgoing = Outgoing { method: &self.method, target: &mut self.target, headers: &mut self.headers, body: &mut self.body };
        place(&Secret::new(value.to_vec()).unwrap(), placement, &mut outgoing, NOW)
    }

    fn header(&self, name: &str) -> &str {
        let mut all = self.headers.iter().filter(|header| header.name == name);
        let (one, None) = (all.next().unwrap(), all.next()) else { panic!("more than one {name}") };
        str::from_utf8(&one.value).unwrap()
    }
}

fn text(secrets: &[Secret]) -> Vec<&str> {
    secrets.iter().map(|secret| str::from_utf8(secret.expose()).unwrap()).collect()
}

fn taken(name: &str) -> Option<PlaceError> {
    Some(PlaceError::Taken(name.to_owned()))
}

fn header(name: &str) -> Placement {
    Placement::Header { name: name.to_owned(), before: "token ".to_owned(), after: ";v=1".to_owned() }
}

/// A server may return in hexadecimal what it received.
#[test]
fn what_is_written_otherwise_than_the_value_is_looked_for_as_well() {
    let percent = || vec!["correct%20%22horse%22"];
    let name = || "key".to_owned();
    for (placement, kind, body, made) in [
        (Placement::Query { name: name() }, "text/plain", "", percent()),
        (Placement::Path { segment: 1, before: "bot".to_owned(), after: String::new() }, "text/plain", "", percent()),
        (Placement::Form { name: name() }, "application/x-www-form-urlencoded", "", percent()),
        (Placement::Json { field: name() }, "application/json", "{}", vec!["correct \\\"horse\\\""]),
    ] {
        let mut request = Request::new("POST", "/").with("content-type", kind);
        request.body = body.into();
        assert_eq!(text(&request.place(b"correct \"horse\"", &placement).unwrap().made), made, "{placement:?}");
        let mut request = Request::new("POST", "/").with("content-type", kind);
        request.body = body.into();
        assert!(request.place(b"correct-horse", &placement).unwrap().made.is_empty(), "{placement:?}");
    }
}

#[test]
fn headers_are_set_once_or_not_at_all() {
    let placements = [
        (Placement::Bearer, "authorization", "Bearer correct horse"),
        (Placement::Basic { user: "me".to_owned() }, "authorization", "Basic bWU6Y29ycmVjdCBob3JzZQ=="),
        (header("x-api-key"), "x-api-key", "token correct horse;v=1"),
    ];
    for (placement, name, value) in &placements {
        let mut request = Request::new("GET", "/").with("accept", "*/*");
        assert!(request.place(b"correct horse", placement).unwrap().made.is_empty());
        assert_eq!(request.header(name), *value);
        assert_eq!(request.place(b"correct horse", placement).err(), taken(name));
        for spelling in [name.to_ascii_uppercase(), name.replace('-', "_")] {
            let err = Request::new("GET", "/").with(&spelling, "mine").place(b"correct horse", placement).err();
            assert_eq!(err, taken(name), "{spelling}");
        }
    }
    assert_eq!(Request::new("GET", "/").place("süßes Geheimnis".as_bytes(), &Placement::Bearer).err(), Some(PlaceError::NotAscii));
    let folded = Placement::Header { name: "x-key".to_owned(), before: "a\r\nx-other: ".to_owned(), after: String::new() };
    assert_eq!(Request::new("GET", "/").place(b"correct horse", &folded).err(), Some(PlaceError::NotAscii));
}

#[test]
fn a_name_in_the_query_is_not_there_twice_in_any_spelling() {
    let query = |name: &str| Placement::Query { name: name.to_owned() };
    for (path, sent) in
        [("/x", "/x?key=correct%20h%2Frse%26"), ("/x?", "/x?key=correct%20h%2Frse%26"), ("/x?a=key", "/x?a=key&key=correct%20h%2Frse%26")]
    {
        let mut request = Request::new("GET", path);
        request.place(b"correct h/rse&", &query("key")).unwrap();
        assert_eq!(request.target.path_and_query(), sent);
    }
    for own in ["key=1", "a=1&key", "a=1;KEY=2", "%6bey=1", "k%65%59=1", "key[]=1", "key%5B0%5D=1", "+key=1", "key%00x=1"] {
        let err = Request::new("GET", &format!("/x?{own}")).place(b"correct horse", &query("key")).err();
        assert_eq!(err, taken("key"), "{own}");
    }
    for own in ["a.b=1", "a+b=1", "a%20b=1", "a[b=1"] {
        assert_eq!(Request::new("GET", &format!("/x?{own}")).place(b"correct horse", &query("a_b")).err(), taken("a_b"), "{own}");
    }
    let mut merged = Request::new("POST", "/x").with("content-type", FORM).body("key=1");
    assert_eq!(merged.place(b"correct horse", &query("key")).err(), taken("key"));
    let mut long = Request::new("GET", &format!("/x?a={}", "a".repeat(8180)));
    assert_eq!(long.place(b"correct horse", &query("key")).err(), Some(PlaceError::Long));
}

fn in_path(segment: u32, before: &str, after: &str) -> Placement {
    Placement::Path { segment, before: before.to_owned(), after: after.to_owned() }
}

#[test]
fn a_segment_is_put_before_the_one_of_its_number() {
    for (path, segment, sent) in [
        ("/sendMessage", 1, "/bot1234:abcd%3Bv_1/sendMessage"),
        ("/a/b/c", 2, "/a/bot1234:abcd%3Bv_1/b/c"),
        ("/a/b/c", 3, "/a/b/bot1234:abcd%3Bv_1/c"),
        ("/a/", 2, "/a/bot1234:abcd%3Bv_1/"),
        ("/", 1, "/bot1234:abcd%3Bv_1/"),
        ("/a?b/c", 1, "/bot1234:abcd%3Bv_1/a?b/c"),
    ] {
        let mut request = Request::new("GET", path);
        request.place(b"abcd;v_1", &in_path(segment, "bot1234:", "")).unwrap();
        assert_eq!(request.target.path_and_query(), sent, "{path}");
    }
    for (path, segment) in [("/a", 0), ("/a", 2), ("/", 2), ("/a/b", 3), ("/a/b?c/d", 3), ("/a/b", u32::MAX)] {
        let mut request = Request::new("GET", path);
        assert_eq!(request.place(b"correct horse", &in_path(segment, "", "")).err(), Some(PlaceError::FewSegments), "{path} {segment}");
        assert_eq!(request.target.path_and_query(), path);
    }
}

#[test]
fn no_value_leaves_its_segment() {
    for (value, sent) in [
        ("../../admin", "/..%2F..%2Fadmin/a"),
        ("........", "/......../a"),
        ("%2e%2e%2f", "/%252e%252e%252f/a"),
        ("a?b#c\\d;e", "/a%3Fb%23c%5Cd%3Be/a"),
        ("sch\u{f6}n dass", "/sch%C3%B6n%20dass/a"),
    ] {
        let mut request = Request::new("GET", "/a");
        request.place(value.as_bytes(), &in_path(1, "", "")).unwrap();
        assert_eq!(request.target.path_and_query(), sent);
    }
    assert!(Secret::new(b"correct\rhorse".to_vec()).is_err());
    for beside in ["/", "a/..", "?", "#", "%2f", ";", " ", "\r\n", "\u{f6}", "\\"] {
        for placement in [in_path(1, beside, ""), in_path(1, "", beside)] {
            assert_eq!(Request::new("GET", "/a").place(b"correct horse", &placement).err(), Some(PlaceError::Segment), "{beside:?}");
        }
    }
    let mut long = Request::new("GET", &format!("/{}", "a".repeat(4083)));
    assert_eq!(long.clone().place(b"twelve-bytes", &in_path(1, "", "")).err(), Some(PlaceError::Long));
    assert!(long.place(b"eleven-byte", &in_path(1, "", "")).is_ok());
    assert_eq!(long.target.path.len(), 4096);
}

/// No character of a value may change the text around it: parsed as a server does, the field has the value, and all else is unchanged.
#[test]
fn every_letter_of_a_value_stays_where_it_is_put() {
    let of_place = |placed: &str, before: &str, after: &str| {
        let written = placed.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).map(str::to_owned);
        written.unwrap_or_else(|| panic!("{placed} is not {before}…{after}"))
    };
    let plain = |written: &str, value: &str, more: &[u8]| {
        assert!(written.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte) || more.contains(&byte)), "{written}");
        let mut bytes = written.bytes();
        let mut read = Vec::new();
        while let Some(byte) = bytes.next() {
            let mut digit = || char::from(bytes.next().unwrap()).to_digit(16).unwrap();
            read.push(if byte == b'%' { u8::try_from(digit() * 16 + digit()).unwrap() } else { byte });
        }
        assert_eq!(read, value.as_bytes(), "{written}");
    };
    for value in [
        "correct/horse",
        "correct?horse",
        "correct#horse",
        "../../../../etc",
        "/..;/../admin",
        "user:word@evil.test",
        "correct%2fhorse",
        "%2e%2e%2f%2e%2e",
        "a&admin=1&b=2",
        "correct;horse",
        "correct=horse+x",
        "a\\..\\b\\c",
        "{}{}{}{}",
    ] {
        let mut path = Request::new("GET", "/a/b?c=d");
        path.place(value.as_bytes(), &in_path(2, "bot", ".json")).unwrap();
        plain(&of_place(&path.target.path_and_query(), "/a/bot", ".json/b?c=d"), value, b":");
        let mut query = Request::new("GET", "/a/b?c=d");
        query.place(value.as_bytes(), &Placement::Query { name: "key".to_owned() }).unwrap();
        plain(&of_place(&query.target.path_and_query(), "/a/b?c=d&key=", ""), value, b"");
        let mut body = Request::new("POST", "/a").with("content-type", FORM).body("c=d");
        body.place(value.as_bytes(), &form()).unwrap();
        plain(&of_place(str::from_utf8(&body.body).unwrap(), "c=d&pass_word=", ""), value, b"");
        let mut object = Request::new("POST", "/a").with("content-type", JSON).body("{\"c\":\"d\"}");
        object.place(value.as_bytes(), &Placement::Json { field: "key".to_owned() }).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&object.body).unwrap();
        assert_eq!(read, serde_json::json!({ "c": "d", "key": value }));
    }
}

fn form() -> Placement {
    Placement::Form { name: "pass_word".to_owned() }
}

#[test]
fn a_form_gets_a_field_at_its_end() {
    for (own, sent) in [("", "pass_word=c%2Brrect%20h%26%3D"), ("a=1&b=pass_word", "a=1&b=pass_word&pass_word=c%2Brrect%20h%26%3D")] {
        for kind in [FORM, "Application/X-WWW-Form-URLEncoded ; charset=\"UTF-8\""] {
            let mut request = Request::new("POST", "/").with("content-type", kind).body(own);
            request.place(b"c+rrect h&=", &form()).unwrap();
            assert_eq!(request.body, sent);
            assert_eq!(request.headers.len(), 1, "nothing else is set");
        }
    }
}

#[test]
fn a_form_has_no_such_field_yet_in_any_spelling() {
    for own in [
        "pass_word=1",
        "a=1&pass_word",
        "a=1;PASS_WORD=2",
        "p%61ss%5Fword=1",
        "pass+word=1",
        "pass%20word=1",
        "pass.word=1",
        "++pass_word=1",
        "pass_word[]=1",
        "pass_word%5Bx%5D=1",
        "pass[word=1",
        "pass_word%00=1",
    ] {
        let mut request = Request::new("POST", "/").with("content-type", FORM).body(own);
        assert_eq!(request.place(b"correct horse", &form()).err(), taken("pass_word"), "{own}");
        assert_eq!(request.body, own);
        let mut merged = Request::new("POST", "/").with("content-type", FORM);
        merged.target.query = Some(own.to_owned());
        assert_eq!(merged.place(b"correct horse", &form()).err(), taken("pass_word"), "{own}");
    }
}

#[test]
fn what_is_no_plain_form_or_object_is_left_alone() {
    let other_types = [
        &[][..],
        &["text/plain"],
        &["multipart/form-data; boundary=x"],
        &["application/x-www-form-urlencoded, text/plain"],
        &["application/x-www-form-urlencoded; a=b, text/plain"],
        &["application/json; a=b, application/x-other; c=d"],
        &["application/x-www-form-urlencoded; charset=ibm037"],
        &["application/json; charset=\"utf-16\""],
        &["application/json; a=b; Charset = UTF-7"],
        &["application/jsonp"],
        &[FORM, JSON],
        &[JSON, JSON],
        &[FORM, FORM],
    ];
    let json = Placement::Json { field: "password".to_owned() };
    for types in other_types {
        let request = types.iter().fold(Request::new("POST", "/").body("{}"), |request, kind| request.with("content-type", kind));
        assert_eq!(request.clone().place(b"correct horse", &form()).err(), Some(PlaceError::NotForm), "{types:?}");
        assert_eq!(request.clone().place(b"correct horse", &json).err(), Some(PlaceError::NotJson), "{types:?}");
    }
    for (kind, placement) in [(FORM, form()), (JSON, json)] {
        let request = Request::new("POST", "/").with("content-type", kind).body("{}");
        let err = request.clone().with("Content_Type", kind).place(b"correct horse", &placement).err();
        assert!(matches!(err, Some(PlaceError::NotForm | PlaceError::NotJson)));
        let err = request.clone().with("content-encoding", "gzip").place(b"correct horse", &placement).err();
        assert_eq!(err, Some(PlaceError::Packed));
        assert!(request.with("content-encoding", "Identity").place(b"correct horse", &placement).is_ok());
    }
}

fn with_json(kind: &str, own: &[u8], value: &[u8], field: &str) -> Result<Bytes, PlaceError> {
    let mut request = Request::new("POST", "/").with("content-type", kind).body(own.to_vec());
    request.place(value, &Placement::Json { field: field.to_owned() })?;
    Ok(request.body)
}

#[test]
fn an_object_gets_a_field_and_keeps_every_other_byte() {
    let value = "c\"rr\\ct h\u{f6}rse";
    for (own, sent) in [
        ("{}", r#"{"password":"c\"rr\\ct hörse"}"#),
        (" \n{ \t} ", "_{\"password\":\"c\\\"rr\\\\ct hörse\" \t} "),
        (r#"{"a":{"password":1},"b" : [1e40,"}{"]}"#, r#"{"password":"c\"rr\\ct hörse","a":{"password":1},"b" : [1e40,"}{"]}"#),
        (r#"{"passwor":1,"passwordd":2,"":3}"#, r#"{"password":"c\"rr\\ct hörse","passwor":1,"passwordd":2,"":3}"#),
    ] {
        for kind in [JSON, "application/json;charset=utf-8", "application/vnd.api+json"] {
            let body = with_json(kind, own.as_bytes(), value.as_bytes(), "password").unwrap();
            assert_eq!(body, sent.replace('_', " \n"));
            let parsed: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(parsed.get("password").unwrap(), value);
        }
    }
    assert_eq!(with_json(JSON, b"{}", b"correct horse", "a\"b\n").unwrap(), r#"{"a\"b\n":"correct horse"}"#);
    assert_eq!(with_json(JSON, b"{}", b"\xff\xfe correct", "password").err(), Some(PlaceError::NotText));
}

#[test]
fn an_object_has_no_such_field_yet_in_any_spelling() {
    for own in [
        r#"{"password":1}"#,
        r#"{"password":1,"a":2}"#,
        r#"{"\u0070assword":1}"#,
        r#"{"a":[],"p\u0061ssword":1}"#,
        r#"{"a":1,"a":2,"password":null,"password":3}"#,
        r#"{"PassWord":1}"#,
        "{\"pa\u{17f}sword\":1}",
        r#"{"pas\u017fword":1}"#,
        r#"{"password\u0000x":1}"#,
    ] {
        assert_eq!(with_json(JSON, own.as_bytes(), b"correct horse", "password").err(), taken("password"), "{own}");
    }
}

#[test]
fn what_is_not_one_object_is_refused() {
    for own in [
        &b""[..],
        b"[]",
        b"[{}]",
        b"null",
        b"\"{}\"",
        b"{}{}",
        b"{},",
        b"{} x",
        b"{\"a\":1",
        b"{\"a\":1,}",
        b"{'a':1}",
        b"{a:1}",
        b"// {}\n{}",
        b"\xef\xbb\xbf{}",
        b"{\"\\ud800\":1}",
        b"{\"a\":\"\xff\"}",
        b"{\0}",
        b"{\0\"\0a\0\"\0:\x001\0}\0",
    ] {
        assert_eq!(with_json(JSON, own, b"correct horse", "password").err(), Some(PlaceError::NotJson), "{}", own.escape_ascii());
    }
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(with_json(JSON, deep.as_bytes(), b"correct horse", "password").is_ok_and(|body| body.len() == deep.len() + 27));
}

#[test]
fn a_clients_secret_is_no_token() {
    let oauth2 = vocabulary::Oauth2 {
        client_id: "me".to_owned(),
        grant: vocabulary::OauthGrant::Refresh,
        scope: None,
        token: "https://login.example.test/token".parse().unwrap(),
        token_addresses: Vec::new(),
    };
    let mut request = Request::new("GET", "/");
    assert_eq!(request.place(b"correct horse", &Placement::Oauth2(Box::new(oauth2))).err(), Some(PlaceError::NoToken));
    assert!(request.headers.is_empty());
    super::bearer(&Secret::new(b"correct-horse".to_vec()).unwrap(), &mut request.headers).unwrap();
    assert_eq!(request.header("authorization"), "Bearer correct-horse");
    assert_eq!(super::bearer(&Secret::new(b"another-horse".to_vec()).unwrap(), &mut request.headers).err(), taken("authorization"));
}
