//! Mistakes that patterns and filters of other brokers let through.

use vocabulary::{Grants, Scheme};

use super::{ask, grant, judged, listed};
use crate::address::AskedBy;

/// A pattern that is open at either end would cover any longer name that somebody registers.
#[test]
fn a_host_pattern_is_anchored_at_both_ends() {
    let http = ["good.test", "*.wide.test"].map(|host| grant(Scheme::Https, host, None)).to_vec();
    let grants = Grants { http, ..Grants::default() };
    for inside in ["good.test", "GOOD.test", "a.wide.test", "a.b.wide.test"] {
        assert_eq!(judged(&grants, &ask(Scheme::Https, inside, "/")), "permit", "{inside}");
    }
    for outside in [
        "evilgood.test",
        "evil-good.test",
        "a.good.test",
        "good.test.evil.test",
        "good.testing",
        "goodxtest",
        "good.tes",
        "wide.test",
        "evilwide.test",
        "a.evilwide.test",
        "a.wide.test.evil.test",
        "a.wide.testing",
        "axwide.test",
    ] {
        assert_eq!(judged(&grants, &ask(Scheme::Https, outside, "/")), "host-not-granted", "{outside}");
    }
}

/// The first and the last address of each network, behind a granted name.
#[test]
fn ranges_that_other_filters_lack_are_closed() {
    for (first, last) in [
        ("192.0.0.0", "192.0.0.255"),
        ("198.18.0.0", "198.19.255.255"),
        ("240.0.0.0", "255.255.255.254"),
        ("100.64.0.0", "100.127.255.255"),
        // Teredo and 6to4 contain an IPv4 address of another machine.
        ("2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"),
        ("2002:7f00:1::", "2002:a00:1:ffff:ffff:ffff:ffff:ffff"),
        // NAT64 with the well-known prefix and with local prefixes.
        ("64:ff9b::", "64:ff9b::a9fe:1"),
        ("64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"),
        ("::ffff:10.0.0.1", "::ffff:127.0.0.1"),
    ] {
        for address in [first, last] {
            assert!(listed(address, AskedBy::Name, &[]).starts_with("address-n"), "{address}: {}", listed(address, AskedBy::Name, &[]));
        }
    }
    for public in ["192.0.1.0", "198.17.255.255", "198.20.0.0", "100.63.255.255", "100.128.0.0"] {
        assert_eq!(listed(public, AskedBy::Name, &[]), "permit", "{public}");
    }
}
