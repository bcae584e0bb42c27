//! Windows of features from histograms of stored series.

use crate::Settings;
use crate::problems::Problems;
use parapet_ml::{Buckets, Column, DriftCheck, Reason, Window};
use parapet_model::Value;
use parapet_ports::{Error, Kind};
use parapet_promql::{Expr, Options, QueryRange, QueryValue, VectorSample, evaluate, selectors};
use parapet_store::Reader;
use std::collections::BTreeMap;

/// A query as the configuration has it.
pub(crate) struct Query<'a> {
    pub(crate) text: &'a str,
    pub(crate) expr: &'a Expr,
    pub(crate) feature_label: &'a str,
}

/// The windows of features that a query answers with at a time; `None` after a problem.
///
/// # Errors
/// Where the store cannot be read.
pub(crate) async fn read(
    reader: &Reader,
    settings: &Settings,
    check: &DriftCheck,
    query: &Query<'_>,
    at_ms: i64,
    problems: &mut Problems,
) -> Result<Option<BTreeMap<String, Window>>, Error> {
    let answer = match ask(reader, settings, query, at_ms).await {
        Ok(answer) => answer.and_then(|samples| windows(check, query.feature_label, samples)),
        Err(error) if error.kind() == Kind::Invalid => Err(error.chain()),
        Err(error) => return Err(error),
    };
    Ok(answer
        .map_err(|fault| problems.note(Reason::Query, format!("{}: {fault}", query.text)))
        .ok())
}

async fn ask(
    reader: &Reader,
    settings: &Settings,
    query: &Query<'_>,
    at_ms: i64,
) -> Result<Result<Vec<VectorSample>, String>, Error> {
    let range = QueryRange::instant(at_ms);
    let options = Options {
        max_samples: settings.max_samples,
        lookback_delta_ms: settings.lookback_delta_ms,
        ..Options::default()
    };
    let mut fetched = Vec::new();
    for selector in selectors(query.expr, &range, &options) {
        let select = reader.select(&settings.tenant, &selector.matchers, selector.start_ms, selector.end_ms);
        fetched.push(select.await?);
    }
    let expr = query.expr.clone();
    let answer = tokio::task::spawn_blocking(move || evaluate(&expr, &range, &options, &fetched)).await;
    let answer = answer.map_err(|error| Error::new(Kind::Internal, "a worker thread failed").with_source(error))?;
    Ok(match answer {
        Ok(answer) => match answer.value {
            QueryValue::Vector(samples) => Ok(samples),
            _ => Err("answers with no vector of histograms".to_owned()),
        },
        Err(error) => Err(error.to_string()),
    })
}

fn windows(
    check: &DriftCheck,
    feature_label: &str,
    samples: Vec<VectorSample>,
) -> Result<BTreeMap<String, Window>, String> {
    let mut native: BTreeMap<String, Buckets> = BTreeMap::new();
    let mut classic: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for sample in samples {
        let feature = match (sample.labels.get(feature_label), check.features.as_slice()) {
            (Some(feature), _) => feature.to_owned(),
            (None, [feature]) => feature.clone(),
            _ => {
                let advice = format!("write sum by ({feature_label}, le) (…), or name one feature");
                return Err(format!("{} has no label {feature_label}: {advice}", sample.labels));
            }
        };
        let twice = || format!("feature {feature} has more than one histogram; sum them up: sum by (…)");
        match sample.value {
            Value::Histogram(histogram) => {
                if native
                    .insert(feature.clone(), Buckets::from_native(&histogram))
                    .is_some()
                {
                    return Err(twice());
                }
            }
            Value::Float(count) => {
                let Some(le) = sample.labels.get("le").and_then(parse_le) else {
                    return Err(format!(
                        "{} is neither a bucket with its le nor a native histogram",
                        sample.labels
                    ));
                };
                let buckets = classic.entry(feature.clone()).or_default();
                if buckets.iter().any(|(other, _)| *other == le) {
                    return Err(twice());
                }
                buckets.push((le, count));
            }
        }
    }
    // Of a series that is stored in both forms the native one says more.
    let mut windows: BTreeMap<String, Window> = BTreeMap::new();
    for (feature, buckets) in classic {
        windows.insert(feature, Window::of(Column::Buckets(Buckets::from_cumulative(buckets))));
    }
    for (feature, buckets) in native {
        windows.insert(feature, Window::of(Column::Buckets(buckets)));
    }
    if !check.features.is_empty() {
        windows.retain(|feature, _| check.features.contains(feature));
    }
    windows.retain(|feature, _| !check.exclude.contains(feature));
    Ok(windows)
}

fn parse_le(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        text => text.parse().ok(),
    }
}
