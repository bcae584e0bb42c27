//! The `load` command of promqltest scripts, as far as the endpoint cases use it.

use parapet_model::{BatchSeries, Labels, MetricType, Sample, parse_duration_ms, stale_nan};
use parapet_promql::Expr;

/// Reads `load 1m` and its lines: a series, then its points.
pub(crate) fn parse_load(text: &str) -> Vec<BatchSeries> {
    let mut lines = text.lines();
    let interval_ms = parse_duration_ms(lines.next().unwrap().strip_prefix("load ").unwrap()).unwrap();
    lines
        .filter(|line| !line.trim().is_empty())
        .map(|line| parse_line(line.trim(), interval_ms))
        .collect()
}

fn parse_line(line: &str, interval_ms: i64) -> BatchSeries {
    let end = line.rfind('}').map_or_else(|| line.find(' ').unwrap(), |at| at + 1);
    let (series, points) = line.split_at(end);
    let Ok(Expr::Vector(selector)) = parapet_promql::parse(series) else {
        panic!("no series: {series}");
    };
    let labels = Labels::from_pairs(
        selector
            .matchers
            .into_iter()
            .map(|matcher| (matcher.name, matcher.value)),
    );
    let values: Vec<Option<f64>> = points.split_whitespace().flat_map(parse_points).collect();
    let samples = (0..)
        .step_by(1)
        .zip(values)
        .filter_map(|(step, value)| Some(Sample::float(step * interval_ms, value?)));
    BatchSeries {
        labels,
        kind: MetricType::Unknown,
        samples: samples.collect(),
        exemplars: Vec::new(),
    }
}

/// `1`, `_`, `stale`, `1x3`, `0+100x100`, `5-1x2`: a sequence has one point more than its count.
fn parse_points(token: &str) -> Vec<Option<f64>> {
    let (start, times) = token
        .rsplit_once('x')
        .map_or((token, None), |(start, times)| (start, times.parse::<i32>().ok()));
    if start == "_" {
        return vec![None; usize::try_from(times.unwrap_or(1)).unwrap()];
    }
    if start == "stale" {
        return vec![Some(stale_nan())];
    }
    let sign_at = start
        .char_indices()
        .skip(1)
        .find(|(_, c)| matches!(c, '+' | '-'))
        .map(|(at, _)| at);
    let (first, step) = sign_at.map_or((start, "0"), |at| start.split_at(at));
    let (first, step): (f64, f64) = (first.parse().unwrap(), step.parse().unwrap());
    (0..=times.unwrap_or(0))
        .map(|n| Some(first + step * f64::from(n)))
        .collect()
}

#[test]
fn points() {
    let values = |token: &str| {
        parse_points(token)
            .into_iter()
            .map(|value| value.map_or(-99.0, |v| v))
            .collect::<Vec<_>>()
    };
    assert_eq!(values("0+100x2"), [0.0, 100.0, 200.0]);
    assert_eq!(values("5-1x1"), [5.0, 4.0]);
    assert_eq!(values("1x1"), [1.0, 1.0]);
    assert_eq!(values("_x2"), [-99.0, -99.0]);
    assert_eq!(values("3"), [3.0]);
}
