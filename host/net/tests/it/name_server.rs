//! A name server of the test: over UDP, and over TCP if the answer is long.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

pub(crate) const A: u16 = 1;
pub(crate) const AAAA: u16 = 28;

pub(crate) enum Answer {
    /// These addresses. If there are both kinds, each query gets those of its kind.
    Has(Vec<IpAddr>),
    /// An alias, with the addresses of its target.
    Alias(&'static str, Vec<IpAddr>),
    /// A response code.
    Code(u8),
    /// No answer at all.
    Silence,
}

/// Has these addresses.
pub(crate) fn has(addresses: &[&str]) -> Answer {
    Answer::Has(addresses.iter().map(|address| address.parse().unwrap()).collect())
}

pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, u16)>>>,
}

impl NameServer {
    /// Answers by the name, and by how often it was asked for with this type before.
    pub(crate) async fn answering(answer: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            // Another process may have the port for TCP.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<(String, u16)>>> = Arc::default();
        let (seen, answer) = (Arc::clone(&asked), Arc::new(answer));
        let (seen_tcp, answer_tcp) = (Arc::clone(&asked), Arc::clone(&answer));
        tokio::spawn(async move {
            let mut query = [0; 4096];
            while let Ok((size, from)) = udp.recv_from(&mut query).await {
                if let Some(mut response) = respond(&query[..size], &seen, &*answer) {
                    if response.len() > 1200 {
                        // The answer is truncated, so the client asks again over TCP.
                        response.truncate(12 + question(&query[..size]).2);
                        response[2] |= 2;
                        response[6..12].fill(0);
                    }
                    let _ = udp.send_to(&response, from).await;
                }
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                while let Ok(size) = stream.read_u16().await {
                    let mut query = vec![0; usize::from(size)];
                    stream.read_exact(&mut query).await.unwrap();
                    let Some(response) = respond(&query, &seen_tcp, &*answer_tcp) else { break };
                    stream.write_u16(u16::try_from(response.len()).unwrap()).await.unwrap();
                    stream.write_all(&response).await.unwrap();
                }
            }
        });
        Self { address, asked }
    }

    /// The names and types that were asked for.
    pub(crate) fn asked(&self) -> Vec<(String, u16)> {
        self.asked.lock().unwrap().clone()
    }
}

/// Name, type and length of the question.
fn question(query: &[u8]) -> (String, u16, usize) {
    let (mut at, mut name) = (12, String::new());
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        name.push_str(&String::from_utf8_lossy(&query[at + 1..end]));
        name.push('.');
        at = end;
    }
    (name.to_lowercase(), u16::from_be_bytes([query[at + 1], query[at + 2]]), at + 5 - 12)
}

fn respond(query: &[u8], seen: &Mutex<Vec<(String, u16)>>, answer: &dyn Fn(&str, usize) -> Answer) -> Option<Vec<u8>> {
    let (name, kind, length) = question(query);
    let before = {
        let mut seen = seen.lock().unwrap();
        let before = seen.iter().filter(|(other, other_kind)| *other == name && *other_kind == kind).count();
        seen.push((name.clone(), kind));
        before
    };
    let mut records = Vec::new();
    let mut code = 0;
    match answer(&name, before) {
        Answer::Silence => return None,
        Answer::Code(other) => code = other,
        Answer::Has(addresses) => put_addresses(&mut records, &[0xC0, 12], kind, &addresses),
        Answer::Alias(alias, addresses) => {
            let mut target = Vec::new();
            for label in alias.split('.') {
                target.push(u8::try_from(label.len()).unwrap());
                target.extend_from_slice(label.as_bytes());
            }
            target.push(0);
            records.push(record(&[0xC0, 12], 5, &target));
            put_addresses(&mut records, &target, kind, &addresses);
        }
    }
    let count = u16::try_from(records.len()).unwrap().to_be_bytes();
    let mut response = vec![query[0], query[1], 0x84 | (query[2] & 1), 0x80 | code, 0, 1, count[0], count[1], 0, 0, 0, 0];
    response.extend_from_slice(&query[12..12 + length]);
    response.extend(records.concat());
    Some(response)
}

fn put_addresses(records: &mut Vec<Vec<u8>>, name: &[u8], kind: u16, addresses: &[IpAddr]) {
    for address in addresses {
        match address {
            IpAddr::V4(v4) if kind == A => records.push(record(name, A, &v4.octets())),
            IpAddr::V6(v6) if kind == AAAA => records.push(record(name, AAAA, &v6.octets())),
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
    }
}

/// With no time to live.
fn record(name: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let mut record = name.to_vec();
    record.extend_from_slice(&kind.to_be_bytes());
    record.extend_from_slice(&[0, 1, 0, 0, 0, 0]);
    record.extend_from_slice(&u16::try_from(data.len()).unwrap().to_be_bytes());
    record.extend_from_slice(data);
    record
}
