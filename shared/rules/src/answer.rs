//! [`Answerer`]: answers rules' queries from series that are fetched once for all rules that ask for them.

use crate::expr::RuleExpr;
use crate::step::RuleQuery;
use parapet_model::{BatchSeries, Matcher, Run, Series, Value, Windows};
use parapet_promql::{Answer, Beside, Options, QueryRange, QueryValue, Selector};
use std::collections::HashMap;

/// Where stored series come from.
pub trait Source {
    /// The series that pass every matcher, with their samples in `start_ms..=end_ms`, sorted by labels; staleness
    /// markers included.
    ///
    /// # Errors
    /// What went wrong, fit for a rule's last error.
    fn select(&mut self, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> Result<Vec<Series>, String>;

    /// The same for a function over windows: runs of samples may stand in place of what its windows hold whole
    /// (`parapet_promql::Beside::runs`).
    ///
    /// # Errors
    /// As [`Source::select`].
    fn select_runs(
        &mut self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
        _windows: &Windows,
    ) -> Result<(Vec<Series>, Vec<Vec<Run>>), String> {
        Ok((self.select(matchers, start_ms, end_ms)?, Vec::new()))
    }

    /// The answer to a query of logs at a time.
    ///
    /// # Errors
    /// As [`Source::select`]; where there are no logs, that.
    fn logs(&mut self, _expr: &parapet_logs::logql::Expr, _at_ms: i64) -> Result<QueryValue, String> {
        Err("rules over logs are evaluated by a server alone: here are no logs".to_owned())
    }
}

/// A function over a range as long as this is asked for by itself: it is answered from rollups, where those that share
/// a fetch read every sample.
const LONG_RANGE_MS: i64 = 86_400_000;

/// The windows of a selector of a long range.
fn long_windows(selector: &Selector) -> Option<&Windows> {
    selector
        .hints
        .windows
        .as_ref()
        .filter(|windows| windows.range_ms >= LONG_RANGE_MS)
}

/// Answers the queries of rules over a [`Source`] and what an evaluation has recorded beside it.
///
/// What is announced by [`Answerer::plan`] is fetched once for all that ask for the same series, over the whole time
/// that any of them needs, and let go after the last announced use.
#[derive(Debug)]
pub struct Answerer<S> {
    source: S,
    options: Options,
    planned: HashMap<String, Planned>,
}

/// A fetch that several selectors share.
#[derive(Debug)]
struct Planned {
    start_ms: i64,
    end_ms: i64,
    uses: usize,
    series: Option<Vec<Series>>,
}

impl<S: Source> Answerer<S> {
    /// An answerer that knows of no plans.
    pub fn new(source: S, options: Options) -> Self {
        Self {
            source,
            options,
            planned: HashMap::new(),
        }
    }

    /// The source.
    pub fn source(&mut self) -> &mut S {
        &mut self.source
    }

    /// Announces that an expression will be asked for at a time, once for each announcement.
    pub fn plan(&mut self, expr: &RuleExpr, range: QueryRange) {
        let RuleExpr::PromQl(expr) = expr else { return };
        let times = match range.step_ms {
            0 => 1,
            step_ms => usize::try_from((range.end_ms - range.start_ms) / step_ms).map_or(1, |steps| steps + 1),
        };
        let selectors = parapet_promql::selectors(expr, &range, &self.options);
        for selector in selectors.iter().filter(|selector| long_windows(selector).is_none()) {
            let planned = self.planned.entry(key(&selector.matchers)).or_insert(Planned {
                start_ms: selector.start_ms,
                end_ms: selector.end_ms,
                uses: 0,
                series: None,
            });
            planned.start_ms = planned.start_ms.min(selector.start_ms);
            planned.end_ms = planned.end_ms.max(selector.end_ms);
            planned.uses += times;
        }
    }

    /// Forgets plans and what was fetched for them.
    pub fn clear(&mut self) {
        self.planned.clear();
    }

    /// Answers an instant query. What was recorded is laid over what is stored.
    ///
    /// # Errors
    /// Those of the source and of the evaluation, as text.
    pub fn answer(&mut self, query: RuleQuery<'_>) -> Result<Answer, String> {
        let RuleQuery { expr, at_ms, recorded } = query;
        let expr = match expr {
            RuleExpr::PromQl(expr) => expr,
            RuleExpr::LogQl(expr) => {
                return Ok(Answer {
                    value: self.source.logs(expr, at_ms)?,
                    warnings: Vec::new(),
                    infos: Vec::new(),
                });
            }
        };
        let range = QueryRange::instant(at_ms);
        let (mut fetched, mut all_runs) = (Vec::new(), Vec::new());
        for selector in parapet_promql::selectors(expr, &range, &self.options) {
            let (start_ms, end_ms) = (selector.start_ms, selector.end_ms);
            let (mut series, mut runs) = match long_windows(&selector) {
                Some(windows) => self.source.select_runs(&selector.matchers, start_ms, end_ms, windows)?,
                None => (self.select(&selector.matchers, start_ms, end_ms)?, Vec::new()),
            };
            lay_over(&mut series, &mut runs, recorded, &selector.matchers, start_ms, end_ms);
            fetched.push(series);
            all_runs.push(runs);
        }
        let beside = Beside {
            runs: &all_runs,
            ..Beside::default()
        };
        parapet_promql::evaluate_beside(expr, &range, &self.options, &fetched, beside)
            .map_err(|error| error.to_string())
    }

    fn select(&mut self, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> Result<Vec<Series>, String> {
        let key = key(matchers);
        let planned = self
            .planned
            .get_mut(&key)
            .filter(|planned| planned.uses > 0 && planned.start_ms <= start_ms && end_ms <= planned.end_ms);
        let Some(planned) = planned else {
            return self.source.select(matchers, start_ms, end_ms);
        };
        planned.uses -= 1;
        let all = match planned.series.take() {
            Some(series) => series,
            None => self.source.select(matchers, planned.start_ms, planned.end_ms)?,
        };
        let is_whole = (planned.start_ms, planned.end_ms) == (start_ms, end_ms);
        if planned.uses == 0 {
            self.planned.remove(&key);
            if is_whole {
                return Ok(all);
            }
            return Ok(all.iter().filter_map(|series| cut(series, start_ms, end_ms)).collect());
        }
        let answer = if is_whole {
            all.clone()
        } else {
            all.iter().filter_map(|series| cut(series, start_ms, end_ms)).collect()
        };
        planned.series = Some(all);
        Ok(answer)
    }
}

/// What tells one set of matchers from another.
pub(crate) fn key(matchers: &[Matcher]) -> String {
    matchers.iter().map(|matcher| format!("{matcher},")).collect()
}

/// The samples of a series in `start_ms..=end_ms`; `None` where there are none.
pub(crate) fn cut(series: &Series, start_ms: i64, end_ms: i64) -> Option<Series> {
    let from = series.timestamps.partition_point(|at| *at < start_ms);
    let to = series.timestamps.partition_point(|at| *at <= end_ms).max(from);
    let first = series.histograms.partition_point(|(at, _)| *at < start_ms);
    let last = series.histograms.partition_point(|(at, _)| *at <= end_ms).max(first);
    (from < to || first < last).then(|| Series {
        labels: series.labels.clone(),
        timestamps: series.timestamps[from..to].to_vec(),
        values: series.values[from..to].to_vec(),
        histograms: series.histograms[first..last].to_vec(),
    })
}

/// Adds the recorded samples that a selector asks for. A sample that the store has too (from an earlier run of the
/// same evaluation) gives way. `runs` are those of the series, or none.
fn lay_over(
    series: &mut Vec<Series>,
    runs: &mut Vec<Vec<Run>>,
    recorded: &[BatchSeries],
    matchers: &[Matcher],
    start_ms: i64,
    end_ms: i64,
) {
    let stored = series.len();
    for new in recorded
        .iter()
        .filter(|new| matchers.iter().all(|matcher| matcher.matches_labels(&new.labels)))
    {
        let place = series[..stored].binary_search_by(|old| old.labels.cmp(&new.labels));
        let mut fresh = Series::default();
        let (old, run) = match place {
            Ok(at) => (&mut series[at], runs.get(at).and_then(|runs| runs.last())),
            Err(_) => (&mut fresh, None),
        };
        let mut newest = old.timestamps.last().copied().unwrap_or(i64::MIN);
        newest = newest.max(old.histograms.last().map_or(i64::MIN, |(at_ms, _)| *at_ms));
        newest = newest.max(run.map_or(i64::MIN, |run| run.end_ms));
        for sample in &new.samples {
            if sample.timestamp_ms <= newest || !(start_ms..=end_ms).contains(&sample.timestamp_ms) {
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
        if place.is_err() && (!fresh.timestamps.is_empty() || !fresh.histograms.is_empty()) {
            fresh.labels = new.labels.clone();
            series.push(fresh);
        }
    }
    if series.len() > stored {
        runs.resize_with(series.len(), Vec::new);
        let mut all: Vec<(Series, Vec<Run>)> = series.drain(..).zip(runs.drain(..)).collect();
        all.sort_by(|a, b| a.0.labels.cmp(&b.0.labels));
        (*series, *runs) = all.into_iter().unzip();
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
            exemplars: Vec::new(),
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
        lay_over(&mut fetched, &mut Vec::new(), &new, &all, 0, 50);
        assert_eq!(
            fetched,
            [series("a", &[(20, 5.0)]), series("b", &[(10, 1.0), (20, 2.0)])]
        );
    }

    /// Counts fetches.
    struct Counting(Vec<(i64, i64)>);

    impl Source for Counting {
        fn select(&mut self, _: &[Matcher], start_ms: i64, end_ms: i64) -> Result<Vec<Series>, String> {
            self.0.push((start_ms, end_ms));
            let all = series("m", &[(100_000, 1.0), (590_000, 3.0)]);
            Ok(cut(&all, start_ms, end_ms).into_iter().collect())
        }
    }

    #[test]
    fn what_is_planned_is_fetched_once_and_answers_are_the_same() {
        let exprs = ["m + 1", "sum_over_time(m[10m])", "m * 2"]
            .map(|text| RuleExpr::PromQl(parapet_promql::parse(text).unwrap()));
        let at_ms = 600_000;
        let ask = |answerer: &mut Answerer<Counting>| {
            exprs.each_ref().map(|expr| {
                let query = RuleQuery {
                    expr,
                    at_ms,
                    recorded: &[],
                };
                format!("{:?}", answerer.answer(query).unwrap().value)
            })
        };
        let mut plain = Answerer::new(Counting(Vec::new()), Options::default());
        let mut planned = Answerer::new(Counting(Vec::new()), Options::default());
        for expr in &exprs {
            planned.plan(expr, QueryRange::instant(at_ms));
        }
        assert_eq!(ask(&mut plain), ask(&mut planned));
        assert_eq!(plain.source().0.len(), 3);
        assert_eq!(planned.source().0, [(1, 600_000)]);
        assert!(planned.planned.is_empty(), "let go after the last use");
        ask(&mut planned);
        assert_eq!(
            planned.source().0.len(),
            4,
            "what is not planned is fetched as it is asked for"
        );
    }
}
