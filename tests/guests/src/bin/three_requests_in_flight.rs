//! Sends three GETs at once, with a timer beside them; the path of a fourth request has the order of the arrivals and their bytes.
//! Arguments: the base URL, the timer in milliseconds (5).

use std::cell::RefCell;
use std::rc::Rc;

use guests::{arg, json, number, say};
use http_body_util::BodyExt as _;
use wstd::http::{Body, Client, Request};
use wstd::runtime::spawn;
use wstd::task::sleep;
use wstd::time::Duration;

type Seen = Rc<RefCell<Vec<String>>>;

async fn ask(url: String, index: usize, seen: Seen) {
    let request = Request::get(url).body(Body::empty()).expect("the request is well formed");
    let told = match Client::new().send(request).await {
        Ok(answer) => {
            let mut body = answer.into_body().into_boxed_body();
            let (mut bytes, mut frames) = (0, 0);
            while let Some(Ok(frame)) = body.frame().await {
                bytes += frame.data_ref().map_or(0, |data| data.len());
                frames += 1;
                seen.borrow_mut().push(format!("{index}c{bytes}"));
            }
            format!("{index}e{bytes}x{frames}")
        }
        Err(_) => format!("{index}err"),
    };
    seen.borrow_mut().push(told);
}

#[wstd::main]
async fn main() {
    let base = arg(1);
    let timer = number(2, 5);
    let seen = Seen::default();
    let asks: Vec<_> = (0..3).map(|index| spawn(ask(format!("{base}/{index}"), index, seen.clone()))).collect();
    let late = seen.clone();
    let racer = spawn(async move {
        sleep(Duration::from_millis(timer)).await;
        late.borrow_mut().push("t".to_owned());
    });
    for ask in asks {
        ask.await;
    }
    racer.await;
    let order = seen.borrow().join(".");
    ask(format!("{base}/order/{order}"), 3, seen.clone()).await;
    say(json!({ "seen": *seen.borrow() }));
}
