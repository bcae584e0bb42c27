//! `index/stats`, `index/volume` and `index/volume_range`: how much there is of which streams. They are estimates, as
//! Loki's are: no line is read for them.

use super::parameters;
use super::query::now_ns;
use super::respond;
use crate::endpoints::logs::ask::{Cost, Fault};
use crate::handler::Api;
use crate::params::Form;
use crate::request::Call;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use parapet_logs::logql::{Answer, Parameters, Sample, Series};
use parapet_model::{Labels, Matcher};
use parapet_store::logs::Part;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The selector of streams.
fn matchers(form: &Form) -> Result<Vec<Matcher>, Fault> {
    let sets = parameters::selectors(form.get("query"))?;
    Ok(sets.into_iter().next().unwrap_or_default())
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // sizes, rounded
fn rounded(number: f64) -> u64 {
    number.round() as u64
}

/// `/loki/api/v1/index/stats`
pub(super) async fn stats(State(api): State<Arc<Api>>, call: Call) -> Response {
    let answer = async {
        let (start_ns, end_ns) = parameters::range(&call.form, now_ns(&api))?;
        let reader = &api.log_reader;
        let volumes = reader
            .volumes(&call.tenant, start_ns, end_ns, &matchers(&call.form)?)
            .await?;
        let streams: BTreeSet<Labels> = volumes.iter().map(|volume| volume.origin.labels()).collect();
        let parts = || volumes.iter().flat_map(|volume| &volume.parts);
        Ok::<_, Fault>(respond::bare(|object| {
            object.integer("streams", streams.len() as u64);
            object.integer("chunks", parts().count() as u64);
            object.integer("bytes", rounded(parts().map(|part| part.line_bytes).sum()));
            object.integer("entries", rounded(parts().map(|part| part.records).sum()));
        }))
    };
    answer.await.unwrap_or_else(Fault::into_response)
}

/// How volumes are told apart.
#[derive(Clone, Debug)]
struct Aggregation {
    /// The labels that count; all where there are none.
    labels: BTreeSet<String>,
    /// Those of them that a stream must have.
    required: Vec<String>,
    /// Whether a volume is that of a label's name.
    by_label: bool,
}

impl Aggregation {
    fn of(form: &Form, matchers: &[Matcher]) -> Result<Self, Fault> {
        let targets = form.get("targetLabels").unwrap_or_default().split(',').map(str::trim);
        let mut labels: BTreeSet<String> = targets.filter(|name| !name.is_empty()).map(str::to_owned).collect();
        let by_label = match form.get("aggregateBy").unwrap_or("series") {
            "series" => false,
            "labels" => true,
            other => {
                return Err(Fault::bad(format!(
                    "invalid aggregation option {other:?}; write series or labels"
                )));
            }
        };
        let of_matchers: BTreeSet<String> = matchers.iter().map(|matcher| matcher.name.clone()).collect();
        let required = labels.difference(&of_matchers).cloned().collect();
        if labels.is_empty() && !by_label {
            labels = of_matchers;
        }
        Ok(Self {
            labels,
            required,
            by_label,
        })
    }

    /// The volumes that a stream's bytes are part of.
    fn keys(&self, stream: &Labels) -> Vec<Labels> {
        if self.required.iter().any(|name| stream.get(name).is_none()) {
            return Vec::new();
        }
        let wanted = |name: &str| self.labels.is_empty() || self.labels.contains(name);
        let labels = stream.iter().filter(|(name, _)| wanted(name));
        match self.by_label {
            // A name alone is a label without a value.
            true => labels.map(|(name, _)| Labels::from_sorted([(name, "")])).collect(),
            false => vec![Labels::from_pairs(labels)],
        }
    }
}

/// Bytes of each volume at each of the times.
type Volumes = BTreeMap<Labels, BTreeMap<i64, f64>>;

/// Adds up volumes. `slots` gives the times that the lines of a part count for, each with its share of them.
async fn volumes(
    api: &Api,
    call: &Call,
    (start_ns, end_ns): (i64, i64),
    slots: impl Fn(Part) -> Vec<(i64, f64)>,
) -> Result<Volumes, Fault> {
    let matchers = matchers(&call.form)?;
    let aggregation = Aggregation::of(&call.form, &matchers)?;
    let reader = &api.log_reader;
    let mut volumes = Volumes::new();
    for found in reader.volumes(&call.tenant, start_ns, end_ns, &matchers).await? {
        let points: Vec<(i64, f64)> = found.parts.iter().flat_map(|part| slots(*part)).collect();
        for key in aggregation.keys(&found.origin.labels()) {
            let volume = volumes.entry(key).or_default();
            for (at, bytes) in &points {
                *volume.entry(*at).or_default() += bytes;
            }
        }
    }
    Ok(volumes)
}

/// The slots of a step that a part's lines fall into, with their bytes.
fn spread(part: Part, start_ns: i64, step_ns: i64) -> Vec<(i64, f64)> {
    let slot = |time_ns: i64| start_ns + (time_ns - start_ns).div_euclid(step_ns) * step_ns;
    let (first, last) = (slot(part.min_ns), slot(part.max_ns));
    let slots = (0..)
        .map(|number| first + number * step_ns)
        .take_while(|at| *at <= last);
    let within = slots.filter_map(|at| Some((at, part.within(at, at + step_ns - 1)?.line_bytes)));
    // A slot ends where the next one begins: what lies between is rounded away.
    let points: Vec<(i64, f64)> = within.collect();
    let whole: f64 = points.iter().map(|(_, bytes)| bytes).sum();
    let scale = if whole > 0.0 { part.line_bytes / whole } else { 0.0 };
    points.into_iter().map(|(at, bytes)| (at, bytes * scale)).collect()
}

/// The largest volumes, the largest first.
fn largest(volumes: Volumes, limit: usize) -> Vec<(Labels, BTreeMap<i64, f64>)> {
    let mut all: Vec<_> = volumes.into_iter().collect();
    let total = |points: &BTreeMap<i64, f64>| points.values().sum::<f64>();
    all.sort_by(|(_, a), (_, b)| total(b).total_cmp(&total(a)));
    all.truncate(limit);
    all
}

/// `/loki/api/v1/index/volume`
pub(super) async fn volume(State(api): State<Arc<Api>>, call: Call) -> Response {
    let answer = async {
        let (start_ns, end_ns) = parameters::range(&call.form, now_ns(&api))?;
        let limit = parameters::positive(&call.form, "limit", 100)?;
        let whole = |part: Part| vec![(end_ns, part.line_bytes)];
        let volumes = volumes(&api, &call, (start_ns, end_ns), whole).await?;
        let samples = largest(volumes, limit).into_iter().map(|(labels, points)| Sample {
            labels,
            value: points.values().sum::<f64>().round(),
        });
        let answer = Answer::Vector(samples.collect());
        Ok::<_, Fault>(respond::answer(&answer, end_ns, &Cost::default(), false))
    };
    answer.await.unwrap_or_else(Fault::into_response)
}

/// `/loki/api/v1/index/volume_range`
pub(super) async fn volume_range(State(api): State<Arc<Api>>, call: Call) -> Response {
    let answer = async {
        let (start_ns, end_ns) = parameters::range(&call.form, now_ns(&api))?;
        let limit = parameters::positive(&call.form, "limit", 100)?;
        let step_ns = parameters::step(&call.form, start_ns, end_ns)?;
        let points = usize::try_from((end_ns - start_ns) / step_ns).unwrap_or(usize::MAX);
        let max_points = Parameters::default().max_points;
        if points >= max_points {
            return Err(Fault::bad(format!(
                "exceeded maximum resolution of {max_points} points per time series. Try increasing the value of the step parameter"
            )));
        }
        let slots = |part: Part| spread(part, start_ns, step_ns);
        let volumes = volumes(&api, &call, (start_ns, end_ns), slots).await?;
        let series = largest(volumes, limit).into_iter().map(|(labels, points)| Series {
            labels,
            points: points.into_iter().map(|(at, bytes)| (at, bytes.round())).collect(),
        });
        let answer = Answer::Matrix(series.collect());
        Ok::<_, Fault>(respond::answer(&answer, end_ns, &Cost::default(), false))
    };
    answer.await.unwrap_or_else(Fault::into_response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_spread_over_its_slots() {
        let part = Part {
            min_ns: 15,
            max_ns: 35,
            records: 4.0,
            line_bytes: 200.0,
        };
        let points = spread(part, 5, 10);
        assert_eq!(points.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [15, 25, 35]);
        assert!((points.iter().map(|(_, bytes)| bytes).sum::<f64>() - 200.0).abs() < 1e-9);
        assert!((points[0].1 - points[1].1).abs() < 1e-9 && points[2].1 < points[1].1);
        let moment = Part { max_ns: 15, ..part };
        assert_eq!(spread(moment, 5, 10), [(15, 200.0)]);
    }
}
