//! Questions to name servers.

use crate::{Error, Kind};
use std::net::SocketAddr;
use std::time::Duration;

/// Asks name servers as the machine does.
#[async_trait::async_trait]
pub trait Dns: Send + Sync + std::fmt::Debug {
    /// The machine's `/etc/resolv.conf`.
    async fn resolver(&self) -> Result<String, Error>;

    /// Sends a message to a server and gives what comes back, over UDP or TCP.
    async fn ask(
        &self,
        server: SocketAddr,
        over_tcp: bool,
        message: &[u8],
        timeout: Duration,
    ) -> Result<Vec<u8>, Error>;
}

/// No name servers at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDns;

#[async_trait::async_trait]
impl Dns for NoDns {
    async fn resolver(&self) -> Result<String, Error> {
        Err(Error::new(Kind::Invalid, "name servers cannot be asked here"))
    }

    async fn ask(&self, _: SocketAddr, _: bool, _: &[u8], _: Duration) -> Result<Vec<u8>, Error> {
        Err(Error::new(Kind::Invalid, "name servers cannot be asked here"))
    }
}
