//! Writing logs: batches become files and manifest entries, each batch exactly once.

use super::sums;
use crate::commit::{Commit, Committed, Committer};
use crate::day::{DAY_MS, Day};
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
    /// A batch with lines of more days than this is committed in parts: a transaction holds so many writes.
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
    /// Invariant: a batch's records are visible, and its observations counted, exactly when its mark is in the table: one
    /// transaction writes the mark (which must be absent), the manifest entries of the files, and the sums (which must be
    /// as they were read).
    pub async fn commit(&self, batches: Vec<ParsedBatch>) -> LogCommitReport {
        let mut report = LogCommitReport::default();
        let mut by_tenant: BTreeMap<String, Vec<ParsedBatch>> = BTreeMap::new();
        let mut seen = HashSet::new();
        for batch in batches {
            if seen.insert((batch.tenant.clone(), batch.id.clone())) {
                let of_tenant = by_tenant.entry(batch.tenant.clone()).or_default();
                of_tenant.extend(parts(batch, self.settings.max_commit_days));
            } else {
                report.repeated += 1;
            }
        }
        for (tenant, batches) in by_tenant {
            let mut failed = HashSet::new();
            for mut group in self.groups(batches) {
                // The last part has the batch's mark: it is not stored before the others.
                group.retain(|batch| !failed.contains(whole_id(&batch.id)));
                let ids: Vec<String> = group.iter().map(|batch| whole_id(&batch.id).to_owned()).collect();
                if group.is_empty() {
                    continue;
                }
                if let Err(error) = self.commit_group(&tenant, group, &mut report).await {
                    let error = Arc::new(error);
                    report.failed.extend(ids.iter().map(|id| FailedBatch {
                        tenant: tenant.clone(),
                        id: id.clone(),
                        error: error.clone(),
                    }));
                    failed.extend(ids);
                }
            }
        }
        report
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
                    return Ok(());
                }
                Committed::Conflict { stored, tombstone } => {
                    let left = batches.iter().zip(&stored).filter(|(_, stored)| !**stored);
                    let left: Vec<ParsedBatch> = left.map(|(batch, _)| batch.clone()).collect();
                    report.repeated += (batches.len() - left.len()) as u64;
                    if left.is_empty() {
                        return Ok(());
                    }
                    if left.len() < batches.len() {
                        // Their files are others. Where sums changed alone, they stand as they are.
                        return Box::pin(self.commit_group(tenant, left, report)).await;
                    }
                    batches = Arc::new(left);
                    salt += u32::from(tombstone);
                }
            }
        }
        Err(Error::new(Kind::Unavailable, "commit met a conflict at every attempt"))
    }
}

/// What stands between a batch's id and the number of a part of it.
const PART: &str = "#days-";

/// The id of the batch that a part is of.
fn whole_id(id: &str) -> &str {
    id.split(PART).next().unwrap_or_default()
}

fn day_of(record: &LogRecord) -> Day {
    Day::of_ms(record.timestamp_ns.div_euclid(1_000_000))
}

/// The days of records, of which many that follow one another have the same.
fn days_of(records: &[LogRecord]) -> BTreeSet<Day> {
    let of_one_day = records.chunk_by(|a, b| day_of(a) == day_of(b));
    of_one_day.filter_map(|records| records.first().map(day_of)).collect()
}

/// A batch that spans many days, in parts of fewer; the same batch gives the same parts. The last one has the batch's
/// own id: where that is marked as stored, all of the batch is.
fn parts(batch: ParsedBatch, max_days: usize) -> Vec<ParsedBatch> {
    let mut days: BTreeMap<Day, Vec<LogRecord>> = BTreeMap::new();
    if days_of(&batch.records).len() <= max_days.max(1) {
        return vec![batch];
    }
    for record in batch.records {
        days.entry(day_of(&record)).or_default().push(record);
    }
    let days: Vec<Vec<LogRecord>> = days.into_values().collect();
    let mut observations = Some(batch.observations);
    let parts = days.chunks(max_days.max(1));
    let last = parts.len() - 1;
    parts
        .enumerate()
        .map(|(number, days)| ParsedBatch {
            id: match number {
                number if number == last => batch.id.clone(),
                number => format!("{}{PART}{number}", batch.id),
            },
            tenant: batch.tenant.clone(),
            records: days.concat(),
            observations: observations.take().unwrap_or_default(),
        })
        .collect()
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
