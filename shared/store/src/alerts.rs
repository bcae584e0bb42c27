//! The form of a message on the alerts queue: a list of alerts as JSON; where even one alert is too large for a
//! message, `{"claim":"…"}` names the object of the bucket that holds the list.

use crate::day::Day;
use crate::envelope::CLAIM_PREFIX;
use object_store::{ObjectStoreExt as _, PutMode, PutOptions, path::Path};
use parapet_model::Alert;
use parapet_ports::queue::MAX_BODY_BYTES;
use parapet_ports::{Error, Kind, Objects, Outgoing, Ports, Queue};
use serde::{Deserialize, Serialize};

/// A message is closed when it is this long, so that groups of one storm are worked on side by side.
const MESSAGE_BYTES: usize = MAX_BODY_BYTES / 4;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    claim: String,
}

/// Sends alerts to the notifier: done when the queue has them.
///
/// # Errors
/// Those of the ports.
pub async fn send(ports: &Ports, alerts: &[Alert]) -> Result<(), Error> {
    let mut messages = Vec::new();
    let mut body = String::new();
    for alert in alerts {
        let text = serde_json::to_string(alert)
            .map_err(|error| Error::new(Kind::Internal, "an alert does not encode").with_source(error))?;
        if !body.is_empty() && body.len() + text.len() + 3 > MESSAGE_BYTES {
            messages.push(message(ports, std::mem::take(&mut body)).await?);
        }
        if !body.is_empty() {
            body.push(',');
        }
        body.push_str(&text);
    }
    if !body.is_empty() {
        messages.push(message(ports, body).await?);
    }
    if messages.is_empty() {
        return Ok(());
    }
    ports.queues.send_batch(Queue::Alerts, messages).await
}

async fn message(ports: &Ports, body: String) -> Result<Outgoing, Error> {
    let list = format!("[{body}]");
    if list.len() <= MAX_BODY_BYTES {
        return Ok(Outgoing::now(list));
    }
    // Named by the day, so that claims go when no message of that day can be left, and by what they hold.
    let (day, hash) = (
        Day::of_ms(ports.clock.now_ms()),
        xxhash_rust::xxh3::xxh3_128(list.as_bytes()),
    );
    let claim = format!("{CLAIM_PREFIX}/{day}/alerts-{hash:032x}");
    let options = PutOptions {
        mode: PutMode::Create,
        ..PutOptions::default()
    };
    let path = Path::from(claim.as_str());
    match ports.objects.put_opts(&path, list.into(), options).await {
        Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let body = serde_json::to_string(&Claim { claim })
        .map_err(|error| Error::new(Kind::Internal, "a claim check does not encode").with_source(error))?;
    Ok(Outgoing::now(body))
}

/// The alerts of a message.
///
/// # Errors
/// [`Kind::Corrupt`] where it is no such message, or its claim is not in the bucket; those of the object store.
pub async fn open(objects: &Objects, body: &str) -> Result<Vec<Alert>, Error> {
    let corrupt = |error: serde_json::Error| Error::new(Kind::Corrupt, "no list of alerts").with_source(error);
    if !body.trim_start().starts_with('{') {
        return serde_json::from_str(body).map_err(corrupt);
    }
    let Claim { claim } = serde_json::from_str(body).map_err(corrupt)?;
    if !claim.starts_with(CLAIM_PREFIX) || claim.contains("..") {
        let message = format!("claim {claim:?} is outside {CLAIM_PREFIX}/");
        return Err(Error::new(Kind::Corrupt, message));
    }
    let list = match objects.get(&Path::from(claim.as_str())).await {
        Ok(found) => found.bytes().await?,
        Err(object_store::Error::NotFound { .. }) => {
            let message = format!("claim check {claim:?} is not in the bucket");
            return Err(Error::new(Kind::Corrupt, message));
        }
        Err(error) => return Err(error.into()),
    };
    serde_json::from_slice(&list).map_err(corrupt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_model::Labels;
    use parapet_ports::ConfigFiles;
    use parapet_ports::memory::MemoryPorts;

    fn alert(name: &str, bytes: usize) -> Alert {
        Alert {
            labels: Labels::from_pairs([("alertname", name)]),
            annotations: Labels::from_pairs([("summary", "x".repeat(bytes))]),
            ..Alert::default()
        }
    }

    #[tokio::test]
    async fn every_alert_travels_whatever_its_size() {
        let world = MemoryPorts::new(1_795_262_400_000, ConfigFiles::default());
        // Many small ones, several that fill a message, one at the limit, one that no message holds.
        let mut alerts: Vec<Alert> = (0..2_000).map(|n| alert(&format!("small-{n}"), 200)).collect();
        alerts.extend((0..5).map(|n| alert(&format!("half-{n}"), MESSAGE_BYTES / 2 + 1)));
        alerts.push(alert("whole", MAX_BODY_BYTES - 400));
        alerts.push(alert("larger", 3 * MAX_BODY_BYTES));
        send(&world.ports, &alerts).await.unwrap();
        let messages = world.queues.drain(Queue::Alerts);
        assert!(messages.iter().all(|(_, message)| message.body.len() <= MAX_BODY_BYTES));
        assert!(messages.len() >= 8, "{}", messages.len());
        let mut received = Vec::new();
        for (_, message) in &messages {
            received.extend(open(&world.ports.objects, &message.body).await.unwrap());
        }
        assert!(received == alerts, "alerts were lost or changed");
        // A repeat writes nothing new and names the same object.
        send(&world.ports, &alerts[2_006..]).await.unwrap();
        let again = world.queues.drain(Queue::Alerts);
        assert_eq!(again[0].1.body, messages.last().unwrap().1.body);
        send(&world.ports, &[]).await.unwrap();
        assert!(world.queues.drain(Queue::Alerts).is_empty());
    }

    #[tokio::test]
    async fn what_is_no_message_is_poison() {
        let world = MemoryPorts::new(0, ConfigFiles::default());
        for (body, told) in [
            ("nonsense", "no list of alerts"),
            ("{}", "no list of alerts"),
            (r#"{"claim":"config/prometheus.yml"}"#, "outside claims/"),
            (r#"{"claim":"claims/../x"}"#, "outside claims/"),
            (r#"{"claim":"claims/2026-01-01/x"}"#, "is not in the bucket"),
        ] {
            let error = open(&world.ports.objects, body).await.unwrap_err();
            assert!(error.to_string().contains(told), "{body}: {error}");
            assert_eq!(error.kind(), Kind::Corrupt);
        }
    }
}
