//! Writing: batches become files and manifest entries, each batch exactly once.

mod prepare;
mod templates;

use crate::batch::Batch;
use crate::commit::{Commit, Committed, Committer, Mark};
use crate::day::DAY_MS;
use crate::limits::{Limits, Refusals};
use crate::{Dataset, blocking};
use parapet_ports::table::MAX_TRANSACTION_WRITES;
use parapet_ports::{Clock, Error, Kind, Ports};
use parapet_segment::EncodeOptions;
use prepare::prepare;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use templates::Templates;

/// How the writer commits.
#[derive(Clone, Debug)]
pub struct WriterSettings {
    /// What is refused.
    pub limits: Limits,
    /// How files are written.
    pub encode: EncodeOptions,
    /// Most batches in one transaction.
    pub max_commit_batches: usize,
    /// Most samples in one transaction; a single batch may have more.
    pub max_commit_samples: usize,
    /// A file of about this size is closed, and the next one of the same day begun: far from the size at which a file
    /// counts as finished, so that merges take it.
    pub max_file_bytes: usize,
    /// The memory for files that are written again and again for the same series, bytes; 0 for none.
    pub max_template_bytes: usize,
    /// How long the mark of a stored batch is kept: longer than queues keep messages (4 days).
    pub batch_memory_ms: i64,
    /// How often a commit is tried again after a conflict.
    pub max_attempts: u32,
}

impl Default for WriterSettings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            encode: EncodeOptions::flush(),
            max_commit_batches: 80,
            max_commit_samples: 400_000,
            max_file_bytes: 16 << 20,
            max_template_bytes: 64 << 20,
            batch_memory_ms: 5 * DAY_MS,
            max_attempts: 6,
        }
    }
}

/// A batch that could not be stored this time.
#[derive(Debug)]
pub struct FailedBatch {
    /// Its tenant.
    pub tenant: String,
    /// Its id.
    pub id: String,
    /// Why; the same for batches that were to be stored together.
    pub error: Arc<Error>,
}

/// What became of the batches of a commit.
#[derive(Debug, Default)]
pub struct CommitReport {
    /// Samples in new files.
    pub samples: u64,
    /// New files.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
    /// Batches that were stored already.
    pub repeated: u64,
    /// Samples that were refused, by reason.
    pub refused: Refusals,
    /// Batches that are not stored.
    pub failed: Vec<FailedBatch>,
}

impl CommitReport {
    /// Adds another commit's.
    pub fn add(&mut self, other: Self) {
        self.samples += other.samples;
        self.files += other.files;
        self.bytes += other.bytes;
        self.repeated += other.repeated;
        add(&mut self.refused, &other.refused);
        self.failed.extend(other.failed);
    }
}

/// Commits batches. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Writer {
    committer: Committer,
    clock: Arc<dyn Clock>,
    settings: Arc<WriterSettings>,
    templates: Arc<Templates>,
}

impl Writer {
    /// A writer over the objects, the table and the clock of `ports`.
    #[must_use]
    pub fn new(ports: &Ports, settings: WriterSettings) -> Self {
        Self {
            committer: Committer::new(ports, Dataset::Metrics, settings.batch_memory_ms),
            clock: ports.clock.clone(),
            templates: Arc::new(Templates::new(settings.max_template_bytes)),
            settings: Arc::new(settings),
        }
    }

    /// The same writer, for samples of any age.
    #[must_use]
    pub fn of_any_age(&self) -> Self {
        let mut settings = (*self.settings).clone();
        settings.limits.max_age_ms = i64::MAX;
        Self {
            settings: Arc::new(settings),
            ..self.clone()
        }
    }

    /// Stores batches: one file per tenant and day (several where it is large), one transaction per tenant, as long as
    /// limits allow.
    ///
    /// Invariant: a batch's samples are visible exactly when its mark is in the table, for one transaction writes
    /// the mark (which must be absent) and the manifest entries of every file that holds a sample of the batch.
    /// Whatever is interrupted leaves objects without entry, which nobody reads and the compactor collects.
    pub async fn commit<B: Into<Batch>>(&self, batches: Vec<B>) -> CommitReport {
        let mut report = CommitReport::default();
        let mut by_tenant: BTreeMap<String, Vec<Batch>> = BTreeMap::new();
        let mut seen = HashSet::new();
        for batch in batches.into_iter().map(Into::into) {
            if seen.insert((batch.tenant.clone(), batch.id.clone())) {
                by_tenant.entry(batch.tenant.clone()).or_default().push(batch);
            } else {
                report.repeated += 1;
            }
        }
        for (tenant, batches) in by_tenant {
            for group in self.groups(batches) {
                self.commit_or_fail(&tenant, group, &mut report).await;
            }
        }
        report
    }

    async fn commit_or_fail(&self, tenant: &str, group: Vec<Batch>, report: &mut CommitReport) {
        let group = Arc::new(group);
        let Err(error) = self.commit_group(tenant, group.clone(), report).await else {
            return;
        };
        if error.kind() == Kind::Invalid && group.len() > 1 {
            // One batch that can never be stored does not hold up the others.
            for batch in group.iter() {
                Box::pin(self.commit_or_fail(tenant, vec![batch.clone()], report)).await;
            }
            return;
        }
        let error = Arc::new(error);
        report.failed.extend(group.iter().map(|batch| FailedBatch {
            tenant: tenant.to_owned(),
            id: batch.id.clone(),
            error: error.clone(),
        }));
    }

    fn groups(&self, batches: Vec<Batch>) -> Vec<Vec<Batch>> {
        let (mut groups, mut samples) = (Vec::<Vec<Batch>>::new(), 0);
        for batch in batches {
            let count = batch.sample_count();
            match groups.last_mut() {
                Some(group)
                    if group.len() < self.settings.max_commit_batches
                        && samples + count <= self.settings.max_commit_samples =>
                {
                    group.push(batch);
                    samples += count;
                }
                _ => {
                    groups.push(vec![batch]);
                    samples = count;
                }
            }
        }
        groups
    }

    async fn commit_group(
        &self,
        tenant: &str,
        mut batches: Arc<Vec<Batch>>,
        report: &mut CommitReport,
    ) -> Result<(), Error> {
        crate::tenant::check(tenant)
            .map_err(|error| Error::new(Kind::Invalid, "batch cannot be stored").with_source(error))?;
        let mut salt = 0;
        for _ in 0..self.settings.max_attempts.max(1) {
            let now_ms = self.clock.now_ms();
            let prepared = {
                let (batches, settings) = (batches.clone(), self.settings.clone());
                let templates = self.templates.clone();
                blocking(move || prepare(&batches, &settings, &templates, now_ms)).await?
            };
            if prepared.files.is_empty() {
                add(&mut report.refused, &prepared.refused);
                return Ok(());
            }
            if prepared.files.len() + batches.len() > MAX_TRANSACTION_WRITES {
                return self.commit_halves(tenant, &batches, report).await;
            }
            let commit = Commit {
                tenant,
                files: &prepared.files,
                ids: batches.iter().map(|batch| batch.id.as_str()).collect(),
                mark: &Mark::Stored,
                writes: Vec::new(),
                salt,
                now_ms,
            };
            match self.committer.commit(commit).await? {
                Committed::Done(entries) => {
                    report.files += entries.len() as u64;
                    report.bytes += entries.iter().map(|entry| entry.bytes).sum::<u64>();
                    report.samples += entries.iter().map(|entry| entry.samples).sum::<u64>();
                    add(&mut report.refused, &prepared.refused);
                    return Ok(());
                }
                Committed::Conflict { marks, tombstone } => {
                    // Whatever it says: samples are stored by one transaction.
                    let left = batches.iter().zip(&marks).filter(|(_, mark)| mark.is_none());
                    let left: Vec<Batch> = left.map(|(batch, _)| batch.clone()).collect();
                    report.repeated += (batches.len() - left.len()) as u64;
                    if left.is_empty() {
                        return Ok(());
                    }
                    batches = Arc::new(left);
                    salt += u32::from(tombstone);
                }
            }
        }
        Err(Error::new(Kind::Unavailable, "commit met a conflict at every attempt"))
    }

    /// A batch that spans many days, or is very large, takes many writes: with fewer batches to a transaction it may fit.
    async fn commit_halves(&self, tenant: &str, batches: &[Batch], report: &mut CommitReport) -> Result<(), Error> {
        if batches.len() < 2 {
            return Err(Error::new(
                Kind::Invalid,
                "a batch spans more days, or has more data, than one transaction can hold",
            ));
        }
        let (first, second) = batches.split_at(batches.len() / 2);
        Box::pin(self.commit_group(tenant, Arc::new(first.to_vec()), report)).await?;
        Box::pin(self.commit_group(tenant, Arc::new(second.to_vec()), report)).await
    }

    /// Whether a batch is stored.
    ///
    /// # Errors
    /// [`Kind::Unavailable`] where the table is.
    pub async fn is_stored(&self, tenant: &str, id: &str) -> Result<bool, Error> {
        self.committer.is_stored(tenant, id).await
    }
}

fn add(total: &mut Refusals, more: &Refusals) {
    for (reason, count) in more {
        *total.entry(*reason).or_default() += count;
    }
}
