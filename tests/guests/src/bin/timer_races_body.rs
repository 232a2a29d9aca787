//! Races a timer against each piece of a body; the path of a second request has the winner of each race.
//! Arguments: the base URL, the timer in microseconds (500).

use futures_lite::future::or;
use guests::{arg, json, number, say};
use http_body_util::BodyExt as _;
use wstd::http::{Body, Client, Request};
use wstd::task::sleep;
use wstd::time::Duration;

#[wstd::main]
async fn main() {
    let base = arg(1);
    let timer = number(2, 500);
    let request = Request::get(format!("{base}/0")).body(Body::empty()).expect("well formed");
    let answer = Client::new().send(request).await.expect("there is an answer");
    let mut body = answer.into_body().into_boxed_body();
    let mut won = Vec::new();
    loop {
        let piece = async { Some(body.frame().await) };
        let late = async {
            sleep(Duration::from_micros(timer)).await;
            None
        };
        match or(piece, late).await {
            None => won.push("t".to_owned()),
            Some(None) => break,
            Some(Some(Ok(frame))) => won.push(frame.data_ref().map_or(0, |data| data.len()).to_string()),
            Some(Some(Err(_))) => {
                won.push("err".to_owned());
                break;
            }
        }
    }
    let order: Vec<_> = won.iter().take(200).cloned().collect();
    let request = Request::get(format!("{base}/won/{}", order.join("."))).body(Body::empty()).expect("well formed");
    let last = Client::new().send(request).await.map(|answer| answer.status().as_u16()).map_err(|err| err.to_string());
    say(json!({ "won": won, "last": last }));
}
