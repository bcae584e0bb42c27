//! Deadlines of groups.

use crate::configuration::Current;
use crate::handler::disposition;
use crate::store::{
    DEADLINE_PK, Deadline, GROUP_PK, STATE_PK, StoredGroup, deadline_sk, dedup_key, encode, parse_deadline_sk, read,
    read_group,
};
use crate::suppression::Muted;
use crate::{Notifier, deliveries, ledger};
use parapet_model::Alert;
use parapet_ports::{Condition, Disposition, Error, Key, Message, Outgoing, Queue, SkRange};
use parapet_routing::{Config, Group, Input, Notification, Policy, Route, step};
use serde::{Deserialize, Serialize};

/// The longest delay of a message.
pub(crate) const MAX_DELAY_MS: i64 = parapet_ports::queue::MAX_DELAY_SECONDS as i64 * 1000;

/// What comes sooner than this may be received before what was written after it was sent.
const NEAR_MS: i64 = 2_000;

/// How far beyond its minute a tick looks: the next tick may be late.
const TICK_REACH_MS: i64 = 120_000;

/// A deadline that is so long past has lost its timer.
pub(crate) const OVERDUE_MS: i64 = 20_000;

/// A timer's message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Timer {
    group: String,
    deadline_ms: i64,
    /// Set where the configuration was read again: which reading. The group is looked at whatever its deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reload: Option<String>,
}

impl Timer {
    fn at(group: &str, deadline_ms: i64) -> Self {
        Self {
            group: group.to_owned(),
            deadline_ms,
            reload: None,
        }
    }
}

/// How a deadline is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timing {
    /// So near that the message is sent only after the group is stored.
    Now,
    /// By a delayed message.
    Soon,
    /// By the tick.
    Far,
}

impl Notifier {
    pub(crate) fn timing(&self, deadline_ms: i64) -> Timing {
        match deadline_ms - self.ports.clock.now_ms() {
            ..NEAR_MS => Timing::Now,
            NEAR_MS..=MAX_DELAY_MS => Timing::Soon,
            _ => Timing::Far,
        }
    }

    pub(crate) async fn send_timer(&self, group: &str, deadline_ms: i64) -> Result<(), Error> {
        let timer = Timer::at(group, deadline_ms);
        let message = Outgoing {
            body: encode(&timer)?,
            delay_seconds: self.delay_seconds(deadline_ms),
        };
        self.ports.queues.send_batch(Queue::Timers, vec![message]).await
    }

    /// Whole seconds until a moment, rounded up, as far as a message can be delayed.
    pub(crate) fn delay_seconds(&self, at_ms: i64) -> u32 {
        let wait_ms = (at_ms - self.ports.clock.now_ms()).clamp(0, MAX_DELAY_MS);
        u32::try_from((wait_ms + 999) / 1000).unwrap_or_default()
    }

    pub(crate) async fn take_timer(&self, message: &Message) -> Disposition {
        let timer: Timer = match serde_json::from_str(&message.body) {
            Ok(timer) => timer,
            Err(error) => {
                return Disposition::Reject {
                    reason: format!("no timer: {error}"),
                };
            }
        };
        let current = match self.configuration.current(&self.ports).await {
            Ok(Some(current)) => current,
            // Without a configuration nobody is told; the groups stay for the day when there is one again.
            Ok(None) => return Disposition::Done,
            Err(error) => return disposition(Err(error)),
        };
        disposition(
            self.until_agreed(|| self.flush(&current, &timer))
                .await
                .map(|()| Disposition::Done),
        )
    }

    /// One look at a group whose deadline may have come.
    async fn flush(&self, current: &Current, timer: &Timer) -> Result<(), Error> {
        let (id, now_ms) = (timer.group.as_str(), self.ports.clock.now_ms());
        let config = &*current.config;
        let Some((mut stored, mut version)) = self.store().group(id).await? else {
            return self.drop_stale_deadline(timer).await;
        };
        if stored.group.has_unqueued() {
            // A former run ended between storing its deliveries and knowing that they are in the queue.
            (stored, version) = self.queue_deliveries(id, stored, version).await?;
        }
        if let Some(reading) = &timer.reload {
            stored.group.note_reload(reading, now_ms);
        }
        let Some(deadline_ms) = stored.group.next_flush_at_ms else {
            return Ok(());
        };
        if deadline_ms > now_ms {
            // Too early by the clocks' difference, or a timer of long ago.
            return if timer.deadline_ms == deadline_ms {
                self.send_timer(id, deadline_ms).await
            } else {
                Ok(())
            };
        }
        let strays = stored.group.take_strays(&config.route);
        if !strays.is_empty() {
            tracing::info!(
                group = stored.group.key,
                alerts = strays.len(),
                "the configuration sends alerts elsewhere"
            );
            self.redispatch(strays).await?;
        }
        let acknowledgement = self.acknowledgement(id).await?;
        let acknowledged = acknowledgement.as_ref().filter(|said| said.holds(now_ms));
        let mut former = self.settle_pending(id, &mut stored.group, now_ms).await?;
        let notifications = match route_of(config, &stored.group) {
            Some(route) => {
                let suppressor = self.suppressor.read(&self.ports, current).await?;
                let muted = Muted::of(&suppressor, config, route, &stored.group, now_ms);
                tracing::debug!(group = stored.group.key, ?muted, "suppressed");
                let silenced = self
                    .settings
                    .resolve_on_silence
                    .then(|| muted.all_silenced(&stored.group, now_ms));
                let (mut policy, before) = (Policy::of(config, route), stored.group.clone());
                if acknowledged.is_some() {
                    policy = policy.without_repetition();
                }
                let fingerprints = muted.fingerprints(&stored.group);
                let input = match silenced.flatten() {
                    Some(silenced) => Input::FlushSilenced {
                        muted: fingerprints,
                        silenced,
                    },
                    None => Input::Flush { muted: fingerprints },
                };
                let notifications = step(&policy, &mut stored.group, now_ms, input);
                let told = ledger::of_flush(id, &policy, &muted, &before, &mut stored, &notifications, now_ms);
                stored.entries.extend(told);
                let told = acknowledged.and_then(|said| ledger::of_acknowledgement(id, said, &mut stored, now_ms));
                stored.entries.extend(told);
                notifications
            }
            None => Vec::new(),
        };
        stored.ends_acknowledgement = acknowledgement.is_some() && !stored.group.is_firing(now_ms);
        let next = stored.group.next_flush_at_ms;
        if let Some(next_ms) = next.filter(|next_ms| self.timing(*next_ms) == Timing::Soon) {
            self.send_timer(id, next_ms).await?;
        }
        self.find_revived(id, stored.group.last_flush_id, &notifications, &mut former)
            .await?;
        let told: Vec<_> = notifications.iter().map(told).collect();
        (stored, version) = self
            .store()
            .save_group(id, stored, Some(version), notifications, former)
            .await?;
        // Only now: of two runs that meet, one has spoken.
        for (integration, reason, firing, resolved) in told {
            let group = &stored.group.key;
            tracing::info!(group, integration, reason, firing, resolved, "notifying");
        }
        if stored.group.has_unqueued() {
            self.queue_deliveries(id, stored, version).await?;
        }
        if let Some(next_ms) = next.filter(|next_ms| self.timing(*next_ms) == Timing::Now) {
            self.send_timer(id, next_ms).await?;
        }
        Ok(())
    }

    /// Takes a deadline of a group that is not there out of the index, or every tick would wake it. A group and its
    /// deadline are written together: where the deadline is read first, a group that comes into being meanwhile is
    /// either seen, or its deadline was not.
    async fn drop_stale_deadline(&self, timer: &Timer) -> Result<(), Error> {
        let key = Key::new(DEADLINE_PK, deadline_sk(timer.deadline_ms, &timer.group));
        let Some(item) = self.ports.table.get(&key).await? else {
            return Ok(());
        };
        if self.store().group(&timer.group).await?.is_some() {
            return Ok(());
        }
        self.ports.table.delete(key, Condition::Version(item.version)).await
    }

    /// Sends the delivery messages of a stored flush, then notes that they are sent. When it dies in between, they
    /// are sent again, with the same keys.
    async fn queue_deliveries(
        &self,
        id: &str,
        mut stored: StoredGroup,
        version: u64,
    ) -> Result<(StoredGroup, u64), Error> {
        let mut messages = Vec::new();
        for pending in stored.group.pending.iter_mut().filter(|pending| !pending.queued) {
            let key = dedup_key(id, &pending.integration, pending.flush_id);
            messages.push(Outgoing::now(deliveries::message(&key)?));
            pending.queued = true;
        }
        self.ports.queues.send_batch(Queue::Deliveries, messages).await?;
        self.store()
            .save_group(id, stored, Some(version), Vec::new(), Vec::new())
            .await
    }

    /// States alerts anew, for the groups where a changed configuration puts them.
    async fn redispatch(&self, alerts: Vec<Alert>) -> Result<(), Error> {
        parapet_store::alerts::send(&self.ports, &alerts).await
    }

    /// Wakes every group when the configuration is another than it was. The tick calls it.
    ///
    /// # Errors
    /// Those of the ports; the next call does it again.
    pub async fn notice_reload(&self) -> Result<(), Error> {
        let Some(current) = self.configuration.current(&self.ports).await? else {
            return Ok(());
        };
        let key = Key::new(STATE_PK, "configuration-version");
        let known = self.ports.table.get(&key).await?;
        if known.as_ref().is_some_and(|item| item.value == current.version) {
            return Ok(());
        }
        if known.is_some() {
            self.wake_all(&current, &current.version).await?;
        }
        // Written last: who dies before it wakes the groups once more.
        self.ports
            .table
            .put(key, current.version, None, Condition::Any)
            .await
            .map(|_| ())
    }

    /// The configuration was read again, though it may be the same: every group is looked at and its interval begins
    /// anew, as Alertmanager rebuilds its groups at every reload.
    ///
    /// # Errors
    /// Those of the ports.
    pub async fn reload(&self) -> Result<(), Error> {
        let Some(current) = self.configuration.current(&self.ports).await? else {
            return Ok(());
        };
        let reading = format!("{} at {}", current.version, self.ports.clock.now_ms());
        self.wake_all(&current, &reading).await?;
        self.notice_reload().await
    }

    async fn wake_all(&self, current: &Current, reading: &str) -> Result<(), Error> {
        let mut messages = Vec::new();
        for item in self.ports.table.query(GROUP_PK, SkRange::all()).await? {
            // A rule may be new: its sources are known to the groups alone. They come before any group wakes.
            let group = read_group(&self.ports, &item).await?.unwrap_or_default();
            let alerts: Vec<Alert> = group.alerts.into_values().map(|held| held.alert).collect();
            self.note_sources(&current.config, &alerts).await?;
            let timer = Timer {
                group: item.key.sk,
                deadline_ms: 0,
                reload: Some(reading.to_owned()),
            };
            messages.push(Outgoing::now(encode(&timer)?));
        }
        tracing::info!(reading, groups = messages.len(), "the configuration was read");
        if messages.is_empty() {
            return Ok(());
        }
        self.ports.queues.send_batch(Queue::Timers, messages).await
    }

    /// Sends the timers of deadlines that come before the next tick and have none, and of those that lost theirs.
    pub(crate) async fn wake_due(&self, at_ms: i64) -> Result<(), Error> {
        let now_ms = self.ports.clock.now_ms();
        let range = SkRange {
            from: String::new(),
            to: deadline_sk(at_ms.max(now_ms) + TICK_REACH_MS, ""),
        };
        let mut messages = Vec::new();
        for item in self.ports.table.query(DEADLINE_PK, range).await? {
            let Some((deadline_ms, group)) = parse_deadline_sk(&item.key.sk) else {
                continue;
            };
            let (Deadline { far }, _) = read(&self.ports, &item).await?;
            if far || deadline_ms < now_ms - OVERDUE_MS {
                let timer = Timer::at(group, deadline_ms);
                messages.push(Outgoing {
                    body: encode(&timer)?,
                    delay_seconds: self.delay_seconds(deadline_ms),
                });
            }
        }
        if messages.is_empty() {
            return Ok(());
        }
        self.ports.queues.send_batch(Queue::Timers, messages).await
    }
}

/// The route that a group lives on under this configuration.
fn route_of<'a>(config: &'a Config, group: &Group) -> Option<&'a Route> {
    let mut routes = config.route.walk().into_iter();
    routes.find(|route| route.key == group.route_key && route.options.receiver == group.receiver)
}

/// What the log says of a notification: to whom, why, and of how many alerts that fire and that ended.
fn told(notification: &Notification) -> (String, &'static str, usize, usize) {
    let Notification {
        integration,
        reason,
        firing,
        resolved,
        ..
    } = notification;
    (integration.clone(), reason.as_str(), firing.len(), resolved.len())
}
