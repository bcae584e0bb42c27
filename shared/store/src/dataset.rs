//! [`Dataset`]: what has files, and a manifest of them, of its own.

use crate::day::Day;
use crate::keys;
use parapet_ports::Key;

/// A kind of data, with a manifest, partitions and batches of its own. Committing, merging, retention, deletion and
/// publication are the same for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dataset {
    /// Samples.
    Metrics,
    /// Log lines.
    Logs,
}

impl Dataset {
    /// Where its files stand in the bucket.
    #[must_use]
    pub fn object_prefix(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Logs => "logs",
        }
    }

    /// Where the manifests that are published for Athena stand in the bucket.
    #[must_use]
    pub fn published_prefix(self) -> &'static str {
        match self {
            Self::Metrics => "metrics-manifest",
            Self::Logs => "logs-manifest",
        }
    }

    /// The folder of a tenant's day: a partition for Athena.
    pub(crate) fn partition(self, tenant: &str, day: Day) -> String {
        format!("{}/tenant={tenant}/dt={day}", self.object_prefix())
    }

    /// The key of a file's object.
    pub(crate) fn object_key(self, tenant: &str, day: Day, level: u8, name: &str) -> String {
        format!("{}/{level:02}-{name}", self.partition(tenant, day))
    }

    /// The manifest key of a file.
    pub(crate) fn file_key(self, tenant: &str, day: Day, level: u8, name: &str) -> Key {
        Key::new(
            keys::manifest(self, tenant, &day.to_string()),
            keys::manifest_file(level, name),
        )
    }

    /// The manifest key that belongs to an object's key; `None` where the object is not of the form.
    pub(crate) fn manifest_key(self, tenant: &str, day: Day, object_key: &str) -> Option<Key> {
        let partition = self.partition(tenant, day);
        let file = object_key.strip_prefix(&partition)?.strip_prefix('/')?;
        let (level, name) = file.split_once('-')?;
        Some(self.file_key(tenant, day, level.parse().ok()?, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::file_name;

    #[test]
    fn keys_and_names_belong_together() {
        let day = Day::of_ms(0);
        let name = file_name(b"content", ["a", "b"].into_iter(), 0);
        assert_eq!(name.len(), 40);
        for (dataset, folder, family) in [
            (Dataset::Metrics, "metrics", "manifest"),
            (Dataset::Logs, "logs", "logs-manifest"),
        ] {
            let key = dataset.object_key("t", day, 3, &name);
            assert_eq!(key, format!("{folder}/tenant=t/dt=1970-01-01/03-{name}"));
            let found = dataset.manifest_key("t", day, &key);
            let family = format!("{family}#t#1970-01-01");
            assert_eq!(found, Some(Key::new(family, format!("03/{name}"))));
            let other = format!("{folder}/tenant=t/dt=1970-01-01/x");
            assert_eq!(dataset.manifest_key("t", day, &other), None);
        }
    }
}
