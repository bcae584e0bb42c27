//! Groups and deliveries in the table; what is too large for an item lies in the object store.

mod delivery;
mod keys;

use crate::Settings;
use crate::bulk::{Bulk, GroupBulk, Object, Statements, fill, read_object};
use crate::ledger::{Told, of_statements};
pub(crate) use delivery::{Delivery, Former, State};
pub(crate) use keys::*;
use object_store::{ObjectStoreExt as _, path::Path};
use parapet_ledger::Entry;
use parapet_ports::{Condition, Error, Item, Key, Kind, Ports, Write};
use parapet_routing::{Group, Notification};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How often a group is read anew because it was replaced meanwhile.
const MAX_CONFLICTS: u32 = 8;

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
    /// What the ledger knows already.
    #[serde(default, skip_serializing_if = "Told::is_empty")]
    pub(crate) told: Told,
    /// What the ledger is told with the next write.
    #[serde(skip)]
    pub(crate) entries: Vec<Entry>,
    /// Where what grows with the alerts lies, if it is not in the item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) bulk: Option<Bulk>,
    /// The head as it is stored, without the statements: as long as that is the same, only more was stated.
    #[serde(skip)]
    stored_as: Option<String>,
    /// How many of the statements that `bulk` names are in `group` already.
    #[serde(skip)]
    applied: usize,
    /// The object that held the whole item, as earlier versions wrote it.
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

    /// Notes how it is stored.
    fn remember(&mut self) -> Result<(), Error> {
        let Some(bulk) = &mut self.bulk else {
            self.stored_as = None;
            return Ok(());
        };
        let parts = std::mem::take(&mut bulk.parts);
        let head = self.head()?;
        self.stored_as = Some(head);
        if let Some(bulk) = &mut self.bulk {
            bulk.parts = parts;
        }
        Ok(())
    }

    /// The value of its item.
    fn head(&mut self) -> Result<String, Error> {
        let bulk = GroupBulk::take(&mut self.group);
        let value = encode(self);
        bulk.give(&mut self.group);
        value
    }

    /// The statements that are not in `group` yet.
    fn later(&self) -> &[Object] {
        let parts = self.bulk.as_ref().map_or(&[][..], |bulk| &bulk.parts);
        parts.get(self.applied..).unwrap_or_default()
    }
}

/// A group's value under which it can still be written, and the version that it replaces.
#[derive(Debug)]
struct Rebased {
    value: String,
    version: u64,
}

/// What the index of deadlines holds beside the key.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Deadline {
    /// No timer message is on its way: the tick has to send it.
    pub(crate) far: bool,
}

/// In place of a value that lies in the object store as a whole, as earlier versions wrote it.
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
    /// A group and its version.
    pub(crate) async fn group(&self, id: &str) -> Result<Option<(StoredGroup, u64)>, Error> {
        let Some((stored, version)) = self.head(id).await? else {
            return Ok(None);
        };
        Ok(Some((self.whole(stored).await?, version)))
    }

    /// A group and its version; what grows with its alerts is only there where it lies in the item.
    pub(crate) async fn head(&self, id: &str) -> Result<Option<(StoredGroup, u64)>, Error> {
        let Some(item) = self.ports.table.get(&Key::new(GROUP_PK, id)).await? else {
            return Ok(None);
        };
        Ok(Some((head(self.ports, &item).await?, item.version)))
    }

    /// A group of which the head was read.
    pub(crate) async fn whole(&self, mut stored: StoredGroup) -> Result<StoredGroup, Error> {
        if let Some(bulk) = &stored.bulk {
            let (known, stated_at_ms) = fill(self.ports, &mut stored.group, bulk).await?;
            // What was stated since is told with the write that takes it in.
            if let Some(at_ms) = stated_at_ms {
                stored.entries = of_statements(None, &known, &stored.group, at_ms);
            }
            stored.applied = bulk.parts.len();
        }
        Ok(stored)
    }

    /// Keeps statements about alerts of a group, of which `head` was read at `version`, for whoever reads it whole.
    /// Answers whether that is possible: a group without alerts has to wake, and a small one takes them in at once.
    pub(crate) async fn append(
        &self,
        id: &str,
        head: &StoredGroup,
        version: u64,
        statements: &Statements,
    ) -> Result<bool, Error> {
        let awake = head.group.next_flush_at_ms.is_some();
        let limit = self.settings.inline_limit_bytes;
        let Some(mut bulk) = head.bulk.clone().filter(|bulk| awake && bulk.has_room(limit)) else {
            return Ok(false);
        };
        let part = self.put_object("groups", id, version, encode(statements)?).await?;
        let name = part.name.clone();
        bulk.parts.push(part);
        let head = StoredGroup {
            bulk: Some(bulk),
            ..head.clone()
        };
        let (key, condition) = (Key::new(GROUP_PK, id), Condition::Version(version));
        let written = self.ports.table.put(key, encode(&head)?, None, condition).await;
        if written.as_ref().is_err_and(|error| error.kind() == Kind::Conflict) {
            self.forget_unnamed(id, &name).await?;
        }
        written.map(|_| true)
    }

    /// Writes a group, its place in the index of deadlines, new deliveries and the end of former ones, all or nothing:
    /// a try that takes hold of a former one at the same moment loses, or this does.
    ///
    /// # Errors
    /// [`Kind::Conflict`] where the group was changed since it was read.
    pub(crate) async fn save_group(
        &self,
        id: &str,
        mut stored: StoredGroup,
        version: Option<u64>,
        deliveries: Vec<Notification>,
        mut former: Vec<Former>,
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
        let expires_at = stored
            .group
            .forgettable_at_ms()
            .map(|at_ms| at_ms.max(now_ms) / 1000 + 1);
        let entries = std::mem::take(&mut stored.entries);
        writes.extend(self.ledger_write(id, version.unwrap_or_default(), &entries).await?);
        let mut old_bodies = Vec::from_iter(stored.body.take());
        let value = self
            .group_value(id, version.unwrap_or_default(), &mut stored, &mut old_bodies)
            .await?;
        let condition = version.map_or(Condition::Absent, Condition::Version);
        writes.push(put(Key::new(GROUP_PK, id), value, expires_at, condition));
        let remembered_until = Some(now_ms / 1000 + self.settings.delivery_memory_seconds);
        let mut delivery_writes = Vec::new();
        for notification in deliveries {
            let key = dedup_key(id, &notification.integration, notification.flush_id);
            let known = former.iter().position(|former| former.key == key);
            let known = known.map(|index| former.swap_remove(index));
            let replaces = known.as_ref().map(|known| known.version);
            old_bodies.extend(known.into_iter().flat_map(|known| known.delivery.bodies()));
            let mut delivery = Delivery::new(notification);
            let value = self
                .delivery_value(&key, replaces.unwrap_or_default(), &mut delivery)
                .await?;
            let condition = replaces.map_or(Condition::Any, Condition::Version);
            delivery_writes.push(put(Key::new(DELIVERY_PK, key), value, remembered_until, condition));
        }
        for Former {
            key,
            mut delivery,
            version,
        } in former
        {
            old_bodies.extend(delivery.bodies());
            delivery.overtake();
            let condition = Condition::Version(version);
            delivery_writes.push(put(
                Key::new(DELIVERY_PK, key),
                encode(&delivery)?,
                remembered_until,
                condition,
            ));
        }
        // What no transaction has room for is written before: without the group's word nobody looks at it.
        while delivery_writes.len() + writes.len() > parapet_ports::table::MAX_TRANSACTION_WRITES {
            self.write_early(delivery_writes.pop()).await?;
        }
        let group_at = writes.len() - 1;
        writes.append(&mut delivery_writes);
        let versions = loop {
            let error = match self.ports.table.transact(writes.clone()).await {
                Ok(versions) => break versions,
                Err(error) => error,
            };
            let rebased = match error.kind() {
                Kind::Conflict => self.rebase(id, &mut stored).await?,
                _ => None,
            };
            let (Some(write), Some(newer)) = (writes.get_mut(group_at), rebased) else {
                if let (Kind::Conflict, Some(bulk)) = (error.kind(), &stored.bulk) {
                    self.forget_unnamed(id, &bulk.body.name).await?;
                }
                return Err(error);
            };
            *write = put(
                Key::new(GROUP_PK, id),
                newer.value,
                expires_at,
                Condition::Version(newer.version),
            );
        };
        for old in old_bodies {
            self.forget(&old).await;
        }
        stored.applied = 0;
        stored.remember()?;
        Ok((stored, versions.get(group_at).copied().unwrap_or_default()))
    }

    /// The value that replaces a group to which nothing happened since it was read but that more was stated about its
    /// alerts: that stays to be taken in, as if it had come after this write. A flush of a large group takes longer than
    /// statements take to follow one another, and would never end otherwise.
    async fn rebase(&self, id: &str, stored: &mut StoredGroup) -> Result<Option<Rebased>, Error> {
        let Some((newer, version)) = self.head(id).await? else {
            return Ok(None);
        };
        let awake = stored.group.next_flush_at_ms.is_some();
        let (Some(bulk), Some(newer_bulk)) = (&mut stored.bulk, &newer.bulk) else {
            return Ok(None);
        };
        let later = newer_bulk.parts.get(stored.applied..).unwrap_or_default();
        // What falls asleep has to be woken by what was stated: that is taken in first. Where no more was stated it was
        // something else that changed: a delivery.
        if !awake || newer.stored_as != stored.stored_as || later.len() == bulk.parts.len() {
            return Ok(None);
        }
        bulk.parts = later.to_vec();
        let value = stored.head()?;
        Ok(Some(Rebased { value, version }))
    }

    /// Writes a delivery ahead of its group. A new one that is there already was written by a run of the same flush
    /// that died, or that was faster: it stays as it is, and what it does not say the next flush tells.
    async fn write_early(&self, write: Option<Write>) -> Result<(), Error> {
        let Some(Write::Put {
            key,
            value,
            expires_at,
            condition,
        }) = write
        else {
            return Ok(());
        };
        if condition != Condition::Any {
            return self
                .ports
                .table
                .put(key, value, expires_at, condition)
                .await
                .map(|_| ());
        }
        match self.ports.table.put(key, value, expires_at, Condition::Absent).await {
            Err(error) if error.kind() == Kind::Conflict => Ok(()),
            result => result.map(|_| ()),
        }
    }

    /// The value of a group's item. Objects that it names no more are added to `old`.
    async fn group_value(
        &self,
        id: &str,
        replaces: u64,
        stored: &mut StoredGroup,
        old: &mut Vec<String>,
    ) -> Result<String, Error> {
        let later = stored.later().to_vec();
        if !later.is_empty() && stored.group.next_flush_at_ms.is_none() {
            return Err(Error::new(
                Kind::Conflict,
                "more was stated about a group that falls asleep",
            ));
        }
        let former = stored.bulk.take();
        let bulk = GroupBulk::take(&mut stored.group);
        let (text, head) = (encode(&bulk)?, encode(stored)?);
        bulk.give(&mut stored.group);
        if later.is_empty() && text.len() + head.len() <= self.settings.inline_limit_bytes {
            old.extend(former.iter().flat_map(Bulk::names).cloned());
            return encode(stored);
        }
        let body = self.put_object("groups", id, replaces, text).await?;
        let kept = |name: &&String| later.iter().all(|part| part.name != **name);
        old.extend(former.iter().flat_map(Bulk::names).filter(kept).cloned());
        stored.bulk = Some(Bulk { body, parts: later });
        stored.head()
    }

    /// What the ledger is told with the write that replaces a version of a group or a delivery.
    async fn ledger_write(&self, id: &str, replaces: u64, entries: &[Entry]) -> Result<Option<Write>, Error> {
        if entries.is_empty() {
            return Ok(None);
        }
        let mut value = encode(&entries)?;
        if value.len() > self.settings.inline_limit_bytes {
            let body = self.put_object("ledger", id, replaces, value).await?.name;
            value = encode(&Pointer { body })?;
        }
        let sk = format!("{:016}/{id}/{replaces}", self.ports.clock.now_ms().max(0));
        let key = Key::new(ledger_pk(&self.settings.tenant), sk);
        Ok(Some(put(key, value, None, Condition::Any)))
    }

    /// Writes an object under a name that nobody else gives: only who wrote it can make an item name it, and only who
    /// takes that away can remove it.
    async fn put_object(&self, kind: &str, id: &str, replaces: u64, text: String) -> Result<Object, Error> {
        let (once, bytes) = (self.ports.entropy.next_u64(), text.len());
        let name = format!("notifier/{kind}/{id}/{replaces}-{once:016x}.json");
        self.ports.objects.put(&Path::from(name.as_str()), text.into()).await?;
        Ok(Object { name, bytes })
    }

    /// Removes an object of a write that was refused. That may be an answer to the second of two tries of which the first
    /// was heard: what the group names stays.
    async fn forget_unnamed(&self, id: &str, name: &str) -> Result<(), Error> {
        let head = self.head(id).await?;
        let bulk = head.and_then(|(head, _)| head.bulk);
        let named = bulk.is_some_and(|bulk| bulk.names().any(|named| named == name));
        if !named {
            self.forget(name).await;
        }
        Ok(())
    }

    /// Removes a body that no item points to any more. Where that fails it only takes up room.
    pub(crate) async fn forget(&self, body: &str) {
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
    Ok((read_object(ports, &pointer.body).await?, Some(pointer.body)))
}

/// The head of a group of which the item was read.
async fn head(ports: &Ports, item: &Item) -> Result<StoredGroup, Error> {
    let (mut stored, body): (StoredGroup, _) = read(ports, item).await?;
    stored.body = body;
    stored.remember()?;
    Ok(stored)
}

/// The group of which the item was read, or as it is by now where that was replaced since; `None` where it is gone.
pub(crate) async fn read_group(ports: &Ports, item: &Item) -> Result<Option<Group>, Error> {
    let mut item = item.clone();
    for _ in 0..MAX_CONFLICTS {
        match group_of(ports, &item).await {
            Err(error) if error.kind() == Kind::Conflict => match ports.table.get(&item.key).await? {
                Some(newer) => item = newer,
                None => return Ok(None),
            },
            result => return result.map(Some),
        }
    }
    group_of(ports, &item).await.map(Some)
}

async fn group_of(ports: &Ports, item: &Item) -> Result<Group, Error> {
    let StoredGroup { mut group, bulk, .. } = head(ports, item).await?;
    if let Some(bulk) = bulk {
        fill(ports, &mut group, &bulk).await?;
    }
    Ok(group)
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
