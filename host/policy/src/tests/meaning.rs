//! Headers, queries and bodies that change what a request means.

use vocabulary::{Ask, Binding, Decision, Grants, Header, HttpAsk, HttpGrant, Method, Placement, Scheme, Source};

use super::{NOW, ask, grant, http, judged};
use crate::{decide, grants};

/// A grant of GET and PUT beneath `/agent-bucket/` of one host, with a credential that is bound to `paths`, and with these headers.
fn granted(host: &str, named: &[&str], bound: &[&str]) -> Grants {
    let methods = || ["GET", "PUT", "COPY"].map(|method| Method::new(method).unwrap()).to_vec();
    let with = HttpGrant {
        credential: Some("key".to_owned()),
        headers: named.iter().map(|name| (*name).to_owned()).collect(),
        methods: methods(),
        paths: vec!["/agent-bucket/**".parse().unwrap(), "/new/**".parse().unwrap()],
        ..grant(Scheme::Https, host, None)
    };
    let mut binding = Binding::new("key", vec![host.parse().unwrap()], Placement::Bearer, Source::Local);
    binding.paths = bound.iter().map(|path| path.parse().unwrap()).collect();
    Grants { http: vec![with], credentials: vec![binding], ..Grants::default() }
}

fn put(host: &str, path: &str, headers: &[(&str, &str)]) -> Ask {
    let headers = headers.iter().map(|(name, value)| Header { name: (*name).to_owned(), value: value.as_bytes().to_vec() }).collect();
    Ask::Http(HttpAsk { method: Method::new("PUT").unwrap(), headers, ..http(ask(Scheme::Https, host, path)) })
}

#[test]
fn a_request_under_a_credential_carries_ordinary_headers_and_what_its_grant_names() {
    let judge = |named: &[&str], name: &str| judged(&granted("api.test", named, &[]), &put("api.test", "/agent-bucket/a", &[(name, "x")]));
    for ordinary in ["accept", "Content-Type", "user-agent", "if-none-match", "idempotency-key", "traceparent", "x-request-id"] {
        assert_eq!(judge(&[], ordinary), "permit", "{ordinary}");
    }
    for other in [
        "x-requested-with",
        "content_type",
        "content-type.",
        "x-api-key",
        "x-amz-target",
        "baggage",
        "origin",
        "referer",
        "content-encoding",
        "if",
    ] {
        assert_eq!(judge(&[], other), format!("header-not-granted({other})"));
    }
    assert_eq!(judge(&["x-requested-with"], "X-Requested-With"), "permit");
    assert_eq!(judge(&["x-requested-with"], "x_requested_with"), "header-not-granted(x_requested_with)");
    let long = "x".repeat(300);
    assert!(judge(&[], &long).starts_with("header-not-granted(xxx"));
    let twice = put("api.test", "/agent-bucket/a", &[("content-type", "a/b"), ("Content-Type", "c/d")]);
    assert_eq!(judged(&granted("api.test", &[], &[]), &twice), "malformed");
    let Decision::Refuse(reason) = decide(&granted("api.test", &[], &[]), &NOW, &twice) else { unreachable!() };
    assert!(reason.to_string().contains("the header `Content-Type` occurs twice"), "{reason}");
    // A header that the grant names may occur only once, too. Without a credential a header may occur any number of times.
    let named = put("api.test", "/agent-bucket/a", &[("x-requested-with", "a"), ("X-Requested-With", "b")]);
    assert_eq!(judged(&granted("api.test", &["x-requested-with"], &[]), &named), "malformed");
    let open = Grants {
        http: vec![HttpGrant { methods: vec![Method::new("PUT").unwrap()], ..grant(Scheme::Https, "api.test", None) }],
        ..Grants::default()
    };
    assert_eq!(judged(&open, &named), "permit");
    let lists = put("api.test", "/agent-bucket/a", &[("accept", "a/b"), ("accept", "c/d")]);
    assert_eq!(judged(&granted("api.test", &[], &[]), &lists), "permit");
}

#[test]
fn names_that_no_grant_can_open_are_errors_where_they_are_written() {
    for (name, is_good) in [
        ("x-requested-with", true),
        ("x-amz-copy-source", true),
        ("x-scope-orgid", true),
        ("authorization", false),
        ("host", false),
        ("content-length", false),
        ("x_forwarded_for", false),
        ("impersonate-user", false),
        ("x-original-uri", false),
        ("x-copy-from", false),
    ] {
        let grants = granted("api.test", &[name], &[]);
        let found: Vec<_> = grants::check(&grants).into_iter().map(|found| found.key).collect();
        assert_eq!(found, if is_good { Vec::new() } else { vec!["headers"] }, "{name}");
        assert_eq!(
            judged(&grants, &put("api.test", "/agent-bucket/a", &[(name, "x")])) == format!("header-not-yours({name})"),
            !is_good,
            "{name}"
        );
    }
}

#[test]
fn a_header_that_names_another_resource_is_judged_as_that_resource() {
    let names = ["x-amz-copy-source", "x-ms-copy-source", "x-ms-rename-source", "destination"];
    let judge = |host: &str, bound: &[&str], header: (&str, &str)| {
        judged(&granted(host, &names, bound), &put(host, "/agent-bucket/new", &[header]))
    };
    let (inside, all) = ("permit", &[][..]);
    for (host, bound, name, value, is_granted) in [
        ("s3.test", all, "x-amz-copy-source", "/agent-bucket/old", true),
        ("s3.test", all, "x-amz-copy-source", "agent-bucket/old?versionId=1", true),
        ("s3.test", all, "x-amz-copy-source", "/payroll/salaries.csv", false),
        ("s3.test", all, "x-amz-copy-source", "payroll/salaries.csv", false),
        ("s3.test", all, "x-amz-copy-source", "/agent-bucket/../payroll/a", false),
        ("s3.test", all, "x-amz-copy-source", "/agent-bucket%2F..%2Fpayroll/a", false),
        ("s3.test", all, "x-amz-copy-source", "agent-bucket%2Fold", false),
        ("s3.test", all, "x-amz-copy-source", "/agent-bucket/old%2Fa", false),
        ("s3.test", all, "x-amz-copy-source", "/agent-bucket/old%2fa", false),
        ("s3.test", all, "x-amz-copy-source", "/agent-bucket/arn:old", false),
        ("s3.test", all, "x-amz-copy-source", "//payroll/a", false),
        ("s3.test", all, "x-amz-copy-source", "arn:aws:s3:eu-central-1:1:accesspoint/payroll/object/a", false),
        ("s3.test", all, "x-amz-copy-source", "", false),
        ("s3.test", &["/agent-bucket/own/**", "/agent-bucket/new"], "x-amz-copy-source", "/agent-bucket/old", false),
        ("s3.test", &["/agent-bucket/own/**", "/agent-bucket/new"], "x-amz-copy-source", "/agent-bucket/own/a", true),
        // At this host, a path is a key of the bucket that the host's name contains.
        ("mine.s3.amazonaws.test", all, "x-amz-copy-source", "mine/agent-bucket/old", true),
        ("mine.s3.amazonaws.test", all, "x-amz-copy-source", "mine/other/old", false),
        ("mine.s3.amazonaws.test", all, "x-amz-copy-source", "agent-bucket/old", false),
        ("my.own.s3-eu-west-1.amazonaws.test", all, "x-amz-copy-source", "agent-bucket/old", false),
        ("blob.test", all, "x-ms-copy-source", "https://blob.test/agent-bucket/old?sig=a", true),
        ("blob.test", all, "x-ms-copy-source", "https://blob.test/payroll/a", false),
        ("blob.test", all, "x-ms-copy-source", "https://evil.test/agent-bucket/old", false),
        ("blob.test", all, "x-ms-copy-source", "http://blob.test/agent-bucket/old", false),
        ("blob.test", all, "x-ms-copy-source", "https://blob.test:8443/agent-bucket/old", false),
        ("blob.test", all, "x-ms-copy-source", "https://blob.test@evil.test/agent-bucket/old", false),
        ("blob.test", all, "x-ms-rename-source", "/agent-bucket/old", true),
        ("blob.test", all, "x-ms-rename-source", "/payroll/a", false),
        ("dav.test", all, "destination", "/agent-bucket/b", true),
        ("dav.test", all, "destination", "https://dav.test/agent-bucket/b", true),
        ("dav.test", all, "destination", "/elsewhere/b", false),
        ("dav.test", all, "destination", "https://evil.test/agent-bucket/b", false),
        ("dav.test", all, "destination", "//evil.test/agent-bucket/b", false),
    ] {
        let came = judge(host, bound, (name, value));
        assert_eq!(came == inside, is_granted, "{host} {name}: {value} came to {came}");
        assert!(is_granted || came.starts_with("resource-not-granted("), "{value}: {came}");
    }
    let twice = put("s3.test", "/agent-bucket/new", &[("x-amz-copy-source", "/agent-bucket/a"), ("X-Amz-Copy-Source", "/payroll/a")]);
    assert_eq!(judged(&granted("s3.test", &names, &[]), &twice), "malformed");
    // A copy reads its source, so a grant of PUT alone does not allow one.
    let mut blind = granted("s3.test", &names, &[]);
    blind.http.first_mut().unwrap().methods.retain(|method| method.as_str() != "GET");
    let copy = put("s3.test", "/agent-bucket/new", &[("x-amz-copy-source", "/agent-bucket/old")]);
    assert!(judged(&blind, &copy).starts_with("resource-not-granted("));
    // A grant with another credential does not allow the copy either.
    let other = HttpGrant { credential: None, ..grant(Scheme::Https, "s3.test", None) };
    blind.http.push(other);
    assert!(judged(&blind, &copy).starts_with("resource-not-granted("));
}

#[test]
fn values_that_make_a_server_fetch_something_else_are_refused() {
    let judge = |name: &str, value: &str| judged(&granted("api.test", &[], &[]), &put("api.test", "/agent-bucket/a", &[(name, value)]));
    for (name, value) in [
        ("content-type", "message/external-body; access-type=URL; URL=\"http://evil\""),
        ("content-type", "Application/HTTP"),
        ("prefer", "odata.callback; url=\"http://evil/\""),
        ("prefer", "respond-async, x=\"HTTP://evil\""),
    ] {
        assert_eq!(judge(name, value), format!("changes-meaning({name})"), "{value}");
    }
    for (name, value) in
        [("content-type", "application/json"), ("prefer", "return=minimal"), ("prefer", "outlook.timezone=\"Europe/Berlin\"")]
    {
        assert_eq!(judge(name, value), "permit", "{value}");
    }
}

#[test]
fn a_query_by_which_servers_take_a_request_for_another_one_is_refused() {
    let open = Grants { http: vec![grant(Scheme::Https, "api.test", None)], ..Grants::default() };
    let under = granted("api.test", &[], &[]);
    let judge = |query: &str| {
        let at = |grants: &Grants| judged(grants, &ask(Scheme::Https, "api.test", &format!("/agent-bucket/a?{query}")));
        [at(&open), at(&under)].map(|came| came.starts_with("changes-meaning("))
    };
    for query in [
        "_method=DELETE",
        "_METHOD=DELETE",
        "a=1&_method=PUT",
        "a=1;_method=PUT",
        "%5fmethod=PUT",
        "_method",
        "_method[]=PUT",
        "+_method=PUT",
        "%20_method=PUT",
        ".method=PUT",
        "[method=PUT",
        "$httpMethod=DELETE",
        "%24httpHeaders=a",
        "X-HTTP-Method-Override=DELETE",
        "x_http_method_override=DELETE",
        "x-amz-copy-source=%2Fpayroll%2Fa",
        "X-Original-Url=/secret",
        "x-forwarded-for=1",
    ] {
        assert_eq!(judge(query), [true, true], "{query}");
    }
    for query in [
        "access_token=mine",
        "Access_Token=mine",
        "private_token=mine",
        "sudo=root",
        "_switch_user=root",
        "impersonate=root",
        "on_behalf_of=root",
    ] {
        assert_eq!(judge(query), [false, true], "{query}");
    }
    for query in
        ["a=_method", "method=1", "destination=berlin", "host=a", "x-id=1", "page=2&per_page=100", "", "&&", "user=root", "q=access_token"]
    {
        assert_eq!(judge(query), [false, false], "{query}");
    }
}

#[test]
fn a_body_that_says_another_method_is_refused_and_what_only_quotes_it_is_not() {
    let judge = |kind: Option<&str>, body: &str| {
        let mut post = grant(Scheme::Https, "api.test", None);
        post.methods = vec![Method::new("POST").unwrap()];
        let headers = kind.map(|kind| Header { name: "content-type".to_owned(), value: kind.as_bytes().to_vec() }).into_iter().collect();
        let method = Method::new("POST").unwrap();
        let asked = HttpAsk { method, headers, body: body.to_owned().into(), ..http(ask(Scheme::Https, "api.test", "/")) };
        judged(&Grants { http: vec![post], ..Grants::default() }, &Ask::Http(asked)) == "permit"
    };
    let form = Some("application/x-www-form-urlencoded");
    let deep = format!("{{\"a\":{}{},\"_method\":\"DELETE\"}}", "[".repeat(200), "]".repeat(200));
    for (kind, body) in [
        (form, "_method=DELETE"),
        (form, "a=1&%5fmethod=DELETE"),
        (Some("Application/X-WWW-Form-Urlencoded; charset=x"), "_Method=DELETE"),
        (None, "_method=DELETE"),
        (Some("application/json"), "{\"_method\":\"DELETE\"}"),
        (Some("application/vnd.api+json"), "{\"a\":{},\"\\u005fmethod\":\"DELETE\"}"),
        (Some("application/json"), &deep),
        (Some("multipart/form-data; boundary=b"), "--b\r\ncontent-disposition: form-data; name=\"_method\"\r\n\r\nDELETE\r\n--b--"),
        (Some("multipart/form-data; boundary=b"), "--b\r\ncontent-disposition: form-data; name=_METHOD\r\n\r\nDELETE\r\n--b--"),
    ] {
        assert!(!judge(kind, body), "{kind:?} {body}");
    }
    for (kind, body) in [
        (form, "a=_method&b=1"),
        (Some("application/json"), "{\"a\":{\"_method\":\"DELETE\"},\"b\":\"_method\"}"),
        (Some("application/json"), "[\"_method\"]"),
        (Some("text/plain"), "_method=DELETE"),
        (Some("multipart/form-data; boundary=b"), "--b\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\nthe word _method\r\n--b--"),
    ] {
        assert!(judge(kind, body), "{kind:?} {body}");
    }
}

#[test]
fn the_record_has_the_values_of_headers_that_say_what_is_done_and_of_no_others() {
    let header = |name: &str, value: &str| Header { name: name.to_owned(), value: value.as_bytes().to_vec() };
    let told = |name: &str, value: &str| crate::told_headers(&[header(name, value)]).iter().map(ToString::to_string).collect::<String>();
    assert_eq!(told("X-Other", "secret"), "x-other");
    assert_eq!(told("content-type", "text/plain"), "content-type: text/plain");
    assert_eq!(told("Destination", "/agent-bucket/b"), "destination: /agent-bucket/b");
    assert_eq!(told("destination", "/agent-bucket/b?sig=secret"), "destination: /agent-bucket/b?…");
}
