//! Where several processes share one table, each lets the others know of it.

use parapet_ports::Ports;
use std::time::Duration;
use tokio::sync::watch;

/// Announces this process at once and each minute, until told to stop. Who cannot be announced works all the same.
pub(crate) async fn run(ports: Ports, address: String, mut stop: watch::Receiver<bool>) {
    let name = format!("{:016x}", ports.entropy.next_u64());
    while !*stop.borrow() {
        if let Err(error) = parapet_api::announce(&ports, &name, &address).await {
            tracing::warn!(error = error.chain(), "other processes do not know of this one");
        }
        tokio::select! {
            () = super::pump::pause(Duration::from_secs(60)) => {}
            _ = stop.changed() => break,
        }
    }
    // Where this fails the others forget it in a few minutes.
    if let Err(error) = parapet_api::withdraw(&ports, &name).await {
        tracing::debug!(error = error.chain(), "the process could not be taken off the list");
    }
}
