//! A name server by hand, over UDP: it has the addresses that a test gives it, and remembers who was asked for.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;

/// See the module.
pub struct NameServer {
    /// Where it is.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl NameServer {
    /// Answers for a name, without a dot at its end.
    ///
    /// # Panics
    /// Where there is no port left.
    pub async fn answering(answer: impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let server = Self { address: socket.local_addr().expect("its address"), asked: Arc::default() };
        let asked = Arc::clone(&server.asked);
        tokio::spawn(async move {
            let mut query = [0; 512];
            while let Ok((size, from)) = socket.recv_from(&mut query).await {
                let Some((name, kind, question)) = query.get(..size).and_then(question) else { continue };
                asked.lock().unwrap_or_else(PoisonError::into_inner).push(name.clone());
                let _ = socket.send_to(&respond(query.get(..2).unwrap_or_default(), question, kind, &answer(&name)), from).await;
            }
        });
        server
    }

    /// Names that were asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Name, type, and the bytes of the question.
fn question(query: &[u8]) -> Option<(String, u16, &[u8])> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(query.get(at..at + length)?).to_ascii_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes(query.get(at..at + 2)?.try_into().ok()?);
    Some((labels.join("."), kind, query.get(12..at + 4)?))
}

fn respond(id: &[u8], question: &[u8], kind: u16, addresses: &[IpAddr]) -> Vec<u8> {
    const A: u16 = 1;
    const AAAA: u16 = 28;
    let data = addresses.iter().filter_map(|address| match address {
        IpAddr::V4(v4) if kind == A => Some(v4.octets().to_vec()),
        IpAddr::V6(v6) if kind == AAAA => Some(v6.octets().to_vec()),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    });
    let data: Vec<_> = data.collect();
    let count = u8::try_from(data.len()).unwrap_or(0);
    let mut response = [id, &[0x84, 0x80, 0, 1, 0, count, 0, 0, 0, 0], question].concat();
    for address in data {
        // The name of the question, class IN, no time to live.
        response.extend_from_slice(&[0xC0, 12]);
        response.extend_from_slice(&kind.to_be_bytes());
        response.extend_from_slice(&[0, 1, 0, 0, 0, 0, 0, u8::try_from(address.len()).unwrap_or(0)]);
        response.extend_from_slice(&address);
    }
    response
}
