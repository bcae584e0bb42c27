//! The answer of `/api/v1/metrics`.

use crate::Group;
use crate::family::{Family, Sample};
use chrono::{DateTime, SecondsFormat};
use parapet_model::{MetricType, parse_float};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Every group with its families, as the Pushgateway tells them.
#[must_use]
pub fn to_json(groups: &[Group]) -> Value {
    let groups = groups.iter().map(|group| {
        let mut out = Map::new();
        out.insert("labels".to_owned(), json!(group.grouping));
        out.insert("last_push_successful".to_owned(), group.last_push_successful().into());
        for (name, family) in &group.families {
            out.insert(name.clone(), family_json(family));
        }
        for (name, family) in group.times() {
            out.insert(name.to_owned(), family_json(&family));
        }
        Value::Object(out)
    });
    groups.collect()
}

fn family_json(family: &Family) -> Value {
    let (kind, bound) = match family.kind() {
        MetricType::Unknown => ("UNTYPED".to_owned(), None),
        kind @ MetricType::Summary => (kind.as_str().to_uppercase(), Some("quantile")),
        MetricType::GaugeHistogram => ("GAUGE_HISTOGRAM".to_owned(), Some("le")),
        kind @ MetricType::Histogram => (kind.as_str().to_uppercase(), Some("le")),
        kind => (kind.as_str().to_uppercase(), None),
    };
    let at = DateTime::from_timestamp_millis(family.pushed_ms).unwrap_or_default();
    let mut out = json!({
        "time_stamp": at.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        "type": kind,
        "metrics": metrics(family, bound),
    });
    if let Some(help) = family.help.as_ref().filter(|help| !help.is_empty()) {
        out["help"] = help.as_str().into();
    }
    out
}

/// The samples of one label set are one metric; `bound` is the label that tells its parts apart.
fn metrics(family: &Family, bound: Option<&str>) -> Vec<Value> {
    let Some(bound) = bound else {
        let plain = family.samples.iter();
        return plain
            .map(|sample| json!({"labels": sample.labels, "value": number(sample.value())}))
            .collect();
    };
    let mut places: BTreeMap<BTreeMap<&str, &str>, usize> = BTreeMap::new();
    let mut out: Vec<Value> = Vec::new();
    for sample in &family.samples {
        let labels = sample.labels.iter().filter(|(name, _)| name.as_str() != bound);
        let labels: BTreeMap<&str, &str> = labels.map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let parts = if bound == "le" { "buckets" } else { "quantiles" };
        let place = *places.entry(labels.clone()).or_insert_with(|| {
            out.push(json!({"labels": labels, parts: {}, "count": "0", "sum": "0"}));
            out.len() - 1
        });
        put(&mut out[place], sample, bound, parts);
    }
    out
}

fn put(metric: &mut Value, sample: &Sample, bound: &str, parts: &str) {
    let value = number(sample.value());
    match sample.suffix.as_str() {
        "_sum" | "_gsum" => metric["sum"] = value.into(),
        "_count" | "_gcount" => metric["count"] = whole(sample.value()).into(),
        _ => {
            let at = sample
                .labels
                .get(bound)
                .and_then(|text| parse_float(text))
                .unwrap_or(f64::NAN);
            let value = if bound == "le" { whole(sample.value()) } else { value };
            metric[parts][number(at)] = value.into();
        }
    }
}

/// A count, without an exponent.
fn whole(value: f64) -> String {
    parapet_model::format_float(value)
}

/// A number as Go's `fmt.Sprint` writes it: with an exponent below 1e-4 and from 1e6 on.
fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() || size == 0.0 {
        return parapet_model::format_float(value);
    }
    if (1e-4..1e6).contains(&size) {
        return format!("{value}");
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(rest) => ('-', rest),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}
