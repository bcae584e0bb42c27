//! Reads a file of unit tests.

use super::UnitTests;
use crate::error::{Fault, RulesError, read_yaml};
use crate::mapping::{mapping, unknown_field};
use parapet_model::{Labels, parse_duration_ms, parse_float, quote};
use serde_saphyr::Spanned;
use std::collections::{BTreeMap, BTreeSet};

type Text = Spanned<String>;

mapping! {
    struct FileFields {
        rule_files: Vec<String> = "rule_files",
        evaluation_interval: Text = "evaluation_interval",
        group_eval_order: Vec<Text> = "group_eval_order",
        fuzzy_compare: bool = "fuzzy_compare",
        tests: Vec<TestFields> = "tests",
    }
}

mapping! {
    struct TestFields {
        interval: Text = "interval",
        name: String = "name",
        start_timestamp: Text = "start_timestamp",
        input_series: Vec<SeriesFields> = "input_series",
        alert_rule_test: Vec<Spanned<AlertFields>> = "alert_rule_test",
        promql_expr_test: Vec<Spanned<ExprFields>> = "promql_expr_test",
        external_labels: BTreeMap<String, String> = "external_labels",
        external_url: String = "external_url",
    }
}

mapping! {
    struct SeriesFields {
        series: Text = "series",
        values: String = "values",
    }
}

mapping! {
    struct AlertFields {
        eval_time: Text = "eval_time",
        alertname: String = "alertname",
        exp_alerts: Vec<ExpectedAlertFields> = "exp_alerts",
    }
}

mapping! {
    struct ExpectedAlertFields {
        labels: BTreeMap<String, String> = "exp_labels",
        annotations: BTreeMap<String, String> = "exp_annotations",
    }
}

mapping! {
    struct ExprFields {
        expr: Text = "expr",
        eval_time: Text = "eval_time",
        exp_samples: Vec<SampleFields> = "exp_samples",
    }
}

mapping! {
    struct SampleFields {
        labels: String = "labels",
        value: Text = "value",
        histogram: String = "histogram",
    }
}

/// One test.
#[derive(Debug)]
pub(super) struct TestCase {
    pub(super) name: String,
    pub(super) interval_ms: i64,
    pub(super) start_ms: i64,
    /// `(series, values)` as they are written.
    pub(super) input: Vec<(String, String)>,
    pub(super) alerts: Vec<AlertTest>,
    pub(super) exprs: Vec<ExprTest>,
    pub(super) external_labels: Labels,
    pub(super) external_url: String,
}

#[derive(Debug)]
pub(super) struct AlertTest {
    pub(super) eval_time_ms: i64,
    pub(super) alertname: String,
    /// Labels, without `alertname`, and annotations.
    pub(super) expected: Vec<(Labels, Labels)>,
}

#[derive(Debug)]
pub(super) struct ExprTest {
    pub(super) expr: String,
    pub(super) eval_time_ms: i64,
    pub(super) expected: Vec<ExpectedSample>,
}

#[derive(Debug)]
pub(super) struct ExpectedSample {
    pub(super) labels: String,
    pub(super) value: f64,
    /// Empty for a float.
    pub(super) histogram: String,
}

impl UnitTests {
    /// Reads a file. `path` is for messages.
    ///
    /// # Errors
    /// Every fault with its place: unknown fields, durations and numbers that do not read, groups ordered twice,
    /// alert tests without `alertname`.
    pub fn parse(path: &str, text: &str) -> Result<Self, RulesError> {
        let mut reader = Reader::default();
        let tests = match read_yaml::<Option<FileFields>>(text) {
            Ok(fields) => Some(reader.file(fields.unwrap_or_default())),
            Err(fault) => {
                reader.0.push(fault);
                None
            }
        };
        match tests {
            Some(tests) if reader.0.is_empty() => Ok(tests),
            _ => Err(RulesError {
                path: path.to_owned(),
                faults: reader.0,
            }),
        }
    }
}

/// Collects faults.
#[derive(Default)]
struct Reader(Vec<Fault>);

impl Reader {
    fn unknown(&mut self, keys: &[Text], known: &[&str]) {
        let faults = keys
            .iter()
            .map(|key| Fault::at(key.defined, unknown_field(&key.value, known)));
        self.0.extend(faults);
    }

    fn duration(&mut self, text: Option<Text>) -> Option<i64> {
        let text = text?;
        match parse_duration_ms(&text.value) {
            Ok(duration_ms) => Some(duration_ms),
            Err(error) => {
                let message = format!("{error}; write a duration such as 30s or 5m");
                self.0.push(Fault::at(text.defined, message));
                None
            }
        }
    }

    fn file(&mut self, fields: FileFields) -> UnitTests {
        self.unknown(&fields.unknown, FileFields::FIELDS);
        let interval_ms = self.duration(fields.evaluation_interval).filter(|ms| *ms > 0);
        let evaluation_interval_ms = interval_ms.unwrap_or(60_000);
        let mut order = BTreeSet::new();
        for name in fields.group_eval_order.iter().flatten() {
            if !order.insert(&name.value) {
                let message = format!("group name repeated in evaluation order: {}", name.value);
                self.0.push(Fault::at(name.defined, message));
            }
        }
        let mut tests = Vec::new();
        for test in fields.tests.unwrap_or_default() {
            tests.push(self.test(test, evaluation_interval_ms));
        }
        UnitTests {
            rule_files: fields.rule_files.unwrap_or_default(),
            evaluation_interval_ms,
            group_eval_order: fields
                .group_eval_order
                .unwrap_or_default()
                .into_iter()
                .map(|name| name.value)
                .collect(),
            fuzzy_compare: fields.fuzzy_compare.unwrap_or_default(),
            tests,
        }
    }

    fn test(&mut self, fields: TestFields, evaluation_interval_ms: i64) -> TestCase {
        self.unknown(&fields.unknown, TestFields::FIELDS);
        let interval_ms = self.duration(fields.interval).filter(|ms| *ms > 0);
        let mut input = Vec::new();
        for series in fields.input_series.unwrap_or_default() {
            self.unknown(&series.unknown, SeriesFields::FIELDS);
            let name = series.series.map(|series| series.value).unwrap_or_default();
            input.push((name, series.values.unwrap_or_default()));
        }
        let name = fields.name.unwrap_or_default();
        let mut alerts = Vec::new();
        for test in fields.alert_rule_test.unwrap_or_default() {
            alerts.push(self.alert(test, &name));
        }
        let mut exprs = Vec::new();
        for test in fields.promql_expr_test.unwrap_or_default() {
            exprs.push(self.expr(test.value));
        }
        TestCase {
            interval_ms: interval_ms.unwrap_or(evaluation_interval_ms),
            start_ms: self.start(fields.start_timestamp),
            input,
            alerts,
            exprs,
            external_labels: Labels::from_pairs(fields.external_labels.unwrap_or_default()),
            external_url: fields.external_url.unwrap_or_default(),
            name,
        }
    }

    /// Seconds since the epoch, or RFC 3339; in milliseconds.
    fn start(&mut self, text: Option<Text>) -> i64 {
        let Some(text) = text else { return 0 };
        if let Some(seconds) = parse_float(&text.value).filter(|seconds| seconds.abs() < 1e12) {
            #[allow(clippy::cast_possible_truncation)] // Bounded above.
            return (seconds * 1000.0).round() as i64;
        }
        match parapet_gotemplate::Time::parse_rfc3339(&text.value) {
            Some(time) => time.millis(),
            None => {
                let message = format!(
                    "cannot parse {} to a valid timestamp; write seconds since 1970, or a time such as 2026-01-02T15:04:05Z",
                    quote(&text.value)
                );
                self.0.push(Fault::at(text.defined, message));
                0
            }
        }
    }

    fn alert(&mut self, test: Spanned<AlertFields>, name: &str) -> AlertTest {
        let (at, fields) = (test.defined, test.value);
        self.unknown(&fields.unknown, AlertFields::FIELDS);
        let eval_time_ms = self.duration(fields.eval_time).unwrap_or_default();
        let alertname = fields.alertname.unwrap_or_default();
        if alertname.is_empty() {
            let of = if name.is_empty() {
                String::new()
            } else {
                format!(" (in TestGroup {name})")
            };
            let time = parapet_model::format_duration_ms(eval_time_ms);
            let message =
                format!("an item under alert_rule_test misses required attribute alertname at eval_time {time}{of}");
            self.0.push(Fault::at(at, message));
        }
        let mut expected = Vec::new();
        for alert in fields.exp_alerts.unwrap_or_default() {
            self.unknown(&alert.unknown, ExpectedAlertFields::FIELDS);
            expected.push((
                Labels::from_pairs(alert.labels.unwrap_or_default()),
                Labels::from_pairs(alert.annotations.unwrap_or_default()),
            ));
        }
        AlertTest {
            eval_time_ms,
            alertname,
            expected,
        }
    }

    fn expr(&mut self, fields: ExprFields) -> ExprTest {
        self.unknown(&fields.unknown, ExprFields::FIELDS);
        let mut expected = Vec::new();
        for sample in fields.exp_samples.unwrap_or_default() {
            self.unknown(&sample.unknown, SampleFields::FIELDS);
            expected.push(ExpectedSample {
                labels: sample.labels.unwrap_or_default(),
                value: self.number(sample.value),
                histogram: sample.histogram.unwrap_or_default(),
            });
        }
        ExprTest {
            expr: fields.expr.map(|expr| expr.value).unwrap_or_default(),
            eval_time_ms: self.duration(fields.eval_time).unwrap_or_default(),
            expected,
        }
    }

    /// A number as YAML writes it.
    fn number(&mut self, text: Option<Text>) -> f64 {
        let Some(text) = text else { return 0.0 };
        let plain = text.value.trim_start_matches('+');
        let value = match plain.strip_prefix('-').unwrap_or(plain) {
            ".inf" | ".Inf" | ".INF" => Some(f64::INFINITY.copysign(if plain.starts_with('-') { -1.0 } else { 1.0 })),
            ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
            _ => parse_float(&text.value.replace('_', "")),
        };
        value.unwrap_or_else(|| {
            let message = format!("{} is not a number", quote(&text.value));
            self.0.push(Fault::at(text.defined, message));
            0.0
        })
    }
}
