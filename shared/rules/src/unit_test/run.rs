//! Runs one test.

use super::UnitTests;
use super::failure::{Failure, Reason};
use super::file::{AlertTest, ExprTest, TestCase};
use super::samples::ShownSample;
use crate::answer::{Answerer, Source};
use crate::expr::RuleExpr;
use crate::group::RuleGroup;
use crate::memory::MemorySeries;
use crate::state::{AlertState, GroupState};
use crate::step::{Context, RuleQuery, step};
use parapet_model::{Labels, Matcher, Series, Value};
use parapet_promql::{Options, QueryValue, SequenceValue};

/// What the test has loaded and the rules have recorded.
#[derive(Default)]
struct Storage {
    input: MemorySeries,
    stored: MemorySeries,
    loaded_till_ms: Option<i64>,
}

impl Storage {
    /// Loads the input up to a time: what lies in the future of an evaluation is not there yet.
    fn load(&mut self, till_ms: i64) -> Result<(), String> {
        let from_ms = self.loaded_till_ms.map_or(i64::MIN, |till| till + 1);
        for series in self.input.select(&[], from_ms, till_ms)? {
            for (at_ms, value) in series.timestamps.iter().zip(&series.values) {
                self.stored.push(&series.labels, *at_ms, &Value::Float(*value));
            }
            for (at_ms, histogram) in &series.histograms {
                self.stored
                    .push(&series.labels, *at_ms, &Value::Histogram(histogram.clone()));
            }
        }
        self.loaded_till_ms = Some(till_ms);
        Ok(())
    }
}

impl Source for Storage {
    fn select(&mut self, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> Result<Vec<Series>, String> {
        self.stored.select(matchers, start_ms, end_ms)
    }
}

pub(super) fn run(file: &UnitTests, test: &TestCase, groups: &[&RuleGroup]) -> Vec<Failure> {
    let mut failures = Vec::new();
    if let Err(reason) = evaluate(file, test, groups, &mut failures) {
        failures.push(Failure(reason));
    }
    failures
}

fn evaluate(
    file: &UnitTests,
    test: &TestCase,
    groups: &[&RuleGroup],
    failures: &mut Vec<Failure>,
) -> Result<(), Reason> {
    let step_ms = file.evaluation_interval_ms;
    let options = Options {
        default_subquery_step_ms: step_ms,
        ..Options::default()
    };
    let mut answerer = Answerer::new(
        Storage {
            input: read_input(test).map_err(Reason::Input)?,
            ..Storage::default()
        },
        options,
    );
    let context = Context {
        external_labels: test.external_labels.clone(),
        external_url: test.external_url.clone(),
        default_interval_ms: test.interval_ms,
        // A test may evaluate as rarely as it likes.
        interruption_ms: i64::MAX / 4,
        ..Context::default()
    };
    let times = test.alerts.iter().map(|alert| alert.eval_time_ms);
    let end_ms = times
        .chain(test.exprs.iter().map(|expr| expr.eval_time_ms))
        .max()
        .unwrap_or_default();
    let mut alerts: Vec<&AlertTest> = test.alerts.iter().collect();
    alerts.sort_by_key(|alert| alert.eval_time_ms);
    let mut states = vec![GroupState::default(); groups.len()];
    for at_ms in (0..=end_ms).step_by(usize::try_from(step_ms).unwrap_or(usize::MAX)) {
        let now_ms = test.start_ms + at_ms;
        answerer.source().load(now_ms).map_err(Reason::Input)?;
        let mut failed = Vec::new();
        for (group, state) in groups.iter().zip(&mut states) {
            let before = std::mem::take(state);
            let outcome = step(group, before, now_ms, &context, &mut |query| answerer.answer(query));
            *state = outcome.state;
            for series in &outcome.samples {
                for sample in &series.samples {
                    let stored = &mut answerer.source().stored;
                    stored.push(&series.labels, sample.timestamp_ms, &sample.value);
                }
            }
            for (rule, state) in group.rules.iter().zip(&state.rules) {
                if let Some(error) = &state.last_error {
                    failed.push(Failure(Reason::Rule {
                        rule: rule.name.clone(),
                        at_ms: now_ms,
                        error: error.clone(),
                    }));
                }
            }
        }
        if !failed.is_empty() {
            failures.extend(failed);
            return Ok(());
        }
        // An alert is asked for at the last evaluation that is not after its time.
        for asked in alerts.extract_if(.., |alert| alert.eval_time_ms < at_ms + step_ms) {
            failures.extend(check_alerts(test, asked, groups, &states));
        }
    }
    for asked in &test.exprs {
        failures.extend(check_expr(asked, &mut answerer, test.start_ms, file.fuzzy_compare).map(Failure));
    }
    Ok(())
}

fn read_input(test: &TestCase) -> Result<MemorySeries, String> {
    let mut input = MemorySeries::default();
    for (series, values) in &test.input {
        let described = parapet_promql::parse_series_description(&format!("{series} {values}"))
            .map_err(|error| format!("input_series {}: {error}", parapet_model::quote(series)))?;
        for (index, value) in (0..).zip(&described.values) {
            let value = match value {
                SequenceValue::Omitted => continue,
                SequenceValue::Float(value) => Value::Float(*value),
                SequenceValue::Histogram(histogram, _) => Value::Histogram(histogram.clone()),
            };
            input.push(&described.labels, test.start_ms + index * test.interval_ms, &value);
        }
    }
    Ok(input)
}

fn check_alerts(test: &TestCase, asked: &AlertTest, groups: &[&RuleGroup], states: &[GroupState]) -> Option<Failure> {
    let mut got: Vec<(Labels, Labels)> = Vec::new();
    for (group, state) in groups.iter().zip(states) {
        let rules = group.rules.iter().zip(&state.rules);
        for (_, state) in rules.filter(|(rule, _)| rule.is_alerting() && rule.name == asked.alertname) {
            let firing = state.alerts.iter().filter(|alert| alert.state == AlertState::Firing);
            got.extend(firing.map(|alert| (alert.labels.clone(), alert.annotations.clone())));
        }
    }
    let with_name = |(labels, annotations): &(Labels, Labels)| {
        let labels = labels.with("alertname", &asked.alertname);
        (labels, annotations.clone())
    };
    let mut expected: Vec<(Labels, Labels)> = asked.expected.iter().map(with_name).collect();
    got.sort();
    expected.sort();
    (got != expected).then(|| {
        Failure(Reason::Alerts {
            test: test.name.clone(),
            alertname: asked.alertname.clone(),
            at_ms: asked.eval_time_ms,
            expected,
            got,
        })
    })
}

fn check_expr(asked: &ExprTest, answerer: &mut Answerer<Storage>, start_ms: i64, is_fuzzy: bool) -> Option<Reason> {
    let (expr, at_ms) = (asked.expr.clone(), asked.eval_time_ms);
    let mut got = match ask(&expr, answerer, start_ms + at_ms) {
        Ok(got) => got,
        Err(error) => return Some(Reason::Expression { expr, at_ms, error }),
    };
    let mut expected = Vec::with_capacity(asked.expected.len());
    for sample in &asked.expected {
        match ShownSample::parse(&sample.labels, sample.value, &sample.histogram) {
            Ok(sample) => expected.push(sample),
            Err(error) => return Some(Reason::Expression { expr, at_ms, error }),
        }
    }
    got.sort_by(ShownSample::order);
    expected.sort_by(ShownSample::order);
    let is_same =
        got.len() == expected.len() && got.iter().zip(&expected).all(|(got, want)| got.agrees(want, is_fuzzy));
    (!is_same).then_some(Reason::Samples {
        expr,
        at_ms,
        expected,
        got,
    })
}

fn ask(text: &str, answerer: &mut Answerer<Storage>, at_ms: i64) -> Result<Vec<ShownSample>, String> {
    let expr = parapet_promql::parse(text).map_err(|error| error.to_string())?;
    let query = RuleQuery {
        expr: &RuleExpr::PromQl(expr),
        at_ms,
        recorded: &[],
    };
    match answerer.answer(query)?.value {
        QueryValue::Vector(samples) => Ok(samples
            .into_iter()
            .map(|sample| ShownSample::new(sample.labels, &sample.value))
            .collect()),
        QueryValue::Scalar { value, .. } => Ok(vec![ShownSample::new(Labels::empty(), &Value::Float(value))]),
        QueryValue::String { .. } | QueryValue::Matrix(_) => Err("rule result is not a vector or scalar".to_owned()),
    }
}
