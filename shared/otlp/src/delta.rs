//! Deltas as cumulative series: what was added so far is kept, and each delta adds to it.
//!
//! # Invariant
//! A delta is counted once, and a request that comes again gives the samples that it gave before: for each stream the
//! state holds the total before the last request that touched it beside the total after. A request with that
//! request's identity starts from the former, any other from the latter. A point that is not newer than what it
//! starts from is late: it was counted already, or cannot be any more, and is left out and counted.

use parapet_model::{BatchSeries, Histogram, Sample, Value, spans_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The totals of the delta streams of one group, as they are stored (JSON by `serde`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DeltaState {
    /// By the series' identity.
    streams: BTreeMap<i64, Stream>,
}

/// What is kept of one stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Stream {
    /// The last request that touched it.
    #[serde(rename = "r")]
    request: u64,
    /// The total before that request; none where that request began the stream.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    before: Option<Total>,
    /// The total after it.
    #[serde(rename = "t")]
    total: Total,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Total {
    #[serde(rename = "ms")]
    timestamp_ms: i64,
    #[serde(flatten)]
    value: Stored,
}

/// A value; floats as their bits, which JSON keeps as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Stored {
    #[serde(rename = "f")]
    Float(u64),
    #[serde(rename = "h")]
    Histogram {
        schema: i32,
        /// Zero threshold, zero count, count, sum.
        numbers: [u64; 4],
        positive: Vec<(i32, u64)>,
        negative: Vec<(i32, u64)>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        custom: Vec<u64>,
    },
}

impl Stored {
    fn new(value: &Value) -> Self {
        let side = |side: Vec<(i32, f64)>| {
            side.into_iter()
                .map(|(index, count)| (index, count.to_bits()))
                .collect()
        };
        match value {
            Value::Float(value) => Self::Float(value.to_bits()),
            Value::Histogram(one) => Self::Histogram {
                schema: one.schema,
                numbers: [one.zero_threshold, one.zero_count, one.count, one.sum].map(f64::to_bits),
                positive: side(one.positive_side()),
                negative: side(one.negative_side()),
                custom: one.custom_values.iter().map(|bound| bound.to_bits()).collect(),
            },
        }
    }

    fn value(&self) -> Value {
        let side = |side: &[(i32, u64)]| {
            let counts = side.iter().map(|(index, bits)| (*index, f64::from_bits(*bits)));
            spans_of(counts, 0)
        };
        match self {
            Self::Float(bits) => Value::Float(f64::from_bits(*bits)),
            Self::Histogram {
                schema,
                numbers,
                positive,
                negative,
                custom,
            } => {
                let [zero_threshold, zero_count, count, sum] = numbers.map(f64::from_bits);
                let (positive_spans, positive_buckets) = side(positive);
                let (negative_spans, negative_buckets) = side(negative);
                Value::Histogram(Arc::new(Histogram {
                    schema: *schema,
                    zero_threshold,
                    zero_count,
                    count,
                    sum,
                    positive_spans,
                    positive_buckets,
                    negative_spans,
                    negative_buckets,
                    custom_values: custom.iter().map(|bits| f64::from_bits(*bits)).collect(),
                    ..Histogram::default()
                }))
            }
        }
    }
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaLimits {
    /// A stream without a point for this long begins anew, milliseconds.
    pub max_stale_ms: i64,
    /// The most streams of one group.
    pub max_streams: usize,
}

/// What became of deltas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Accumulated {
    /// The cumulative series.
    pub series: Vec<BatchSeries>,
    /// Points left out because they are not newer than what was counted already.
    pub late: u64,
    /// Points left out because the group has too many streams.
    pub beyond_limit: u64,
}

impl DeltaState {
    /// Adds the deltas of one group. `request` identifies the request: the same bytes, the same number.
    pub fn accumulate(&mut self, request: u64, deltas: Vec<BatchSeries>, limits: DeltaLimits) -> Accumulated {
        let mut out = Accumulated::default();
        let newest = deltas
            .iter()
            .filter_map(|one| Some(one.samples.last()?.timestamp_ms))
            .max();
        if let Some(newest) = newest {
            let oldest = newest.saturating_sub(limits.max_stale_ms);
            self.streams.retain(|_, stream| stream.total.timestamp_ms >= oldest);
        }
        for mut one in deltas {
            let id = one.labels.series_id();
            let known = self.streams.get(&id);
            if known.is_none() && self.streams.len() >= limits.max_streams {
                out.beyond_limit += one.samples.len() as u64;
                continue;
            }
            let before = match known {
                Some(stream) if stream.request == request => stream.before.clone(),
                Some(stream) => Some(stream.total.clone()),
                None => None,
            };
            let mut last_ms = before.as_ref().map(|total| total.timestamp_ms);
            let mut total = before.as_ref().map(|total| total.value.value());
            let samples = one.samples.len();
            one.samples = one
                .samples
                .into_iter()
                .filter(|sample| {
                    let is_newer = last_ms.is_none_or(|last| sample.timestamp_ms > last);
                    if is_newer {
                        last_ms = Some(sample.timestamp_ms);
                    }
                    is_newer
                })
                .map(|sample| {
                    if sample.value.is_stale() {
                        return sample;
                    }
                    let sum = add(total.take(), &sample.value);
                    total = Some(sum.clone());
                    Sample { value: sum, ..sample }
                })
                .collect();
            out.late += (samples - one.samples.len()) as u64;
            if let (Some(timestamp_ms), Some(total), false) = (last_ms, &total, one.samples.is_empty()) {
                let total = Total {
                    timestamp_ms,
                    value: Stored::new(total),
                };
                self.streams.insert(id, Stream { request, before, total });
            }
            if !one.samples.is_empty() || !one.exemplars.is_empty() {
                out.series.push(one);
            }
        }
        out
    }

    /// How many streams are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }
}

/// The total with a delta added. What cannot be added, as histograms with other bounds, begins anew: a reset.
fn add(total: Option<Value>, delta: &Value) -> Value {
    match (total, delta) {
        (Some(Value::Float(total)), Value::Float(delta)) => Value::Float(total + delta),
        (Some(Value::Histogram(total)), Value::Histogram(delta)) => {
            let sum = add_histograms(&total, delta);
            sum.map_or_else(
                || Value::Histogram(delta.clone()),
                |sum| Value::Histogram(Arc::new(sum)),
            )
        }
        _ => delta.clone(),
    }
}

fn add_histograms(a: &Histogram, b: &Histogram) -> Option<Histogram> {
    let same_bounds = a.uses_custom_buckets() == b.uses_custom_buckets() && a.custom_values == b.custom_values;
    if !same_bounds || a.zero_threshold.to_bits() != b.zero_threshold.to_bits() {
        return None;
    }
    let schema = a.schema.min(b.schema);
    let (a, b) = (a.at_schema(schema), b.at_schema(schema));
    let side = |a: Vec<(i32, f64)>, b: Vec<(i32, f64)>| {
        let mut sums = BTreeMap::new();
        for (index, count) in a.into_iter().chain(b) {
            *sums.entry(index).or_insert(0.0) += count;
        }
        spans_of(sums, 0)
    };
    let (positive_spans, positive_buckets) = side(a.positive_side(), b.positive_side());
    let (negative_spans, negative_buckets) = side(a.negative_side(), b.negative_side());
    Some(Histogram {
        zero_count: a.zero_count + b.zero_count,
        count: a.count + b.count,
        sum: a.sum + b.sum,
        positive_spans,
        positive_buckets,
        negative_spans,
        negative_buckets,
        ..b
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_model::{Labels, MetricType, stale_nan};

    const LIMITS: DeltaLimits = DeltaLimits {
        max_stale_ms: 1_000,
        max_streams: 2,
    };

    fn deltas(name: &str, samples: &[(i64, f64)]) -> Vec<BatchSeries> {
        vec![BatchSeries {
            labels: Labels::from_pairs([("__name__", name)]),
            kind: MetricType::Counter,
            samples: samples.iter().map(|(at, value)| Sample::float(*at, *value)).collect(),
            exemplars: Vec::new(),
        }]
    }

    fn floats(accumulated: &Accumulated) -> Vec<(i64, f64)> {
        let samples = accumulated.series.iter().flat_map(|series| &series.samples);
        let float = |sample: &Sample| match sample.value {
            Value::Float(value) => (sample.timestamp_ms, value),
            Value::Histogram(_) => panic!("a histogram"),
        };
        samples.map(float).collect()
    }

    /// The state as it is read again from where it was stored.
    fn stored(state: &DeltaState) -> DeltaState {
        serde_json::from_str(&serde_json::to_string(state).unwrap()).unwrap()
    }

    #[test]
    fn deltas_add_up_and_a_request_that_comes_again_changes_nothing() {
        let mut state = DeltaState::default();
        let first = state.accumulate(1, deltas("a", &[(10, 1.0), (20, 2.0)]), LIMITS);
        assert_eq!(floats(&first), [(10, 1.0), (20, 3.0)]);
        let mut state = stored(&state);
        let kept = state.clone();
        assert_eq!(state.accumulate(1, deltas("a", &[(10, 1.0), (20, 2.0)]), LIMITS), first);
        assert_eq!(state, kept);
        let second = state.accumulate(2, deltas("a", &[(30, 4.0)]), LIMITS);
        assert_eq!(floats(&second), [(30, 7.0)]);
        // Later still, the first request can change nothing any more.
        let late = state.accumulate(1, deltas("a", &[(10, 1.0), (20, 2.0)]), LIMITS);
        assert_eq!((late.late, late.series.len()), (2, 0));
        assert_eq!(
            floats(&state.accumulate(2, deltas("a", &[(30, 4.0)]), LIMITS)),
            [(30, 7.0)]
        );
    }

    #[test]
    fn a_stream_ends_begins_anew_and_is_one_of_few() {
        let mut state = DeltaState::default();
        state.accumulate(1, deltas("a", &[(10, 5.0)]), LIMITS);
        let marked = state.accumulate(2, deltas("a", &[(20, stale_nan()), (30, 1.0)]), LIMITS);
        let samples = &marked.series[0].samples;
        assert!(samples[0].value.is_stale());
        assert_eq!(samples[1], Sample::float(30, 6.0));
        assert_eq!(
            floats(&state.accumulate(3, deltas("a", &[(5_000, 2.0)]), LIMITS)),
            [(5_000, 2.0)]
        );
        state.accumulate(4, deltas("b", &[(5_000, 2.0)]), LIMITS);
        let third = state.accumulate(5, deltas("c", &[(5_000, 2.0)]), LIMITS);
        assert_eq!((third.beyond_limit, state.len()), (1, 2));
    }

    #[test]
    fn histograms_meet_at_the_coarser_resolution() {
        let histogram = |schema, indexes: &[(i32, f64)]| {
            let (positive_spans, positive_buckets) = spans_of(indexes.to_vec(), 0);
            let count = positive_buckets.iter().sum();
            Value::Histogram(Arc::new(Histogram {
                schema,
                count,
                sum: f64::INFINITY,
                positive_spans,
                positive_buckets,
                ..Histogram::default()
            }))
        };
        let of = |value| {
            let mut series = deltas("h", &[(0, 0.0)]);
            series[0].samples[0].value = value;
            series
        };
        let mut state = DeltaState::default();
        state.accumulate(1, of(histogram(1, &[(1, 2.0), (2, 1.0)])), LIMITS);
        let mut next = of(histogram(0, &[(1, 4.0), (5, 1.0)]));
        next[0].samples[0].timestamp_ms = 1;
        let sum = stored(&state).accumulate(2, next, LIMITS);
        let Value::Histogram(sum) = &sum.series[0].samples[0].value else {
            panic!("a float")
        };
        assert_eq!((sum.schema, sum.count, sum.sum), (0, 8.0, f64::INFINITY));
        assert_eq!(sum.positive_side(), [(1, 7.0), (5, 1.0)]);
    }

    proptest::proptest! {
        /// However often requests come again before the next one is sent, the total is the sum of the deltas.
        #[test]
        fn repeats_do_not_count(repeats in proptest::collection::vec(1usize..4, 1..12)) {
            let mut state = DeltaState::default();
            let mut total = 0.0;
            for (place, repeats) in repeats.into_iter().enumerate() {
                let (at, value) = (place as i64 * 10, place as f64 + 0.5);
                total += value;
                for _ in 0..repeats {
                    let made = state.accumulate(place as u64, deltas("a", &[(at, value)]), LIMITS);
                    proptest::prop_assert_eq!(floats(&made), [(at, total)]);
                    state = stored(&state);
                }
            }
        }
    }
}
