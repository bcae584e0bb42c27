//! The query function of a rule: fetched from the store, with what this evaluation has recorded so far laid over it.

use parapet_model::{BatchSeries, Matcher, Series, Value};
use parapet_promql::{Answer, Options, QueryRange};
use parapet_rules::RuleQuery;
use parapet_store::Reader;
use std::sync::Arc;
use tokio::runtime::Handle;

/// Answers the queries of one evaluation, on a thread that may block.
#[derive(Debug)]
pub(crate) struct Query {
    pub(crate) reader: Arc<Reader>,
    pub(crate) runtime: Handle,
    pub(crate) tenant: String,
    pub(crate) options: Options,
}

impl Query {
    /// Evaluates an instant query over the store and what this evaluation has recorded.
    ///
    /// # Errors
    /// The text of what went wrong, fit for a rule's `lastError`.
    pub(crate) fn instant(&self, query: RuleQuery<'_>) -> Result<Answer, String> {
        let RuleQuery { expr, at_ms, recorded } = query;
        let range = QueryRange::instant(at_ms);
        let mut fetched = Vec::new();
        for selector in parapet_promql::selectors(expr, &range, &self.options) {
            let (start_ms, end_ms) = (selector.start_ms, selector.end_ms);
            let select = self.reader.select(&self.tenant, &selector.matchers, start_ms, end_ms);
            let mut series = self.runtime.block_on(select).map_err(|error| error.chain())?;
            lay_over(&mut series, recorded, &selector.matchers, start_ms, end_ms);
            fetched.push(series);
        }
        parapet_promql::evaluate(expr, &range, &self.options, &fetched).map_err(|error| error.to_string())
    }
}

/// Adds the recorded samples that a selector asks for. A sample that the store has too (from an earlier run of the
/// same evaluation) gives way.
fn lay_over(series: &mut Vec<Series>, recorded: &[BatchSeries], matchers: &[Matcher], start_ms: i64, end_ms: i64) {
    let mut added = false;
    for new in recorded
        .iter()
        .filter(|new| matchers.iter().all(|matcher| matcher.matches_labels(&new.labels)))
    {
        let at = series
            .iter()
            .position(|old| old.labels == new.labels)
            .unwrap_or_else(|| {
                added = true;
                series.push(Series {
                    labels: new.labels.clone(),
                    ..Series::default()
                });
                series.len() - 1
            });
        let old = &mut series[at];
        for sample in new
            .samples
            .iter()
            .filter(|sample| (start_ms..=end_ms).contains(&sample.timestamp_ms))
        {
            let newest_float = old.timestamps.last().copied().unwrap_or(i64::MIN);
            let newest_histogram = old.histograms.last().map_or(i64::MIN, |(at_ms, _)| *at_ms);
            if sample.timestamp_ms <= newest_float.max(newest_histogram) {
                continue;
            }
            match &sample.value {
                Value::Float(value) => {
                    old.timestamps.push(sample.timestamp_ms);
                    old.values.push(*value);
                }
                Value::Histogram(histogram) => old.histograms.push((sample.timestamp_ms, histogram.clone())),
            }
        }
    }
    series.retain(|series| !series.timestamps.is_empty() || !series.histograms.is_empty());
    if added {
        series.sort_by(|a, b| a.labels.cmp(&b.labels));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_model::{Labels, MetricType, Sample};

    fn series(name: &str, samples: &[(i64, f64)]) -> Series {
        let labels = Labels::from_pairs([("__name__", name)]);
        let (timestamps, values) = samples.iter().copied().unzip();
        Series {
            labels,
            timestamps,
            values,
            histograms: Vec::new(),
        }
    }

    fn recorded(name: &str, at_ms: i64, value: f64) -> BatchSeries {
        let labels = Labels::from_pairs([("__name__", name)]);
        BatchSeries {
            labels,
            kind: MetricType::Gauge,
            samples: vec![Sample::float(at_ms, value)],
        }
    }

    #[test]
    fn recorded_samples_extend_and_never_replace_the_store() {
        let mut fetched = vec![series("b", &[(10, 1.0)])];
        let all = [Matcher::new("__name__", parapet_model::MatchOp::Regex, "a|b").unwrap()];
        let new = [
            recorded("a", 20, 5.0),
            recorded("b", 20, 2.0),
            recorded("b", 10, 9.0),
            recorded("c", 20, 7.0),
            recorded("a", 99, 6.0),
        ];
        lay_over(&mut fetched, &new, &all, 0, 50);
        assert_eq!(
            fetched,
            [series("a", &[(20, 5.0)]), series("b", &[(10, 1.0), (20, 2.0)])]
        );
    }
}
