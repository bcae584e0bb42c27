//! Groups and deliveries in the table; what is too large for an item lies in the object store.

use crate::Settings;
use object_store::{ObjectStoreExt as _, path::Path};
use parapet_ports::{Condition, Error, Item, Key, Kind, Ports, Write};
use parapet_routing::{Group, Notification};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// What there is one of.
pub(crate) const STATE_PK: &str = "notifier";
pub(crate) const SILENCE_PK: &str = "alert-silence";
pub(crate) const SOURCE_PK: &str = "alert-source";
pub(crate) const GROUP_PK: &str = "alert-group";
pub(crate) const DEADLINE_PK: &str = "alert-deadline";
pub(crate) const DELIVERY_PK: &str = "alert-delivery";
pub(crate) const ACKNOWLEDGEMENT_PK: &str = "alert-acknowledgement";

/// A group and where it stands in the index of deadlines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredGroup {
    pub(crate) group: Group,
    /// The deadline under which the index holds it. While messages of a flush may be missing, it is the flush's own,
    /// past deadline, so that the tick finds the group.
    #[serde(default)]
    pub(crate) indexed_at_ms: Option<i64>,
    /// Whether what was acknowledged of it is over: forgotten in the transaction that stores the group.
    #[serde(skip)]
    pub(crate) ends_acknowledgement: bool,
    /// Where the body lies, if it is not in the item.
    #[serde(skip)]
    body: Option<String>,
}

impl StoredGroup {
    /// A group that is not stored yet.
    pub(crate) fn new(group: Group) -> Self {
        Self {
            group,
            ..Self::default()
        }
    }
}

/// What the index of deadlines holds beside the key.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Deadline {
    /// No timer message is on its way: the tick has to send it.
    pub(crate) far: bool,
}

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
}

impl Delivery {
    pub(crate) fn new(notification: Notification) -> Self {
        Self {
            state: State::Waiting,
            attempts: 0,
            not_before_ms: 0,
            error: String::new(),
            notification,
            body: None,
        }
    }
}

/// The identity of a group in the table: receiver and group key say all that it depends on, so that it outlives a
/// reload that leaves both alone.
pub(crate) fn group_id(group: &Group) -> String {
    let mut hash = Sha256::new();
    hash.update(group.receiver.as_bytes());
    hash.update([0]);
    hash.update(group.key.as_bytes());
    hex(&hash.finalize()[..16])
}

/// The identity of a delivery: one for all tries of one notification.
pub(crate) fn dedup_key(group_id: &str, integration: &str, flush_id: i64) -> String {
    format!("{group_id}/{integration}/{flush_id}")
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

pub(crate) fn deadline_sk(deadline_ms: i64, group_id: &str) -> String {
    format!("{:016}/{group_id}", deadline_ms.max(0))
}

/// The deadline and the group of an index item's sort key.
pub(crate) fn parse_deadline_sk(sk: &str) -> Option<(i64, &str)> {
    let (deadline, group) = sk.split_once('/')?;
    Some((deadline.parse().ok()?, group))
}

/// In place of a value that lies in the object store.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pointer {
    body: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Store<'a> {
    pub(crate) ports: &'a Ports,
    pub(crate) settings: &'a Settings,
}

impl Store<'_> {
    /// A group and its version; the empty one and no version where there is none.
    pub(crate) async fn group(&self, id: &str) -> Result<Option<(StoredGroup, u64)>, Error> {
        let Some(item) = self.ports.table.get(&Key::new(GROUP_PK, id)).await? else {
            return Ok(None);
        };
        let (mut stored, body): (StoredGroup, _) = read(self.ports, &item).await?;
        stored.body = body;
        Ok(Some((stored, item.version)))
    }

    /// Writes a group, its place in the index of deadlines and new deliveries, all or nothing.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where the group was changed since it was read.
    pub(crate) async fn save_group(
        &self,
        id: &str,
        mut stored: StoredGroup,
        version: Option<u64>,
        deliveries: Vec<Notification>,
    ) -> Result<(StoredGroup, u64), Error> {
        let now_ms = self.ports.clock.now_ms();
        let mut writes = Vec::new();
        let wanted = if stored.group.has_unqueued() {
            stored.indexed_at_ms
        } else {
            stored.group.next_flush_at_ms
        };
        if wanted != stored.indexed_at_ms {
            if let Some(old) = stored.indexed_at_ms {
                let key = Key::new(DEADLINE_PK, deadline_sk(old, id));
                writes.push(Write::Delete {
                    key,
                    condition: Condition::Any,
                });
            }
            if let Some(new) = wanted {
                let far = new - now_ms > crate::timers::MAX_DELAY_MS;
                let key = Key::new(DEADLINE_PK, deadline_sk(new, id));
                writes.push(put(key, encode(&Deadline { far })?, None, Condition::Any));
            }
            stored.indexed_at_ms = wanted;
        }
        if std::mem::take(&mut stored.ends_acknowledgement) {
            writes.push(Write::Delete {
                key: Key::new(ACKNOWLEDGEMENT_PK, id),
                condition: Condition::Any,
            });
        }
        let old_body = stored.body.take();
        let expires_at = stored
            .group
            .forgettable_at_ms()
            .map(|at_ms| at_ms.max(now_ms) / 1000 + 1);
        let (value, body) = self.value("groups", id, version.unwrap_or_default(), &stored).await?;
        let condition = version.map_or(Condition::Absent, Condition::Version);
        writes.push(put(Key::new(GROUP_PK, id), value, expires_at, condition));
        let expires_at = Some(now_ms / 1000 + self.settings.delivery_memory_seconds);
        let mut delivery_writes = Vec::new();
        for notification in deliveries {
            let key = dedup_key(id, &notification.integration, notification.flush_id);
            let (value, _) = self.value("deliveries", &key, 0, &Delivery::new(notification)).await?;
            delivery_writes.push(put(Key::new(DELIVERY_PK, key), value, expires_at, Condition::Any));
        }
        // What no transaction has room for is written before: without the group's word nobody looks at it.
        while delivery_writes.len() + writes.len() > parapet_ports::table::MAX_TRANSACTION_WRITES {
            let early = delivery_writes.split_off(delivery_writes.len().saturating_sub(50));
            self.ports.table.transact(early).await?;
        }
        let group_at = writes.len() - 1;
        writes.append(&mut delivery_writes);
        let versions = self.ports.table.transact(writes).await?;
        if let Some(old) = old_body.filter(|old| body.as_ref() != Some(old)) {
            self.forget(&old).await;
        }
        stored.body = body;
        Ok((stored, versions.get(group_at).copied().unwrap_or_default()))
    }

    /// A delivery and its version.
    pub(crate) async fn delivery(&self, key: &str) -> Result<Option<(Delivery, u64)>, Error> {
        let Some(item) = self.ports.table.get(&Key::new(DELIVERY_PK, key)).await? else {
            return Ok(None);
        };
        let (mut delivery, body): (Delivery, _) = read(self.ports, &item).await?;
        delivery.body = body;
        Ok(Some((delivery, item.version)))
    }

    /// Writes a delivery that was read at `version`.
    pub(crate) async fn save_delivery(&self, key: &str, delivery: &mut Delivery, version: u64) -> Result<u64, Error> {
        let expires_at = Some(self.ports.clock.now_ms() / 1000 + self.settings.delivery_memory_seconds);
        let (value, body) = self.value("deliveries", key, version, delivery).await?;
        let (table, condition) = (&self.ports.table, Condition::Version(version));
        let version = table
            .put(Key::new(DELIVERY_PK, key), value, expires_at, condition)
            .await?;
        if let Some(old) = std::mem::replace(&mut delivery.body, body) {
            self.forget(&old).await;
        }
        Ok(version)
    }

    /// The value of an item: the JSON itself, or a pointer to where it lies. A body is named by what it replaces and
    /// by its content, so that no name comes twice: a body can be removed as soon as no item points to it.
    async fn value<T: Serialize>(
        &self,
        kind: &str,
        id: &str,
        replaces: u64,
        value: &T,
    ) -> Result<(String, Option<String>), Error> {
        let text = encode(value)?;
        if text.len() <= self.settings.inline_limit_bytes {
            return Ok((text, None));
        }
        let hash = hex(&Sha256::digest(text.as_bytes())[..16]);
        let body = format!("notifier/{kind}/{id}/{replaces}-{hash}.json");
        self.ports.objects.put(&Path::from(body.as_str()), text.into()).await?;
        Ok((encode(&Pointer { body: body.clone() })?, Some(body)))
    }

    /// Removes a body that no item points to any more. Where that fails it only takes up room.
    async fn forget(&self, body: &str) {
        if let Err(error) = self.ports.objects.delete(&Path::from(body)).await {
            tracing::debug!(body, %error, "an old body stays behind");
        }
    }
}

/// What an item says, and where its body lies if elsewhere.
pub(crate) async fn read<T: DeserializeOwned>(ports: &Ports, item: &Item) -> Result<(T, Option<String>), Error> {
    let Ok(pointer) = serde_json::from_str::<Pointer>(&item.value) else {
        return Ok((decode(&item.key, item.value.as_bytes())?, None));
    };
    let path = Path::from(pointer.body.as_str());
    let found = match ports.objects.get(&path).await {
        Ok(found) => found.bytes().await?,
        // Written and replaced between the two reads: read the item again.
        Err(error @ object_store::Error::NotFound { .. }) => {
            return Err(Error::new(Kind::Conflict, "the body of an item was replaced").with_source(error));
        }
        Err(error) => return Err(error.into()),
    };
    Ok((decode(&item.key, &found)?, Some(pointer.body)))
}

fn put(key: Key, value: String, expires_at: Option<i64>, condition: Condition) -> Write {
    Write::Put {
        key,
        value,
        expires_at,
        condition,
    }
}

pub(crate) fn encode<T: Serialize>(value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::new(Kind::Internal, "state is not JSON").with_source(error))
}

fn decode<T: DeserializeOwned>(key: &Key, text: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(text).map_err(|error| {
        Error::new(Kind::Corrupt, format!("item {}/{} does not read", key.pk, key.sk)).with_source(error)
    })
}
