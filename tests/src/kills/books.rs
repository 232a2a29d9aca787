//! The server of the kills: it answers everything, and behaves like a service with one password.

use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::server::{Heard, Step, response};

fn password(heard: &Heard) -> Option<String> {
    let pair = heard.head.lines().find_map(|line| line.strip_prefix("authorization: Basic "))?;
    String::from_utf8(STANDARD.decode(pair).ok()?).ok()
}

/// The answer of the server: done, or what a service says that takes only one password.
pub(super) fn answer(good: &Mutex<Option<String>>, heard: &Heard) -> Vec<Step> {
    let said = |status| vec![Step::Say(response(status, format!("{} {}", heard.method, heard.path).as_bytes()))];
    if !heard.path.starts_with("/api/") {
        return said(200);
    }
    let mut good = good.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(given) = password(heard) else { return said(401) };
    if *good.get_or_insert_with(|| given.clone()) != given {
        return said(401);
    }
    let new =
        serde_json::from_slice::<serde_json::Value>(&heard.body).ok().and_then(|body| Some(body.get("password")?.as_str()?.to_owned()));
    if let (Some(new), "PUT") = (new, heard.method.as_str()) {
        *good = Some(format!("service:{new}"));
        return said(204);
    }
    said(200)
}
