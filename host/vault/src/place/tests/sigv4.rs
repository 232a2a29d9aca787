//! Tests of AWS signatures with the test suite that AWS publishes, and with AWS' own signer for many requests.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningParams, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use vocabulary::{Placement, Sigv4};

use super::{NOW, Request, taken, text};
use crate::place::sigv4::{CanonicalHeaders, Scope, amz_time, canonical_path, canonical_query, canonical_request, signature};

/// The published keys, in two parts, so that scanners do not report them as secrets.
const KEY_ID: &str = concat!("AK", "IDEXAMPLE");
const SECRET: &str = concat!("wJalrXUtnFEMI/K7MDENG+", "bPxRfiCYEXAMPLEKEY");

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const UNRESERVED: &str = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Compares path, query and signature of one request of the suite with the published ones. The suite signs all fields.
#[track_caller]
fn check(request: (&str, &str, &str), own: &[(&str, &str)], hash: &str, canonical: (&str, &str), published: &str) {
    let (method, path, query) = request;
    let fixed = [("X-Amz-Date", "20150830T123600Z"), ("Host", "example.amazonaws.com")];
    let headers = CanonicalHeaders::new(fixed.iter().chain(own).map(|(name, value)| (*name, value.as_bytes())));
    let (path, query) = (canonical_path(path, false), canonical_query(query));
    assert_eq!((path.as_str(), query.as_str()), canonical);
    let scope = Scope { day: "20150830", region: "us-east-1", service: "service" };
    let canonical = canonical_request(method, &path, &query, &headers, hash);
    assert_eq!(*signature(SECRET.as_bytes(), &scope, &amz_time(NOW), &canonical), published, "{}", canonical.escape_ascii());
}

#[test]
fn paths_of_the_published_suite_come_out_as_published() {
    let unreserved = format!("/{UNRESERVED}");
    // The suite has its paths before they are encoded, so they are encoded exactly once.
    for (path, canonical, published) in [
        ("/", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("/\u{1234}", "/%E1%88%B4", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        ("/example space/", "/example%20space/", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
        ("/example", "/example", "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"),
        ("/example/", "/example/", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
        (&unreserved, &unreserved, "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
    ] {
        check(("GET", path, ""), &[], EMPTY, (canonical, ""), published);
    }
    // `double-encode-path` and `double-url-encode`.
    assert_eq!(canonical_path("/test/@connections/JBDvjfGEIAMCERw%3D", false), "/test/%40connections/JBDvjfGEIAMCERw%253D");
    assert_eq!(canonical_path("/functions/arn%3Aaws%3Alambda/invocations", false), "/functions/arn%253Aaws%253Alambda/invocations");
    // S3 decodes a key first, however it was encoded.
    assert_eq!(canonical_path("/a%20b/%c3%bc@:+%7e", true), "/a%20b/%C3%BC%40%3A%2B~");
}

#[test]
fn queries_of_the_published_suite_come_out_as_published() {
    let unreserved = format!("{UNRESERVED}={UNRESERVED}");
    for (query, canonical, published) in [
        ("Param1=value1", "Param1=value1", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
        ("Param2=value2&Param1=value1", "Param1=value1&Param2=value2", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        (
            "Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
            "%E1%88%B4=Value1&Param=Value2&Param-3=Value3",
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
        ("\u{1234}=bar", "%E1%88%B4=bar", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
        (&unreserved, &unreserved, "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"),
    ] {
        check(("GET", "/", query), &[], EMPTY, ("/", canonical), published);
    }
    let post = "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11";
    check(("POST", "/", "Param1=value1"), &[], EMPTY, ("/", "Param1=value1"), post);
    assert_eq!(canonical_query("b&a=%2f+x&&a=%2F&=1"), "=1&a=%2F&a=%2F%20x&b=");
}

#[test]
fn fields_and_bodies_of_the_published_suite_come_out_as_published() {
    let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
    let form = "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e";
    let typed = |kind| [("Content-Type", kind), ("Content-Length", "13"), ("X-Amz-Content-Sha256", form)];
    for (method, own, hash, published) in [
        (
            "GET",
            &[("My-Header1", "value2"), ("My-Header1", "value2"), ("My-Header1", "value1")][..],
            EMPTY,
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ),
        (
            "GET",
            &[("My-Header1", "value4"), ("My-Header1", "value1"), ("My-Header1", "value3"), ("My-Header1", "value2")],
            EMPTY,
            "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
        ),
        (
            "GET",
            &[("My-Header1", " value1"), ("My-Header2", " \"a   b   c\"")],
            EMPTY,
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        ("GET", &[("X-Amz-Security-Token", token)], EMPTY, "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"),
        ("POST", &[], EMPTY, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ("POST", &[("My-Header1", "value1")], EMPTY, "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"),
        ("POST", &[("My-Header1", "VALUE1")], EMPTY, "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"),
        ("POST", &typed("application/x-www-form-urlencoded"), form, "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"),
        (
            "POST",
            &typed("application/x-www-form-urlencoded; charset=utf-8"),
            form,
            "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422",
        ),
    ] {
        check((method, "/", ""), own, hash, ("/", ""), published);
    }
}

fn placement(service: &str) -> Placement {
    Placement::Sigv4(Sigv4 { key_id: KEY_ID.to_owned(), region: "eu-central-1".to_owned(), service: service.to_owned() })
}

/// The signature of AWS' own signer for a request.
fn theirs(request: &Request, service: &str) -> String {
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    if service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    }
    let identity = Credentials::new(KEY_ID, SECRET, None, None, "test").into();
    let params = v4::SigningParams::builder().identity(&identity).region("eu-central-1").name(service);
    let params: SigningParams = params.time(UNIX_EPOCH + Duration::from_secs(NOW)).settings(settings).build().unwrap().into();
    let uri = request.target.to_string();
    let headers = request.headers.iter().map(|header| (header.name.as_str(), str::from_utf8(&header.value).unwrap()));
    let theirs = SignableRequest::new(request.method.as_str(), uri, headers, SignableBody::Bytes(&request.body)).unwrap();
    let (instructions, _) = sign(theirs, &params).unwrap().into_parts();
    instructions.headers().find(|(name, _)| *name == "authorization").unwrap().1.to_owned()
}

/// Each value has its own place in the scope, and in the key that is made from it. If two are swapped, the signature differs.
#[test]
fn region_and_service_are_signed_each_in_its_own_place() {
    let signed = |region: &str, service: &str| {
        let mut request = Request::new("GET", "/a");
        let sigv4 = Sigv4 { key_id: KEY_ID.to_owned(), region: region.to_owned(), service: service.to_owned() };
        request.place(SECRET.as_bytes(), &Placement::Sigv4(sigv4)).unwrap();
        request.header("authorization").to_owned()
    };
    let ours = signed("eu-central-1", "iam");
    assert!(ours.contains("/20150830/eu-central-1/iam/aws4_request, "), "{ours}");
    assert_eq!(ours, theirs(&Request::new("GET", "/a"), "iam"), "the same as AWS' own signer");
    let of = |authorization: &str| authorization.rsplit_once("Signature=").unwrap().1.to_owned();
    assert_ne!(of(&ours), of(&signed("iam", "eu-central-1")));
}

/// Random numbers that are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn text(&mut self, longest: usize, of: &[&str]) -> String {
        (0..self.below(longest)).map(|_| of[self.below(of.len())]).collect()
    }
}

#[test]
fn many_requests_are_signed_as_aws_own_signer_does() {
    let in_path = ["a", "Z", "0", "-", "._", "~", "!$", "'()*", "+", ",", "=", ":", "@", "%20", "%C3%BC", "%c3%bc", "%3d", "%26", "%25x"];
    // Text that is already encoded in the way that S3 requires.
    let in_key = ["a", "Z", "0", "-", "._", "~", "%20", "%C3%BC", "%3D", "%40"];
    let in_query = ["a", "B", "=", "&", "+", "%20", "%2b", "%C3%BC", "/", "?", ":", "~", "*", "'", "%7E", "%-", "%zz"];
    let in_value = ["a", "B", " ", "  ", ",", "\"", ";", "="];
    let mut numbers = Numbers(1);
    for n in 0..2_000 {
        let (service, letters) = if n % 2 == 0 { ("s3", &in_key[..]) } else { ("execute-api", &in_path[..]) };
        let segments: Vec<_> = (0..numbers.below(4)).map(|_| format!("s{}", numbers.text(6, letters))).collect();
        let query = numbers.text(12, &in_query);
        let mut request = Request::new(["GET", "PUT", "POST", "DELETE"][n % 4], &format!("/{}?{query}", segments.join("/")));
        request.target.port = [443, 8443][n % 3 / 2];
        request = request.body(numbers.text(20, &in_value));
        for name in ["content-type", "x-amz-target", "x-amz-meta-a", "x-amz-meta-a"].iter().take(numbers.below(5)) {
            request = request.with(name, &numbers.text(9, &in_value));
        }
        let expected = theirs(&request, service);
        let shown = format!("{request:?}");
        let placed = request.with("accept", "*/*").place_and_show(&placement(service));
        assert_eq!(placed, (expected.clone(), vec![expected[expected.len() - 64..].to_owned()]), "{shown}");
    }
}

impl Request {
    fn place_and_show(mut self, placement: &Placement) -> (String, Vec<String>) {
        let placed = self.place(SECRET.as_bytes(), placement).unwrap();
        (self.header("authorization").to_owned(), text(&placed.made).into_iter().map(str::to_owned).collect())
    }
}

#[test]
fn what_is_sent_says_its_time_and_the_hash_of_its_body() {
    let mut request = Request::new("POST", "/").body(Bytes::from_static(b"Param1=value1"));
    request.place(SECRET.as_bytes(), &placement("sqs")).unwrap();
    assert_eq!(request.header("x-amz-date"), "20150830T123600Z");
    assert_eq!(request.header("x-amz-content-sha256"), "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e");
    assert!(
        request
            .header("authorization")
            .contains("/20150830/eu-central-1/sqs/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, ")
    );
    assert_eq!(request.headers.len(), 3);
}

#[test]
fn nothing_of_a_signature_of_the_guests_own_goes_along() {
    for (own, name) in [
        ("authorization", "authorization"),
        ("Authorization", "authorization"),
        ("date", "date"),
        ("host", "host"),
        ("x-amz-date", "x-amz-date"),
        ("X_Amz_Date", "x-amz-date"),
        ("x-amz-content-sha256", "x-amz-content-sha256"),
        ("x-amz-security-token", "x-amz-security-token"),
    ] {
        let mut request = Request::new("GET", "/").with(own, "UNSIGNED-PAYLOAD");
        assert_eq!(request.place(SECRET.as_bytes(), &placement("s3")).err(), taken(name), "{own}");
        assert_eq!(request.headers.len(), 1);
    }
    for query in ["X-Amz-Signature=1", "a=1&x-amz-algorithm=AWS4-HMAC-SHA256", "X%2DAmz%2dCredential", "a;X-AMZ-Date=1", "+X-Amz-Expires=1"]
    {
        let err = Request::new("GET", &format!("/?{query}")).place(SECRET.as_bytes(), &placement("s3")).err();
        assert_eq!(err, taken("?X-Amz-…"), "{query}");
    }
    assert!(Request::new("GET", "/?a=X-Amz-Date&amz").place(SECRET.as_bytes(), &placement("s3")).is_ok());
}

#[test]
fn times_are_those_of_the_calendar() {
    for (unix_s, written) in [
        (0, "19700101T000000Z"),
        (951_782_399, "20000228T235959Z"),
        (951_782_400, "20000229T000000Z"),
        (951_868_800, "20000301T000000Z"),
        (1_709_164_800, "20240229T000000Z"),
        (1_735_689_599, "20241231T235959Z"),
        (4_107_542_400, "21000301T000000Z"),
        (NOW, "20150830T123600Z"),
    ] {
        assert_eq!(amz_time(unix_s), written);
    }
    assert!(amz_time(u64::MAX).ends_with('Z'));
}
