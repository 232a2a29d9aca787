//! POSTs a body in pieces with a short sleep before each, then sends a GET whose path has the length of the answer.
//! Arguments: the base URL, the number of pieces (5), the bytes of each (1000).

use futures_lite::stream::unfold;
use guests::{arg, json, number, say};
use wstd::http::{Body, Client, Request};
use wstd::task::sleep;
use wstd::time::Duration;

#[wstd::main]
async fn main() {
    let base = arg(1);
    let (count, size) = (number(2, 5), number(3, 1000) as usize);
    let pieces = unfold(0, move |sent| async move {
        if sent == count {
            return None;
        }
        sleep(Duration::from_millis(1)).await;
        Some((vec![b'a' + (sent % 26) as u8; size], sent + 1))
    });
    let request = Request::post(format!("{base}/pieces")).body(Body::from_stream(pieces)).expect("well formed");
    let echoed = match Client::new().send(request).await {
        Ok(answer) => answer.into_body().contents().await.map(<[u8]>::len).map_err(|err| err.to_string()),
        Err(err) => Err(err.to_string()),
    };
    let told = echoed.as_ref().map_or("err".to_owned(), ToString::to_string);
    let request = Request::get(format!("{base}/echoed/{told}")).body(Body::empty()).expect("well formed");
    let last = Client::new().send(request).await.map(|answer| answer.status().as_u16()).map_err(|err| err.to_string());
    say(json!({ "echoed": echoed, "last": last }));
}
