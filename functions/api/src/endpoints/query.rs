//! `query` and `query_range`.
//!
//! A query is parsed, its series are fetched, and it is evaluated and written on a thread for blocking work,
//! so that a long one holds up no other request. It keeps its permit until that thread is done, though the
//! request has timed out before: the limit on concurrent queries bounds the work, not the waiting.

use crate::endpoints::labels::truncate;
use crate::endpoints::syntax::parse_query;
use crate::error::{ApiError, ErrorType};
use crate::handler::Api;
use crate::json::{Object, write_query_value};
use crate::params::{Time, parse_duration_ns};
use crate::request::Call;
use crate::respond::{envelope, json};
use crate::stats::QueryStats;
use axum::extract::State;
use axum::response::Response;
use futures::future::try_join_all;
use parapet_model::{Run, Series};
use parapet_promql::{Answer, Beside, EvaluationError, Expr, Options, QueryRange, QueryValue, Selector, ValueType};
use parapet_store::SummedUp;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The most points of one series that a range query may ask for.
const MAX_POINTS: i128 = 11_000;

/// `/api/v1/query`
pub(crate) async fn instant(State(api): State<Arc<Api>>, call: Call) -> Result<Response, ApiError> {
    let limit = call.form.limit()?;
    let now = Time::from_ms(api.ports.clock.now_ms());
    let at_ms = call.form.time_or("time", now)?.ms();
    let request = QueryRequest::new(&api, &call, limit)?;
    let expr = parse_query(&call)?;
    request.run(api, call.tenant, expr, QueryRange::instant(at_ms)).await
}

/// `/api/v1/query_range`
pub(crate) async fn range(State(api): State<Arc<Api>>, call: Call) -> Result<Response, ApiError> {
    let limit = call.form.limit()?;
    let start = call.form.time("start")?;
    let end = call.form.time("end")?;
    if end < start {
        return Err(ApiError::invalid_parameter(
            "end",
            "end timestamp must not be before start time",
        ));
    }
    let step_ns = parse_duration_ns(call.form.get("step").unwrap_or_default())
        .map_err(|reason| ApiError::invalid_parameter("step", reason))?;
    // The engine counts in milliseconds: a shorter step is as good as none.
    if step_ns < 1_000_000 {
        return Err(ApiError::invalid_parameter(
            "step",
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    if (end.ns - start.ns) / i128::from(step_ns) > MAX_POINTS {
        return Err(ApiError::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    let request = QueryRequest::new(&api, &call, limit)?;
    let expr = parse_query(&call)?;
    let value_type = expr.value_type();
    if !matches!(value_type, ValueType::Vector | ValueType::Scalar) {
        return Err(ApiError::invalid_parameter(
            "query",
            format!(
                "invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
                value_type.documented()
            ),
        ));
    }
    let range = QueryRange {
        start_ms: start.ms(),
        end_ms: end.ms(),
        step_ms: step_ns / 1_000_000,
    };
    request.run(api, call.tenant, expr, range).await
}

/// What a query is asked with, besides its expression and range.
struct QueryRequest {
    options: Options,
    timeout: Duration,
    limit: usize,
    with_stats: bool,
    warnings: Vec<String>,
}

impl QueryRequest {
    fn new(api: &Api, call: &Call, limit: usize) -> Result<Self, ApiError> {
        let settings = &api.settings;
        let asked_ms = call.form.timeout_ms()?.map(|ms| u64::try_from(ms).unwrap_or(0));
        let timeout_ms = asked_ms.map_or(settings.query_timeout_ms, |ms| ms.min(settings.query_timeout_ms));
        let lookback_delta_ms = call.form.lookback_delta_ms()?.unwrap_or(settings.lookback_delta_ms);
        let stats = call.form.get("stats");
        let unknown_stats = stats.filter(|value| !matches!(*value, "true" | "all")).map(|value| {
            format!(
                "value {} for parameter \"stats\" is deprecated and will be rejected in the next major release, \
                 use \"true\" or \"all\"",
                parapet_model::quote(value)
            )
        });
        Ok(Self {
            options: Options {
                lookback_delta_ms,
                max_samples: settings.max_samples,
                delayed_name_removal: settings.delayed_name_removal,
                type_and_unit_labels: settings.type_and_unit_labels,
                threads: settings.query_threads,
                ..Options::default()
            },
            timeout: Duration::from_millis(timeout_ms),
            limit,
            with_stats: stats.is_some(),
            warnings: unknown_stats.into_iter().collect(),
        })
    }

    async fn run(mut self, api: Arc<Api>, tenant: String, expr: Expr, range: QueryRange) -> Result<Response, ApiError> {
        self.options.default_subquery_step_ms = api.configuration.current(&api.ports).await?.evaluation_interval_ms;
        let stop = StopOnDrop(Arc::default());
        self.options.interrupt = Some(stop.0.clone());
        let timeout = self.timeout;
        if timeout.is_zero() {
            return Err(timed_out());
        }
        let answer = tokio::time::timeout(timeout, self.answer(&api, &tenant, expr, range)).await;
        answer.unwrap_or_else(|_| Err(timed_out()))
    }

    async fn answer(mut self, api: &Api, tenant: &str, expr: Expr, range: QueryRange) -> Result<Response, ApiError> {
        let mut stats = QueryStats::start();
        let permit = api.evaluations.clone().acquire_owned().await.map_err(|_| timed_out())?;
        stats.queued();
        let selectors = parapet_promql::selectors(&expr, &range, &self.options);
        let (fetched, runs) = fetch_all(api, tenant, &selectors).await?;
        if stats.read(&fetched, &runs) > self.options.max_samples {
            return Err(EvaluationError::TooManySamples.into());
        }
        stats.prepared();
        let body = tokio::task::spawn_blocking(move || {
            let started = Instant::now();
            let beside = Beside {
                runs: &runs,
                ..Beside::default()
            };
            let result = parapet_promql::evaluate_beside(&expr, &range, &self.options, &fetched, beside);
            drop(fetched);
            let Answer {
                mut value,
                mut warnings,
                infos,
            } = result?;
            stats.evaluated(started.elapsed());
            warnings.extend(cut(&mut value, self.limit));
            warnings.append(&mut self.warnings);
            let body = envelope(&warnings, &infos, |out| {
                Object::write(out, |object| {
                    write_query_value(object, &value);
                    if self.with_stats {
                        stats.write(object);
                    }
                });
            });
            drop(permit);
            Ok(body)
        });
        let body: Result<Vec<u8>, EvaluationError> = body.await.map_err(|error| {
            tracing::error!(error = %error, "query evaluation stopped");
            ApiError::new(ErrorType::Internal, "query evaluation stopped unexpectedly")
        })?;
        Ok(json(body?))
    }
}

/// Stops the evaluation when nobody waits for it any longer: the time is up, or the client is gone.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The series that a selector fetches, and the runs of each.
type Fetched = (Vec<Arc<Series>>, Vec<Vec<Run>>);

/// Answers all selectors. One that another covers is answered from that one's series: a ratio of errors to requests
/// reads the requests once.
async fn fetch_all(
    api: &Api,
    tenant: &str,
    selectors: &[Selector],
) -> Result<(Vec<Vec<Arc<Series>>>, Vec<Vec<Vec<Run>>>), ApiError> {
    // The widest that covers it, which may be itself.
    let root = |at: usize| {
        let covering = (0..selectors.len()).filter(|other| selectors[*other].covers(&selectors[at]));
        covering
            .min_by_key(|other| selectors[*other].matchers.len())
            .unwrap_or(at)
    };
    let roots: Vec<usize> = (0..selectors.len()).map(root).collect();
    let fetches = selectors
        .iter()
        .zip(&roots)
        .enumerate()
        .map(|(at, (selector, root))| async move {
            if *root == at {
                fetch(api, tenant, selector).await
            } else {
                Ok(Fetched::default())
            }
        });
    let fetched: Vec<Fetched> = try_join_all(fetches).await?;
    let answer = |at: usize| {
        let (series, runs) = &fetched[roots[at]];
        let matchers = &selectors[at].matchers;
        let passes = |series: &Series| matchers.iter().all(|matcher| matcher.matches_labels(&series.labels));
        let chosen = (0..series.len()).filter(|number| roots[at] == at || passes(&series[*number]));
        let with_runs = |number: usize| (series[number].clone(), runs.get(number).cloned().unwrap_or_default());
        chosen.map(with_runs).unzip()
    };
    Ok((0..selectors.len()).map(answer).unzip())
}

async fn fetch(api: &Api, tenant: &str, selector: &Selector) -> Result<Fetched, ApiError> {
    let Selector {
        matchers,
        start_ms,
        end_ms,
        hints,
    } = selector;
    let read = match &hints.windows {
        Some(windows) => {
            api.reader
                .select_runs(tenant, matchers, *start_ms, *end_ms, windows)
                .await
        }
        None => api
            .reader
            .select(tenant, matchers, *start_ms, *end_ms)
            .await
            .map(SummedUp::from),
    };
    let read = read.map(|SummedUp { series, runs }| (series.into_iter().map(Arc::new).collect(), runs));
    read.map_err(|error| match error.kind() {
        // The reader refuses one thing alone: more samples than a query may hold.
        parapet_ports::Kind::Invalid => EvaluationError::TooManySamples.into(),
        _ => ApiError::from(error),
    })
}

/// Cuts vectors and matrices to the limit.
fn cut(value: &mut QueryValue, limit: usize) -> Option<String> {
    match value {
        QueryValue::Vector(samples) => truncate(samples, limit),
        QueryValue::Matrix(series) => truncate(series, limit),
        QueryValue::Scalar { .. } | QueryValue::String { .. } => None,
    }
}

fn timed_out() -> ApiError {
    EvaluationError::Timeout.into()
}

impl From<EvaluationError> for ApiError {
    fn from(error: EvaluationError) -> Self {
        let kind = match error {
            EvaluationError::Timeout => ErrorType::Timeout,
            _ => ErrorType::Execution,
        };
        Self::new(kind, error.to_string())
    }
}
