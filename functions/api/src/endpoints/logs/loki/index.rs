//! `index/stats`, `index/volume` and `index/volume_range`: how much there is of which streams.

use super::parameters;
use super::query::now_ns;
use super::respond;
use crate::endpoints::logs::ask::{Cost, Fault, ask};
use crate::handler::Api;
use crate::params::Form;
use crate::request::Call;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use parapet_logs::logql::{Answer, Sample, Series};
use parapet_model::{Labels, LabelsBuilder, Matcher};
use parapet_store::logs::{Columns, LogQuery};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::sync::Arc;

/// Which lines are counted.
fn selection(form: &Form, start_ns: i64, end_ns: i64) -> Result<LogQuery, Fault> {
    let sets = parameters::selectors(form.get("query"))?;
    Ok(LogQuery {
        start_ns,
        end_ns,
        matchers: sets.into_iter().next().unwrap_or_default(),
        columns: Columns {
            origin: true,
            stream: true,
            raw: true,
            ..Columns::NONE
        },
        ..LogQuery::default()
    })
}

/// `/loki/api/v1/index/stats`
pub(super) async fn stats(State(api): State<Arc<Api>>, call: Call) -> Response {
    let answer = async {
        let (start_ns, end_ns) = parameters::range(&call.form, now_ns(&api))?;
        let query = selection(&call.form, start_ns, end_ns)?;
        let (counted, cost) = ask(&api, &call.tenant, move |search| {
            let (mut streams, mut entries, mut bytes) = (BTreeSet::new(), 0_u64, 0_u64);
            search.each(&query, |record| {
                entries += 1;
                bytes += record.raw.len() as u64;
                if !streams.contains(&record.stream) {
                    streams.insert(record.stream.clone());
                }
                Ok(ControlFlow::Continue(()))
            })?;
            Ok((streams.len() as u64, entries, bytes))
        })
        .await?;
        let (streams, entries, bytes) = counted;
        Ok::<_, Fault>(respond::bare(|object| {
            object.integer("streams", streams);
            object.integer("chunks", cost.read.blocks);
            object.integer("bytes", bytes);
            object.integer("entries", entries);
        }))
    };
    answer.await.unwrap_or_else(Fault::into_response)
}

/// How volumes are told apart.
#[derive(Clone, Debug)]
struct Aggregation {
    /// The labels that count: those that are asked for, else those of the matchers; all where there are none.
    labels: BTreeSet<String>,
    /// Whether a volume is that of a label's name.
    by_label: bool,
}

impl Aggregation {
    fn of(form: &Form, matchers: &[Matcher]) -> Result<Self, Fault> {
        let targets = form.get("targetLabels").unwrap_or_default().split(',').map(str::trim);
        let mut labels: BTreeSet<String> = targets.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        if labels.is_empty() {
            labels = matchers.iter().map(|matcher| matcher.name.clone()).collect();
        }
        let by_label = match form.get("aggregateBy").unwrap_or("series") {
            "series" => false,
            "labels" => true,
            other => {
                return Err(Fault::bad(format!(
                    "invalid aggregation option {other:?}; write series or labels"
                )));
            }
        };
        Ok(Self { labels, by_label })
    }

    /// The volumes that a stream's bytes are part of.
    fn keys(&self, stream: &Labels, service: &str) -> Vec<Labels> {
        let mut all = LabelsBuilder::default();
        for (name, value) in stream.iter() {
            all.set(name, value);
        }
        if all.get("service_name").is_none() && !service.is_empty() {
            all.set("service_name", service);
        }
        let wanted = |name: &str| self.labels.is_empty() || self.labels.contains(name);
        if self.by_label {
            let names = all.iter().map(|(name, _)| name).filter(|name| wanted(name));
            return names.map(|name| Labels::from_pairs([(name, "")])).collect();
        }
        all.retain(wanted);
        vec![all.build()]
    }
}

/// Bytes of each volume at each of the times.
type Volumes = BTreeMap<Labels, BTreeMap<i64, u64>>;

/// Adds up volumes; `slot` is the time that a line counts for.
async fn volumes(
    api: &Api,
    call: &Call,
    query: LogQuery,
    slot: impl Fn(i64) -> i64 + Send + Sync + 'static,
) -> Result<(Volumes, Cost), Fault> {
    let aggregation = Aggregation::of(&call.form, &query.matchers)?;
    ask(api, &call.tenant, move |search| {
        let mut sums: HashMap<(Labels, String), BTreeMap<i64, u64>> = HashMap::new();
        search.each(&query, |record| {
            let sum = sums.entry((record.stream.clone(), record.service.clone())).or_default();
            *sum.entry(slot(record.timestamp_ns)).or_default() += record.raw.len() as u64;
            Ok(ControlFlow::Continue(()))
        })?;
        let mut volumes = Volumes::new();
        for ((stream, service), sum) in sums {
            for key in aggregation.keys(&stream, &service) {
                let volume = volumes.entry(key).or_default();
                for (at, bytes) in &sum {
                    *volume.entry(*at).or_default() += bytes;
                }
            }
        }
        Ok(volumes)
    })
    .await
}

/// The largest volumes, the largest first.
fn largest(volumes: Volumes, limit: usize) -> Vec<(Labels, BTreeMap<i64, u64>)> {
    let mut all: Vec<_> = volumes.into_iter().collect();
    all.sort_by_key(|(_, points)| std::cmp::Reverse(points.values().sum::<u64>()));
    all.truncate(limit);
    all
}

/// `/loki/api/v1/index/volume`
#[allow(clippy::cast_precision_loss)] // sizes
pub(super) async fn volume(State(api): State<Arc<Api>>, call: Call) -> Response {
    let answer = async {
        let (start_ns, end_ns) = parameters::range(&call.form, now_ns(&api))?;
        let limit = parameters::positive(&call.form, "limit", 100)?;
        let query = selection(&call.form, start_ns, end_ns)?;
        let (volumes, cost) = volumes(&api, &call, query, move |_| end_ns).await?;
        let samples = largest(volumes, limit).into_iter().map(|(labels, points)| Sample {
            labels,
            value: points.values().sum::<u64>() as f64,
        });
        Ok::<_, Fault>(respond::answer(&Answer::Vector(samples.collect()), end_ns, &cost))
    };
    answer.await.unwrap_or_else(Fault::into_response)
}

/// `/loki/api/v1/index/volume_range`
#[allow(clippy::cast_precision_loss)] // sizes
pub(super) async fn volume_range(State(api): State<Arc<Api>>, call: Call) -> Response {
    let answer = async {
        let (start_ns, end_ns) = parameters::range(&call.form, now_ns(&api))?;
        let limit = parameters::positive(&call.form, "limit", 100)?;
        let step_ns = parameters::step(&call.form, start_ns, end_ns)?;
        let query = selection(&call.form, start_ns, end_ns)?;
        let slot = move |time_ns: i64| start_ns + (time_ns - start_ns).div_euclid(step_ns) * step_ns;
        let (volumes, cost) = volumes(&api, &call, query, slot).await?;
        let series = largest(volumes, limit).into_iter().map(|(labels, points)| Series {
            labels,
            points: points.into_iter().map(|(at, bytes)| (at, bytes as f64)).collect(),
        });
        Ok::<_, Fault>(respond::answer(&Answer::Matrix(series.collect()), end_ns, &cost))
    };
    answer.await.unwrap_or_else(Fault::into_response)
}
