//! How long samples are kept, and what is left of them after that.
//!
//! A day whose samples are past their retention is rolled up to five minutes and to an hour; the rollups are sealed, and
//! only then its files go. Cut off at any point, the next run goes on: a sealed rollup is not made again, whatever is
//! left of the files. Samples that arrive for a sealed day go with the next run.

use super::rollup::RolledUp;
use super::{Compaction, CompactionReport};
use crate::Dataset;
use crate::day::{DAY_MS, Day};
use crate::manifest::{FileEntry, NewFile};
use crate::rollups::{self, Resolution};
use crate::{blocking, keys, objects};
use parapet_model::{Labels, Matcher};
use parapet_ports::{Condition, Error, Key, Kind, Write};
use parapet_segment::Source;

/// Files of one transaction of retention: with the record of their deletion it must hold.
const RETENTION_FILES: usize = 90;

/// A day that is empty stays in the index of days until no writer can take it for known.
const DAY_INDEX_MS: i64 = 15 * DAY_MS;

/// An exception to how long samples are kept.
#[derive(Clone, Debug)]
pub struct RetentionRule {
    /// Whose samples; `None` for everybody's.
    pub tenant: Option<String>,
    /// Of which series; empty for all of the tenant's.
    pub matchers: Vec<Matcher>,
    /// How long, milliseconds after the end of their day.
    pub keep_ms: i64,
}

impl RetentionRule {
    fn is_for(&self, tenant: &str) -> bool {
        self.tenant.as_ref().is_none_or(|one| one == tenant)
    }
}

impl Compaction {
    /// Applies the retention to every day: of single series within the days that are kept, then of whole days, whose
    /// rollups stay as long as theirs says. Objects go after the grace period.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the table or the objects are; [`Kind::Corrupt`] where a file does not read.
    pub async fn retain(&self, tenant: &str) -> Result<CompactionReport, Error> {
        let (mut report, now_ms) = (CompactionReport::default(), self.clock.now_ms());
        let whole = |rule: &&super::RetentionRule| rule.tenant.as_deref() == Some(tenant) && rule.matchers.is_empty();
        let own = self.settings.retention_rules.iter().find(whole);
        let retention_ms = own.map_or(self.settings.retention_ms, |rule| rule.keep_ms);
        for day in self.dataset.all_days(self.table.as_ref(), tenant).await? {
            let age_ms = now_ms.saturating_sub(day.last_ms());
            if age_ms <= retention_ms {
                // Of logs there are neither series nor rollups.
                if self.dataset == Dataset::Logs {
                    continue;
                }
                self.retain_series(tenant, day, age_ms, &mut report).await?;
                continue;
            }
            self.retire(tenant, day, age_ms, &mut report).await?;
            let rollups_left =
                self.dataset == Dataset::Metrics && self.retire_rollups(tenant, day, age_ms, &mut report).await?;
            let is_forgotten = age_ms > DAY_INDEX_MS.max(retention_ms);
            if is_forgotten && !rollups_left && self.dataset.files(self.table.as_ref(), tenant, day).await?.is_empty() {
                let key = Key::new(keys::days(self.dataset, tenant), day.to_string());
                self.table.delete(key, Condition::Any).await?;
                let mark = Key::new(keys::retained(tenant), day.to_string());
                self.table.delete(mark, Condition::Any).await?;
            }
        }
        Ok(report)
    }

    /// Takes a day's files out of the manifest once its rollups are sealed.
    async fn retire(&self, tenant: &str, day: Day, age_ms: i64, report: &mut CompactionReport) -> Result<(), Error> {
        let files = self.dataset.files(self.table.as_ref(), tenant, day).await?;
        if files.is_empty() {
            return Ok(());
        }
        let resolutions: &[Resolution] = match self.dataset {
            Dataset::Metrics => &[Resolution::FiveMinutes, Resolution::Hour, Resolution::Day],
            Dataset::Logs => &[],
        };
        for resolution in resolutions.iter().copied() {
            if self.rollup_retention_ms(resolution) < age_ms {
                continue;
            }
            match self.roll_up(tenant, day, resolution).await? {
                RolledUp::Made => report.rollups += 1,
                RolledUp::Stands | RolledUp::Empty => {}
                // The day has changed, or another run is at it: next time.
                RolledUp::Overtaken => return Ok(()),
            }
            if !self.seal(tenant, day, resolution).await? {
                return Ok(());
            }
        }
        for part in files.chunks(RETENTION_FILES) {
            let writes = self.removals(tenant, day, part, self.clock.now_ms())?;
            match self.table.transact(writes).await {
                Ok(_) => report.expired += part.len() as u64,
                // A merge was quicker; its output is taken next time.
                Err(error) if error.kind() == Kind::Conflict => report.conflicts += 1,
                Err(error) => return Err(error),
            }
        }
        self.publish(tenant, day).await
    }

    /// Seals a rollup, if there is one; false where its object is gone, so that it has to be made anew.
    async fn seal(&self, tenant: &str, day: Day, resolution: Resolution) -> Result<bool, Error> {
        let Some(mut entry) = rollups::entry(self.table.as_ref(), tenant, day, resolution).await? else {
            return Ok(true);
        };
        let (key, condition) = (rollups::key(tenant, day, resolution), Condition::Version(entry.version));
        if !objects::exists(self.objects.as_ref(), &entry.file.key).await? {
            self.table.delete(key, condition).await?;
            return Ok(false);
        }
        if !entry.sealed {
            entry.sealed = true;
            self.table.put(key, entry.encode()?, None, condition).await?;
        }
        Ok(true)
    }

    fn rollup_retention_ms(&self, resolution: Resolution) -> i64 {
        match resolution {
            Resolution::FiveMinutes => self.settings.five_minutes_retention_ms,
            Resolution::Hour | Resolution::Day => self.settings.hour_retention_ms,
        }
    }

    /// Takes rollups away that are past their own retention; whether any is left.
    async fn retire_rollups(
        &self,
        tenant: &str,
        day: Day,
        age_ms: i64,
        report: &mut CompactionReport,
    ) -> Result<bool, Error> {
        let mut left = false;
        for ((_, resolution), entry) in rollups::entries(self.table.as_ref(), tenant, day, day).await? {
            if self.rollup_retention_ms(resolution) >= age_ms {
                left = true;
                continue;
            }
            let delete = Write::Delete {
                key: rollups::key(tenant, day, resolution),
                condition: Condition::Version(entry.version),
            };
            let deletion = self.deletion(&[entry.file.key.as_str()], self.clock.now_ms())?;
            match self.table.transact(vec![delete, deletion]).await {
                Ok(_) => report.expired += 1,
                Err(error) if error.kind() == Kind::Conflict => left = true,
                Err(error) => return Err(error),
            }
        }
        Ok(left)
    }

    /// Rewrites the files of a day without the series that are past a retention of their own. A mark says of which files
    /// and rules that is done.
    async fn retain_series(
        &self,
        tenant: &str,
        day: Day,
        age_ms: i64,
        report: &mut CompactionReport,
    ) -> Result<(), Error> {
        let rules = self.settings.retention_rules.iter();
        let due = rules.filter(|rule| rule.is_for(tenant) && !rule.matchers.is_empty() && rule.keep_ms < age_ms);
        let sets: Vec<Vec<Matcher>> = due.map(|rule| rule.matchers.clone()).collect();
        if sets.is_empty() {
            return Ok(());
        }
        let mark_of = |files: &[FileEntry]| {
            let matchers: Vec<String> = sets.iter().flatten().map(ToString::to_string).collect();
            format!("{} {}", rollups::fingerprint(files), matchers.join(","))
        };
        let key = Key::new(keys::retained(tenant), day.to_string());
        let files = self.dataset.files(self.table.as_ref(), tenant, day).await?;
        let mark = self.table.get(&key).await?;
        if files.is_empty() || mark.is_some_and(|mark| mark.value == mark_of(&files)) {
            return Ok(());
        }
        for file in files {
            if self.reader.holds_any(&file, &sets).await? {
                self.rewrite(tenant, day, file, &sets, report).await?;
            }
        }
        self.publish(tenant, day).await?;
        let left = self.dataset.files(self.table.as_ref(), tenant, day).await?;
        self.table.put(key, mark_of(&left), None, Condition::Any).await?;
        Ok(())
    }

    /// Replaces a file by one without some series.
    async fn rewrite(
        &self,
        tenant: &str,
        day: Day,
        file: FileEntry,
        without: &[Vec<Matcher>],
        report: &mut CompactionReport,
    ) -> Result<(), Error> {
        let Some(bytes) = objects::get(self.objects.as_ref(), &file.key).await? else {
            report.conflicts += 1;
            return Ok(());
        };
        let (options, without) = (self.settings.encode.clone(), without.to_vec());
        let segments = blocking(move || {
            let goes = |set: &Vec<Matcher>, labels: &Labels| set.iter().all(|matcher| matcher.matches_labels(labels));
            let keep = |labels: &Labels| !without.iter().any(|set| goes(set, labels));
            parapet_segment::merge_kept(&[Source::whole(bytes)], &options, usize::MAX, &[], &keep)
                .map_err(|error| Error::new(Kind::Corrupt, "a file does not read").with_source(error))
        })
        .await?;
        let outputs: Vec<NewFile> = segments.into_iter().map(Into::into).collect();
        self.swap(tenant, day, &[file], &outputs, report).await
    }
}
