//! Committing: files and the marks of the batches in them, in one transaction.

use crate::day::Day;
use crate::manifest::{self, FileEntry, NewFile};
use crate::{Dataset, keys, objects};
use parapet_ports::{Condition, Error, Key, Kind, Objects, Ports, Table, Write};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Commits files of one kind of data. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Committer {
    dataset: Dataset,
    pub(crate) objects: Objects,
    pub(crate) table: Arc<dyn Table>,
    /// How long the mark of a stored batch is kept.
    batch_memory_ms: i64,
    known_days: Arc<Mutex<HashSet<(String, Day)>>>,
}

/// What is to be visible at once, or not at all.
#[derive(Debug)]
pub(crate) struct Commit<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) files: &'a [(Day, NewFile)],
    /// The ids of the batches that the files hold.
    pub(crate) ids: Vec<&'a str>,
    /// What their marks say.
    pub(crate) mark: &'a Mark,
    /// Further writes of the transaction.
    pub(crate) writes: Vec<Write>,
    /// Counts the collisions of names with tombstones.
    pub(crate) salt: u32,
    pub(crate) now_ms: i64,
}

/// What the mark of a batch says, which is absent before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It is stored.
    Stored,
    /// What it is made of is decided, and stands in this object. It is stored from there, in more transactions than one.
    Decided(String),
}

impl Mark {
    fn encode(&self) -> String {
        match self {
            Self::Stored => "{}".to_owned(),
            Self::Decided(key) => key.clone(),
        }
    }

    fn decode(value: String) -> Self {
        if value == "{}" {
            Self::Stored
        } else {
            Self::Decided(value)
        }
    }
}

/// What came of a commit.
#[derive(Debug)]
pub(crate) enum Committed {
    /// The files are in the manifest.
    Done(Vec<FileEntry>),
    /// Nothing is: something was there already.
    Conflict {
        /// For each batch the mark that it has already.
        marks: Vec<Option<Mark>>,
        /// Whether a name is taken by a tombstone.
        tombstone: bool,
    },
}

impl Committer {
    pub(crate) fn new(ports: &Ports, dataset: Dataset, batch_memory_ms: i64) -> Self {
        Self {
            dataset,
            objects: ports.objects.clone(),
            table: ports.table.clone(),
            batch_memory_ms,
            known_days: Arc::default(),
        }
    }

    /// Puts the files, then writes manifest entries, marks and the further writes in one transaction. Marks and entries
    /// must be absent: whatever is interrupted leaves objects without entry, which nobody reads and the compactor
    /// collects.
    pub(crate) async fn commit(&self, commit: Commit<'_>) -> Result<Committed, Error> {
        let entries = self.put_files(&commit).await?;
        let days = commit.files.iter().map(|(day, _)| *day);
        self.remember_days(commit.tenant, days).await?;
        let mut writes = commit.writes;
        let put = |key, value, expires_at| Write::Put {
            key,
            value,
            expires_at,
            condition: Condition::Absent,
        };
        for (key, entry) in &entries {
            writes.push(put(key.clone(), entry.encode()?, None));
        }
        for id in &commit.ids {
            let key = keys::batch(self.dataset, commit.tenant, id);
            writes.push(put(
                key,
                commit.mark.encode(),
                Some(self.mark_expires_at(commit.now_ms)),
            ));
        }
        match self.table.transact(writes).await {
            Ok(_) => Ok(Committed::Done(entries.into_iter().map(|(_, entry)| entry).collect())),
            Err(error) if error.kind() == Kind::Conflict => {
                let marks = commit.ids.iter().map(|id| self.mark(commit.tenant, id));
                Ok(Committed::Conflict {
                    marks: futures::future::try_join_all(marks).await?,
                    tombstone: self.any_tombstone(&entries).await?,
                })
            }
            Err(error) => Err(error),
        }
    }

    async fn put_files(&self, commit: &Commit<'_>) -> Result<Vec<(Key, FileEntry)>, Error> {
        let mut entries = Vec::with_capacity(commit.files.len());
        let puts = commit.files.iter().map(|(day, file)| {
            let name = manifest::file_name(&file.bytes, commit.ids.iter().copied(), commit.salt);
            let key = self.dataset.object_key(commit.tenant, *day, 0, &name);
            let entry = file.entry(key.clone(), 0, commit.now_ms);
            entries.push((self.dataset.file_key(commit.tenant, *day, 0, &name), entry));
            objects::put_new(self.objects.as_ref(), key, file.bytes.clone())
        });
        futures::future::try_join_all(puts).await?;
        Ok(entries)
    }

    /// The mark of a batch.
    async fn mark(&self, tenant: &str, id: &str) -> Result<Option<Mark>, Error> {
        let item = self.table.get(&keys::batch(self.dataset, tenant, id)).await?;
        Ok(item.map(|item| Mark::decode(item.value)))
    }

    /// Whether a batch is stored.
    pub(crate) async fn is_stored(&self, tenant: &str, id: &str) -> Result<bool, Error> {
        Ok(self.mark(tenant, id).await? == Some(Mark::Stored))
    }

    /// Marks a batch as stored all of which is, though not by one transaction.
    pub(crate) async fn set_stored(&self, tenant: &str, id: &str, now_ms: i64) -> Result<(), Error> {
        let (key, value) = (keys::batch(self.dataset, tenant, id), Mark::Stored.encode());
        let expires_at = Some(self.mark_expires_at(now_ms));
        self.table.put(key, value, expires_at, Condition::Any).await?;
        Ok(())
    }

    /// Seconds since the Unix epoch.
    fn mark_expires_at(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add(self.batch_memory_ms).div_euclid(1000)
    }

    async fn any_tombstone(&self, entries: &[(Key, FileEntry)]) -> Result<bool, Error> {
        let items = futures::future::try_join_all(entries.iter().map(|(key, _)| self.table.get(key))).await?;
        Ok(items.iter().flatten().any(manifest::is_tombstone))
    }

    /// The index of days comes before the files: a day in it may be empty, but none with files is missing.
    async fn remember_days(&self, tenant: &str, days: impl Iterator<Item = Day>) -> Result<(), Error> {
        for day in days {
            let known = (tenant.to_owned(), day);
            if self.known_days().contains(&known) {
                continue;
            }
            for key in [
                Key::new(keys::tenants(self.dataset), tenant),
                Key::new(keys::days(self.dataset, tenant), day.to_string()),
            ] {
                if self.table.get(&key).await?.is_none() {
                    self.table.put(key, "{}".to_owned(), None, Condition::Any).await?;
                }
            }
            self.known_days().insert(known);
        }
        Ok(())
    }

    fn known_days(&self) -> std::sync::MutexGuard<'_, HashSet<(String, Day)>> {
        self.known_days.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
