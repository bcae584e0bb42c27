//! Runs a script.

use crate::compare::{compare, compare_vector};
use crate::script::{Command, Eval, Text, parse};
use crate::storage::Storage;
use parapet_model::Value;
use parapet_promql::ast::{AtModifier, Expr};
use parapet_promql::{Answer, Beside, Options, QueryRange, QueryValue, VectorSample, evaluate_beside, selectors};
use regex::Regex;
use std::sync::LazyLock;

/// How many evals there are, and what is wrong with those that fail.
pub(crate) fn run(text: &str) -> (usize, Vec<String>) {
    let (mut evals, mut failures) = (0, Vec::new());
    let mut storage = Storage::default();
    for command in parse(text) {
        match command {
            Command::Clear => storage = Storage::default(),
            Command::Load(load) => storage.load(&load),
            Command::Eval(eval) => {
                evals += 1;
                if let Err(reason) = run_eval(&storage, &eval) {
                    failures.push(format!("{}: {}: {reason}", eval.line, eval.query));
                }
            }
        }
    }
    (evals, failures)
}

/// The switches that Prometheus runs the scripts with.
fn options() -> Options {
    Options {
        max_samples: 10_000,
        delayed_name_removal: true,
        use_start_timestamps: true,
        ..Options::default()
    }
}

fn query(storage: &Storage, text: &str, range: QueryRange) -> Result<Answer, String> {
    let expr = parapet_promql::parse(text).map_err(|error| error.to_string())?;
    let options = options();
    let fetched: Vec<_> = selectors(&expr, &range, &options)
        .iter()
        .map(|selector| storage.select(selector))
        .collect();
    let (series, starts): (Vec<_>, Vec<_>) = fetched.into_iter().unzip();
    let beside = Beside {
        starts: &starts,
        ..Beside::default()
    };
    evaluate_beside(&expr, &range, &options, &series, beside).map_err(|error| error.to_string())
}

fn check(eval: &Eval, answer: Result<Answer, String>) -> Result<Option<Answer>, String> {
    match (answer, &eval.fail) {
        (Err(error), Some(want)) if want.matches(&error) => Ok(None),
        (Err(error), _) => Err(format!("fails: {error}")),
        (Ok(answer), Some(_)) => Err(format!("must fail, but answers {:?}", answer.value)),
        (Ok(answer), None) => {
            check_texts("warning", &eval.warn, eval.no_warn, &answer.warnings)?;
            check_texts("info", &eval.info, eval.no_info, &answer.infos)?;
            compare(eval, &answer.value)?;
            Ok(Some(answer))
        }
    }
}

fn check_texts(kind: &str, want: &[Text], none: bool, got: &[String]) -> Result<(), String> {
    if none && !got.is_empty() {
        return Err(format!("unexpected {kind}: {got:?}"));
    }
    if want.is_empty() {
        return Ok(());
    }
    if got.is_empty() || want.iter().any(|want| !got.iter().any(|got| want.matches(got))) {
        return Err(format!("an expected {kind} is missing in {got:?}"));
    }
    match got.iter().find(|got| !want.iter().any(|want| want.matches(got))) {
        Some(other) => Err(format!("unexpected {kind}: {other}")),
        None => Ok(()),
    }
}

fn run_eval(storage: &Storage, eval: &Eval) -> Result<(), String> {
    if eval.range {
        let range = QueryRange {
            start_ms: eval.start_ms,
            end_ms: eval.end_ms,
            step_ms: eval.step_ms,
        };
        return check(eval, query(storage, &eval.query, range)).map(|_| ());
    }
    let at = eval.end_ms;
    run_instant(storage, eval, &eval.query, at)?;
    let Some(pinned) = pin(&eval.query, at) else {
        return Ok(());
    };
    let others = if at == 0 {
        vec![-1000, 0, 1000]
    } else {
        vec![-10 * at, 0, at / 5, at, 10 * at]
    };
    for other in others {
        run_instant(storage, eval, &pinned, other).map_err(|error| format!("as {pinned} at {other}: {error}"))?;
    }
    Ok(())
}

fn run_instant(storage: &Storage, eval: &Eval, text: &str, at: i64) -> Result<(), String> {
    let Some(answer) = check(eval, query(storage, text, QueryRange::instant(at)))? else {
        return Ok(());
    };
    static OF_QUERY: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(start|end|range|step)\(\)").unwrap());
    if eval.range_vector || eval.string.is_some() || OF_QUERY.is_match(text) {
        return Ok(());
    }
    // In range mode, the middle of three steps must be the same.
    let range = QueryRange {
        start_ms: at - 60_000,
        end_ms: at + 60_000,
        step_ms: 60_000,
    };
    let in_range = query(storage, text, range).map_err(|error| format!("in range mode: {error}"))?;
    if eval.ordered {
        return Ok(());
    }
    let QueryValue::Matrix(series) = in_range.value else {
        return Err("range mode answers no matrix".to_owned());
    };
    let mut samples: Vec<VectorSample> = Vec::new();
    for series in series {
        let floats = series
            .timestamps
            .iter()
            .zip(&series.values)
            .map(|(time, value)| (*time, Value::Float(*value)));
        let histograms = series
            .histograms
            .iter()
            .map(|(time, one)| (*time, Value::Histogram(one.clone())));
        let found = floats.chain(histograms).find(|(time, _)| *time == at);
        samples.extend(found.map(|(timestamp_ms, value)| VectorSample {
            labels: series.labels.clone(),
            timestamp_ms,
            value,
        }));
    }
    let compared = match &answer.value {
        QueryValue::Scalar { .. } => match samples.first().map(|sample| &sample.value) {
            Some(Value::Float(value)) => compare(
                eval,
                &QueryValue::Scalar {
                    timestamp_ms: at,
                    value: *value,
                },
            ),
            other => Err(format!("got {other:?}")),
        },
        _ => compare_vector(eval, &samples),
    };
    compared.map_err(|error| format!("in range mode: {error}"))
}

/// The query with `@` at every selector; `None` where it depends on the time of evaluation still.
fn pin(text: &str, at: i64) -> Option<String> {
    let mut expr = parapet_promql::parse(text).ok()?;
    if !pin_selectors(&mut expr, at) {
        return None;
    }
    Some(expr.to_string())
}

/// False where a function depends on the time.
fn pin_selectors(expr: &mut Expr, at: i64) -> bool {
    // As Prometheus does: what says `start()` is given the time too, which takes its place.
    let pin = |modifier: &mut Option<AtModifier>| {
        if !matches!(modifier, Some(AtModifier::Timestamp(_))) {
            *modifier = Some(AtModifier::Timestamp(at));
        }
    };
    match expr {
        Expr::Vector(selector) => pin(&mut selector.time.at),
        Expr::Matrix(matrix) => pin(&mut matrix.selector.time.at),
        // What is inside moves with the subquery.
        Expr::Subquery(subquery) => {
            pin(&mut subquery.time.at);
            return !depends_on_time(&subquery.expr);
        }
        Expr::Aggregate(aggregate) => {
            let param = aggregate.param.as_mut().is_none_or(|param| pin_selectors(param, at));
            return pin_selectors(&mut aggregate.expr, at) && param;
        }
        Expr::Binary(binary) => {
            let left = pin_selectors(&mut binary.lhs, at);
            return pin_selectors(&mut binary.rhs, at) && left;
        }
        Expr::Call(call) => {
            let fixed = !changes_with_time(call.function.name);
            return call
                .args
                .iter_mut()
                .fold(fixed, |fixed, arg| pin_selectors(arg, at) && fixed);
        }
        Expr::Paren(paren) => return pin_selectors(&mut paren.expr, at),
        Expr::Unary(unary) => return pin_selectors(&mut unary.expr, at),
        Expr::Number(_) | Expr::String(_) => {}
    }
    true
}

fn depends_on_time(expr: &Expr) -> bool {
    let here = matches!(expr, Expr::Call(call) if changes_with_time(call.function.name));
    here || expr.children().into_iter().any(depends_on_time)
}

fn changes_with_time(function: &str) -> bool {
    [
        "days_in_month",
        "day_of_month",
        "day_of_week",
        "day_of_year",
        "end",
        "hour",
        "minute",
        "month",
        "year",
        "predict_linear",
        "range",
        "start",
        "step",
        "time",
        "timestamp",
    ]
    .contains(&function)
}
