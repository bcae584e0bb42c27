//! [`Dns`] of the machine.

use parapet_ports::{Dns, Error, Kind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

/// Where resolvers are told which servers to ask.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// Asks the name servers of the machine.
#[derive(Clone, Copy, Debug)]
pub struct MachineDns;

#[async_trait::async_trait]
impl Dns for MachineDns {
    async fn resolver(&self) -> Result<String, Error> {
        let read = tokio::fs::read_to_string(RESOLV_CONF).await;
        read.map_err(|error| Error::new(Kind::Unavailable, format!("could not load {RESOLV_CONF}")).with_source(error))
    }

    async fn ask(
        &self,
        server: SocketAddr,
        over_tcp: bool,
        message: &[u8],
        timeout: Duration,
    ) -> Result<Vec<u8>, Error> {
        let asked = async {
            if over_tcp {
                tcp(server, message).await
            } else {
                udp(server, message).await
            }
        };
        let failed = |what: &str| Error::new(Kind::Unavailable, format!("{server} {what}"));
        match tokio::time::timeout(timeout, asked).await {
            Ok(answer) => answer.map_err(|error| failed("cannot be asked").with_source(error)),
            Err(_) => Err(failed("does not answer")),
        }
    }
}

async fn udp(server: SocketAddr, message: &[u8]) -> std::io::Result<Vec<u8>> {
    let own: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(own).await?;
    // A connected socket takes nothing from anybody else.
    socket.connect(server).await?;
    socket.send(message).await?;
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut buffer).await?;
        // What answers another question is late or forged: the right one may still come.
        if buffer[..length].get(..2) == message.get(..2) {
            buffer.truncate(length);
            return Ok(buffer);
        }
    }
}

async fn tcp(server: SocketAddr, message: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let length = u16::try_from(message.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat()).await?;
    let length = stream.read_u16().await?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}
