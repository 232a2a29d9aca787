//! Tries TCP, UDP and name look-ups, by hand and through `std::net`. Arguments: an IPv4 address with its port, a name.

use std::net::{TcpListener, TcpStream, ToSocketAddrs as _, UdpSocket};

use guests::{arg, json, outcome, say};
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::{ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress};
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp_create_socket::create_udp_socket;

fn told<T>(call: &str, result: Result<T, ErrorCode>) -> Option<T> {
    say(json!({ "call": call, "result": outcome(result.as_ref().map(|_| ()).map_err(|code| code.name())) }));
    result.ok()
}

fn main() {
    let (target, name) = (arg(1), arg(2));
    let remote: std::net::SocketAddrV4 = target.parse().expect("an IPv4 address with its port");
    let [a, b, c, d] = remote.ip().octets();
    let remote = IpSocketAddress::Ipv4(Ipv4SocketAddress { port: remote.port(), address: (a, b, c, d) });
    let any = IpSocketAddress::Ipv4(Ipv4SocketAddress { port: 0, address: (127, 0, 0, 1) });
    let network = instance_network();
    if let Some(names) = told("resolve-addresses", resolve_addresses(&network, &name)) {
        names.subscribe().block();
        told("resolve-next-address", names.resolve_next_address());
    }
    if let Some(socket) = told("create-tcp-socket", create_tcp_socket(IpAddressFamily::Ipv4))
        && told("tcp start-connect", socket.start_connect(&network, remote)).is_some()
    {
        socket.subscribe().block();
        told("tcp finish-connect", socket.finish_connect());
    }
    if let Some(socket) = told("create-tcp-socket", create_tcp_socket(IpAddressFamily::Ipv6)) {
        told("tcp start-bind", socket.start_bind(&network, any));
        told("tcp start-listen", socket.start_listen());
    }
    if let Some(socket) = told("create-udp-socket", create_udp_socket(IpAddressFamily::Ipv4)) {
        told("udp start-bind", socket.start_bind(&network, any));
        told("udp finish-bind", socket.finish_bind());
        told("udp stream", socket.stream(Some(remote)));
    }
    say(json!({ "call": "std connect", "result": outcome(TcpStream::connect(&target).map(|_| ()).map_err(|err| err.kind())) }));
    say(json!({ "call": "std listen", "result": outcome(TcpListener::bind("127.0.0.1:0").map(|_| ()).map_err(|err| err.kind())) }));
    say(json!({ "call": "std udp", "result": outcome(UdpSocket::bind("127.0.0.1:0").map(|_| ()).map_err(|err| err.kind())) }));
    say(json!({ "call": "std look-up", "result": outcome((name.as_str(), 80).to_socket_addrs().map(|_| ()).map_err(|err| err.kind())) }));
}
