//! The few things done with objects.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use parapet_ports::Error;
use std::ops::Range;

/// Puts an object whose key is derived from its content: one that is there already is the same.
pub(crate) async fn put_new(objects: &dyn ObjectStore, key: String, bytes: Bytes) -> Result<(), Error> {
    let options = PutOptions {
        mode: PutMode::Create,
        ..PutOptions::default()
    };
    match objects.put_opts(&path(&key), bytes.into(), options).await {
        Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// A whole object; `None` where it is not there.
pub(crate) async fn get(objects: &dyn ObjectStore, key: &str) -> Result<Option<Bytes>, Error> {
    match objects.get(&path(key)).await {
        Ok(result) => Ok(Some(result.bytes().await?)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Whether an object is there.
pub(crate) async fn exists(objects: &dyn ObjectStore, key: &str) -> Result<bool, Error> {
    match objects.head(&path(key)).await {
        Ok(_) => Ok(true),
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Ranges of an object, each with its start; `None` where it is not there.
pub(crate) async fn get_ranges(
    objects: &dyn ObjectStore,
    key: &str,
    ranges: &[Range<u64>],
) -> Result<Option<Vec<(u64, Bytes)>>, Error> {
    match objects.get_ranges(&path(key), ranges).await {
        Ok(parts) => Ok(Some(ranges.iter().map(|range| range.start).zip(parts).collect())),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Removes an object; one that is not there is removed.
pub(crate) async fn delete(objects: &dyn ObjectStore, key: &str) -> Result<(), Error> {
    match objects.delete(&path(key)).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn path(key: &str) -> Path {
    Path::from(key)
}
