//! Objects dropped in the bucket: what tells of them, and what is known of one.

use object_store::ObjectMeta;
use parapet_ports::{Error, Kind, Outgoing};
use serde::{Deserialize, Serialize};

/// Where objects are dropped: `logs-in/…`, or `logs-in/tenant=T/…`.
pub const PREFIX: &str = "logs-in";

/// A message of ours about an object, or about the rest of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dropped {
    /// Its key.
    pub(crate) object: String,
    /// Its version: the entity tag, without quotes.
    pub(crate) version: String,
    /// The first byte that is not taken in yet, of what is decompressed.
    pub(crate) start: u64,
}

/// A notification of S3, as far as it is needed.
#[derive(Deserialize)]
struct Notification {
    #[serde(rename = "Records")]
    records: Vec<NotificationRecord>,
}

#[derive(Deserialize)]
struct NotificationRecord {
    s3: NotificationEntity,
}

#[derive(Deserialize)]
struct NotificationEntity {
    object: NotificationObject,
}

#[derive(Deserialize)]
struct NotificationObject {
    key: String,
    #[serde(rename = "eTag", default)]
    e_tag: String,
}

/// What S3 sends once, when notifications are set up.
#[derive(Deserialize)]
struct TestEvent {
    #[serde(rename = "Event")]
    event: String,
}

impl Dropped {
    pub(crate) fn new(key: &str, e_tag: &str) -> Self {
        Self {
            object: key.to_owned(),
            version: e_tag.trim_matches('"').to_owned(),
            start: 0,
        }
    }

    /// The objects that a message tells of; `None` where it is of another kind.
    pub(crate) fn open(body: &str) -> Option<Vec<Self>> {
        if let Ok(dropped) = serde_json::from_str::<Self>(body) {
            return Some(vec![dropped]);
        }
        if let Ok(notification) = serde_json::from_str::<Notification>(body) {
            let objects = notification.records.into_iter().map(|record| record.s3.object);
            return Some(
                objects
                    .map(|object| Self::new(&unescaped(&object.key), &object.e_tag))
                    .collect(),
            );
        }
        let test = serde_json::from_str::<TestEvent>(body).ok()?;
        (test.event == "s3:TestEvent").then(Vec::new)
    }

    pub(crate) fn message(&self) -> Result<Outgoing, Error> {
        let body = serde_json::to_string(self)
            .map_err(|error| Error::new(Kind::Internal, "message does not encode").with_source(error))?;
        Ok(Outgoing::now(body))
    }

    /// Whose it is, and the path that pipelines see; `None` for an object elsewhere.
    pub(crate) fn place<'a>(&'a self, default_tenant: &'a str) -> Option<(&'a str, &'a str)> {
        let path = self.object.strip_prefix(PREFIX)?.strip_prefix('/')?;
        match path.strip_prefix("tenant=").and_then(|rest| rest.split_once('/')) {
            Some(place) => Some(place),
            None => Some((default_tenant, path)),
        }
    }

    /// The id of the batch that begins at a byte: the same object in the same version gives the same ids.
    pub(crate) fn batch_id(&self, start: u64) -> String {
        let mut hash = xxhash_rust::xxh3::Xxh3Default::new();
        for part in [self.object.as_bytes(), self.version.as_bytes()] {
            hash.update(part);
            hash.update(&[0xFF]);
        }
        format!("object-{:032x}-{start}", hash.digest128())
    }
}

/// What tells one content of an object from another.
pub(crate) fn version_of(meta: &ObjectMeta) -> String {
    let tag = meta.e_tag.as_deref().map(|tag| tag.trim_matches('"').to_owned());
    tag.unwrap_or_else(|| format!("{}-{}", meta.last_modified.timestamp_millis(), meta.size))
}

/// Keys in notifications are escaped as in the query of a URL.
fn unescaped(key: &str) -> String {
    let key = format!("k={key}");
    let pair = url::form_urlencoded::parse(key.as_bytes()).next();
    pair.map(|(_, key)| key.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tells_of_objects() {
        let event = r#"{"Records":[{"eventSource":"aws:s3","s3":{"bucket":{"name":"b"},
            "object":{"key":"logs-in/tenant%3Da/my+file%2B1.log.gz","size":5,"eTag":"abc"}}}]}"#;
        let found = Dropped::open(event).unwrap();
        assert_eq!(found, [Dropped::new("logs-in/tenant=a/my file+1.log.gz", "\"abc\"")]);
        assert_eq!(found[0].place("d"), Some(("a", "my file+1.log.gz")));
        assert_eq!(Dropped::new("logs-in/x/y", "1").place("d"), Some(("d", "x/y")));
        assert_eq!(Dropped::new("logs/x", "1").place("d"), None);
        let message = found[0].message().unwrap();
        assert_eq!(Dropped::open(&message.body), Some(found.clone()));
        assert_eq!(
            Dropped::open(r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#),
            Some(Vec::new())
        );
        assert_eq!(Dropped::open(r#"{"v":1,"batches":[]}"#), None);
        assert_ne!(found[0].batch_id(0), found[0].batch_id(9));
    }
}
