//! Processes that share one table: what Alertmanager calls a cluster, without gossip.

use parapet_ports::{Condition, Error, Key, Ports, SkRange};
use serde::{Deserialize, Serialize};

/// The partition of processes; the sort key is the process' name.
const INSTANCES_PK: &str = "instances";

/// Who has not been heard of for so long is gone. A process speaks up each minute.
const SILENCE_MS: i64 = 150_000;

#[derive(Debug, Deserialize)]
struct Instance {
    address: String,
    seen_at_ms: i64,
}

/// A process of the cluster, as `/api/v2/status` shows it.
#[derive(Debug, Serialize)]
pub(super) struct Peer {
    name: String,
    address: String,
}

/// Says that the process of this name is there: at its start and each minute.
///
/// # Errors
/// Those of the table.
pub async fn announce(ports: &Ports, name: &str, address: &str) -> Result<(), Error> {
    let seen_at_ms = ports.clock.now_ms();
    let value = serde_json::json!({"address": address, "seen_at_ms": seen_at_ms}).to_string();
    let expires_at = Some((seen_at_ms + SILENCE_MS) / 1000);
    let key = Key::new(INSTANCES_PK, name);
    ports
        .table
        .put(key, value, expires_at, Condition::Any)
        .await
        .map(|_| ())
}

/// Says that the process of this name stops.
///
/// # Errors
/// Those of the table.
pub async fn withdraw(ports: &Ports, name: &str) -> Result<(), Error> {
    ports.table.delete(Key::new(INSTANCES_PK, name), Condition::Any).await
}

/// The processes that were heard of lately, by name.
pub(super) async fn peers(ports: &Ports) -> Result<Vec<Peer>, Error> {
    let oldest_ms = ports.clock.now_ms() - SILENCE_MS;
    let items = ports.table.query(INSTANCES_PK, SkRange::all()).await?;
    let peer = |item: parapet_ports::Item| {
        let instance: Instance = serde_json::from_str(&item.value).ok()?;
        (instance.seen_at_ms > oldest_ms).then_some(Peer {
            name: item.key.sk,
            address: instance.address,
        })
    };
    Ok(items.into_iter().filter_map(peer).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_ports::ConfigFiles;
    use parapet_ports::memory::MemoryPorts;

    #[tokio::test]
    async fn a_process_is_a_peer_while_it_speaks_up() {
        let memory = MemoryPorts::new(1_000_000_000, ConfigFiles::default());
        let names = async || -> Vec<String> {
            let peers = peers(&memory.ports).await.unwrap();
            peers.into_iter().map(|peer| peer.name).collect()
        };
        announce(&memory.ports, "a", "h:1").await.unwrap();
        announce(&memory.ports, "b", "h:2").await.unwrap();
        assert_eq!(names().await, ["a", "b"]);
        withdraw(&memory.ports, "b").await.unwrap();
        assert_eq!(names().await, ["a"]);
        memory.clock.advance_ms(SILENCE_MS);
        assert!(names().await.is_empty());
        announce(&memory.ports, "a", "h:1").await.unwrap();
        assert_eq!(names().await, ["a"]);
    }
}
