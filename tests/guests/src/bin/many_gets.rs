//! Many GETs, several in flight. Arguments: the base URL, how many (100), how many at once (10). The paths are `/0`, `/1` and so on.

use std::cell::Cell;
use std::rc::Rc;

use guests::{arg, json, number, say};
use wstd::http::{Body, Client, Request};
use wstd::runtime::spawn;

async fn ask(url: String) -> Result<usize, String> {
    let request = Request::get(url).body(Body::empty()).map_err(|err| err.to_string())?;
    let answer = Client::new().send(request).await.map_err(|err| err.to_string())?;
    answer.into_body().contents().await.map(<[u8]>::len).map_err(|err| err.to_string())
}

#[wstd::main]
async fn main() {
    let (base, count, at_once) = (arg(1), number(2, 100), number(3, 10));
    let next = Rc::new(Cell::new(0));
    let workers: Vec<_> = (0..at_once)
        .map(|_| {
            let (next, base) = (next.clone(), base.clone());
            spawn(async move {
                let (mut done, mut bytes, mut failed) = (0, 0, Vec::new());
                while next.get() < count {
                    let index = next.replace(next.get() + 1);
                    match ask(format!("{base}/{index}")).await {
                        Ok(length) => (done, bytes) = (done + 1, bytes + length),
                        Err(err) => failed.push(err),
                    }
                }
                (done, bytes, failed)
            })
        })
        .collect();
    let (mut done, mut bytes, mut failed) = (0, 0, Vec::new());
    for worker in workers {
        let (more, length, errs) = worker.await;
        (done, bytes) = (done + more, bytes + length);
        failed.extend(errs);
    }
    let why = failed.first().cloned();
    say(json!({ "done": done, "bytes": bytes, "failed": failed.len(), "why": why }));
}
