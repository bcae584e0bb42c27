//! promtool's unit tests and the alert timelines, run on the step and the engine together.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use parapet_model::{Labels, Matcher, Series, Value, parse_duration_ms, parse_float, stale_nan};
use parapet_promql::{Answer, Options, QueryRange, QueryValue, evaluate, parse_selector, selectors};
use parapet_rules::{AlertState, Context, GroupState, RuleGroup, RuleQuery, parse, step};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[allow(clippy::disallowed_methods)]
fn folder() -> Option<PathBuf> {
    let root = std::env::var_os("PARAPET_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        Into::into,
    );
    let folder = root.join("rules");
    if !folder.is_dir() {
        eprintln!("skipped: {} is not there", folder.display());
        return None;
    }
    Some(folder)
}

/// A unit-test file, as far as it is run here.
#[derive(Deserialize)]
struct TestFile {
    #[serde(default)]
    rule_files: Vec<String>,
    evaluation_interval: Option<String>,
    #[serde(default)]
    group_eval_order: Vec<String>,
    #[serde(default)]
    fuzzy_compare: bool,
    tests: Vec<TestGroup>,
}

#[derive(Deserialize)]
struct TestGroup {
    interval: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    start_timestamp: Option<String>,
    #[serde(default)]
    input_series: Vec<InputSeries>,
    #[serde(default)]
    alert_rule_test: Vec<AlertTest>,
    #[serde(default)]
    promql_expr_test: Vec<ExprTest>,
    #[serde(default)]
    external_labels: BTreeMap<String, String>,
    #[serde(default)]
    external_url: String,
}

#[derive(Deserialize)]
struct InputSeries {
    series: String,
    values: String,
}

#[derive(Deserialize)]
struct AlertTest {
    eval_time: String,
    alertname: String,
    #[serde(default)]
    exp_alerts: Vec<ExpectedAlert>,
}

#[derive(Deserialize)]
struct ExpectedAlert {
    #[serde(default)]
    exp_labels: BTreeMap<String, String>,
    #[serde(default)]
    exp_annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct ExprTest {
    expr: String,
    eval_time: String,
    #[serde(default)]
    exp_samples: Vec<ExpectedSample>,
}

#[derive(Deserialize)]
struct ExpectedSample {
    #[serde(default)]
    labels: String,
    #[serde(default)]
    value: String,
    #[serde(default)]
    histogram: String,
}

/// Series in memory by metric name, seen up to a moment.
#[derive(Default)]
struct Store(BTreeMap<String, BTreeMap<Labels, Series>>);

fn push(series: &mut Series, at_ms: i64, value: &Value) {
    if series.timestamps.last().is_some_and(|last| *last >= at_ms) {
        return;
    }
    match value {
        Value::Float(value) => {
            series.timestamps.push(at_ms);
            series.values.push(*value);
        }
        Value::Histogram(histogram) => series.histograms.push((at_ms, histogram.clone())),
    }
}

fn empty(labels: &Labels) -> Series {
    Series {
        labels: labels.clone(),
        ..Series::default()
    }
}

impl Store {
    fn push(&mut self, labels: &Labels, at_ms: i64, value: &Value) {
        let metric = self
            .0
            .entry(labels.metric_name().unwrap_or_default().to_owned())
            .or_default();
        push(
            metric.entry(labels.clone()).or_insert_with(|| empty(labels)),
            at_ms,
            value,
        );
    }

    /// The series that match, in order of labels.
    fn select(&self, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> BTreeMap<Labels, Series> {
        let mut found = BTreeMap::new();
        let name = matchers.iter().find(|matcher| matcher.name == "__name__");
        for series in self
            .0
            .iter()
            .filter(|(metric, _)| name.is_none_or(|name| name.matches(metric)))
            .flat_map(|(_, s)| s.values())
        {
            if !matchers.iter().all(|matcher| matcher.matches_labels(&series.labels)) {
                continue;
            }
            let mut cut = empty(&series.labels);
            let (from, to) = (
                series.timestamps.partition_point(|at| *at < start_ms),
                series.timestamps.partition_point(|at| *at <= end_ms),
            );
            if from < to {
                cut.timestamps = series.timestamps[from..to].to_vec();
                cut.values = series.values[from..to].to_vec();
            }
            cut.histograms = series
                .histograms
                .iter()
                .filter(|(at, _)| (start_ms..=end_ms).contains(at))
                .cloned()
                .collect();
            if !cut.timestamps.is_empty() || !cut.histograms.is_empty() {
                found.insert(series.labels.clone(), cut);
            }
        }
        found
    }

    /// Answers a query over what is stored up to `till_ms` and what has been recorded beside it.
    fn answer(&self, query: RuleQuery<'_>, till_ms: i64) -> Result<Answer, String> {
        let (range, options) = (QueryRange::instant(query.at_ms), Options::default());
        let fetch = |matchers: &[Matcher], start_ms: i64, end_ms: i64| {
            let mut all = self.select(matchers, start_ms, end_ms.min(till_ms));
            for new in query
                .recorded
                .iter()
                .filter(|new| matchers.iter().all(|m| m.matches_labels(&new.labels)))
            {
                for sample in new
                    .samples
                    .iter()
                    .filter(|s| (start_ms..=end_ms).contains(&s.timestamp_ms))
                {
                    let series = all.entry(new.labels.clone()).or_insert_with(|| empty(&new.labels));
                    push(series, sample.timestamp_ms, &sample.value);
                }
            }
            all.into_values().collect()
        };
        let fetched: Vec<Vec<Series>> = selectors(query.expr, &range, &options)
            .iter()
            .map(|selector| fetch(&selector.matchers, selector.start_ms, selector.end_ms))
            .collect();
        evaluate(query.expr, &range, &options, &fetched).map_err(|error| error.to_string())
    }
}

fn labels_of(text: &str) -> Result<Labels, String> {
    if text.trim().is_empty() || text.trim() == "{}" {
        return Ok(Labels::empty());
    }
    let matchers = parse_selector(text).map_err(|error| error.to_string())?;
    Ok(Labels::from_pairs(
        matchers.into_iter().map(|matcher| (matcher.name, matcher.value)),
    ))
}

/// `1+2x3 _x2 stale`: the values in order, `None` for a gap.
fn values_of(text: &str) -> Result<Vec<Option<f64>>, String> {
    let mut values = Vec::new();
    for item in text.split_whitespace() {
        let bad = || format!("bad series value {item}");
        let number = |text: &str| parse_float(text).ok_or_else(bad);
        let (head, times) = match item.rsplit_once('x') {
            Some((head, times)) => (head, times.parse::<usize>().map_err(|_| bad())?),
            None => (item, usize::from(item == "_")),
        };
        match head {
            "_" => values.extend(std::iter::repeat_n(None, times)),
            "stale" => values.push(Some(stale_nan())),
            _ => {
                let sign = head.get(1..).and_then(|tail| tail.rfind(['+', '-'])).map(|at| at + 1);
                let (first, increment) = match sign {
                    Some(at) if !head[..at].ends_with(['e', 'E']) => (number(&head[..at])?, number(&head[at..])?),
                    _ => (number(head)?, 0.0),
                };
                values.extend((0..=times).map(|index| Some(first + increment * index as f64)));
            }
        }
    }
    Ok(values)
}

fn millis(text: &str) -> Result<i64, String> {
    parse_duration_ms(text).map_err(|error| error.to_string())
}

/// Counts points that agree, and says which do not.
#[derive(Default)]
struct Verdict {
    points: usize,
    failures: Vec<String>,
}

impl Verdict {
    fn check(&mut self, is_right: bool, message: impl FnOnce() -> String) {
        self.points += 1;
        if !is_right {
            self.failures.push(message());
        }
    }
}

fn agree(left: f64, right: f64, fuzzy: bool) -> bool {
    left.to_bits() == right.to_bits()
        || left == right
        || (left.is_nan() && right.is_nan())
        || (fuzzy && (left - right).abs() <= 1e-9 * left.abs().max(right.abs()))
}

fn run_file(path: &Path, verdict: &mut Verdict) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let file: TestFile = serde_saphyr::from_str(&text).map_err(|error| error.to_string())?;
    let mut groups = Vec::new();
    for name in &file.rule_files {
        let path = path.parent().unwrap().join(name);
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
        groups.extend(parse(name, &text).map_err(|error| error.to_string())?);
    }
    let order = |group: &RuleGroup| file.group_eval_order.iter().position(|name| *name == group.name);
    groups.sort_by_key(|group| order(group).unwrap_or(usize::MAX));
    let every_ms = file.evaluation_interval.as_deref().map_or(Ok(60_000), millis)?;
    for test in &file.tests {
        run_test(test, &groups, every_ms, file.fuzzy_compare, verdict)?;
    }
    Ok(())
}

fn run_test(
    test: &TestGroup,
    groups: &[RuleGroup],
    every_ms: i64,
    fuzzy: bool,
    verdict: &mut Verdict,
) -> Result<(), String> {
    let interval_ms = test.interval.as_deref().map_or(Ok(every_ms), millis)?;
    let start_ms = match test.start_timestamp.as_deref() {
        None => 0,
        Some(text) => match text.parse::<f64>() {
            Ok(seconds) => (seconds * 1000.0) as i64,
            Err(_) => parapet_gotemplate::Time::parse_rfc3339(text)
                .ok_or("bad start_timestamp")?
                .millis(),
        },
    };
    let mut store = Store::default();
    for input in &test.input_series {
        let labels = labels_of(&input.series)?;
        for (value, index) in values_of(&input.values)?.into_iter().zip(0..) {
            if let Some(value) = value {
                store.push(&labels, start_ms + index * interval_ms, &Value::Float(value));
            }
        }
    }
    let times = test
        .alert_rule_test
        .iter()
        .map(|t| &t.eval_time)
        .chain(test.promql_expr_test.iter().map(|t| &t.eval_time));
    let mut end_ms = 0;
    for time in times {
        end_ms = end_ms.max(millis(time)?);
    }
    let context = Context {
        external_labels: Labels::from_pairs(&test.external_labels),
        external_url: test.external_url.clone(),
        default_interval_ms: interval_ms,
        // Unit tests may evaluate as rarely as they like.
        interruption_ms: i64::MAX / 4,
        ..Context::default()
    };
    let mut states = vec![GroupState::default(); groups.len()];
    let mut at_ms = 0;
    while at_ms <= end_ms {
        let now_ms = start_ms + at_ms;
        for (group, state) in groups.iter().zip(&mut states) {
            let before = std::mem::take(state);
            let outcome = step(group, before, now_ms, &context, &mut |query| {
                store.answer(query, now_ms)
            });
            *state = outcome.state;
            for series in outcome.samples {
                for sample in &series.samples {
                    store.push(&series.labels, sample.timestamp_ms, &sample.value);
                }
            }
            for (rule, state) in group.rules.iter().zip(&state.rules) {
                if let Some(error) = &state.last_error {
                    return Err(format!("rule {} at {now_ms}: {error}", rule.name));
                }
            }
        }
        for asked in &test.alert_rule_test {
            if (at_ms..at_ms + every_ms).contains(&millis(&asked.eval_time)?) {
                check_alerts(test, asked, groups, &states, verdict);
            }
        }
        at_ms += every_ms;
    }
    for asked in &test.promql_expr_test {
        check_expr(test, asked, &store, start_ms, fuzzy, verdict)?;
    }
    Ok(())
}

fn check_alerts(
    test: &TestGroup,
    asked: &AlertTest,
    groups: &[RuleGroup],
    states: &[GroupState],
    verdict: &mut Verdict,
) {
    let mut got: Vec<(Labels, Labels)> = Vec::new();
    for (group, state) in groups.iter().zip(states) {
        for (_, state) in group
            .rules
            .iter()
            .zip(&state.rules)
            .filter(|(rule, _)| rule.name == asked.alertname)
        {
            let firing = state.alerts.iter().filter(|alert| alert.state == AlertState::Firing);
            got.extend(firing.map(|alert| (alert.labels.clone(), alert.annotations.clone())));
        }
    }
    let want = asked.exp_alerts.iter().map(|alert| {
        let labels = Labels::from_pairs(&alert.exp_labels).with("alertname", &asked.alertname);
        (labels, Labels::from_pairs(&alert.exp_annotations))
    });
    let mut want: Vec<(Labels, Labels)> = want.collect();
    got.sort();
    want.sort();
    verdict.check(got == want, || {
        format!(
            "{} {} at {}: want {want:?}, got {got:?}",
            test.name, asked.alertname, asked.eval_time
        )
    });
}

fn check_expr(
    test: &TestGroup,
    asked: &ExprTest,
    store: &Store,
    start_ms: i64,
    fuzzy: bool,
    verdict: &mut Verdict,
) -> Result<(), String> {
    let expr = parapet_promql::parse(&asked.expr).map_err(|error| error.to_string())?;
    let at_ms = start_ms + millis(&asked.eval_time)?;
    let query = RuleQuery {
        expr: &expr,
        at_ms,
        recorded: &[],
    };
    let mut got: Vec<(Labels, f64)> = match store.answer(query, i64::MAX / 4)?.value {
        QueryValue::Vector(samples) => samples
            .into_iter()
            .map(|sample| match sample.value {
                Value::Float(value) => (sample.labels, value),
                Value::Histogram(histogram) => (sample.labels, histogram.count),
            })
            .collect(),
        QueryValue::Scalar { value, .. } => vec![(Labels::empty(), value)],
        _ => return Err(format!("{} gives neither vector nor scalar", asked.expr)),
    };
    let mut want = Vec::new();
    for sample in &asked.exp_samples {
        if !sample.histogram.is_empty() {
            return Ok(()); // Histograms are not written in this notation here.
        }
        want.push((
            labels_of(&sample.labels)?,
            parse_float(&sample.value).ok_or_else(|| format!("bad value {}", sample.value))?,
        ));
    }
    got.sort_by(|a, b| a.0.cmp(&b.0));
    want.sort_by(|a, b| a.0.cmp(&b.0));
    let is_right = got.len() == want.len() && got.iter().zip(&want).all(|(g, w)| g.0 == w.0 && agree(g.1, w.1, fuzzy));
    verdict.check(is_right, || {
        format!(
            "{} {} at {}: want {want:?}, got {got:?}",
            test.name, asked.expr, asked.eval_time
        )
    });
    Ok(())
}

#[test]
fn mixin_unit_tests() {
    let Some(folder) = folder() else { return };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder.join("unit_tests/kubernetes-mixin/tests"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let mut verdict = Verdict::default();
    for path in &paths {
        if let Err(error) = run_file(path, &mut verdict) {
            verdict.failures.push(format!("{}: {error}", path.display()));
        }
    }
    eprintln!(
        "mixin unit tests: {} points, {} disagree",
        verdict.points,
        verdict.failures.len()
    );
    assert!(verdict.failures.is_empty(), "{}", verdict.failures.join("\n"));
    assert_eq!(verdict.points, 198);
}

#[test]
fn promtool_unit_tests() {
    let Some(folder) = folder() else { return };
    let table: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("promtool_unit_tests.json")).unwrap()).unwrap();
    let (mut total, mut failures) = (0, Vec::new());
    for case in table["cases"].as_array().unwrap() {
        // Cases about promtool's own flags, or that no promtool answers so, are not about rules.
        let is_flagged = case["run"].is_array() || case["ignore_unknown_fields"] == true;
        if is_flagged || case["agrees"]["3.5.3"] != true {
            continue;
        }
        total += 1;
        let mut verdict = Verdict::default();
        let mut result = Ok(());
        for file in case["files"].as_array().unwrap() {
            result = result.and(run_file(&folder.join(file.as_str().unwrap()), &mut verdict));
        }
        if result.as_ref().is_err_and(|error| error.contains("{{schema")) {
            total -= 1; // Native histograms are not written in this notation here.
            continue;
        }
        let passes = result.is_ok() && verdict.failures.is_empty();
        if passes != (case["exit_code"] == 0) {
            failures.push(format!("{}: {result:?} {:?}", case["name"], verdict.failures));
        }
    }
    eprintln!("promtool unit tests: {} of {total} agree", total - failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn alert_timelines() {
    let Some(folder) = folder() else { return };
    let folder = folder.join("alert_generator");
    let table: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("cases.json")).unwrap()).unwrap();
    let groups = parse(
        "rules.yaml",
        &std::fs::read_to_string(folder.join("rules.yaml")).unwrap(),
    )
    .unwrap();
    let mut verdict = Verdict::default();
    for case in table["cases"].as_array().unwrap() {
        let group = groups
            .iter()
            .find(|group| group.name == case["rule_group"].as_str().unwrap())
            .unwrap();
        let map = |json: &serde_json::Value| {
            Labels::from_pairs(
                json.as_object()
                    .unwrap()
                    .iter()
                    .map(|(n, v)| (n.as_str(), v.as_str().unwrap())),
            )
        };
        let mut store = Store::default();
        for series in case["series"].as_array().unwrap() {
            for (value, index) in series["values"].as_array().unwrap().iter().zip(0..) {
                if let Some(value) = value.as_f64() {
                    let at_ms = index * case["sample_interval_s"].as_i64().unwrap() * 1000;
                    store.push(&map(&series["labels"]), at_ms, &Value::Float(value));
                }
            }
        }
        let mut state = GroupState::default();
        for point in case["timeline_30s"].as_array().unwrap() {
            let at_ms = point["t_s"].as_i64().unwrap() * 1000;
            let outcome = step(group, state, at_ms, &Context::default(), &mut |query| {
                store.answer(query, at_ms)
            });
            let live = |series: &&parapet_model::BatchSeries| {
                series.labels.metric_name() == Some("ALERTS") && !series.samples[0].value.is_stale()
            };
            let mut got: Vec<Labels> = outcome
                .samples
                .iter()
                .filter(live)
                .map(|s| s.labels.with("__name__", ""))
                .collect();
            let mut want: Vec<Labels> = point["ALERTS"].as_array().unwrap().iter().map(map).collect();
            got.sort();
            want.sort();
            verdict.check(got == want, || {
                format!("{} at {at_ms}: want {want:?}, got {got:?}", case["case"])
            });
            for series in &outcome.samples {
                store.push(&series.labels, at_ms, &series.samples[0].value);
            }
            state = outcome.state;
        }
    }
    eprintln!(
        "alert timelines: {} points, {} disagree",
        verdict.points,
        verdict.failures.len()
    );
    assert!(verdict.failures.is_empty(), "{}", verdict.failures.join("\n"));
}
