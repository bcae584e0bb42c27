//! Notifications on their way, in the table.

use super::{DELIVERY_PK, Store, encode, put, read};
use crate::bulk::{NotificationBulk, read_object};
use parapet_ledger::Entry;
use parapet_ports::{Condition, Error, Key};
use parapet_routing::{Group, Notification, Outcome};
use serde::{Deserialize, Serialize};

/// How large what a delivery says may be in its item: those of a flush are written in one transaction.
const INLINE_DELIVERY_BYTES: usize = 30 * 1024;

/// A notification on its way to one integration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    pub(crate) state: State,
    /// Tries so far.
    pub(crate) attempts: u32,
    /// No try before this, milliseconds since the Unix epoch: the end of a claim, or of a wait.
    pub(crate) not_before_ms: i64,
    /// What the last try was answered.
    pub(crate) error: String,
    pub(crate) notification: Notification,
    /// Whether some try ended without a record: the receiver may know.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) unsure: bool,
    /// Where what grows with the alerts lies, if it is not in the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bulk: Option<String>,
    /// What the ledger is told with the next write.
    #[serde(skip)]
    pub(crate) entries: Vec<Entry>,
    /// The object that held the whole item, as earlier versions wrote it.
    #[serde(skip)]
    body: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Waiting,
    Claimed,
    Sent,
    GivenUp,
    /// A later flush has made its own notification of what this one says.
    Overtaken,
}

/// A delivery that is there already, and that a flush replaces in the transaction in which it speaks itself.
#[derive(Debug)]
pub(crate) struct Former {
    pub(crate) key: String,
    pub(crate) delivery: Delivery,
    pub(crate) version: u64,
}

impl Delivery {
    pub(crate) fn new(notification: Notification) -> Self {
        Self {
            state: State::Waiting,
            attempts: 0,
            not_before_ms: 0,
            error: String::new(),
            notification,
            unsure: false,
            bulk: None,
            entries: Vec::new(),
            body: None,
        }
    }

    /// The objects that its item names.
    pub(super) fn bodies(&self) -> Vec<String> {
        self.bulk.iter().chain(&self.body).cloned().collect()
    }

    /// Ends it: a later flush says what it would have said.
    pub(super) fn overtake(&mut self) {
        self.state = State::Overtaken;
        NotificationBulk::take(&mut self.notification);
        (self.bulk, self.body) = (None, None);
    }

    /// Tells its group what became of it.
    pub(crate) fn tell(&self, group: &mut Group, now_ms: i64, outcome: Outcome) {
        if self.unsure {
            group.note_outcome(now_ms, &self.notification, Outcome::Unknown);
        }
        group.note_outcome(now_ms, &self.notification, outcome);
    }
}

impl Store<'_> {
    /// A delivery and its version.
    pub(crate) async fn delivery(&self, key: &str) -> Result<Option<(Delivery, u64)>, Error> {
        let Some(item) = self.ports.table.get(&Key::new(DELIVERY_PK, key)).await? else {
            return Ok(None);
        };
        let (mut delivery, body): (Delivery, _) = read(self.ports, &item).await?;
        delivery.body = body;
        if let Some(bulk) = &delivery.bulk {
            let bulk: NotificationBulk = read_object(self.ports, bulk).await?;
            bulk.give(&mut delivery.notification);
        }
        Ok(Some((delivery, item.version)))
    }

    /// Writes a delivery that was read at `version`.
    pub(crate) async fn save_delivery(&self, key: &str, delivery: &mut Delivery, version: u64) -> Result<u64, Error> {
        let expires_at = Some(self.ports.clock.now_ms() / 1000 + self.settings.delivery_memory_seconds);
        let old = delivery.bodies();
        delivery.body = None;
        let value = self.delivery_value(key, version, delivery).await?;
        let entries = std::mem::take(&mut delivery.entries);
        let ledger = self.ledger_write(key, version, &entries).await?;
        let own = put(
            Key::new(DELIVERY_PK, key),
            value,
            expires_at,
            Condition::Version(version),
        );
        let writes = std::iter::once(own).chain(ledger).collect();
        let versions = self.ports.table.transact(writes).await?;
        let version = versions.first().copied().unwrap_or_default();
        for old in old.into_iter().filter(|old| delivery.bulk.as_ref() != Some(old)) {
            self.forget(&old).await;
        }
        Ok(version)
    }

    /// The value of a delivery's item. What it says never changes until it is settled: its object stays.
    pub(super) async fn delivery_value(
        &self,
        key: &str,
        replaces: u64,
        delivery: &mut Delivery,
    ) -> Result<String, Error> {
        let settled = !matches!(delivery.state, State::Waiting | State::Claimed);
        if settled || delivery.bulk.is_none() {
            delivery.bulk = None;
            let bulk = NotificationBulk::take(&mut delivery.notification);
            let text = encode(&bulk)?;
            bulk.give(&mut delivery.notification);
            if text.len() <= self.settings.inline_limit_bytes.min(INLINE_DELIVERY_BYTES) {
                return encode(delivery);
            }
            delivery.bulk = Some(self.put_object("deliveries", key, replaces, text).await?.name);
        }
        let bulk = NotificationBulk::take(&mut delivery.notification);
        let value = encode(delivery);
        bulk.give(&mut delivery.notification);
        value
    }
}
