//! `/federate`: the latest sample of the chosen series in the text format, for another Prometheus to scrape.

use crate::endpoints::selector::parse_selectors;
use crate::handler::Api;
use crate::request::Call;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use parapet_model::{
    EscapingScheme, Labels, METRIC_NAME, Series, is_legacy_label_name, is_legacy_metric_name, is_stale_nan,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// `/federate`
pub(crate) async fn federate(State(api): State<Arc<Api>>, headers: HeaderMap, call: Call) -> Response {
    let refused = |status: StatusCode, text: String| (status, text + "\n").into_response();
    let sets = match parse_selectors(call.form.all("match[]")) {
        Ok(sets) => sets,
        Err(reason) => return refused(StatusCode::BAD_REQUEST, reason),
    };
    let end_ms = api.ports.clock.now_ms();
    let start_ms = end_ms.saturating_sub(api.settings.lookback_delta_ms);
    let mut latest = BTreeMap::new();
    for matchers in &sets {
        match api.reader.select(&call.tenant, matchers, start_ms, end_ms).await {
            Ok(series) => latest.extend(series.into_iter().filter_map(last_sample)),
            Err(error) => {
                tracing::warn!(error = %error.chain(), "federation failed");
                return refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
            }
        }
    }
    let external = match api.configuration.current(&api.ports).await {
        Ok(config) => config.external_labels.clone(),
        Err(error) => return refused(StatusCode::INTERNAL_SERVER_ERROR, error.message),
    };
    // As Prometheus: an empty label, so that the scraping side keeps no `instance` of its own.
    let external: BTreeMap<&str, &str> = [("instance", "")].into_iter().chain(&external).collect();
    let escaping = accepted_escaping(&headers);
    let content_type = format!(
        "text/plain; version=0.0.4; charset=utf-8; escaping={}",
        escaping.as_str()
    );
    let text = write(&latest, &external, escaping);
    ([(header::CONTENT_TYPE, content_type)], text).into_response()
}

/// A series' sort key (its name, then its labels) and its last sample; `None` where that says it has ended, or is a
/// native histogram, which the text format cannot hold.
fn last_sample(series: Series) -> Option<((String, Labels), (i64, f64))> {
    let (at_ms, value) = (*series.timestamps.last()?, *series.values.last()?);
    let superseded = series
        .histograms
        .last()
        .is_some_and(|(histogram_ms, _)| *histogram_ms > at_ms);
    if is_stale_nan(value) || superseded {
        return None;
    }
    let name = series.labels.metric_name()?.to_owned();
    Some(((name, series.labels), (at_ms, value)))
}

/// How the `Accept` header asks for names outside the classic character set; as underscores where it does not.
fn accepted_escaping(headers: &HeaderMap) -> EscapingScheme {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut parameters = accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([';', ',']));
    parameters
        .find_map(|parameter| EscapingScheme::from_word(parameter.trim().strip_prefix("escaping=")?))
        .unwrap_or(EscapingScheme::Underscores)
}

fn write(
    latest: &BTreeMap<(String, Labels), (i64, f64)>,
    external: &BTreeMap<&str, &str>,
    escaping: EscapingScheme,
) -> String {
    let mut out = String::new();
    let mut previous = None;
    for ((name, labels), (at_ms, value)) in latest {
        let escaped = escape(name, escaping);
        let quoted = !is_legacy_metric_name(&escaped);
        let shown = if quoted { quote(name) } else { escaped };
        if previous != Some(name) {
            let _ = writeln!(out, "# TYPE {shown} untyped");
            previous = Some(name);
        }
        if quoted {
            let _ = write!(out, "{{{shown},");
        } else {
            let _ = write!(out, "{shown}{{");
        }
        let mut separator = "";
        let own = labels.iter().filter(|(name, _)| *name != METRIC_NAME);
        let added = external.iter().filter(|(name, _)| labels.get(name).is_none());
        for (name, value) in own.chain(added.map(|(name, value)| (*name, *value))) {
            let escaped = escape(name, escaping);
            let quoted = escaping == EscapingScheme::AllowUtf8 && !is_legacy_label_name(&escaped);
            let name = if quoted { quote(name) } else { escaped };
            let _ = write!(out, "{separator}{name}={}", quote(value));
            separator = ",";
        }
        let mut number = Vec::new();
        crate::json::write_float(&mut number, *value);
        let number = String::from_utf8_lossy(&number);
        let _ = writeln!(out, "}} {} {at_ms}", number.trim_matches('"'));
    }
    out
}

/// A text in quotes, with the escapes of the text format.
fn quote(text: &str) -> String {
    format!(
        "\"{}\"",
        text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n")
    )
}

/// A name as it is asked for. One that needs no escape is left as it is, by every scheme (`EscapeMetricFamily` of
/// Prometheus).
fn escape(name: &str, escaping: EscapingScheme) -> String {
    if is_legacy_metric_name(name) {
        name.to_owned()
    } else {
        escaping.escape(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(series: Vec<Series>, escaping: EscapingScheme) -> String {
        let external = BTreeMap::from([("instance", ""), ("region", "x")]);
        write(
            &series.into_iter().filter_map(last_sample).collect(),
            &external,
            escaping,
        )
    }

    fn series(labels: &[(&str, &str)], values: &[f64]) -> Series {
        Series {
            labels: Labels::from_pairs(labels.iter().copied()),
            timestamps: (1_000..).step_by(1_000).take(values.len()).collect(),
            values: values.to_vec(),
            histograms: vec![],
        }
    }

    #[test]
    fn the_latest_sample_of_each_series() {
        let written = text(
            vec![
                series(&[("__name__", "up"), ("instance", "a"), ("job", "x\"y")], &[0.0, 1.0]),
                series(&[("__name__", "up"), ("job", "b")], &[1e21]),
                series(&[("__name__", "gone")], &[1.0, parapet_model::stale_nan()]),
                series(&[("__name__", "a:b")], &[f64::INFINITY]),
            ],
            EscapingScheme::AllowUtf8,
        );
        assert_eq!(
            written,
            concat!(
                "# TYPE a:b untyped\na:b{instance=\"\",region=\"x\"} +Inf 1000\n",
                "# TYPE up untyped\nup{instance=\"a\",job=\"x\\\"y\",region=\"x\"} 1 2000\nup{job=\"b\",instance=\"\",region=\"x\"} 1e+21 1000\n"
            )
        );
    }

    #[test]
    fn names_outside_the_old_character_set() {
        let all = || vec![series(&[("__name__", "my.metric"), ("host.name", "a")], &[1.0])];
        assert_eq!(
            text(all(), EscapingScheme::AllowUtf8),
            "# TYPE \"my.metric\" untyped\n{\"my.metric\",\"host.name\"=\"a\",instance=\"\",region=\"x\"} 1 1000\n"
        );
        assert_eq!(
            text(all(), EscapingScheme::Underscores),
            "# TYPE my_metric untyped\nmy_metric{host_name=\"a\",instance=\"\",region=\"x\"} 1 1000\n"
        );
        assert_eq!(
            text(all(), EscapingScheme::Values),
            "# TYPE U__my_2e_metric untyped\nU__my_2e_metric{U__host_2e_name=\"a\",instance=\"\",region=\"x\"} 1 1000\n"
        );
    }
}
