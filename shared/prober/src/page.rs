//! `/probe`

use crate::{Prober, Question, icmp};
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use parapet_config::modules;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// For a probe that nothing else limits, as in blackbox_exporter.
const DEFAULT_TIMEOUT_SECONDS: f64 = 120.0;

/// What of the scrape's time is left for the answer's way (`--timeout-offset`).
const OFFSET_SECONDS: f64 = 0.5;

/// Without modules there is nothing to probe with, and nobody may have anything probed.
const NO_MODULES: &str = "there are no modules of probes: name blackbox_exporter's module file by --probe.config.file, \
     or put it in the bucket as config/blackbox.yml";

const NO_ECHOES: &str = "this host lets nobody send ICMP: neither from a raw socket (CAP_NET_RAW) nor from one of those \
     of net.ipv4.ping_group_range, and AWS Lambda gives functions neither. Probe by tcp or http instead";

/// What the page is asked.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Parameters {
    #[serde(default)]
    pub(crate) module: String,
    #[serde(default)]
    pub(crate) target: String,
    #[serde(default)]
    pub(crate) hostname: String,
    #[serde(default)]
    pub(crate) debug: String,
}

/// Why there is no probe.
pub(crate) type Refused = (StatusCode, String);

/// `/probe?target=…&module=…`, with `debug=true` for what happened.
pub fn router(prober: Arc<Prober>) -> Router {
    Router::new().route("/probe", get(probe)).with_state(prober)
}

async fn probe(State(prober): State<Arc<Prober>>, headers: HeaderMap, Query(asked): Query<Parameters>) -> Response {
    match answer(&prober, &headers, &asked).await {
        Ok((kind, text)) => ([(header::CONTENT_TYPE, kind)], text).into_response(),
        Err((status, what)) => (status, format!("{what}\n")).into_response(),
    }
}

/// The page's type and text.
pub(crate) async fn answer(
    prober: &Prober,
    headers: &HeaderMap,
    asked: &Parameters,
) -> Result<(&'static str, String), Refused> {
    let name = if asked.module.is_empty() {
        "http_2xx"
    } else {
        &asked.module
    };
    let modules = prober.modules().await;
    let Some(modules) = modules.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.chain()))? else {
        return Err((StatusCode::NOT_FOUND, NO_MODULES.to_owned()));
    };
    let Some(module) = modules.0.get(name) else {
        return Err((StatusCode::BAD_REQUEST, format!("Unknown module {name:?}")));
    };
    if asked.target.is_empty() {
        return Err((StatusCode::BAD_REQUEST, "Target parameter is missing".to_owned()));
    }
    if matches!(module.prober, modules::Prober::Icmp(_)) && !icmp::is_allowed() {
        return Err((StatusCode::BAD_REQUEST, NO_ECHOES.to_owned()));
    }
    let scrape = headers.get("x-prometheus-scrape-timeout-seconds");
    let scrape = scrape.map(|value| value.to_str().unwrap_or_default().parse::<f64>());
    let Ok(seconds) = timeout_seconds(module, scrape.unwrap_or(Ok(0.0)).ok()) else {
        let what = "Failed to parse timeout from Prometheus header: not a number of seconds";
        return Err((StatusCode::INTERNAL_SERVER_ERROR, what.to_owned()));
    };
    if let modules::Prober::Http(http) = &module.prober
        && let Some((_, host)) = http.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"))
        && !asked.hostname.is_empty()
        && *host != asked.hostname
    {
        let what = format!(
            "host header defined both in module configuration ({host}) and with URL-parameter 'hostname' ({})",
            asked.hostname
        );
        return Err((StatusCode::BAD_REQUEST, what));
    }
    let target = unescaped(&asked.target);
    let question = Question {
        target: &target,
        hostname: &asked.hostname,
        timeout: Duration::from_secs_f64(seconds),
    };
    let report = prober.probe(module, question).await;
    let text = if asked.debug == "true" {
        let log = report.log().join("\n");
        let metrics = report.render();
        let module = format!("{module:#?}");
        format!(
            "Logs for the probe:\n{log}\n\n\nMetrics that would have been returned:\n{metrics}\n\n\nModule \
             configuration:\n{module}\n"
        )
    } else {
        report.render()
    };
    let kind = if asked.debug == "true" {
        "text/plain; charset=utf-8"
    } else {
        "text/plain; version=0.0.4; charset=utf-8"
    };
    Ok((kind, text))
}

/// How long a probe may take, seconds (`getTimeout` of blackbox_exporter).
fn timeout_seconds(module: &modules::Module, scrape_seconds: Option<f64>) -> Result<f64, ()> {
    let scrape = scrape_seconds.ok_or(())?;
    let scrape = if scrape == 0.0 { DEFAULT_TIMEOUT_SECONDS } else { scrape };
    let own = module.timeout_ms as f64 / 1000.0;
    let most = scrape - OFFSET_SECONDS;
    let seconds = if own > 0.0 && own < most || most < 0.0 {
        own
    } else {
        most
    };
    // What is no number, or more than a day, is no time to wait.
    (0.0..=86_400.0).contains(&seconds).then_some(seconds).ok_or(())
}

/// `url.QueryUnescape`, which is applied to a target once more; one that does not read stays as it is.
fn unescaped(text: &str) -> String {
    let (mut out, mut bytes) = (Vec::new(), text.bytes());
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                let (Some(high), Some(low)) = (digit(bytes.next()), digit(bytes.next())) else {
                    return text.to_owned();
                };
                out.push((high * 16 + low) as u8);
            }
            _ => out.push(byte),
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_config::modules::Modules;

    #[test]
    fn targets_are_read_twice() {
        for (text, want) in [
            ("a%3A1", "a:1"),
            ("a+b", "a b"),
            ("100%", "100%"),
            ("%zz", "%zz"),
            ("%ff", "%ff"),
        ] {
            assert_eq!(unescaped(text), want);
        }
    }

    #[test]
    fn times_of_probes() {
        let module = |timeout: &str| {
            let text = format!("modules: {{m: {{prober: icmp, timeout: {timeout}}}}}");
            Modules::parse("b.yml", &text).unwrap().0["m"].clone()
        };
        for (timeout, scrape, want) in [
            ("5s", 0.0, 5.0),
            ("0s", 0.0, 119.5),
            ("5s", 3.0, 2.5),
            ("0s", 10.0, 9.5),
            ("5s", 0.1, 5.0),
        ] {
            assert_eq!(
                timeout_seconds(&module(timeout), Some(scrape)),
                Ok(want),
                "{timeout} {scrape}"
            );
        }
        assert!(timeout_seconds(&module("0s"), None).is_err());
        assert!(timeout_seconds(&module("0s"), Some(f64::NAN)).is_err());
        assert!(timeout_seconds(&module("0s"), Some(f64::INFINITY)).is_err());
    }
}
