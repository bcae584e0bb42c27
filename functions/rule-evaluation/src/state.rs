//! The stored state of a rule group.

use crate::Settings;
use crate::plan::GroupName;
use object_store::{ObjectStoreExt as _, path::Path};
use parapet_ports::{Condition, Error, Item, Key, Kind, Ports, SkRange, Write};
use parapet_rules::GroupState;
use parapet_store::keys;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// A group's state after its last evaluation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct StoredState {
    /// The rule file.
    pub file: String,
    /// The group's name.
    pub group: String,
    /// Slots that were never evaluated, since the group was first seen.
    #[serde(default)]
    pub missed_slots: u64,
    /// The state itself.
    pub state: GroupState,
    /// The object that holds all this, where it is too large for an item.
    #[serde(skip)]
    object: Option<String>,
}

impl StoredState {
    /// The state of a group that was never evaluated.
    pub(crate) fn new(name: &GroupName) -> Self {
        Self {
            file: name.file.clone(),
            group: name.name.clone(),
            ..Self::default()
        }
    }

    fn name(&self) -> GroupName {
        GroupName {
            file: self.file.clone(),
            name: self.group.clone(),
        }
    }
}

/// The last evaluation of a group, without its state: what scheduling and other groups ask for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// The batch of samples that it recorded; `None` where it recorded nothing.
    #[serde(default)]
    pub(crate) batch: Option<String>,
    /// How long it took.
    #[serde(default)]
    pub(crate) seconds: f64,
}

/// The summaries of every group that has state, by sort key.
pub(crate) async fn summaries(ports: &Ports, tenant: &str) -> Result<HashMap<String, Summary>, Error> {
    let family = keys::rule_summary(tenant, "").pk;
    let items = ports.table.query(&family, SkRange::all()).await?;
    Ok(items
        .into_iter()
        .map(|item| (item.key.sk.clone(), summary_of(&item)))
        .collect())
}

/// The summary of one group.
pub(crate) async fn summary(ports: &Ports, tenant: &str, name: &GroupName) -> Result<Option<Summary>, Error> {
    let item = ports.table.get(&keys::rule_summary(tenant, &sort_key(name))).await?;
    Ok(item.as_ref().map(summary_of))
}

/// One that does not read is taken for one that says nothing: it only helps to schedule.
fn summary_of(item: &Item) -> Summary {
    serde_json::from_str(&item.value).unwrap_or_default()
}

/// In place of a state that lies in the object store.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pointer {
    object: String,
}

/// What tells a group's items from those of others.
pub(crate) fn sort_key(name: &GroupName) -> String {
    format!("{};{}", name.file, name.name)
}

pub(crate) fn key(tenant: &str, name: &GroupName) -> Key {
    keys::rule_state(tenant, &sort_key(name))
}

/// Reads a group's state and its version.
pub(crate) async fn load(ports: &Ports, key: &Key) -> Result<Option<(StoredState, u64)>, Error> {
    match ports.table.get(key).await? {
        Some(item) => Ok(Some((decode(ports, &item).await?, item.version))),
        None => Ok(None),
    }
}

/// Reads the state that an item holds or points to.
pub(crate) async fn decode(ports: &Ports, item: &Item) -> Result<StoredState, Error> {
    let corrupt = |error: serde_json::Error| {
        Error::new(
            Kind::Corrupt,
            format!("the state of rule group {} does not read", item.key.sk),
        )
        .with_source(error)
    };
    match serde_json::from_str::<Pointer>(&item.value) {
        Ok(pointer) => {
            let bytes = ports
                .objects
                .get(&Path::from(pointer.object.as_str()))
                .await?
                .bytes()
                .await?;
            let state: StoredState = serde_json::from_slice(&bytes).map_err(corrupt)?;
            Ok(StoredState {
                object: Some(pointer.object),
                ..state
            })
        }
        Err(_) => serde_json::from_str(&item.value).map_err(corrupt),
    }
}

/// Writes a group's state over the version that was read, and its summary with it. Gives the new version.
///
/// # Errors
/// [`Kind::Conflict`] where another evaluation was faster.
pub(crate) async fn save(
    ports: &Ports,
    settings: &Settings,
    state: &mut StoredState,
    summary: &Summary,
    condition: Condition,
) -> Result<u64, Error> {
    let encode = |error| Error::new(Kind::Internal, "a rule group's state does not encode").with_source(error);
    let mut value = serde_json::to_string(state).map_err(encode)?;
    let mut new_object = None;
    if value.len() > settings.inline_limit_bytes {
        // Named from content and slot: a redo writes the same object again.
        let object = format!("state/rules/{:016x}.json", xxhash_rust::xxh3::xxh3_64(value.as_bytes()));
        ports.objects.put(&Path::from(object.as_str()), value.into()).await?;
        value = serde_json::to_string(&Pointer { object: object.clone() }).map_err(encode)?;
        new_object = Some(object);
    }
    let name = state.name();
    let put = |key, value, condition| Write::Put {
        key,
        value,
        expires_at: None,
        condition,
    };
    let summary_value = serde_json::to_string(summary).map_err(encode)?;
    let versions = ports
        .table
        .transact(vec![
            put(key(&settings.tenant, &name), value, condition),
            put(
                keys::rule_summary(&settings.tenant, &sort_key(&name)),
                summary_value,
                Condition::Any,
            ),
        ])
        .await?;
    let old = std::mem::replace(&mut state.object, new_object);
    forget_object(ports, old.as_deref().filter(|old| state.object.as_deref() != Some(old))).await;
    Ok(versions.first().copied().unwrap_or_default())
}

/// Forgets a group's state and summary.
///
/// # Errors
/// [`Kind::Conflict`] where the group was evaluated in between.
pub(crate) async fn forget(ports: &Ports, tenant: &str, state: &StoredState, version: u64) -> Result<(), Error> {
    let name = state.name();
    let delete = |key, condition| Write::Delete { key, condition };
    ports
        .table
        .transact(vec![
            delete(key(tenant, &name), Condition::Version(version)),
            delete(keys::rule_summary(tenant, &sort_key(&name)), Condition::Any),
        ])
        .await?;
    forget_object(ports, state.object.as_deref()).await;
    Ok(())
}

/// Deletes an object that nothing points to any more. Where this fails it is left over, and harmless.
async fn forget_object(ports: &Ports, object: Option<&str>) {
    if let Some(object) = object
        && let Err(error) = ports.objects.delete(&Path::from(object)).await
    {
        tracing::debug!(%error, object, "an old rule state was not deleted");
    }
}
