//! The alert about a notification that was given up.

use crate::Notifier;
use crate::store::{Delivery, encode};
use parapet_model::{Alert, Labels};
use parapet_ports::{Error, Outgoing, Queue};

/// Its name.
const FAILURE_ALERT: &str = "ParapetNotificationFailed";

/// How long it fires unless the next notification is given up too, milliseconds.
const FAILURE_ALERT_MS: i64 = 3_600_000;

impl Notifier {
    /// States an alert about a notification that was given up: it goes its own way through the routes, to whoever may
    /// still be reached. One about such an alert itself is not raised, or a dead receiver would tell itself for ever.
    pub(crate) async fn raise_failure(&self, delivery: &Delivery, now_ms: i64) -> Result<(), Error> {
        let Delivery {
            notification,
            attempts,
            error,
            ..
        } = delivery;
        let is_own = |labels: &Labels| labels.get("alertname") == Some(FAILURE_ALERT);
        if !self.settings.raise_failures || notification.alerts.iter().all(|alert| is_own(&alert.labels)) {
            return Ok(());
        }
        let (receiver, integration) = (&notification.receiver, &notification.integration);
        let labels = [
            ("alertname", FAILURE_ALERT),
            ("integration", integration.as_str()),
            ("receiver", receiver.as_str()),
            ("severity", "critical"),
        ];
        let summary = format!("{receiver} could not be notified through {integration}");
        let description = format!("{}: given up after {attempts} tries: {error}", notification.group_key);
        let alert = Alert {
            labels: Labels::from_pairs(labels),
            annotations: Labels::from_pairs([("description", description), ("summary", summary)]),
            starts_at_ms: now_ms,
            ends_at_ms: now_ms + FAILURE_ALERT_MS,
            updated_at_ms: now_ms,
            generator_url: String::new(),
        };
        let message = Outgoing::now(encode(&[alert])?);
        self.ports.queues.send_batch(Queue::Alerts, vec![message]).await
    }
}
