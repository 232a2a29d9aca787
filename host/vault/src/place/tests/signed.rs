//! Tests of keyed hashes with the examples of GitHub and Slack, and of RFC 2202 and RFC 4231.

use vocabulary::{Encoding, Hash, Hmac, Placement};

use super::{NOW, Request, taken, text};
use crate::place::PlaceError;

fn hmac(header: &str, before: &str, over: &str) -> Hmac {
    Hmac {
        header: header.to_owned(),
        before: before.to_owned(),
        hash: Hash::Sha256,
        encoding: Encoding::Hex,
        over: over.to_owned(),
        timestamp_header: None,
    }
}

#[test]
fn githubs_and_slacks_examples_come_out_as_published() {
    let mut request = Request::new("POST", "/hook").body("Hello, World!");
    let github = Placement::Hmac(hmac("x-hub-signature-256", "sha256=", "{body}"));
    let placed = request.place(b"It's a Secret to Everybody", &github).unwrap();
    let signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(request.header("x-hub-signature-256"), format!("sha256={signature}"));
    assert_eq!(text(&placed.made), [signature]);

    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar\
        &user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands\
        %2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let slack = Hmac {
        timestamp_header: Some("x-slack-request-timestamp".to_owned()),
        ..hmac("x-slack-signature", "v0=", "v0:{timestamp}:{body}")
    };
    let mut request = Request::new("POST", "/").body(body);
    let mut outgoing =
        crate::Outgoing { method: &request.method, target: &mut request.target, headers: &mut request.headers, body: &mut request.body };
    let secret = crate::Secret::new(b"8f742231b10e8888abcd99yyyzzz85a5".to_vec()).unwrap();
    crate::place(&secret, &Placement::Hmac(slack), &mut outgoing, 1_531_420_618).unwrap();
    assert_eq!(request.header("x-slack-signature"), "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503");
    assert_eq!(request.header("x-slack-request-timestamp"), "1531420618");
}

#[test]
fn each_hash_and_encoding_is_that_of_its_standard() {
    // Case 7 of RFC 4231, and case 7 of RFC 2202, whose keys are longer than a block of the hash.
    let long = "This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.";
    let sha512 =
        "e37b6a775dc87dbaa4dfa9f96e5e3ffddebd71f8867289865df5a32d20cdc944b6022cac3c4982b10d5eeb55c3e4de15134676fb6de0446065c97440fa8c6a58";
    let sha1 = "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data";
    for (hash, size, body, encoding, signature) in [
        (Hash::Sha512, 131, long, Encoding::Hex, sha512),
        (Hash::Sha1, 80, sha1, Encoding::Hex, "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"),
        (Hash::Sha1, 80, sha1, Encoding::Base64, "6OmdD0UjfXhta7qnllx4CLv/GpE="),
    ] {
        let mut headers = Vec::new();
        // The published keys have bytes that no credential can have.
        let key = vec![0xaa; size];
        let placement = Hmac { hash, encoding, ..hmac("x-signature", "", "{body}") };
        let mut request = Request::new("POST", "/").body(body);
        let mut outgoing =
            crate::Outgoing { method: &request.method, target: &mut request.target, headers: &mut headers, body: &mut request.body };
        crate::place::hmac::place(&key, &placement, &mut outgoing, NOW).unwrap();
        assert_eq!(headers.first().unwrap().value, signature.as_bytes());
    }
}

#[test]
fn every_part_is_signed_as_it_is_sent_and_words_in_it_stand_for_themselves() {
    let sign = |over: &str, path: &str, body: &str| {
        let mut request = Request::new("POST", path).body(body.to_owned());
        request.place(b"correct horse", &Placement::Hmac(hmac("x-signature", "", over))).map(|_| request.header("x-signature").to_owned())
    };
    let whole = sign("{timestamp}.{method}.{path}.{body}", "/a%20b?c={body}", "{timestamp}{method}").unwrap();
    let by_hand = sign("{body}", "/", &format!("{NOW}.POST./a%20b?c={{body}}.{{timestamp}}{{method}}")).unwrap();
    assert_eq!(whole, by_hand);
    for over in ["", "{timestamp}", "{body}{body}", "{body}{header}", "{body}{", "{body}}", "{{body}}", "{Body}", "{}{body}", "}{body}"] {
        assert_eq!(sign(over, "/", "x").err(), Some(PlaceError::Template), "{over}");
    }
}

#[test]
fn no_signature_or_time_of_the_guests_own_goes_along() {
    let placement = Placement::Hmac(Hmac { timestamp_header: Some("x-time".to_owned()), ..hmac("x-signature", "", "{body}") });
    for (own, name) in [("x-signature", "x-signature"), ("X_Signature", "x-signature"), ("x-time", "x-time"), ("X-TIME", "x-time")] {
        assert_eq!(Request::new("POST", "/").with(own, "1").place(b"correct horse", &placement).err(), taken(name), "{own}");
    }
    let both = Placement::Hmac(Hmac { timestamp_header: Some("x-signature".to_owned()), ..hmac("x-signature", "", "{body}") });
    assert_eq!(Request::new("POST", "/").place(b"correct horse", &both).err(), taken("x-signature"));
}
