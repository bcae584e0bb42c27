//! Echo requests.

use crate::{Prober, address};
use parapet_config::modules::IcmpProbe;
use parapet_probe::{Report, echo};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use tokio::net::UdpSocket;

/// A socket, and whether the kernel leaves header and identifier alone.
struct Opened {
    /// Of datagrams, for what it matters to who sends and receives: they are of ICMP.
    socket: UdpSocket,
    is_raw: bool,
}

/// Raw where this process may, which tells the answer's time to live; else one of those that the kernel gives to
/// everybody (`net.ipv4.ping_group_range`).
fn open(to: IpAddr, module: &IcmpProbe) -> std::io::Result<Opened> {
    let (domain, protocol) = match to {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let (socket, is_raw) = match Socket::new(domain, Type::RAW, Some(protocol)) {
        Ok(socket) => (socket, true),
        Err(_) => (Socket::new(domain, Type::DGRAM, Some(protocol))?, false),
    };
    if let Ok(source) = module.source_ip_address.parse::<IpAddr>() {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    if to.is_ipv4() {
        socket.set_ttl_v4(u32::from(module.ttl))?;
    } else {
        socket.set_unicast_hops_v6(u32::from(module.ttl))?;
    }
    socket.set_nonblocking(true)?;
    // What comes from anybody else is not seen.
    socket.connect(&SocketAddr::new(to, 0).into())?;
    Ok(Opened {
        socket: UdpSocket::from_std(socket.into())?,
        is_raw,
    })
}

/// Whether this process may send echo requests at all.
pub(crate) fn is_allowed() -> bool {
    [Type::RAW, Type::DGRAM]
        .into_iter()
        .any(|kind| Socket::new(Domain::IPV4, kind, Some(Protocol::ICMPV4)).is_ok())
}

pub(crate) async fn probe(prober: &Prober, module: &IcmpProbe, target: &str, report: &mut Report) -> bool {
    echo::register(report);
    let Some((to, lookup)) = address::choose(target, module.addresses, report).await else {
        return false;
    };
    let phase = |report: &mut Report, name: &str, seconds: f64| {
        report.add("probe_icmp_duration_seconds", &[("phase", name)], seconds);
    };
    phase(report, "resolve", lookup);
    let setup = Instant::now();
    let opened = match open(to, module) {
        Ok(opened) => opened,
        Err(error) => {
            report.say(format!("Error listening to socket: {error}"));
            return false;
        }
    };
    let random = prober.entropy.next_u64();
    let request = echo::request(
        to,
        (random & 0xffff) as u16,
        (random >> 16 & 0xffff) as u16,
        module.payload_size,
    );
    phase(report, "setup", setup.elapsed().as_secs_f64());
    let sent = Instant::now();
    match exchange(&opened, to, &request).await {
        Ok(ttl) => {
            phase(report, "rtt", sent.elapsed().as_secs_f64());
            if let Some(ttl) = ttl {
                report.gauge("probe_icmp_reply_hop_limit", "Replied packet hop limit (TTL for ipv4)");
                report.set("probe_icmp_reply_hop_limit", f64::from(ttl));
            }
            true
        }
        Err(error) => {
            report.say(format!("Error writing to or reading from socket: {error}"));
            false
        }
    }
}

/// Sends a request and waits for its reply; the time to live of that, where it is told.
async fn exchange(opened: &Opened, to: IpAddr, request: &[u8]) -> std::io::Result<Option<u8>> {
    let Opened { socket, is_raw } = opened;
    socket.send(request).await?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let packet = &buffer[..length];
        let (message, ttl) = if *is_raw && to.is_ipv4() {
            match echo::without_header(packet) {
                Some((message, ttl)) => (message, Some(ttl)),
                None => continue,
            }
        } else {
            (packet, None)
        };
        if echo::is_reply(request, message, *is_raw) {
            return Ok(ttl);
        }
    }
}
