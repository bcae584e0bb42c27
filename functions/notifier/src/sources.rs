//! Alerts that can keep others quiet: kept beside the groups, since the two may be in different ones.

use crate::Notifier;
use crate::store::{SOURCE_PK, encode, read};
use parapet_model::{Alert, Labels};
use parapet_ports::{Condition, Error, Key};
use parapet_routing::{Config, Fingerprint, GroupAlert, is_source, state_anew};

/// How long an alert that is over is remembered, seconds: a late statement must not wake it.
const REMEMBERED_SECONDS: i64 = 3600;

impl Notifier {
    /// Notes the alerts that inhibit rules name as sources. This comes before any group is told of them: a target
    /// that is flushed right after must find its source.
    pub(crate) async fn note_sources(&self, config: &Config, alerts: &[Alert]) -> Result<(), Error> {
        let sources = alerts
            .iter()
            .filter(|alert| is_source(&config.inhibit_rules, &alert.labels));
        let work = sources.map(|alert| self.note_source(config, alert)).collect();
        self.several(work).await.into_iter().collect()
    }

    async fn note_source(&self, config: &Config, alert: &Alert) -> Result<(), Error> {
        let key = Key::new(SOURCE_PK, Fingerprint::of(&alert.labels).to_string());
        self.until_agreed(|| async {
            let now_ms = self.ports.clock.now_ms();
            let found = self.ports.table.get(&key).await?;
            let known: Option<GroupAlert> = match &found {
                Some(item) => Some(read(&self.ports, item).await?.0),
                None => None,
            };
            let mut stated = state_anew(known.as_ref(), alert.clone(), config.resolve_timeout_ms, now_ms);
            // Only labels and times matter here.
            stated.alert.annotations = Labels::empty();
            stated.alert.generator_url = String::new();
            if known.as_ref() == Some(&stated) {
                return Ok(());
            }
            let expires_at = stated.alert.ends_at_ms.max(now_ms) / 1000 + REMEMBERED_SECONDS;
            let condition = found.map_or(Condition::Absent, |item| Condition::Version(item.version));
            self.ports
                .table
                .put(key.clone(), encode(&stated)?, Some(expires_at), condition)
                .await
                .map(|_| ())
        })
        .await
    }
}
