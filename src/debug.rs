//! `parapet debug`: one thing at a time, seen from near.

use anyhow::{Context as _, bail};
use bytes::Bytes;
use clap::{Args, Subcommand};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use parapet_config::{ScrapeProtocol, accept_header};
use parapet_exposition::{Exposition, Format, Limits, Options, Parser, collect};
use parapet_function_kit::ReqwestHttp;
use parapet_model::{EscapingScheme, Value};
use parapet_ports::{Http as _, HttpOptions, HttpRequest, HttpResponse};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;
use url::Url;

#[derive(Debug, Subcommand)]
pub(crate) enum Debug {
    /// Scrape a URL once: what is sent, what comes back, what is read of it
    #[command(after_help = "Examples:
  parapet debug scrape http://localhost:9100/metrics
  parapet debug scrape http://localhost:8080/metrics --native-histograms --samples
  parapet debug scrape https://h/metrics --header 'Authorization: Bearer x' --fallback PrometheusText0.0.4

Nothing is stored. The exit status is 1 where a scrape would fail.")]
    Scrape(Scrape),
}

#[derive(Debug, Args)]
pub(crate) struct Scrape {
    /// What is scraped
    url: Url,
    /// Sent too; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// How long it may take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = crate::cli::duration)]
    timeout: i64,
    /// As scrape_native_histograms: asks for protobuf first
    #[arg(long)]
    native_histograms: bool,
    /// As convert_classic_histograms_to_nhcb
    #[arg(long)]
    convert_classic_histograms: bool,
    /// As fallback_scrape_protocol: what an answer is read as that does not say what it is
    #[arg(long, value_name = "PROTOCOL", value_parser = protocol)]
    fallback: Option<ScrapeProtocol>,
    /// As metric_name_escaping_scheme
    #[arg(long, value_name = "SCHEME", default_value = "allow-utf-8", value_parser = escaping)]
    escaping: EscapingScheme,
    /// Any certificate will do
    #[arg(long)]
    insecure_skip_verify: bool,
    /// Print each sample
    #[arg(long)]
    samples: bool,
}

fn protocol(text: &str) -> Result<ScrapeProtocol, String> {
    let mut all = ScrapeProtocol::PROTOBUF_FIRST.into_iter();
    let names = ScrapeProtocol::PROTOBUF_FIRST.map(ScrapeProtocol::as_str);
    let unknown = || format!("write one of {}", names.join(", "));
    all.find(|protocol| protocol.as_str() == text).ok_or_else(unknown)
}

fn escaping(text: &str) -> Result<EscapingScheme, String> {
    EscapingScheme::from_word(text).ok_or_else(|| "write allow-utf-8, underscores, dots or values".to_owned())
}

#[allow(clippy::print_stdout)]
pub(crate) fn run(command: &Debug) -> anyhow::Result<ExitCode> {
    let Debug::Scrape(options) = command;
    let headers = headers(options)?;
    println!("GET {}", options.url);
    for (name, value) in &headers {
        println!("  {name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let request = HttpRequest {
        method: http::Method::GET,
        url: options.url.to_string(),
        headers,
        body: Bytes::new(),
        timeout: Duration::from_millis(options.timeout.unsigned_abs()),
        body_limit_bytes: parapet_scraper::Settings::default().max_body_bytes,
        memory: None,
        options: HttpOptions {
            insecure_skip_verify: options.insecure_skip_verify,
            ..HttpOptions::default()
        },
    };
    let http = ReqwestHttp::new()?;
    let answer = match runtime.block_on(http.call(request)) {
        Ok(answer) => answer,
        Err(error) => bail!("no answer: {}", error.chain()),
    };
    println!("\n{}", answer.status);
    for (name, value) in &answer.headers {
        println!("  {name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    println!("  {} bytes, decompressed", answer.body.len());
    match read(options, &answer) {
        Ok((format, found)) => {
            print!("\n{}", summary(format, &found, options.samples));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            println!("\nthe scrape fails: {error:#}");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn headers(options: &Scrape) -> anyhow::Result<HeaderMap> {
    let protocols = if options.native_histograms {
        &ScrapeProtocol::PROTOBUF_FIRST[..]
    } else {
        &ScrapeProtocol::DEFAULT[..]
    };
    let mut headers = HeaderMap::new();
    let mut set = |name: HeaderName, value: &str| -> anyhow::Result<()> {
        headers.append(name, HeaderValue::from_str(value)?);
        Ok(())
    };
    set(ACCEPT, &accept_header(protocols, options.escaping))?;
    set(ACCEPT_ENCODING, "gzip")?;
    set(USER_AGENT, concat!("Parapet/", env!("CARGO_PKG_VERSION")))?;
    let seconds = parapet_model::format_float(options.timeout as f64 / 1000.0);
    set(HeaderName::from_static("x-prometheus-scrape-timeout-seconds"), &seconds)?;
    for line in &options.headers {
        let refused = || format!("--header {line:?} is no header; write 'Name: value'");
        let (name, value) = line.split_once(':').with_context(refused)?;
        set(name.trim().parse().with_context(refused)?, value.trim()).with_context(refused)?;
    }
    Ok(headers)
}

/// Reads an answer as a scrape would.
fn read(options: &Scrape, answer: &HttpResponse) -> anyhow::Result<(Format, Exposition)> {
    if answer.status != http::StatusCode::OK {
        bail!("server returned HTTP status {}", answer.status);
    }
    let content_type = answer
        .headers
        .get(CONTENT_TYPE)
        .map(HeaderValue::as_bytes)
        .unwrap_or_default();
    let fallback = options.fallback.map(|protocol| match protocol {
        ScrapeProtocol::PrometheusProto => Format::Protobuf,
        ScrapeProtocol::OpenMetricsText1_0_0 | ScrapeProtocol::OpenMetricsText0_0_1 => Format::OpenMetrics,
        ScrapeProtocol::PrometheusText1_0_0 | ScrapeProtocol::PrometheusText0_0_4 => Format::PrometheusText,
    });
    let format = Format::from_content_type(&String::from_utf8_lossy(content_type), fallback)?;
    let parser = Parser::new(&answer.body, format, &Limits::default()).with_options(Options {
        native_histograms: options.native_histograms,
        convert_classic_histograms: options.convert_classic_histograms,
        ..Options::default()
    });
    Ok((format, collect(parser)?))
}

fn summary(format: Format, found: &Exposition, samples: bool) -> String {
    let name = match format {
        Format::PrometheusText => "the Prometheus text format",
        Format::OpenMetrics => "OpenMetrics",
        Format::Protobuf => "the protobuf format",
    };
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for metadata in found.metadata.values() {
        *kinds.entry(metadata.kind.as_str()).or_default() += 1;
    }
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let histograms = found
        .series
        .iter()
        .filter(|series| matches!(series.value, Value::Histogram(_)))
        .count();
    let timed = found
        .series
        .iter()
        .filter(|series| series.timestamp_ms.is_some())
        .count();
    let mut out = format!(
        "read as {name}: {} samples ({histograms} native histograms, {timed} with times of their own), {} families ({})\n",
        found.series.len(),
        found.metadata.len(),
        kinds.join(", ")
    );
    for series in found.series.iter().filter(|_| samples) {
        let value = match &series.value {
            Value::Float(value) => parapet_model::format_float(*value),
            Value::Histogram(histogram) => format!(
                "histogram of schema {}: count {}, sum {}, {} buckets",
                histogram.schema,
                histogram.count,
                histogram.sum,
                histogram.positive_buckets.len() + histogram.negative_buckets.len()
            ),
        };
        let at = series.timestamp_ms.map(|at| format!(" @{at}")).unwrap_or_default();
        out.push_str(&format!("{} {value}{at}\n", series.labels));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_what_was_read() {
        let body = b"# TYPE a counter\na{b=\"c\"} 1 5\nd 2\n";
        let found = collect(Parser::new(body, Format::PrometheusText, &Limits::default())).unwrap();
        assert_eq!(
            summary(Format::PrometheusText, &found, true),
            "read as the Prometheus text format: 2 samples (0 native histograms, 1 with times of their own), 1 families \
             (1 counter)\na{b=\"c\"} 1 @5\nd 2\n"
        );
    }
}
