//! The stored state of a rule group.

use crate::Settings;
use object_store::{ObjectStoreExt as _, path::Path};
use parapet_ports::{Condition, Error, Item, Key, Kind, Ports};
use parapet_rules::GroupState;
use parapet_store::keys;
use serde::{Deserialize, Serialize};

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
    pub(crate) fn new(file: &str, group: &str) -> Self {
        Self {
            file: file.to_owned(),
            group: group.to_owned(),
            ..Self::default()
        }
    }
}

/// In place of a state that lies in the object store.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Pointer {
    object: String,
}

pub(crate) fn key(tenant: &str, file: &str, group: &str) -> Key {
    keys::rule_state(tenant, &format!("{file};{group}"))
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

/// Writes a group's state over the version that was read.
///
/// # Errors
/// [`Kind::Conflict`] where another evaluation was faster.
pub(crate) async fn save(
    ports: &Ports,
    settings: &Settings,
    key: Key,
    state: &StoredState,
    condition: Condition,
) -> Result<(), Error> {
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
    ports.table.put(key, value, None, condition).await?;
    forget_object(
        ports,
        state.object.as_deref().filter(|old| new_object.as_deref() != Some(old)),
    )
    .await;
    Ok(())
}

/// Forgets a group's state.
///
/// # Errors
/// [`Kind::Conflict`] where the group was evaluated in between.
pub(crate) async fn forget(ports: &Ports, item: Item, state: &StoredState) -> Result<(), Error> {
    ports.table.delete(item.key, Condition::Version(item.version)).await?;
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
