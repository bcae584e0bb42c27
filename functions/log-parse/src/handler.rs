//! Messages in, a disposition for each out.

use crate::Settings;
use crate::dropped::{Dropped, PREFIX, version_of};
use crate::pieces::{Piece, Pieces, Plan, read_error};
use crate::pipelines::Current;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt as _};
use parapet_logs::LogRecord;
use parapet_logs::inputs::cloudwatch;
use parapet_logs::pipeline::{Counts, Origin};
use parapet_model::{Labels, SampleBatch};
use parapet_ports::error::chain;
use parapet_ports::function::Function;
use parapet_ports::{Condition, Disposition, Error, Kind, Message, Ports, Queue};
use parapet_store::envelope::{self, FetchError, Parcel};
use parapet_store::logs::{LogBatch, LogCommitReport, LogWriter, ParsedBatch, RawLogs, send_logs, sums};
use parapet_store::{Dataset, keys, outbox};
use std::collections::{BTreeMap, HashMap};
use std::io::Read as _;
use std::sync::Arc;

/// The log-parse function.
#[derive(Clone, Debug)]
pub struct LogParse {
    ports: Ports,
    writer: LogWriter,
    pipelines: Arc<Current>,
    settings: Settings,
}

/// What is known of a message so far. The worst of its batches decides.
#[derive(Debug, Default)]
struct Verdict {
    reject: Option<String>,
    retry: Option<String>,
    /// Tenant and id of each batch that is to be stored, with its claim check where it came as one.
    batches: Vec<(String, String, Option<String>)>,
}

impl LogParse {
    /// The function over its ports.
    #[must_use]
    pub fn new(ports: &Ports, settings: Settings) -> Self {
        Self {
            writer: LogWriter::new(ports, settings.writer.clone()),
            pipelines: Arc::new(Current::new(ports.config.clone())),
            ports: ports.clone(),
            settings,
        }
    }

    /// Parses and stores the lines of messages; one answer for each message, in order.
    ///
    /// Of a message of which one batch cannot be understood the others are stored, and the message is rejected: sent again
    /// from the dead-letter queue, it stores nothing twice.
    pub async fn handle_batch(&self, messages: Vec<Message>) -> Vec<Disposition> {
        let mut verdicts: Vec<Verdict> = messages.iter().map(|_| Verdict::default()).collect();
        let (mut parcels, mut objects) = (Vec::new(), Vec::new());
        for (number, message) in messages.iter().enumerate() {
            match Dropped::open(&message.body) {
                Some(dropped) => objects.extend(dropped.into_iter().map(|object| (number, object))),
                None => match envelope::open::<RawLogs>(&message.body) {
                    Ok(opened) => parcels.extend(opened.into_iter().map(|parcel| (number, parcel))),
                    Err(poison) => verdicts[number].reject = Some(poison.to_string()),
                },
            }
        }
        let mut fetched = stream::iter(parcels)
            .map(|(number, parcel)| async move { (number, self.fetch(parcel).await) })
            .buffered(self.settings.parallel_claims.max(1));
        let mut batches = Vec::new();
        while let Some((number, fetched)) = fetched.next().await {
            let verdict = &mut verdicts[number];
            match fetched {
                Ok(Some((batch, claim))) => {
                    verdict.batches.push((batch.tenant.clone(), batch.id.clone(), claim));
                    batches.push(batch);
                }
                Ok(None) => {}
                Err(FetchError::Poison(poison)) => verdict.reject = Some(poison.to_string()),
                Err(FetchError::Missing(key)) => {
                    verdict.retry = Some(format!("claim check {key:?} is not in the bucket"));
                }
                Err(FetchError::Port(error)) => verdict.retry = Some(error.chain()),
            }
        }
        drop(fetched);
        let stored = self.store(batches).await;
        for verdict in &mut verdicts {
            match &stored {
                Ok(report) => verdict.note(report),
                Err(error) if !verdict.batches.is_empty() => verdict.retry = Some(error.chain()),
                Err(_) => {}
            }
        }
        for (number, object) in objects {
            match self.take_object(&object).await {
                Ok(()) => {}
                Err(error) => {
                    let reason = format!("object {:?}: {}", object.object, error.chain());
                    match error.kind() {
                        Kind::Invalid | Kind::Corrupt => verdicts[number].reject = Some(reason),
                        _ => verdicts[number].retry = Some(reason),
                    }
                }
            }
        }
        let mut claims = Vec::new();
        let answers = verdicts.into_iter().map(|mut verdict| {
            let own = std::mem::take(&mut verdict.batches);
            let answer = verdict.answer();
            if answer == Disposition::Done {
                claims.extend(
                    own.into_iter()
                        .filter_map(|(tenant, id, claim)| Some((tenant, id, claim?))),
                );
            }
            answer
        });
        let answers = answers.collect();
        stream::iter(claims)
            .for_each_concurrent(self.settings.parallel_claims, |claim| self.release(claim))
            .await;
        answers
    }

    /// The parcel's batch with its claim check; `None` where that is gone because the batch is stored long since.
    async fn fetch(&self, parcel: Parcel<RawLogs>) -> Result<Option<(LogBatch, Option<String>)>, FetchError> {
        let (tenant, id) = (parcel.tenant.clone(), parcel.id.clone());
        let claim = parcel.claim().map(str::to_owned);
        match parcel.payload(self.ports.objects.as_ref()).await {
            Err(FetchError::Missing(_)) if self.writer.is_stored(&tenant, &id).await? => Ok(None),
            other => other.map(|lines| Some((LogBatch { id, tenant, lines }, claim))),
        }
    }

    /// Removes a claim check that nobody will need: its batch has its mark. What stays behind is removed by the compactor,
    /// days later.
    async fn release(&self, (tenant, id, key): (String, String, String)) {
        let released = async {
            if self.writer.is_stored(&tenant, &id).await? {
                self.ports.objects.delete(&Path::from(key.as_str())).await?;
            }
            Ok::<(), Error>(())
        };
        if let Err(error) = released.await {
            tracing::debug!(claim = key, error = error.chain(), "a claim check stays behind");
        }
    }

    /// Runs batches through their pipelines and commits them.
    async fn store(&self, batches: Vec<LogBatch>) -> Result<LogCommitReport, Error> {
        if batches.is_empty() {
            return Ok(LogCommitReport::default());
        }
        let pipelines = self.pipelines.get().await?;
        let parse = move || -> (Vec<ParsedBatch>, BTreeMap<String, Counts>) {
            let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
            let parsed = batches.into_iter().map(|batch| {
                let origin = Origin {
                    path: &batch.lines.path,
                    received_ns: batch.lines.received_ns,
                };
                let outcome = pipelines.process(batch.lines.records, origin);
                for (pipeline, more) in outcome.counts {
                    counts.entry(pipeline).or_default().add(more);
                }
                ParsedBatch {
                    id: batch.id,
                    tenant: batch.tenant,
                    records: outcome.records,
                    observations: outcome.observations,
                }
            });
            (parsed.collect(), counts)
        };
        let parsed = tokio::task::spawn_blocking(parse).await;
        let (parsed, counts) =
            parsed.map_err(|error| Error::new(Kind::Internal, "parsing lines failed").with_source(error))?;
        let report = self.writer.commit(parsed).await;
        tell(&report, &counts);
        Ok(report)
    }

    /// Takes in lines of a dropped object, and sends a message about the rest where there is one.
    async fn take_object(&self, dropped: &Dropped) -> Result<(), Error> {
        let invalid = |text: String| Error::new(Kind::Invalid, text);
        let (tenant, path) = dropped
            .place(&self.settings.tenant)
            .ok_or_else(|| invalid(format!("is not below {PREFIX}/")))?;
        parapet_store::tenant::check(tenant).map_err(|error| invalid(error.to_string()))?;
        let meta = match self.ports.objects.head(&Path::from(dropped.object.as_str())).await {
            Ok(meta) => meta,
            Err(object_store::Error::NotFound { .. }) => {
                tracing::warn!(object = dropped.object, "a dropped object is gone");
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        let version = version_of(&meta);
        if !dropped.version.is_empty() && version != dropped.version {
            // Another message tells of what stands there now.
            return Ok(());
        }
        // A notification need not tell the version.
        let dropped = &Dropped {
            version,
            ..dropped.clone()
        };
        let plan = Plan {
            key: dropped.object.clone(),
            e_tag: meta.e_tag.clone(),
            size: meta.size,
            start: dropped.start,
            piece_bytes: self.settings.piece_bytes,
            max_line_bytes: self.settings.max_line_bytes,
        };
        let begins = self
            .pipelines
            .get()
            .await?
            .begins(&line_of(&stream_of(path), Vec::new()), path);
        let (sender, mut pieces) = tokio::sync::mpsc::channel(1);
        let (ports, runtime) = (self.ports.clone(), tokio::runtime::Handle::current());
        let (tenant_name, object) = (tenant.to_owned(), dropped.clone());
        let reading = tokio::task::spawn_blocking(move || -> Result<(), Error> {
            let mut pieces = Pieces::open(ports.objects.clone(), plan, begins, runtime.clone()).map_err(read_error)?;
            loop {
                let key = keys::object_piece(&tenant_name, &object.batch_id(pieces.at()));
                let item = runtime.block_on(ports.table.get(&key))?;
                let end = item.and_then(|item| item.value.parse().ok());
                let Some(piece) = pieces.next(end).map_err(read_error)? else {
                    return Ok(());
                };
                // Nobody waits for more.
                if sender.blocking_send(piece).is_err() {
                    return Ok(());
                }
            }
        });
        let mut taken = 0;
        while let Some(piece) = pieces.recv().await {
            if taken == self.settings.pieces_per_message {
                let rest = Dropped {
                    start: piece.start,
                    ..dropped.clone()
                };
                self.ports.queues.send_batch(Queue::Logs, vec![rest.message()?]).await?;
                return Ok(());
            }
            self.take_piece(dropped, tenant, path, &meta, piece).await?;
            taken += 1;
        }
        match reading.await {
            // It was overwritten meanwhile: another message tells of what stands there now.
            Ok(Err(error)) if error.kind() == Kind::Conflict => Ok(()),
            Ok(outcome) => outcome,
            Err(error) => Err(Error::new(Kind::Internal, "reading an object failed").with_source(error)),
        }
    }

    async fn take_piece(
        &self,
        dropped: &Dropped,
        tenant: &str,
        path: &str,
        meta: &ObjectMeta,
        piece: Piece,
    ) -> Result<(), Error> {
        let id = dropped.batch_id(piece.start);
        if self.writer.is_stored(tenant, &id).await? {
            return Ok(());
        }
        self.keep_end(tenant, &id, piece.end).await?;
        metrics::counter!("parapet_log_cut_lines_total").increment(piece.cut);
        metrics::counter!("parapet_log_object_bytes_total").increment(piece.end - piece.start);
        let stream = stream_of(path);
        let records = piece.lines.into_iter().map(|raw| line_of(&stream, raw));
        let batch = LogBatch {
            id,
            tenant: tenant.to_owned(),
            lines: RawLogs {
                path: path.to_owned(),
                // Not the time of this call: a retry gives the same records.
                received_ns: meta.last_modified.timestamp_nanos_opt().unwrap_or_default(),
                records: records.collect(),
            },
        };
        let report = self.store(vec![batch]).await?;
        match report.failed.into_iter().next() {
            Some(failed) => Err(Error::new(failed.error.kind(), "lines are not stored").with_source(failed.error)),
            None => Ok(()),
        }
    }

    /// Writes down where a piece ends, before any of its lines is stored: cut off after that, the same lines are read again,
    /// though settings or pipelines have changed, and the next piece begins where this one ends.
    async fn keep_end(&self, tenant: &str, id: &str, end: u64) -> Result<(), Error> {
        let key = keys::object_piece(tenant, id);
        let expires_at = self
            .ports
            .clock
            .now_ms()
            .saturating_add(self.settings.writer.batch_memory_ms)
            / 1000;
        let put = self
            .ports
            .table
            .put(key.clone(), end.to_string(), Some(expires_at), Condition::Absent);
        match put.await {
            Err(error) if error.kind() == Kind::Conflict => match self.ports.table.get(&key).await? {
                Some(item) if item.value == end.to_string() => Ok(()),
                _ => Err(Error::new(
                    Kind::Unavailable,
                    "another process cut the object elsewhere; it is read again",
                )),
            },
            other => other.map(|_| ()),
        }
    }

    /// Sends messages about dropped objects that none was sent about yet. The mark comes after the message: cut off between,
    /// the message is sent twice, and its pieces are stored once.
    async fn find_dropped(&self) -> Result<(), Error> {
        let mut found = self.ports.objects.list(Some(&Path::from(PREFIX)));
        while let Some(meta) = found.try_next().await? {
            let dropped = Dropped::new(meta.location.as_ref(), &version_of(&meta));
            let Some((tenant, _)) = dropped.place(&self.settings.tenant) else {
                continue;
            };
            let mark = keys::dropped_object(tenant, &dropped.object, &dropped.version);
            if self.ports.table.get(&mark).await?.is_none() {
                self.ports
                    .queues
                    .send_batch(Queue::Logs, vec![dropped.message()?])
                    .await?;
                self.ports
                    .table
                    .put(mark, "{}".to_owned(), None, Condition::Any)
                    .await?;
            }
        }
        Ok(())
    }

    /// Sends the totals of metrics that are made of lines, as samples of this minute.
    async fn send_metrics(&self, at_ms: i64) -> Result<(), Error> {
        let table = self.ports.table.as_ref();
        for tenant in Dataset::Logs.tenants(table).await? {
            let Some(series) = sums::take(table, &tenant, at_ms).await? else {
                continue;
            };
            let batch = SampleBatch {
                id: format!("log-metrics-{at_ms}"),
                tenant: tenant.clone(),
                series,
            };
            outbox::send_samples(&self.ports, vec![batch]).await?;
            sums::forget(table, &tenant, at_ms.saturating_sub(self.settings.idle_sums_ms)).await?;
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Function for LogParse {
    async fn handle_tick(&self, at_ms: i64) -> Result<(), Error> {
        self.send_metrics(at_ms).await?;
        if self.settings.watch_dropped {
            self.find_dropped().await?;
        }
        Ok(())
    }

    async fn handle_delivery(&self, delivery: Bytes) -> Result<(), Error> {
        let invalid = |text: String| Error::new(Kind::Invalid, text);
        let limit = self.settings.max_delivery_bytes;
        let mut body = Vec::new();
        let plain = flate2::read::MultiGzDecoder::new(&delivery[..]);
        plain
            .take(limit as u64 + 1)
            .read_to_end(&mut body)
            .map_err(|error| invalid(format!("a delivery is not gzip: {error}")))?;
        if body.len() > limit {
            return Err(invalid(format!("a delivery unfolds to more than {limit} bytes")));
        }
        let records = cloudwatch::parse(&body).map_err(|error| invalid(error.to_string()))?;
        if records.is_empty() {
            return Ok(());
        }
        let lines = RawLogs {
            path: String::new(),
            received_ns: self.ports.clock.now_ms().saturating_mul(1_000_000),
            records,
        };
        send_logs(&self.ports, vec![LogBatch::of(&self.settings.tenant, lines)]).await
    }

    async fn handle_batch(&self, _queue: Queue, messages: Vec<Message>) -> Vec<Disposition> {
        Self::handle_batch(self, messages).await
    }
}

impl Verdict {
    /// Takes in which batches are not stored.
    fn note(&mut self, report: &LogCommitReport) {
        let failed: HashMap<(&str, &str), &Arc<Error>> = report
            .failed
            .iter()
            .map(|failed| ((&*failed.tenant, &*failed.id), &failed.error))
            .collect();
        for (tenant, id, _) in &self.batches {
            let Some(error) = failed.get(&(tenant.as_str(), id.as_str())) else {
                continue;
            };
            let why = chain(error.as_ref());
            let reason = format!("batch {id:?} of tenant {tenant:?} is not stored: {why}");
            match error.kind() {
                Kind::Invalid => self.reject = Some(reason),
                _ => self.retry = Some(reason),
            }
        }
    }

    /// A message that must be both is first given again: what can be stored of it is stored before it is rejected.
    fn answer(self) -> Disposition {
        match (self.retry, self.reject) {
            (Some(reason), _) => Disposition::Retry { reason },
            (None, Some(reason)) => Disposition::Reject { reason },
            (None, None) => Disposition::Done,
        }
    }
}

/// A line of a stream.
fn line_of(stream: &Labels, raw: Vec<u8>) -> LogRecord {
    LogRecord {
        raw: raw.into(),
        stream: stream.clone(),
        ..LogRecord::default()
    }
}

/// The stream of a dropped object.
fn stream_of(path: &str) -> Labels {
    Labels::from_pairs([("filename", path)])
}

fn tell(report: &LogCommitReport, counts: &BTreeMap<String, Counts>) {
    for (pipeline, counts) in counts {
        for (name, count) in [
            ("parapet_log_lines_total", counts.lines),
            ("parapet_log_line_bytes_total", counts.bytes),
            ("parapet_log_unparsed_lines_total", counts.unparsed),
            ("parapet_log_lines_without_time_total", counts.without_time),
            ("parapet_log_dropped_lines_total", counts.dropped),
            ("parapet_log_sampled_out_lines_total", counts.sampled_out),
            ("parapet_log_redacted_secrets_total", counts.redacted),
        ] {
            metrics::counter!(name, "pipeline" => pipeline.clone()).increment(count);
        }
    }
    metrics::counter!("parapet_log_stored_lines_total").increment(report.records);
    metrics::counter!("parapet_log_stored_files_total").increment(report.files);
    metrics::counter!("parapet_log_stored_bytes_total").increment(report.bytes);
    metrics::counter!("parapet_log_repeated_batches_total").increment(report.repeated);
    metrics::counter!("parapet_log_metric_series_refused_total").increment(report.series_refused);
    for failed in &report.failed {
        let (tenant, batch) = (&failed.tenant, &failed.id);
        tracing::warn!(tenant, batch, error = failed.error.chain(), "lines were not stored");
    }
    tracing::debug!(
        lines = report.records,
        files = report.files,
        bytes = report.bytes,
        repeated = report.repeated,
        "committed"
    );
}
