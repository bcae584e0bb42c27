//! What is too large for an item of the table: the alerts of a large group, and of a large notification.
//!
//! A group whose alerts fit into its item lies there whole. Of a larger one the item holds the head (deadline, what is
//! pending, …), and names one object with the bulk and the objects with what was stated since, so that a statement
//! costs a write of its own size and not of the group's. Whoever reads the group applies the statements in order;
//! whoever writes it merges them. They are merged at the latest when they are as large as the bulk: all writing
//! together is a small multiple of what was stated, whatever the size of the group.

use crate::ledger::{Known, known};
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectStoreExt as _, path::Path};
use parapet_model::Alert;
use parapet_ports::{Error, Kind, Ports};
use parapet_routing::{Fingerprint, Group, GroupAlert, LogEntry, Notification, NotifiedAlert, Tombstone};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;

/// Most objects with statements of one group: their names have to fit into its item.
const MAX_PARTS: usize = 256;

/// How many objects are read at once.
const READS: usize = 16;

/// Where the bulk of a group lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Bulk {
    pub(crate) body: Object,
    /// What was stated since, in order.
    pub(crate) parts: Vec<Object>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Object {
    pub(crate) name: String,
    pub(crate) bytes: usize,
}

impl Bulk {
    /// Whether one more part is better than merging all of them.
    pub(crate) fn has_room(&self, inline_limit_bytes: usize) -> bool {
        let stated: usize = self.parts.iter().map(|part| part.bytes).sum();
        self.parts.len() < MAX_PARTS && stated < self.body.bytes.max(inline_limit_bytes)
    }

    /// Every object that it names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.parts.iter().chain([&self.body]).map(|object| &object.name)
    }
}

/// What one part holds.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Statements {
    pub(crate) at_ms: i64,
    pub(crate) resolve_timeout_ms: i64,
    pub(crate) alerts: Vec<Alert>,
}

/// The fields of a group that grow with its alerts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct GroupBulk {
    alerts: BTreeMap<Fingerprint, GroupAlert>,
    log: BTreeMap<String, LogEntry>,
    leaving: BTreeMap<Fingerprint, i64>,
    tombstones: BTreeMap<Fingerprint, Tombstone>,
}

impl GroupBulk {
    pub(crate) fn take(group: &mut Group) -> Self {
        Self {
            alerts: take(&mut group.alerts),
            log: take(&mut group.log),
            leaving: take(&mut group.leaving),
            tombstones: take(&mut group.tombstones),
        }
    }

    pub(crate) fn give(self, group: &mut Group) {
        group.alerts = self.alerts;
        group.log = self.log;
        group.leaving = self.leaving;
        group.tombstones = self.tombstones;
    }
}

/// The fields of a notification that grow with its alerts.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct NotificationBulk {
    alerts: Vec<NotifiedAlert>,
    firing: BTreeSet<Fingerprint>,
    resolved: BTreeSet<Fingerprint>,
}

impl NotificationBulk {
    pub(crate) fn take(notification: &mut Notification) -> Self {
        Self {
            alerts: take(&mut notification.alerts),
            firing: take(&mut notification.firing),
            resolved: take(&mut notification.resolved),
        }
    }

    pub(crate) fn give(self, notification: &mut Notification) {
        notification.alerts = self.alerts;
        notification.firing = self.firing;
        notification.resolved = self.resolved;
    }
}

/// Makes the head of a group whole. Answers what was known of its alerts before the statements since, and when the
/// last of those came.
pub(crate) async fn fill(ports: &Ports, group: &mut Group, bulk: &Bulk) -> Result<(Known, Option<i64>), Error> {
    read_object::<GroupBulk>(ports, &bulk.body.name).await?.give(group);
    let (known, mut stated_at_ms) = (known(group), None);
    let mut reads = Vec::new();
    for part in &bulk.parts {
        reads.push(read_object::<Statements>(ports, &part.name));
    }
    let mut parts = futures::stream::iter(reads).buffered(READS);
    while let Some(Statements {
        at_ms,
        resolve_timeout_ms,
        alerts,
    }) = parts.try_next().await?
    {
        group.state(at_ms, resolve_timeout_ms, alerts);
        stated_at_ms = Some(at_ms);
    }
    Ok((known, stated_at_ms))
}

/// What an object holds.
///
/// # Errors
/// [`Kind::Conflict`] where it is gone: the item that named it was replaced since it was read.
pub(crate) async fn read_object<T: DeserializeOwned>(ports: &Ports, name: &str) -> Result<T, Error> {
    let found = match ports.objects.get(&Path::from(name)).await {
        Ok(found) => found.bytes().await?,
        Err(error @ object_store::Error::NotFound { .. }) => {
            return Err(Error::new(Kind::Conflict, "the body of an item was replaced").with_source(error));
        }
        Err(error) => return Err(error.into()),
    };
    serde_json::from_slice(&found)
        .map_err(|error| Error::new(Kind::Corrupt, format!("object {name} does not read")).with_source(error))
}
