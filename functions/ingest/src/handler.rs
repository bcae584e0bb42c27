//! Messages in, a disposition for each out.

use crate::Settings;
use futures::{StreamExt as _, stream};
use object_store::ObjectStoreExt as _;
use object_store::path::Path;
use parapet_model::BatchSeries;
use parapet_ports::error::chain;
use parapet_ports::function::Function;
use parapet_ports::{Disposition, Error, Kind, Message, Objects, Ports, Queue};
use parapet_store::envelope::{self, FetchError, Poison};
use parapet_store::{Batch, CommitReport, Layouts, Writer};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

type Parcel = envelope::Parcel<Vec<BatchSeries>>;

/// The ingest function.
#[derive(Clone, Debug)]
pub struct Ingest {
    objects: Objects,
    writer: Writer,
    parallel_claims: usize,
    layouts: Arc<Layouts>,
}

/// What is known of a message so far. The worst of its batches decides.
#[derive(Debug, Default)]
struct Verdict {
    reject: Option<String>,
    retry: Option<String>,
    /// Tenant and id of each batch that is to be stored.
    batches: Vec<(String, String)>,
    /// Of which came as claim checks.
    claims: Vec<Claim>,
}

/// A batch whose series stand in the bucket.
#[derive(Debug)]
struct Claim {
    tenant: String,
    id: String,
    key: String,
}

impl Ingest {
    /// The function over its ports.
    #[must_use]
    pub fn new(ports: &Ports, settings: Settings) -> Self {
        Self {
            objects: ports.objects.clone(),
            writer: Writer::new(ports, settings.writer),
            parallel_claims: settings.parallel_claims.max(1),
            layouts: Arc::new(Layouts::new(settings.cached_series)),
        }
    }

    /// Stores the batches of messages; one answer for each message, in order.
    ///
    /// Of a message of which one batch cannot be understood the others are stored, and the message is rejected:
    /// sent again from the dead-letter queue, it stores nothing twice.
    pub async fn handle_batch(&self, messages: Vec<Message>) -> Vec<Disposition> {
        let mut verdicts: Vec<Verdict> = messages.iter().map(|_| Verdict::default()).collect();
        let opened = open(messages).await;
        let mut parcels = Vec::new();
        for (number, opened) in opened.into_iter().enumerate() {
            match opened {
                Ok(opened) => {
                    verdicts[number].claims = opened.iter().filter_map(claim).collect();
                    parcels.extend(opened.into_iter().map(|parcel| (number, parcel)));
                }
                Err(reason) => verdicts[number].reject = Some(reason),
            }
        }
        let mut fetched = stream::iter(parcels)
            .map(|(number, parcel)| async move { (number, parcel.any_age, self.fetch(parcel).await) })
            .buffered(self.parallel_claims);
        let (mut batches, mut of_any_age) = (Vec::new(), Vec::new());
        while let Some((number, any_age, fetched)) = fetched.next().await {
            let verdict = &mut verdicts[number];
            match fetched {
                Ok(Some(batch)) => {
                    verdict.batches.push((batch.tenant.clone(), batch.id.clone()));
                    if any_age { &mut of_any_age } else { &mut batches }.push(batch);
                }
                Ok(None) => {}
                Err(FetchError::Poison(poison)) => verdict.reject = Some(poison.to_string()),
                Err(FetchError::Missing(key)) => {
                    verdict.retry = Some(format!("claim check {key:?} is not in the bucket"))
                }
                Err(FetchError::Port(error)) => verdict.retry = Some(error.chain()),
            }
        }
        drop(fetched);
        let mut report = self.writer.commit(batches).await;
        if !of_any_age.is_empty() {
            report.add(self.writer.of_any_age().commit(of_any_age).await);
        }
        tell(&report);
        let failed: HashMap<(&str, &str), &Arc<Error>> = report
            .failed
            .iter()
            .map(|failed| ((&*failed.tenant, &*failed.id), &failed.error))
            .collect();
        let mut claims = Vec::new();
        let answers = verdicts.into_iter().map(|mut verdict| {
            let own = std::mem::take(&mut verdict.claims);
            let answer = settle(verdict, &failed);
            if answer == Disposition::Done {
                claims.extend(own);
            }
            answer
        });
        let answers = answers.collect();
        stream::iter(claims)
            .for_each_concurrent(self.parallel_claims, |claim| self.release(claim))
            .await;
        answers
    }

    /// Removes a claim check that nobody will need: its batch has its mark, so that a repeat of the message is done
    /// without it. What stays behind is removed by the compactor, days later.
    async fn release(&self, claim: Claim) {
        let released = async {
            if self.writer.is_stored(&claim.tenant, &claim.id).await? {
                self.objects.delete(&Path::from(claim.key.as_str())).await?;
            }
            Ok::<(), Error>(())
        };
        if let Err(error) = released.await {
            tracing::debug!(claim = claim.key, error = error.chain(), "a claim check stays behind");
        }
    }

    /// The parcel's batch; `None` where its claim check is gone because the batch is stored long since.
    async fn fetch(&self, parcel: Parcel) -> Result<Option<Batch>, FetchError> {
        let (tenant, id) = (parcel.tenant.clone(), parcel.id.clone());
        match parcel.batch(self.objects.as_ref(), &self.layouts).await {
            Err(FetchError::Missing(_)) if self.writer.is_stored(&tenant, &id).await? => Ok(None),
            other => other.map(Some),
        }
    }
}

#[async_trait::async_trait]
impl Function for Ingest {
    async fn handle_batch(&self, _queue: Queue, messages: Vec<Message>) -> Vec<Disposition> {
        Self::handle_batch(self, messages).await
    }
}

fn claim(parcel: &Parcel) -> Option<Claim> {
    let key = parcel.claim()?.to_owned();
    let (tenant, id) = (parcel.tenant.clone(), parcel.id.clone());
    Some(Claim { tenant, id, key })
}

fn settle(mut verdict: Verdict, failed: &HashMap<(&str, &str), &Arc<Error>>) -> Disposition {
    for (tenant, id) in &verdict.batches {
        let Some(error) = failed.get(&(tenant.as_str(), id.as_str())) else {
            continue;
        };
        let reason = format!(
            "batch {id:?} of tenant {tenant:?} is not stored: {}",
            chain(error.as_ref())
        );
        match error.kind() {
            Kind::Invalid => verdict.reject = Some(reason),
            _ => verdict.retry = Some(reason),
        }
    }
    // A message that must be both is first given again: what can be stored of it is stored before it is rejected.
    match (verdict.retry, verdict.reject) {
        (Some(reason), _) => Disposition::Retry { reason },
        (None, Some(reason)) => Disposition::Reject { reason },
        (None, None) => Disposition::Done,
    }
}

/// Opens messages away from the threads that wait for input and output: it is most of ingest's work besides encoding.
async fn open(messages: Vec<Message>) -> Vec<Result<Vec<Parcel>, String>> {
    let count = messages.len();
    let open = move || -> Vec<Result<Vec<Parcel>, String>> {
        let opened = messages.iter().map(|message| envelope::open(&message.body));
        opened
            .map(|opened| opened.map_err(|poison: Poison| poison.to_string()))
            .collect()
    };
    match tokio::task::spawn_blocking(open).await {
        Ok(opened) => opened,
        Err(error) => (0..count)
            .map(|_| Err(format!("opening the message failed: {error}")))
            .collect(),
    }
}

fn tell(report: &CommitReport) {
    metrics::counter!("parapet_ingested_samples_total").increment(report.samples);
    metrics::counter!("parapet_ingested_files_total").increment(report.files);
    metrics::counter!("parapet_ingested_bytes_total").increment(report.bytes);
    metrics::counter!("parapet_ingest_repeated_batches_total").increment(report.repeated);
    for (reason, count) in &report.refused {
        metrics::counter!("parapet_refused_samples_total", "reason" => reason.as_str()).increment(*count);
    }
    let refused: u64 = report.refused.values().sum();
    if refused > 0 {
        let reasons: Vec<String> = report
            .refused
            .iter()
            .map(|(reason, count)| format!("{reason}={count}"))
            .collect();
        tracing::warn!(samples = refused, reasons = reasons.join(","), "samples were refused");
    }
    let errors: HashSet<String> = report.failed.iter().map(|failed| failed.error.chain()).collect();
    for error in errors {
        tracing::warn!(error, "batches were not stored");
    }
    tracing::debug!(
        samples = report.samples,
        files = report.files,
        bytes = report.bytes,
        repeated = report.repeated,
        "committed"
    );
}
