//! A fake name server over UDP, and over TCP for long answers: it answers as the test says, and logs the names that it was asked for.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const HTTPS: u16 = 65;
/// BOUND: bytes of an answer over UDP; the client asks again over TCP for a longer answer.
const UDP_MAX: usize = 1200;

/// The answer for one name.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The addresses of the name; those of another kind than was asked for are left out of the answer.
    pub addresses: Vec<IpAddr>,
    /// The name to which this name is an alias (CNAME), if it is one.
    pub alias: Option<String>,
    /// The response code: 0 means success.
    pub code: u8,
    /// Addresses of version 4 in the hints of an `HTTPS` record that nobody asked for (RFC 9460).
    pub hints: Vec<IpAddr>,
    /// Whether there is no answer at all.
    pub silent: bool,
    /// The time to live, in seconds.
    pub ttl: u32,
}

impl Answer {
    /// The answer that there is no such name.
    #[must_use]
    pub fn nobody() -> Self {
        Self { code: 3, ..Self::default() }
    }
}

type Say = dyn Fn(&str, usize) -> Answer + Send + Sync;

/// The name server.
pub struct NameServer {
    /// The address on which it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, u16)>>>,
}

impl NameServer {
    /// Starts a server that answers with the addresses that `answer` returns for a name (without a dot at its end).
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn answering(answer: impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static) -> Self {
        Self::saying(move |name, _| Answer { addresses: answer(name), ..Answer::default() }).await
    }

    /// Starts a server whose answers come from `say`, which gets the name and how often its addresses of this kind were asked for before.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn saying(say: impl Fn(&str, usize) -> Answer + Send + Sync + 'static) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
            // Another program may have this port for TCP.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("its address")).await {
                break (udp, tcp);
            }
        };
        let server = Self { address: udp.local_addr().expect("its address"), asked: Arc::default() };
        let say: Arc<Say> = Arc::new(say);
        tokio::spawn(over_udp(udp, Arc::clone(&server.asked), Arc::clone(&say)));
        tokio::spawn(over_tcp(tcp, Arc::clone(&server.asked), say));
        server
    }

    /// The names that were asked for, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.questions().into_iter().map(|(name, _)| name).collect()
    }

    /// The names that were asked for, in order, each with the number of the record type.
    #[must_use]
    pub fn questions(&self) -> Vec<(String, u16)> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn over_udp(socket: UdpSocket, asked: Arc<Mutex<Vec<(String, u16)>>>, say: Arc<Say>) {
    let mut query = [0; 4096];
    while let Ok((size, from)) = socket.recv_from(&mut query).await {
        let query = query.get(..size).unwrap_or_default();
        let Some(mut response) = respond(query, &asked, &*say) else { continue };
        if response.len() > UDP_MAX {
            let question = question(query).map_or(0, |(_, _, question)| question.len());
            response.truncate(12 + question);
            // The bit for `truncated`, and no record of any kind.
            response.iter_mut().skip(2).take(1).for_each(|flags| *flags |= 2);
            response.iter_mut().skip(6).take(6).for_each(|count| *count = 0);
        }
        let _ = socket.send_to(&response, from).await;
    }
}

async fn over_tcp(listener: TcpListener, asked: Arc<Mutex<Vec<(String, u16)>>>, say: Arc<Say>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        while let Ok(size) = stream.read_u16().await {
            let mut query = vec![0; usize::from(size)];
            if stream.read_exact(&mut query).await.is_err() {
                break;
            }
            let Some(response) = respond(&query, &asked, &*say) else { break };
            let length = u16::try_from(response.len()).unwrap_or(u16::MAX).to_be_bytes();
            if stream.write_all(&[&length[..], &response].concat()).await.is_err() {
                break;
            }
        }
    }
}

/// The name, the type, and the bytes of a question.
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

fn respond(query: &[u8], asked: &Mutex<Vec<(String, u16)>>, say: &Say) -> Option<Vec<u8>> {
    let (name, kind, question) = question(query)?;
    let before = {
        let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = asked.iter().filter(|one| **one == (name.clone(), kind)).count();
        asked.push((name.clone(), kind));
        before
    };
    let answer = say(&name, before);
    if answer.silent {
        return None;
    }
    let records = records(&answer, kind);
    let count = u16::try_from(records.len()).unwrap_or(u16::MAX).to_be_bytes();
    // An authoritative answer, to a query that may have asked for recursion.
    let flags = [0x84 | (query.get(2)? & 1), 0x80 | answer.code];
    Some([query.get(..2)?, &flags, &[0, 1], &count, &[0, 0, 0, 0], question, &records.concat()].concat())
}

fn records(answer: &Answer, kind: u16) -> Vec<Vec<u8>> {
    // The name of the question, as a pointer to its place.
    let mut owner = vec![0xC0, 12];
    let mut records = Vec::new();
    let mut put = |owner: &[u8], kind: u16, data: &[u8]| {
        let length = u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes();
        records.push([owner, &kind.to_be_bytes(), &[0, 1], &answer.ttl.to_be_bytes(), &length, data].concat());
    };
    if let Some(alias) = &answer.alias {
        let labels = alias.split('.').flat_map(|label| [&[u8::try_from(label.len()).unwrap_or(0)], label.as_bytes()].concat());
        let target: Vec<u8> = labels.chain([0]).collect();
        put(&owner, CNAME, &target);
        owner = target;
    }
    for address in &answer.addresses {
        match address {
            IpAddr::V4(v4) if kind == A => put(&owner, A, &v4.octets()),
            IpAddr::V6(v6) if kind == AAAA => put(&owner, AAAA, &v6.octets()),
            IpAddr::V4(_) | IpAddr::V6(_) => {}
        }
    }
    for hint in &answer.hints {
        if let IpAddr::V4(v4) = hint {
            // Priority 1, the name itself, the parameter `ipv4hint`.
            put(&owner, HTTPS, &[&[0, 1, 0, 0, 4, 0, 4][..], &v4.octets()].concat());
        }
    }
    records
}
