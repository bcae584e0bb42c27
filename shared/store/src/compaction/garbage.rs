//! What goes: replaced files, orphans, old claim checks.

use super::{Compaction, CompactionReport};
use crate::Dataset;
use crate::day::{DAY_MS, Day};
use crate::envelope::CLAIM_PREFIX;
use crate::manifest::{self, TOMBSTONE};
use crate::rollups::{self, ROLLUP_PREFIX};
use crate::{keys, objects};
use futures::TryStreamExt as _;
use object_store::ObjectMeta;
use parapet_ports::{Condition, Error, Key, Kind, SkRange};
use std::collections::{BTreeMap, HashSet};

/// A tombstone stands longer than any commit can hang.
const TOMBSTONE_MS: i64 = 6 * DAY_MS;

impl Compaction {
    /// Deletes the objects whose grace period is over.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the table or the objects are.
    pub async fn delete_due(&self) -> Result<CompactionReport, Error> {
        let mut report = CompactionReport::default();
        let to = keys::deletion(self.clock.now_ms(), "");
        let due = self
            .table
            .query(
                keys::DELETIONS,
                SkRange {
                    from: String::new(),
                    to,
                },
            )
            .await?;
        for item in due {
            let names: Vec<String> = serde_json::from_str(&item.value)
                .map_err(|error| Error::new(Kind::Corrupt, "record of a deletion does not read").with_source(error))?;
            for name in &names {
                objects::delete(self.objects.as_ref(), name).await?;
            }
            // Last: cut off before this, all of it is done again.
            self.table.delete(item.key, Condition::Any).await?;
            report.deleted += names.len() as u64;
        }
        Ok(report)
    }

    /// Deletes objects that no manifest knows: what a commit or a merge left that was cut off.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the table or the objects are.
    pub async fn collect_orphans(&self, tenant: &str) -> Result<CompactionReport, Error> {
        let mut report = CompactionReport::default();
        let before_ms = self.clock.now_ms().saturating_sub(self.settings.orphan_grace_ms);
        let folder = format!("{}/tenant={tenant}", self.dataset.object_prefix());
        let mut days: BTreeMap<Day, Vec<String>> = BTreeMap::new();
        for object in self.list(&folder).await? {
            let name = object.location.to_string();
            let day = name.split('/').find_map(|part| Day::parse(part.strip_prefix("dt=")?));
            if let Some(day) = day.filter(|_| object.last_modified.timestamp_millis() < before_ms) {
                days.entry(day).or_default().push(name);
            }
        }
        for (day, names) in days {
            let live: HashSet<String> = self
                .dataset
                .files(self.table.as_ref(), tenant, day)
                .await?
                .into_iter()
                .map(|file| file.key)
                .collect();
            // After the manifest: what a merge takes out of it meanwhile is found here.
            let waiting = self.waiting_deletions().await?;
            for name in names
                .iter()
                .filter(|name| !live.contains(*name) && !waiting.contains(*name))
            {
                if let Some(key) = self.dataset.manifest_key(tenant, day, name)
                    && self.take_name(key).await?
                {
                    objects::delete(self.objects.as_ref(), name).await?;
                    report.deleted += 1;
                    report.orphans += 1;
                }
            }
        }
        if self.dataset == Dataset::Metrics {
            self.collect_rollup_orphans(tenant, before_ms, &mut report).await?;
        }
        Ok(report)
    }

    /// Deletes rollups that no entry names. They need no tombstone: a rollup is committed within seconds of its object,
    /// or not at all, and one whose object is missing is done without.
    async fn collect_rollup_orphans(
        &self,
        tenant: &str,
        before_ms: i64,
        report: &mut CompactionReport,
    ) -> Result<(), Error> {
        let objects = self.list(&format!("{ROLLUP_PREFIX}/tenant={tenant}")).await?;
        let entries = rollups::entries(self.table.as_ref(), tenant, Day::FIRST_NAMED, Day::LAST_NAMED).await?;
        let live: HashSet<String> = entries.into_values().map(|entry| entry.file.key).collect();
        let waiting = self.waiting_deletions().await?;
        for object in objects
            .iter()
            .filter(|object| object.last_modified.timestamp_millis() < before_ms)
        {
            let name = object.location.to_string();
            if !live.contains(&name) && !waiting.contains(&name) {
                objects::delete(self.objects.as_ref(), &name).await?;
                report.deleted += 1;
                report.orphans += 1;
            }
        }
        Ok(())
    }

    /// Puts a tombstone where the manifest entry would stand: the commit that the object was written for now meets
    /// a conflict. False where the entry stands: the object is no orphan.
    async fn take_name(&self, key: Key) -> Result<bool, Error> {
        let expires_at = self.clock.now_ms().saturating_add(TOMBSTONE_MS).div_euclid(1000);
        match self
            .table
            .put(key.clone(), TOMBSTONE.to_owned(), Some(expires_at), Condition::Absent)
            .await
        {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == Kind::Conflict => Ok(self
                .table
                .get(&key)
                .await?
                .is_some_and(|item| manifest::is_tombstone(&item))),
            Err(error) => Err(error),
        }
    }

    async fn waiting_deletions(&self) -> Result<HashSet<String>, Error> {
        let items = self.table.query(keys::DELETIONS, SkRange::all()).await?;
        Ok(items
            .iter()
            .filter_map(|item| serde_json::from_str::<Vec<String>>(&item.value).ok())
            .flatten()
            .collect())
    }

    /// Deletes claim checks of days of which no message can be left in the queue.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the objects are.
    pub async fn collect_claims(&self) -> Result<CompactionReport, Error> {
        let mut report = CompactionReport::default();
        let before_ms = self.clock.now_ms().saturating_sub(self.settings.claim_retention_ms);
        for object in self.list(CLAIM_PREFIX).await? {
            let name = object.location.to_string();
            let day = name.split('/').nth(1).and_then(Day::parse);
            if day.is_some_and(|day| day.last_ms() < before_ms) {
                objects::delete(self.objects.as_ref(), &name).await?;
                report.deleted += 1;
            }
        }
        Ok(report)
    }

    async fn list(&self, folder: &str) -> Result<Vec<ObjectMeta>, Error> {
        let folder = objects::path(folder);
        Ok(self.objects.list(Some(&folder)).try_collect().await?)
    }
}
