//! Makes the ask in each line of its standard input. A line is JSON: `resolve` and `socket` use `wasi:sockets`; any other line is a
//! request with `scheme`, `authority`, `path`, `method`, `headers`, `body` and `connect-ms`. The client follows `follow` redirects,
//! wherever they lead. With `longer`, it looks up names and sends bodies of this many letters, `times` times, with a new name and path
//! each time.

use std::io::BufRead as _;

use guests::{Value, finished, json, outcome, parts, say, told, wait};
use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{ErrorCode, Fields, IncomingResponse, Method, OutgoingRequest, RequestOptions, Scheme};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::IpAddressFamily;
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp_create_socket::create_udp_socket;

fn main() {
    for line in std::io::stdin().lock().lines() {
        let ask: Value = serde_json::from_str(&line.expect("the input is text")).expect("each line is JSON");
        if let Some(name) = ask["resolve"].as_str() {
            say(json!({ "resolved": outcome(resolve_addresses(&instance_network(), name).map_err(|code| code.name())) }));
        } else if let Some(kind) = ask["socket"].as_str() {
            let family = IpAddressFamily::Ipv4;
            let made = if kind == "tcp" {
                outcome(create_tcp_socket(family).map(drop).map_err(|code| code.name()))
            } else {
                outcome(create_udp_socket(family).map(drop).map_err(|code| code.name()))
            };
            say(json!({ "made": made }));
        } else if let Some(longer) = ask["longer"].as_u64() {
            let letters = "x".repeat(usize::try_from(longer).expect("it fits"));
            let mut refused = 0;
            for n in 0..ask["times"].as_u64().unwrap_or(1) {
                refused += u64::from(resolve_addresses(&instance_network(), &format!("{n}{letters}")).is_err());
                let ask = json!({ "scheme": ask["scheme"], "authority": ask["authority"], "path": format!("/{n}"), "body": letters });
                refused += u64::from(built(&ask).map(|request| sent(request, &ask).is_err()) == Ok(true));
            }
            say(json!({ "refused": refused }));
        } else {
            requests(ask);
        }
    }
}

/// One request, and those that follow from its answers.
fn requests(mut ask: Value) {
    for left in (0..=ask["follow"].as_u64().unwrap_or(0)).rev() {
        let answer = match built(&ask) {
            Ok(request) => sent(request, &ask),
            Err(untaken) => return say(json!({ "untaken": untaken })),
        };
        let location = answer.as_ref().ok().and_then(|answer| answer.headers().get("location").pop());
        let location = location.map(|location| String::from_utf8_lossy(&location).into_owned());
        say(json!({ "answer": told(answer), "location": location }));
        match location {
            Some(location) if left > 0 => believe(&mut ask, &location),
            _ => return,
        }
    }
}

fn built(ask: &Value) -> Result<OutgoingRequest, &'static str> {
    let headers = Fields::new();
    for header in ask["headers"].as_array().into_iter().flatten() {
        let text = |at: usize| header[at].as_str().unwrap_or_default();
        headers.append(text(0), text(1).as_bytes()).map_err(|_| "headers")?;
    }
    let request = OutgoingRequest::new(headers);
    let scheme = ask["scheme"].as_str().map(|scheme| parts(&format!("{scheme}://")).0);
    request.set_scheme(scheme.as_ref()).map_err(|()| "scheme")?;
    request.set_authority(ask["authority"].as_str()).map_err(|()| "authority")?;
    request.set_path_with_query(ask["path"].as_str()).map_err(|()| "path")?;
    let method = ask["method"].as_str().map_or(Method::Get, |method| Method::Other(method.to_owned()));
    request.set_method(&method).map_err(|()| "method")?;
    Ok(request)
}

fn sent(request: OutgoingRequest, ask: &Value) -> Result<IncomingResponse, ErrorCode> {
    if let Some(body) = ask["body"].as_str() {
        return wait(finished(request, body.as_bytes()));
    }
    let options = RequestOptions::new();
    options.set_connect_timeout(ask["connect-ms"].as_u64().map(|ms| ms * 1_000_000)).expect("a time-out is taken");
    wait(handle(request, Some(options)))
}

/// Follows a redirect, wherever it leads.
fn believe(ask: &mut Value, location: &str) {
    let name = |scheme: &Scheme| match scheme {
        Scheme::Http => "http".to_owned(),
        Scheme::Https => "https".to_owned(),
        Scheme::Other(other) => other.clone(),
    };
    if location.contains("://") {
        let (scheme, authority, path) = parts(location);
        (ask["scheme"], ask["authority"], ask["path"]) = (json!(name(&scheme)), json!(authority), json!(path));
    } else if let Some(rest) = location.strip_prefix("//") {
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        (ask["authority"], ask["path"]) = (json!(authority), json!(path));
    } else if let Some((scheme, rest)) = location.split_once(':') {
        (ask["scheme"], ask["path"]) = (json!(scheme), json!(rest));
    } else if location.starts_with('/') {
        ask["path"] = json!(location);
    } else {
        let folder = ask["path"].as_str().and_then(|path| path.rsplit_once('/')).map_or("", |(folder, _)| folder);
        ask["path"] = json!(format!("{folder}/{location}"));
    }
}
