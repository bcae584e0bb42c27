//! Reading stored lines for an answer: on a thread that may block, within the time that a query may take.
//!
//! A query keeps its permit until its thread is done, though the request has timed out before: the limit on concurrent
//! queries bounds the work, not the waiting.

use crate::handler::Api;
use http::StatusCode;
use parapet_logs::logql::{Answer, EvaluationError, Expr, Parameters};
use parapet_logs::{LogRecord, Steps};
use parapet_ports::Kind;
use parapet_store::logs::{AnswerError, Count, Kind as CountKind, LogQuery, LogReader, LogStats};
use std::hash::Hash;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    pub(super) reason: String,
}

impl Fault {
    pub(super) fn bad(reason: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            reason: reason.into(),
        }
    }

    fn timed_out() -> Self {
        Self {
            status: StatusCode::GATEWAY_TIMEOUT,
            reason: "request timed out, decrease the duration of the request or add more label matchers (prefer exact \
                     match over regex match) to reduce the amount of data processed"
                .to_owned(),
        }
    }
}

impl From<EvaluationError> for Fault {
    fn from(error: EvaluationError) -> Self {
        Self::bad(error.to_string())
    }
}

impl From<AnswerError> for Fault {
    fn from(error: AnswerError) -> Self {
        match error {
            AnswerError::Evaluation(error) => error.into(),
            AnswerError::Port(error) => error.into(),
        }
    }
}

/// A port that failed: the caller's fault where it says so, else ours. The chain is logged here, at the edge.
impl From<parapet_ports::Error> for Fault {
    fn from(error: parapet_ports::Error) -> Self {
        let chain = error.chain();
        tracing::warn!(error = %chain, kind = %error.kind(), "logs could not be read");
        let status = match error.kind() {
            Kind::Invalid => StatusCode::BAD_REQUEST,
            Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, reason: chain }
    }
}

/// What an answer has cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cost {
    pub(super) read: LogStats,
    pub(super) queued: Duration,
    pub(super) spent: Duration,
}

/// The store as a query sees it, on its own thread.
pub(super) struct Search {
    reader: LogReader,
    runtime: Handle,
    tenant: String,
    stop: Arc<AtomicBool>,
    read: LogStats,
}

impl Search {
    /// Gives records to `visit` in the order of the query, until it breaks or nobody waits for the answer any longer.
    pub(super) fn each(
        &mut self,
        query: &LogQuery,
        mut visit: impl FnMut(&LogRecord) -> Result<ControlFlow<()>, Fault> + Send,
    ) -> Result<(), Fault> {
        let (mut fault, stop) = (None, self.stop.clone());
        let mut visitor = |record: LogRecord| {
            if stop.load(Ordering::Relaxed) {
                return ControlFlow::Break(());
            }
            visit(&record).unwrap_or_else(|error| {
                fault = Some(error);
                ControlFlow::Break(())
            })
        };
        let search = self.reader.search(&self.tenant, query, &mut visitor);
        let read = self.runtime.block_on(search)?;
        self.read.add(&read);
        fault.map_or(Ok(()), Err)
    }

    /// Counts records of each kind in each of some steps, as [`LogReader::count`].
    pub(super) fn count<K: Eq + Hash>(
        &mut self,
        query: &LogQuery,
        steps: &Steps,
        kind: CountKind<'_, K>,
    ) -> Result<Vec<Count<K>>, Fault> {
        let goes_on = |_| !self.stop.load(Ordering::Relaxed);
        let count = self.reader.count(&self.tenant, query, steps, kind, &goes_on);
        let (counts, read) = self.runtime.block_on(count)?;
        self.read.add(&read);
        Ok(counts)
    }

    /// Answers a LogQL query.
    pub(super) fn evaluate(&mut self, expr: &Expr, parameters: Parameters) -> Result<Answer, Fault> {
        let goes_on = || !self.stop.load(Ordering::Relaxed);
        let answer = self.reader.answer(&self.tenant, expr, parameters, &goes_on);
        let (answer, read) = self.runtime.block_on(answer)?;
        self.read.add(&read);
        Ok(answer)
    }
}

/// Stops the search when nobody waits for it any longer: the time is up, or the client is gone.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Does the work of one query: waits for its turn, then reads and reckons on a thread of its own.
pub(super) async fn ask<T: Send + 'static>(
    api: &Api,
    tenant: &str,
    work: impl FnOnce(&mut Search) -> Result<T, Fault> + Send + 'static,
) -> Result<(T, Cost), Fault> {
    let stop = StopOnDrop(Arc::default());
    let mut search = Search {
        reader: api.log_reader.clone(),
        runtime: Handle::current(),
        tenant: tenant.to_owned(),
        stop: stop.0.clone(),
        read: LogStats::default(),
    };
    let answer = async {
        let began = Instant::now();
        let permit = api.evaluations.clone().acquire_owned().await;
        let permit = permit.map_err(|_| Fault::timed_out())?;
        let queued = began.elapsed();
        let done = tokio::task::spawn_blocking(move || {
            let began = Instant::now();
            let answer = work(&mut search)?;
            drop(permit);
            let cost = Cost {
                read: search.read,
                queued,
                spent: began.elapsed(),
            };
            Ok((answer, cost))
        });
        done.await.map_err(|error| {
            tracing::error!(%error, "a query of logs stopped");
            Fault {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                reason: "the query stopped unexpectedly".to_owned(),
            }
        })?
    };
    let timeout = Duration::from_millis(api.settings.query_timeout_ms);
    tokio::time::timeout(timeout, answer)
        .await
        .unwrap_or_else(|_| Err(Fault::timed_out()))
}
