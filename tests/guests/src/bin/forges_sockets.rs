//! Takes the one empty object that it gets from `wasi:sockets`, and calls a method of another type on it. Argument: which.

use guests::{arg, json, say};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::ResolveAddressStream;
use wasip2::sockets::network::{IpSocketAddress, Ipv4SocketAddress};
use wasip2::sockets::tcp::TcpSocket;
use wasip2::sockets::udp::{IncomingDatagramStream, OutgoingDatagramStream, UdpSocket};

fn main() {
    let way = arg(1);
    let to = IpSocketAddress::Ipv4(Ipv4SocketAddress { port: 80, address: (127, 0, 0, 1) });
    let (network, forged) = (instance_network(), instance_network());
    // SAFETY: this is unsound on purpose; the host has to notice.
    unsafe {
        match way.as_str() {
            "none" => drop(forged),
            "tcp" => drop(TcpSocket::from_handle(forged.take_handle()).start_connect(&network, to)),
            "tcp-listen" => drop(TcpSocket::from_handle(forged.take_handle()).start_listen()),
            "udp" => drop(UdpSocket::from_handle(forged.take_handle()).start_bind(&network, to)),
            "udp-send" => drop(OutgoingDatagramStream::from_handle(forged.take_handle()).check_send()),
            "udp-receive" => drop(IncomingDatagramStream::from_handle(forged.take_handle()).receive(1)),
            "names" => drop(ResolveAddressStream::from_handle(forged.take_handle()).resolve_next_address()),
            other => panic!("no way `{other}`"),
        }
    }
    say(json!({ "survived": way }));
}
