//! Which of a target's addresses is probed, and connections to it.

use parapet_config::modules::Addresses;
use parapet_probe::{Report, address_hash};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use tokio::net::{TcpSocket, TcpStream};

/// The address to probe and how long looking it up took, seconds (`chooseProtocol` of blackbox_exporter).
pub(crate) async fn choose(host: &str, wanted: Addresses, report: &mut Report) -> Option<(IpAddr, f64)> {
    for (name, help) in [
        ("probe_ip_protocol", "Specifies whether probe ip protocol is IP4 or IP6"),
        (
            "probe_dns_lookup_time_seconds",
            "Returns the time taken for probe dns lookup in seconds",
        ),
        (
            "probe_ip_addr_hash",
            "Specifies the hash of IP address. It's useful to detect if the IP address changes.",
        ),
    ] {
        report.gauge(name, help);
    }
    let started = Instant::now();
    let found = match host.parse::<IpAddr>() {
        Ok(address) => Ok(vec![address]),
        Err(_) => tokio::net::lookup_host((host, 0))
            .await
            .map(|found| found.map(|address| address.ip()).collect::<Vec<_>>()),
    };
    let seconds = started.elapsed().as_secs_f64();
    report.set("probe_dns_lookup_time_seconds", seconds);
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            report.say(format!("Error resolving address {host}: {error}"));
            return None;
        }
    };
    let preferred = found.iter().find(|address| address.is_ipv6() == wanted.ip6);
    let any = found.last().filter(|_| wanted.fallback);
    let Some(address) = preferred.or(any) else {
        report.say(format!(
            "Error resolving address {host}: unable to find ip; no fallback"
        ));
        return None;
    };
    report.say(format!("Resolved target address {host} to {address}"));
    report.set("probe_ip_protocol", if address.is_ipv6() { 6.0 } else { 4.0 });
    report.set("probe_ip_addr_hash", address_hash(*address));
    Some((*address, seconds))
}

/// A connection, from a source address where one is named.
pub(crate) async fn connect(to: SocketAddr, source: &str) -> std::io::Result<TcpStream> {
    let Ok(source) = source.parse::<IpAddr>() else {
        return TcpStream::connect(to).await;
    };
    let socket = if source.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.bind(SocketAddr::new(source, 0))?;
    socket.connect(to).await
}
