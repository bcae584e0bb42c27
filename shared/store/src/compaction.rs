//! Keeping what is stored in shape: merging files, retention, deletion, orphans, what Athena sees.
//!
//! Invariants, whatever is cut off, repeated or run twice at once:
//! - **Nothing is lost or doubled.** A merge puts its outputs, then one transaction takes every input out of the
//!   manifest (each at the version that was merged) and puts the outputs in. Of two merges of the same files one
//!   meets a conflict and leaves its outputs to be collected.
//! - **A reader going through a manifest never misses samples**: an output's level is above that of all its inputs,
//!   and manifests are read in order of level.
//! - **An object is deleted only when nobody can come to need it**: a replaced file after a grace period, from a
//!   record written in the transaction that replaced it; an orphan after its name was taken by a tombstone, so that
//!   the commit it was written for cannot happen any more.

mod garbage;
mod plan;
mod publish;
mod retention;
mod rollup;

pub use retention::RetentionRule;

use crate::day::{DAY_MS, Day};
use crate::manifest::{self, FileEntry, NewFile};
use crate::reader::{Reader, ReaderSettings};
use crate::rollups::Resolution;
use crate::{Dataset, blocking, keys, objects};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use parapet_ports::{Clock, Condition, Error, Key, Kind, Objects, Ports, Table, Write};
use parapet_segment::{EncodeOptions, Source};
use rollup::RolledUp;
use std::sync::Arc;

/// How files are merged and when they go.
#[derive(Clone, Debug)]
pub struct CompactionSettings {
    /// So many files of a level above 0 are merged into the next level. Level 0 is merged from two files on.
    pub fanout: usize,
    /// Most inputs of one merge: with its outputs they must fit into one transaction.
    pub max_inputs: usize,
    /// Most bytes of inputs of one merge: they are held in memory.
    pub max_merge_bytes: u64,
    /// A file of this size is finished; larger outputs are cut.
    pub target_bytes: u64,
    /// A day is brought down to this many files (beside finished ones) once it is over.
    pub closed_day_files: usize,
    /// Into so many parts of equal time a day is cut when it is over, where one merge takes all of it: what reads an
    /// hour of many series need not read the day.
    pub closed_day_parts: usize,
    /// A day counts as over this long after its end.
    pub close_after_ms: i64,
    /// A replaced file is deleted after this long: longer than any query takes.
    pub grace_ms: i64,
    /// An object without manifest entry is an orphan when it is older than this.
    pub orphan_grace_ms: i64,
    /// Samples of days that ended longer ago than this are deleted.
    pub retention_ms: i64,
    /// Exceptions to that.
    pub retention_rules: Vec<RetentionRule>,
    /// So long after their day rollups of five minutes are kept, where its samples are gone.
    pub five_minutes_retention_ms: i64,
    /// The same for rollups of an hour and of the day.
    pub hour_retention_ms: i64,
    /// Claim checks of days that ended longer ago than this are deleted: longer than a dead-letter queue keeps messages
    /// (14 days), so that one which is sent again still finds its body.
    pub claim_retention_ms: i64,
    /// How merged files of samples are written.
    pub encode: EncodeOptions,
    /// How merged files of logs are written.
    pub encode_logs: parapet_log_segment::EncodeOptions,
    /// What stands before an object's key in the published manifests: `s3://bucket/`, or a directory.
    pub url_prefix: String,
}

impl Default for CompactionSettings {
    fn default() -> Self {
        Self {
            fanout: 8,
            max_inputs: 80,
            max_merge_bytes: 160 << 20,
            target_bytes: 96 << 20,
            closed_day_files: 5,
            closed_day_parts: 4,
            close_after_ms: 3_600_000,
            grace_ms: 600_000,
            orphan_grace_ms: 3_600_000,
            retention_ms: 30 * DAY_MS,
            retention_rules: Vec::new(),
            five_minutes_retention_ms: 90 * DAY_MS,
            hour_retention_ms: 400 * DAY_MS,
            claim_retention_ms: 15 * DAY_MS,
            encode: EncodeOptions::default(),
            encode_logs: parapet_log_segment::EncodeOptions::default(),
            url_prefix: String::new(),
        }
    }
}

impl CompactionSettings {
    /// For logs: they are kept for 90 days, and a merge takes less, for lines unfold to ten times their stored size.
    #[must_use]
    pub fn of_logs() -> Self {
        Self {
            max_inputs: 40,
            max_merge_bytes: 128 << 20,
            retention_ms: 90 * DAY_MS,
            ..Self::default()
        }
    }
}

/// What one run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompactionReport {
    /// Merges that took effect.
    pub merges: u64,
    /// Files that they replaced.
    pub inputs: u64,
    /// Files that they made.
    pub outputs: u64,
    /// Merges that another run was quicker with.
    pub conflicts: u64,
    /// Rollups of days that were made.
    pub rollups: u64,
    /// Files past their retention.
    pub expired: u64,
    /// Objects deleted.
    pub deleted: u64,
    /// Of which had never been in a manifest.
    pub orphans: u64,
}

impl CompactionReport {
    /// Adds another run's figures.
    pub fn add(&mut self, other: &Self) {
        self.merges += other.merges;
        self.inputs += other.inputs;
        self.outputs += other.outputs;
        self.conflicts += other.conflicts;
        self.rollups += other.rollups;
        self.expired += other.expired;
        self.deleted += other.deleted;
        self.orphans += other.orphans;
    }
}

/// Merges, retains, deletes, publishes. Cheap to clone; keeps nothing between calls.
#[derive(Clone, Debug)]
pub struct Compaction {
    dataset: Dataset,
    objects: Objects,
    table: Arc<dyn Table>,
    clock: Arc<dyn Clock>,
    /// For rollups, which are made of what queries would be answered with.
    reader: Reader,
    settings: Arc<CompactionSettings>,
}

/// Brings files together.
fn merged(
    dataset: Dataset,
    sources: &[Source],
    settings: &CompactionSettings,
    cuts: &[i64],
) -> Result<Vec<NewFile>, Error> {
    fn all<T: Into<NewFile>, E: std::error::Error + Send + Sync + 'static>(
        outputs: Result<Vec<T>, E>,
    ) -> Result<Vec<NewFile>, Error> {
        let corrupt = |error| Error::new(Kind::Corrupt, "files do not merge").with_source(error);
        Ok(outputs.map_err(corrupt)?.into_iter().map(Into::into).collect())
    }
    let target = usize::try_from(settings.target_bytes).unwrap_or(usize::MAX);
    match dataset {
        Dataset::Metrics => all(parapet_segment::merge(sources, &settings.encode, target, cuts)),
        Dataset::Logs => all(parapet_log_segment::merge(sources, &settings.encode_logs, target, cuts)),
    }
}

/// Inputs fetched at once.
const PARALLEL_READS: usize = 8;

impl Compaction {
    /// Of samples, over the objects, the table and the clock of `ports`.
    #[must_use]
    pub fn new(ports: &Ports, settings: CompactionSettings) -> Self {
        Self::of(ports, Dataset::Metrics, settings)
    }

    /// The same of one kind of data.
    #[must_use]
    pub fn of(ports: &Ports, dataset: Dataset, settings: CompactionSettings) -> Self {
        Self {
            dataset,
            objects: ports.objects.clone(),
            table: ports.table.clone(),
            clock: ports.clock.clone(),
            reader: Reader::new(ports, ReaderSettings::default()),
            settings: Arc::new(settings),
        }
    }

    /// Merges what is due in the days from `first` on, and publishes them for Athena.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the table or the objects are; [`Kind::Corrupt`] where a file does not read.
    pub async fn compact(&self, tenant: &str, first: Day) -> Result<CompactionReport, Error> {
        let mut report = CompactionReport::default();
        for day in self
            .dataset
            .days(self.table.as_ref(), tenant, first, Day::LAST_NAMED)
            .await?
        {
            let files = self.dataset.files(self.table.as_ref(), tenant, day).await?;
            let is_over = day.last_ms().saturating_add(self.settings.close_after_ms) < self.clock.now_ms();
            let merges = plan::merges(&files, day, &self.settings, is_over);
            let is_settled = is_over && merges.is_empty();
            for merge in merges {
                self.merge(tenant, day, merge, &mut report).await?;
            }
            if is_settled && self.dataset == Dataset::Metrics {
                let rolled_up = self.roll_up(tenant, day, Resolution::Day).await?;
                report.rollups += u64::from(rolled_up == RolledUp::Made);
            }
            self.publish(tenant, day).await?;
        }
        Ok(report)
    }

    async fn merge(
        &self,
        tenant: &str,
        day: Day,
        plan::Merge { inputs, cuts }: plan::Merge,
        report: &mut CompactionReport,
    ) -> Result<(), Error> {
        let gets: Vec<_> = inputs
            .iter()
            .map(|input| objects::get(self.objects.as_ref(), &input.key))
            .collect();
        let fetched: Vec<Option<bytes::Bytes>> = stream::iter(gets).buffered(PARALLEL_READS).try_collect().await?;
        // Gone: another run has merged it, and its grace period is over.
        let Some(sources) = fetched
            .into_iter()
            .map(|bytes| bytes.map(Source::whole))
            .collect::<Option<Vec<_>>>()
        else {
            report.conflicts += 1;
            return Ok(());
        };
        let (dataset, settings) = (self.dataset, self.settings.clone());
        let outputs = blocking(move || merged(dataset, &sources, &settings, &cuts)).await?;
        self.swap(tenant, day, &inputs, &outputs, report).await
    }

    /// Takes inputs out of the manifest and puts outputs in, at once.
    async fn swap(
        &self,
        tenant: &str,
        day: Day,
        inputs: &[FileEntry],
        outputs: &[NewFile],
        report: &mut CompactionReport,
    ) -> Result<(), Error> {
        let writes = self.put_outputs(tenant, day, inputs, outputs).await?;
        match self.table.transact(writes).await {
            Ok(_) => {
                report.merges += 1;
                report.inputs += inputs.len() as u64;
                report.outputs += outputs.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == Kind::Conflict => {
                report.conflicts += 1;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Puts the outputs' objects; gives the transaction that swaps inputs for outputs.
    async fn put_outputs(
        &self,
        tenant: &str,
        day: Day,
        inputs: &[FileEntry],
        outputs: &[NewFile],
    ) -> Result<Vec<Write>, Error> {
        let now_ms = self.clock.now_ms();
        let level = inputs
            .iter()
            .map(|input| input.level)
            .max()
            .unwrap_or_default()
            .saturating_add(1);
        let mut writes = self.removals(tenant, day, inputs, now_ms)?;
        for output in outputs {
            let name = self.free_name(tenant, day, level, inputs, output).await?;
            let key = self.dataset.object_key(tenant, day, level, &name);
            objects::put_new(self.objects.as_ref(), key.clone(), output.bytes.clone()).await?;
            let entry = FileEntry {
                replaces: self.replaced(inputs, now_ms),
                ..output.entry(key, level, now_ms)
            };
            writes.push(Write::Put {
                key: self.dataset.file_key(tenant, day, level, &name),
                value: entry.encode()?,
                expires_at: None,
                condition: Condition::Absent,
            });
        }
        Ok(writes)
    }

    /// What a merge of logs says to have replaced: [`FileEntry::replaces`].
    fn replaced(&self, inputs: &[FileEntry], now_ms: i64) -> Vec<String> {
        if self.dataset == Dataset::Metrics {
            return Vec::new();
        }
        let lately = now_ms.saturating_sub(self.settings.grace_ms);
        let earlier = inputs.iter().filter(|input| input.created_ms >= lately);
        let names = inputs.iter().map(|input| input.name().to_owned());
        names.chain(earlier.flat_map(|input| input.replaces.clone())).collect()
    }

    /// A name without a tombstone: one stands where the output of an earlier, cut off try was collected.
    async fn free_name(
        &self,
        tenant: &str,
        day: Day,
        level: u8,
        inputs: &[FileEntry],
        output: &NewFile,
    ) -> Result<String, Error> {
        let mut salt = 0;
        loop {
            let name = manifest::file_name(&output.bytes, inputs.iter().map(|input| input.key.as_str()), salt);
            let key = self.dataset.file_key(tenant, day, level, &name);
            match self.table.get(&key).await? {
                Some(item) if manifest::is_tombstone(&item) => salt += 1,
                _ => return Ok(name),
            }
        }
    }

    /// The writes that take files out of the manifest and have their objects deleted later.
    fn removals(&self, tenant: &str, day: Day, files: &[FileEntry], now_ms: i64) -> Result<Vec<Write>, Error> {
        let mut writes = Vec::with_capacity(files.len() + 2);
        for file in files {
            let key = self.dataset.manifest_key(tenant, day, &file.key).ok_or_else(|| {
                Error::new(
                    Kind::Corrupt,
                    format!("key {:?} of a file is not of the form", file.key),
                )
            })?;
            writes.push(Write::Delete {
                key,
                condition: Condition::Version(file.version),
            });
        }
        let objects: Vec<&str> = files.iter().map(|file| file.key.as_str()).collect();
        writes.push(self.deletion(&objects, now_ms)?);
        Ok(writes)
    }

    /// The write that has objects deleted once their grace period is over.
    fn deletion(&self, objects: &[&str], now_ms: i64) -> Result<Write, Error> {
        let value = serde_json::to_string(objects)
            .map_err(|error| Error::new(Kind::Internal, "deletion does not encode").with_source(error))?;
        let name = manifest::file_name(value.as_bytes(), std::iter::empty(), 0);
        let due_ms = now_ms.saturating_add(self.settings.grace_ms);
        Ok(Write::Put {
            key: Key::new(keys::DELETIONS, keys::deletion(due_ms, &name)),
            value,
            expires_at: None,
            condition: Condition::Any,
        })
    }
}
