//! Questions to name servers.

use crate::{Prober, address, split, tls};
use parapet_config::modules::DnsProbe;
use parapet_probe::{Report, dns};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UdpSocket;

pub(crate) async fn probe(prober: &Prober, module: &DnsProbe, target: &str, report: &mut Report) -> bool {
    dns::register(report);
    let default = if module.dns_over_tls { 853 } else { 53 };
    let (host, port) = split(target).unwrap_or((target, default));
    let Some((ip, lookup)) = address::choose(host, module.addresses, report).await else {
        return false;
    };
    report.add("probe_dns_duration_seconds", &[("phase", "resolve")], lookup);
    let id = (prober.entropy.next_u64() & 0xffff) as u16;
    let message = match dns::question(module, id) {
        Ok(message) => message,
        Err(what) => {
            report.say(what);
            return false;
        }
    };
    let started = Instant::now();
    let answer = ask(prober, module, host, SocketAddr::new(ip, port), &message).await;
    match answer {
        Ok((answer, request)) => {
            let connect = started.elapsed().as_secs_f64() - request;
            report.add("probe_dns_duration_seconds", &[("phase", "connect")], connect);
            report.add("probe_dns_duration_seconds", &[("phase", "request")], request);
            dns::judge(module, id, &answer, report)
        }
        Err(what) => {
            let seconds = started.elapsed().as_secs_f64();
            report.add("probe_dns_duration_seconds", &[("phase", "connect")], seconds);
            report.say(format!("Error while sending a DNS query: {what}"));
            false
        }
    }
}

/// The answer, and the seconds between question and answer.
async fn ask(
    prober: &Prober,
    module: &DnsProbe,
    host: &str,
    server: SocketAddr,
    message: &[u8],
) -> Result<(Vec<u8>, f64), String> {
    let told = |error: std::io::Error| error.to_string();
    if module.dns_over_tls {
        let client = tls::Client::new(prober, &module.tls_config, &["dot"]).await?;
        let stream = address::connect(server, &module.source_ip_address)
            .await
            .map_err(told)?;
        let name = &module.tls_config.server_name;
        let (stream, _) = client
            .connect(if name.is_empty() { host } else { name }, stream)
            .await?;
        return exchange(stream, message).await.map_err(told);
    }
    if module.tcp {
        let stream = address::connect(server, &module.source_ip_address)
            .await
            .map_err(told)?;
        return exchange(stream, message).await.map_err(told);
    }
    let any: IpAddr = if server.is_ipv4() {
        [0; 4].into()
    } else {
        [0; 16].into()
    };
    let own = module.source_ip_address.parse().unwrap_or(any);
    let socket = UdpSocket::bind((own, 0)).await.map_err(told)?;
    socket.connect(server).await.map_err(told)?;
    let started = Instant::now();
    socket.send(message).await.map_err(told)?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut buffer).await.map_err(told)?;
        if buffer[..length].get(..2) == message.get(..2) {
            buffer.truncate(length);
            return Ok((buffer, started.elapsed().as_secs_f64()));
        }
    }
}

async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, message: &[u8]) -> std::io::Result<(Vec<u8>, f64)> {
    let started = Instant::now();
    let length = u16::try_from(message.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
    stream.flush().await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Ok((answer, started.elapsed().as_secs_f64()))
}
