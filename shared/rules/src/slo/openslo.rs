//! OpenSLO's notation: `openslo/v1` with `SLO` and `SLI` objects, and `openslo/v1alpha`. Objects of other kinds are
//! not used: alerts are always those of the expansion.

use super::native::read_alerting;
use super::query::Query;
use super::reader::{DAY_MS, DEFAULT_PERIOD_MS, Reader, Text};
use super::{Indicator, Slo};
use crate::error::{Fault, read_yaml_documents};
use crate::mapping::mapping;
use parapet_model::quote;
use serde::de::IgnoredAny;
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeMap;

mapping! {
    struct ObjectFields {
        api_version: Text = "apiVersion",
        kind: Text = "kind",
        metadata: MetadataFields = "metadata",
        spec: Spanned<SpecFields> = "spec",
    }
}

mapping! {
    struct MetadataFields {
        name: Text = "name",
    }
}

mapping! {
    /// The specification of an SLO or of an SLI.
    struct SpecFields {
        service: Text = "service",
        description: Text = "description",
        indicator: Box<IndicatorFields> = "indicator",
        indicator_ref: Text = "indicatorRef",
        time_window: Vec<WindowFields> = "timeWindow" | "timeWindows",
        budgeting_method: Text = "budgetingMethod",
        objectives: Vec<Spanned<ObjectiveFields>> = "objectives",
        ratio: Spanned<RatioFields> = "ratioMetric",
        threshold: Spanned<MetricFields> = "thresholdMetric",
        alert_policies: IgnoredAny = "alertPolicies",
    }
}

mapping! {
    struct IndicatorFields {
        metadata: IgnoredAny = "metadata",
        spec: Spanned<SpecFields> = "spec",
    }
}

mapping! {
    struct WindowFields {
        duration: Text = "duration",
        calendar: Spanned<IgnoredAny> = "calendar",
        count: i64 = "count",
        unit: Text = "unit",
        is_rolling: IgnoredAny = "isRolling",
    }
}

mapping! {
    struct ObjectiveFields {
        op: Text = "op",
        value: f64 = "value",
        target: Spanned<f64> = "target",
        target_percent: Spanned<f64> = "targetPercent",
        ratio: Spanned<RatioFields> = "ratioMetrics",
        display_name: IgnoredAny = "displayName",
    }
}

mapping! {
    struct RatioFields {
        good: Spanned<MetricFields> = "good",
        bad: Spanned<MetricFields> = "bad",
        total: Spanned<MetricFields> = "total",
        raw: Spanned<MetricFields> = "raw",
        raw_type: Text = "rawType",
        counter: IgnoredAny = "counter" | "incremental",
    }
}

mapping! {
    struct MetricFields {
        query: Text = "query",
        source: SourceFields = "metricSource",
    }
}

mapping! {
    struct SourceFields {
        spec: SourceSpecFields = "spec",
    }
}

mapping! {
    struct SourceSpecFields {
        query: Text = "query" | "promql",
    }
}

pub(super) fn read(text: &str, reader: &mut Reader) -> Result<Vec<Slo>, Fault> {
    let documents: Vec<Spanned<ObjectFields>> = read_yaml_documents(text)?;
    let mut indicators: BTreeMap<String, Spanned<SpecFields>> = BTreeMap::new();
    let mut objects = Vec::new();
    for document in documents {
        let (at, fields) = (document.defined, document.value);
        let name = fields.metadata.and_then(|metadata| metadata.name);
        let name = reader.needed(name, at, "metadata.name");
        let kind = fields.kind.map(|kind| kind.value).unwrap_or_default();
        match (kind.as_str(), fields.spec) {
            ("SLI", Some(spec)) => {
                indicators.insert(name, spec);
            }
            ("SLO", Some(spec)) => objects.push((name, spec)),
            ("SLI" | "SLO", None) => reader.fault(at, "field \"spec\" must be set"),
            _ => {}
        }
    }
    let mut slos = Vec::new();
    for (name, spec) in objects {
        read_object(&name, spec, &indicators, reader, &mut slos);
    }
    Ok(slos)
}

fn read_object(
    name: &str,
    spec: Spanned<SpecFields>,
    indicators: &BTreeMap<String, Spanned<SpecFields>>,
    reader: &mut Reader,
    slos: &mut Vec<Slo>,
) {
    let (at, fields) = (spec.defined, spec.value);
    reader.unknown(&fields.unknown, SpecFields::FIELDS);
    let service = reader.needed(fields.service, at, "service");
    if let Some(method) = fields.budgeting_method.filter(|method| method.value != "Occurrences") {
        let message = format!(
            "budgetingMethod {} is not supported; write Occurrences",
            quote(&method.value)
        );
        reader.fault(method.defined, message);
    }
    let period_ms = read_window(fields.time_window, reader);
    let inline = fields.indicator.and_then(|indicator| indicator.spec);
    let shared = match (&inline, &fields.indicator_ref) {
        (None, Some(name)) => {
            let found = indicators.get(&name.value);
            if found.is_none() {
                let message = format!("there is no SLI {} in this file", quote(&name.value));
                reader.fault(name.defined, message);
                return;
            }
            found
        }
        _ => inline.as_ref(),
    };
    let objectives = fields.objectives.unwrap_or_default();
    let is_alone = objectives.len() == 1;
    for (number, objective) in objectives.into_iter().enumerate() {
        let (at, objective) = (objective.defined, objective.value);
        reader.unknown(&objective.unknown, ObjectiveFields::FIELDS);
        let percent = match (&objective.target, objective.target_percent.clone()) {
            (Some(target), _) => Some(Spanned {
                value: round(target.value * 100.0),
                ..target.clone()
            }),
            (None, percent) => percent,
        };
        let percent = reader.objective(percent, at);
        let indicator = read_indicator(&objective, shared, at, reader);
        // One object with several objectives is several SLOs.
        let name = if is_alone {
            name.to_owned()
        } else {
            format!("{name}-{number}")
        };
        let id = reader.id(&service, &name, at);
        let (Some(percent), Some(indicator)) = (percent, indicator) else {
            continue;
        };
        slos.push(Slo {
            id,
            name,
            service: service.clone(),
            description: fields
                .description
                .as_ref()
                .map(|text| text.value.clone())
                .unwrap_or_default(),
            objective: percent,
            period_ms,
            indicator,
            labels: BTreeMap::new(),
            alerting: read_alerting(None, reader),
            is_sloths: false,
        });
    }
}

/// A share of a hundred has no more digits than were written.
fn round(percent: f64) -> f64 {
    (percent * 1e9).round() / 1e9
}

fn read_window(windows: Option<Vec<WindowFields>>, reader: &mut Reader) -> i64 {
    let Some(window) = windows.into_iter().flatten().next() else {
        return DEFAULT_PERIOD_MS;
    };
    reader.unknown(&window.unknown, WindowFields::FIELDS);
    if let Some(calendar) = window.calendar {
        reader.fault(
            calendar.defined,
            "windows of the calendar are not supported; write a rolling one, such as duration: 30d with isRolling: true",
        );
    }
    let days = |unit: &str| match unit.to_ascii_lowercase().as_str() {
        "day" | "d" => Some(1),
        "week" | "w" => Some(7),
        "month" | "m" => Some(30),
        "quarter" | "q" => Some(90),
        "year" | "y" => Some(365),
        _ => None,
    };
    match (window.duration, window.count, window.unit) {
        // In this notation `M` is a month and `m` a minute.
        (Some(duration), ..) if duration.value.ends_with(['M', 'Q', 'Y']) => {
            let (count, unit) = duration.value.split_at(duration.value.len() - 1);
            match (count.parse::<i64>(), days(unit)) {
                (Ok(count), Some(days)) if (1..1000).contains(&count) => count * days * DAY_MS,
                _ => reader.period(Some(duration)),
            }
        }
        (Some(duration), ..) => reader.period(Some(duration)),
        (None, Some(count), Some(unit)) => match days(&unit.value) {
            Some(days) if (1..1000).contains(&count) => count * days * DAY_MS,
            _ => {
                reader.fault(unit.defined, "the window is not a number of days, weeks or months");
                DEFAULT_PERIOD_MS
            }
        },
        _ => DEFAULT_PERIOD_MS,
    }
}

fn read_indicator(
    objective: &ObjectiveFields,
    shared: Option<&Spanned<SpecFields>>,
    at: Location,
    reader: &mut Reader,
) -> Option<Indicator> {
    let ratio = objective.ratio.as_ref();
    if let Some(ratio) = ratio.or_else(|| shared.and_then(|shared| shared.value.ratio.as_ref())) {
        return read_ratio(ratio, reader);
    }
    if let Some(threshold) = shared.and_then(|shared| shared.value.threshold.as_ref()) {
        return read_threshold(objective, threshold, at, reader);
    }
    reader.fault(
        at,
        "the objective has no indicator: neither ratioMetric nor thresholdMetric",
    );
    None
}

fn read_ratio(ratio: &Spanned<RatioFields>, reader: &mut Reader) -> Option<Indicator> {
    let (at, fields) = (ratio.defined, &ratio.value);
    reader.unknown(&fields.unknown, RatioFields::FIELDS);
    if let Some(raw) = &fields.raw {
        let query = reader.instant(query_of(raw), raw.defined, "raw")?;
        return match fields.raw_type.as_ref().map(|text| text.value.as_str()) {
            Some("success") => Some(Indicator::Ratio(query.within("1 - (%)"))),
            Some("failure") => Some(Indicator::Ratio(query)),
            _ => {
                reader.fault(at, "rawType must be success or failure");
                None
            }
        };
    }
    let total = match &fields.total {
        Some(total) => reader.query(query_of(total), total.defined, "total"),
        None => reader.query(None, at, "total"),
    };
    let part = |metric: &Spanned<MetricFields>, field: &str, reader: &mut Reader| -> Option<Query> {
        reader.query(query_of(metric), metric.defined, field)
    };
    match (&fields.good, &fields.bad) {
        (None, Some(bad)) => Some(Indicator::Events {
            errors: part(bad, "bad", reader)?,
            total: total?,
        }),
        (Some(good), None) => Some(Indicator::Good {
            good: part(good, "good", reader)?,
            total: total?,
        }),
        _ => {
            reader.fault(at, "a ratio needs total and one of good and bad");
            None
        }
    }
}

/// A measure that must keep to one side of a value: the times at which it does not are the errors.
fn read_threshold(
    objective: &ObjectiveFields,
    threshold: &Spanned<MetricFields>,
    at: Location,
    reader: &mut Reader,
) -> Option<Indicator> {
    let query = reader.instant(query_of(threshold), threshold.defined, "thresholdMetric")?;
    let violated = match objective.op.as_ref().map(|op| op.value.as_str()) {
        Some("lte") => ">",
        Some("lt") => ">=",
        Some("gte") => "<",
        Some("gt") => "<=",
        _ => {
            reader.fault(at, "op must be lte, lt, gte or gt");
            return None;
        }
    };
    let Some(value) = objective.value else {
        reader.fault(at, "field \"value\" must be set beside thresholdMetric");
        return None;
    };
    Some(Indicator::Ratio(query.within(&format!("(%) {violated} bool {value}"))))
}

fn query_of(metric: &Spanned<MetricFields>) -> Option<Text> {
    let fields = &metric.value;
    let nested = || fields.source.as_ref()?.spec.as_ref()?.query.clone();
    fields.query.clone().or_else(nested)
}
