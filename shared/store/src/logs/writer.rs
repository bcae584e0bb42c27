//! Writing logs: batches become files and manifest entries, each batch exactly once.

use super::{RawLogs, sums};
use crate::commit::{Commit, Committed, Committer, Mark};
use crate::day::{DAY_MS, Day};
use crate::envelope::{self, Body, FetchError};
use crate::manifest::NewFile;
use crate::writer::FailedBatch;
use crate::{Dataset, blocking};
use parapet_log_segment::{EncodeOptions, SegmentWriter};
use parapet_logs::LogRecord;
use parapet_logs::pipeline::Observation;
use parapet_ports::{Clock, Error, Kind, Ports};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// How the writer commits.
#[derive(Clone, Debug)]
pub struct LogWriterSettings {
    /// How files are written.
    pub encode: EncodeOptions,
    /// Most batches in one transaction.
    pub max_commit_batches: usize,
    /// Most bytes of lines in one transaction; a single batch may have more.
    pub max_commit_bytes: usize,
    /// A batch with lines of more days than this is committed day by day: a transaction holds so many writes.
    pub max_commit_days: usize,
    /// How long the mark of a stored batch is kept: longer than queues keep messages (4 days).
    pub batch_memory_ms: i64,
    /// How often a commit is tried again after a conflict.
    pub max_attempts: u32,
}

impl Default for LogWriterSettings {
    fn default() -> Self {
        Self {
            encode: EncodeOptions::flush(),
            max_commit_batches: 40,
            max_commit_bytes: 32 << 20,
            max_commit_days: 40,
            batch_memory_ms: 5 * DAY_MS,
            max_attempts: 12,
        }
    }
}

/// A batch after its pipelines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ParsedBatch {
    /// Batches of one tenant with the same id are stored once.
    pub id: String,
    /// Whose they are.
    pub tenant: String,
    /// The records to store, in any order.
    pub records: Vec<LogRecord>,
    /// By how much metrics rise that are made of them.
    pub observations: Vec<Observation>,
}

impl ParsedBatch {
    fn line_bytes(&self) -> usize {
        self.records.iter().map(|record| record.raw.len()).sum()
    }
}

/// What became of the batches of a commit.
#[derive(Debug, Default)]
pub struct LogCommitReport {
    /// Records in new files.
    pub records: u64,
    /// Bytes of their lines.
    pub line_bytes: u64,
    /// New files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// Batches that were stored already.
    pub repeated: u64,
    /// Series of metrics that were counted without their labels, for there are too many.
    pub series_refused: u64,
    /// Batches that are not stored.
    pub failed: Vec<FailedBatch>,
    /// Batches that are decided and not stored yet: the id, and the object with the records.
    decided: Vec<(String, String)>,
}

impl LogCommitReport {
    /// Takes in what became of batches that share a fate.
    fn note(&mut self, tenant: &str, ids: Vec<String>, outcome: Result<(), Error>) {
        let Err(error) = outcome else { return };
        let error = Arc::new(error);
        self.failed.extend(ids.into_iter().map(|id| FailedBatch {
            tenant: tenant.to_owned(),
            id,
            error: error.clone(),
        }));
    }
}

/// Commits batches. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogWriter {
    committer: Committer,
    clock: Arc<dyn Clock>,
    settings: Arc<LogWriterSettings>,
}

impl LogWriter {
    /// A writer over the objects, the table and the clock of `ports`.
    #[must_use]
    pub fn new(ports: &Ports, settings: LogWriterSettings) -> Self {
        Self {
            committer: Committer::new(ports, Dataset::Logs, settings.batch_memory_ms),
            clock: ports.clock.clone(),
            settings: Arc::new(settings),
        }
    }

    /// Whether a batch is stored.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the table is.
    pub async fn is_stored(&self, tenant: &str, id: &str) -> Result<bool, Error> {
        self.committer.is_stored(tenant, id).await
    }

    /// Stores batches: a file per tenant and day, one transaction per tenant, as long as limits allow.
    ///
    /// Invariant: what a batch is made of (its records, by the pipelines of one moment, and their observations) is decided
    /// once, by the transaction that writes its mark, which must be absent.
    ///
    /// - That transaction writes the manifest entries of the files too, and the sums (which must be as they were read):
    ///   records are visible, and observations counted, exactly when the mark is there.
    /// - Of a batch with records of more days than a transaction holds, it writes the sums, and the mark names an object
    ///   with the records, put before. Whoever meets that mark goes on from the object, whatever its own pipelines made
    ///   of the lines: each day is a batch for itself, with a mark of its own. After the last one the mark is
    ///   [`Mark::Stored`].
    pub async fn commit(&self, batches: Vec<ParsedBatch>) -> LogCommitReport {
        let mut report = LogCommitReport::default();
        let mut by_tenant: BTreeMap<String, Vec<ParsedBatch>> = BTreeMap::new();
        let mut seen = HashSet::new();
        for batch in batches {
            if seen.insert((batch.tenant.clone(), batch.id.clone())) {
                by_tenant.entry(batch.tenant.clone()).or_default().push(batch);
            } else {
                report.repeated += 1;
            }
        }
        for (tenant, batches) in by_tenant {
            let is_wide = |batch: &ParsedBatch| days_of(&batch.records).len() > self.settings.max_commit_days.max(1);
            let (wide, batches): (Vec<_>, Vec<_>) = batches.into_iter().partition(is_wide);
            for group in self.groups(batches) {
                let ids: Vec<String> = group.iter().map(|batch| batch.id.clone()).collect();
                let outcome = self.commit_group(&tenant, group, &Mark::Stored, &mut report).await;
                report.note(&tenant, ids, outcome);
            }
            for batch in wide {
                let ids = vec![batch.id.clone()];
                let outcome = self.decide(batch, &mut report).await;
                report.note(&tenant, ids, outcome);
            }
            for (id, key) in std::mem::take(&mut report.decided) {
                let outcome = self.store_decided(&tenant, &id, key, &mut report).await;
                report.note(&tenant, vec![id], outcome);
            }
        }
        report
    }

    /// Decides what a batch is made of that no transaction holds, unless that is decided already.
    async fn decide(&self, batch: ParsedBatch, report: &mut LogCommitReport) -> Result<(), Error> {
        let records = RawLogs {
            records: batch.records,
            ..RawLogs::default()
        };
        let body = blocking(move || Body::encode(&records)).await?;
        let (objects, tenant) = (self.committer.objects.as_ref(), batch.tenant.clone());
        let key = body
            .into_claim(objects, self.clock.now_ms(), &tenant, &batch.id)
            .await?;
        let head = ParsedBatch {
            records: Vec::new(),
            ..batch
        };
        self.commit_group(&tenant, vec![head], &Mark::Decided(key), report)
            .await
    }

    /// Stores a batch that is decided, day by day.
    async fn store_decided(
        &self,
        tenant: &str,
        id: &str,
        key: String,
        report: &mut LogCommitReport,
    ) -> Result<(), Error> {
        let records = envelope::claimed::<RawLogs>(self.committer.objects.as_ref(), id, key).await;
        let records = records.map_err(|error| match error {
            FetchError::Port(error) => error,
            error => Error::new(Kind::Corrupt, "the records of a decided batch cannot be had").with_source(error),
        })?;
        let mut days: BTreeMap<Day, ParsedBatch> = BTreeMap::new();
        for record in records.records {
            let day = day_of(&record);
            let of_day = days.entry(day).or_insert_with(|| ParsedBatch {
                id: format!("{id}#{day}"),
                tenant: tenant.to_owned(),
                ..ParsedBatch::default()
            });
            of_day.records.push(record);
        }
        for group in self.groups(days.into_values().collect()) {
            self.commit_group(tenant, group, &Mark::Stored, report).await?;
        }
        self.committer.set_stored(tenant, id, self.clock.now_ms()).await
    }

    fn groups(&self, batches: Vec<ParsedBatch>) -> Vec<Vec<ParsedBatch>> {
        let (mut groups, mut bytes, mut days) = (Vec::<Vec<ParsedBatch>>::new(), 0, BTreeSet::new());
        for batch in batches {
            let size = batch.line_bytes();
            let more = days_of(&batch.records);
            match groups.last_mut() {
                Some(group)
                    if group.len() < self.settings.max_commit_batches
                        && bytes + size <= self.settings.max_commit_bytes
                        && days.union(&more).count() <= self.settings.max_commit_days =>
                {
                    group.push(batch);
                    bytes += size;
                    days.extend(more);
                }
                _ => {
                    groups.push(vec![batch]);
                    (bytes, days) = (size, more);
                }
            }
        }
        groups
    }

    async fn commit_group(
        &self,
        tenant: &str,
        batches: Vec<ParsedBatch>,
        mark: &Mark,
        report: &mut LogCommitReport,
    ) -> Result<(), Error> {
        crate::tenant::check(tenant)
            .map_err(|error| Error::new(Kind::Invalid, "batch cannot be stored").with_source(error))?;
        let (mut batches, mut files, mut salt) = (Arc::new(batches), None, 0);
        for _ in 0..self.settings.max_attempts.max(1) {
            let files = match &mut files {
                Some(files) => files,
                none => {
                    let (batches, encode) = (batches.clone(), self.settings.encode.clone());
                    none.insert(blocking(move || encoded(&batches, &encode)).await?)
                }
            };
            let now_ms = self.clock.now_ms();
            let observed: Vec<&Observation> = batches.iter().flat_map(|batch| &batch.observations).collect();
            let lane = batches.first().map_or("", |batch| &batch.id);
            let raised = sums::raised(self.committer.table.as_ref(), tenant, lane, &observed, now_ms).await?;
            let commit = Commit {
                tenant,
                files,
                ids: batches.iter().map(|batch| batch.id.as_str()).collect(),
                mark,
                writes: raised.writes,
                salt,
                now_ms,
            };
            match self.committer.commit(commit).await? {
                Committed::Done(entries) => {
                    report.files += entries.len() as u64;
                    report.bytes += entries.iter().map(|entry| entry.bytes).sum::<u64>();
                    report.records += entries.iter().map(|entry| entry.rows).sum::<u64>();
                    report.line_bytes += entries.iter().map(|entry| entry.line_bytes).sum::<u64>();
                    report.series_refused += raised.refused;
                    if let Mark::Decided(key) = mark {
                        report
                            .decided
                            .extend(batches.iter().map(|batch| (batch.id.clone(), key.clone())));
                    }
                    return Ok(());
                }
                Committed::Conflict { marks, tombstone } => {
                    let mut left = Vec::new();
                    for (batch, mark) in batches.iter().zip(marks) {
                        match mark {
                            None => left.push(batch.clone()),
                            Some(Mark::Stored) => report.repeated += 1,
                            Some(Mark::Decided(key)) => report.decided.push((batch.id.clone(), key)),
                        }
                    }
                    if left.is_empty() {
                        return Ok(());
                    }
                    if left.len() < batches.len() {
                        // Their files are others. Where sums changed alone, they stand as they are.
                        return Box::pin(self.commit_group(tenant, left, mark, report)).await;
                    }
                    batches = Arc::new(left);
                    salt += u32::from(tombstone);
                }
            }
        }
        Err(Error::new(Kind::Unavailable, "commit met a conflict at every attempt"))
    }
}

fn day_of(record: &LogRecord) -> Day {
    Day::of_ms(record.timestamp_ns.div_euclid(1_000_000))
}

/// The days of records, of which many that follow one another have the same.
fn days_of(records: &[LogRecord]) -> BTreeSet<Day> {
    let of_one_day = records.chunk_by(|a, b| day_of(a) == day_of(b));
    of_one_day.filter_map(|records| records.first().map(day_of)).collect()
}

/// The files of batches, one for each day.
fn encoded(batches: &[ParsedBatch], options: &EncodeOptions) -> Result<Vec<(Day, NewFile)>, Error> {
    let mut records: Vec<&LogRecord> = batches.iter().flat_map(|batch| &batch.records).collect();
    // Records of one time stay in the order in which they came.
    records.sort_by_key(|record| record.timestamp_ns);
    let internal = |error| Error::new(Kind::Internal, "records do not encode").with_source(error);
    let mut files = Vec::new();
    for of_day in records.chunk_by(|a, b| day_of(a) == day_of(b)) {
        let mut writer = SegmentWriter::new(options.clone());
        for record in of_day {
            writer.push(record).map_err(internal)?;
        }
        let segment = writer.finish().map_err(internal)?;
        files.extend(segment.map(|segment| (day_of(of_day[0]), segment.into())));
    }
    Ok(files)
}
