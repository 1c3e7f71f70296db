//! The addresses the device has on the networks it is on.

use std::net::{IpAddr, UdpSocket};

/// Addresses of the documentation ranges: choosing a route to them tells the local address, and sends nothing.
const FAR: [(&str, &str); 2] = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];

/// The local addresses that traffic leaves from, one a protocol; none where there is no route.
pub(super) fn outbound() -> Vec<IpAddr> {
    let local = |(own, far): (&str, &str)| {
        let socket = UdpSocket::bind(own).ok()?;
        socket.connect(far).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    FAR.into_iter().filter_map(local).collect()
}
