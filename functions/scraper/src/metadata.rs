//! Type, help and unit of metric families: objects named by their content, shared by like targets.

use crate::series_set::put_once;
use crate::state::read_targets;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parapet_exposition::Metadata;
use parapet_model::MetricType;
use parapet_ports::{Error, Kind, Objects, Ports};
use std::collections::{BTreeMap, BTreeSet};

/// By family: kind, help, unit.
type Stored = BTreeMap<String, (String, String, String)>;

/// Puts a body's metadata and gives its name; `None` where there is none. `known` is a name that is there already.
pub(crate) async fn put(
    objects: &Objects,
    metadata: &BTreeMap<String, Metadata>,
    known: Option<&str>,
) -> Result<Option<String>, Error> {
    if metadata.is_empty() {
        return Ok(None);
    }
    let stored: Stored = metadata
        .iter()
        .map(|(family, of)| {
            let words = (of.kind.as_str().to_owned(), of.help.clone(), of.unit.clone());
            (family.clone(), words)
        })
        .collect();
    let bytes = serde_json::to_vec(&stored)
        .map_err(|error| Error::new(Kind::Internal, "metadata does not encode").with_source(error))?;
    let name = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&bytes));
    if known != Some(&name) {
        put_once(objects.as_ref(), &path(&name), bytes).await?;
    }
    Ok(Some(name))
}

/// The metadata of one target, by the name that its state has.
///
/// # Errors
/// What the object store said; an object that is gone is empty.
pub async fn load_metadata(objects: &Objects, name: &str) -> Result<BTreeMap<String, Metadata>, Error> {
    let found = match objects.get(&path(name)).await {
        Ok(found) => found.bytes().await?,
        Err(object_store::Error::NotFound { .. }) => return Ok(BTreeMap::new()),
        Err(error) => return Err(error.into()),
    };
    let stored: Stored = serde_json::from_slice(&found)
        .map_err(|error| Error::new(Kind::Corrupt, "metadata does not read").with_source(error))?;
    Ok(stored
        .into_iter()
        .map(|(family, (kind, help, unit))| {
            let kind = MetricType::from_word(&kind).unwrap_or_default();
            (family, Metadata { kind, help, unit })
        })
        .collect())
}

/// The metadata of all targets: for each family what was said of it, without repeats (`/api/v1/metadata`).
///
/// # Errors
/// What the table or the object store said.
pub async fn read_metadata(ports: &Ports) -> Result<BTreeMap<String, BTreeSet<Metadata>>, Error> {
    let names: BTreeSet<String> = read_targets(ports.table.as_ref())
        .await?
        .into_values()
        .filter_map(|target| target.metadata)
        .collect();
    let objects = &ports.objects;
    let loads: Vec<_> = names.iter().map(|name| load_metadata(objects, name)).collect();
    let all: Vec<BTreeMap<String, Metadata>> = futures::stream::iter(loads).buffered(16).try_collect().await?;
    let mut out: BTreeMap<String, BTreeSet<Metadata>> = BTreeMap::new();
    for (family, metadata) in all.into_iter().flatten() {
        out.entry(family).or_default().insert(metadata);
    }
    Ok(out)
}

fn path(name: &str) -> Path {
    Path::from(format!("state/metadata/{name}"))
}
