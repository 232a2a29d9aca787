//! Tries to break out of a header, a method, a path and an authority with CR, LF, NUL and blanks. Argument: the URL.

use guests::{arg, get, json, outcome, parts, request, say, send, told};
use wasip2::http::types::{Fields, Method, Scheme};

const NAMES: [&str; 9] = ["a\r\nb", "a\nb", "a\0", "a b", "a:", "", ":path", "a\u{e9}", "a\tb"];
const VALUES: [&[u8]; 6] = [b"a\r\nx-forged: 1", b"a\nx-forged: 1", b"a\rb", b"a\0b", b"a\r\n\r\nGET / HTTP/1.1", b"\x7f"];
const METHODS: [&str; 6] = ["GET /x HTTP/1.1\r\nx:", "G ET", "", "GET\n", "\u{e9}", "get"];
const PATHS: [&str; 8] = ["/a b", "/a\r\nx-forged: 1", "/a\0", "a", "", "/a#b", "http://b.test/", "/ HTTP/1.1\r\n\r\nGET /forged"];
const AUTHORITIES: [&str; 4] = ["a.test\r\nx-forged: 1", "a.test/forged", "a b", "a.test\0"];

fn main() {
    let url = arg(1);
    for name in NAMES {
        let fields = Fields::new();
        let taken = outcome(fields.append(name, b"1"));
        let list = outcome(Fields::from_list(&[(name.to_owned(), b"1".to_vec())]).map(|_| ()));
        let answer = told(send(request(&Method::Get, &url, fields)));
        say(json!({ "name": name, "taken": taken, "list": list, "answer": answer }));
    }
    for value in VALUES {
        let fields = Fields::new();
        let taken = outcome(fields.set("x-value", &[value.to_vec()]));
        let answer = told(send(request(&Method::Get, &url, fields)));
        say(json!({ "value": String::from_utf8_lossy(value), "taken": taken, "answer": answer }));
    }
    for method in METHODS {
        let ask = get(&url);
        let taken = outcome(ask.set_method(&Method::Other(method.to_owned())));
        say(json!({ "method": method, "taken": taken, "answer": told(send(ask)) }));
    }
    for path in PATHS {
        let ask = get(&url);
        let taken = outcome(ask.set_path_with_query(Some(path)));
        say(json!({ "path": path, "taken": taken, "answer": told(send(ask)) }));
    }
    for authority in AUTHORITIES.iter().copied().chain([format!("{}\t", parts(&url).1).as_str()]) {
        let ask = get(&url);
        let taken = outcome(ask.set_authority(Some(authority)));
        say(json!({ "authority": authority, "taken": taken, "answer": told(send(ask)) }));
    }
    let ask = get(&url);
    let taken = outcome(ask.set_scheme(Some(&Scheme::Other("http\r\n".to_owned()))));
    say(json!({ "scheme": "http\r\n", "taken": taken, "answer": told(send(ask)) }));
}
