//! Sections about other servers: `remote_write`, `remote_read` and `tracing`. Nothing is sent to them and nothing asked
//! of them here; they are checked as Prometheus checks them, and reported.

use crate::error::Fault;
use crate::fields::Fields;
use crate::global::warn_not_used;
use crate::http_client::{self, RESERVED_HEADERS, Secrets, pairs};
use crate::relabel;
use crate::yaml::Node;
use parapet_model::{NameValidation, quote};

/// The ways to authenticate that `remote_write` has beside those of every client.
const CLOUDS: [&str; 3] = ["sigv4", "azuread", "google_iam"];

/// Checks the sections, and notes those that are there.
pub(crate) fn check(fields: &Fields<'_>, warnings: &mut Vec<String>, secrets: &mut Secrets<'_>) -> Result<(), Fault> {
    let (mut writes, mut reads) = (Vec::new(), Vec::new());
    for node in fields.list("remote_write")? {
        remote_write(node, &mut writes, secrets)?;
    }
    for node in fields.list("remote_read")? {
        remote_read(node, &mut reads, secrets)?;
    }
    if let Some(node) = fields.get("tracing") {
        tracing(node, secrets)?;
    }
    for name in ["remote_write", "remote_read", "tracing"] {
        warn_not_used(fields, "the configuration", name, warnings);
    }
    Ok(())
}

fn remote_write(node: &Node, names: &mut Vec<String>, secrets: &mut Secrets<'_>) -> Result<(), Fault> {
    let own = [
        "url",
        "remote_timeout",
        "headers",
        "write_relabel_configs",
        "name",
        "send_exemplars",
        "send_native_histograms",
        "round_robin_dns",
        "protobuf_message",
        "queue_config",
        "metadata_config",
    ];
    let fields = Fields::read(
        node,
        "remote_write",
        &[&own[..], &CLOUDS, &http_client::FIELDS].concat(),
        &[],
    )?;
    server(&fields, "remote_write", "remote write", names, secrets)?;
    relabel::read(
        &fields,
        "write_relabel_configs",
        "remote write",
        NameValidation::default(),
    )?;
    let message = fields.text("protobuf_message")?.unwrap_or_default();
    let known = ["", "prometheus.WriteRequest", "io.prometheus.write.v2.Request"];
    if !known.contains(&message) {
        let what = format!(
            "invalid protobuf_message value: unknown type for remote write protobuf message {message}, supported: \
             prometheus.WriteRequest, io.prometheus.write.v2.Request"
        );
        return Err(Fault::new(fields.position("protobuf_message"), what));
    }
    let ways = CLOUDS.into_iter().chain(["basic_auth", "authorization", "oauth2"]);
    let used: Vec<&str> = ways.filter(|name| fields.get(name).is_some()).collect();
    if let [_, second, ..] = used[..] {
        let what = "at most one of basic_auth, authorization, oauth2, sigv4, azuread or google_iam must be configured";
        return Err(Fault::new(fields.position(second), what));
    }
    match fields.get("queue_config") {
        Some(node) => queue(node),
        None => Ok(()),
    }
}

/// `QueueConfig.Validate` of Prometheus.
fn queue(node: &Node) -> Result<(), Fault> {
    let known = [
        "capacity",
        "max_shards",
        "min_shards",
        "max_samples_per_send",
        "batch_send_deadline",
        "min_backoff",
        "max_backoff",
        "retry_on_http_429",
        "sample_age_limit",
    ];
    let fields = Fields::read(node, "queue_config", &known, &[])?;
    let refuse = |name: &str, what: &str| Err(Fault::new(fields.position(name), format!("remote write queue {what}")));
    let (max_shards, min_shards) = (fields.unsigned("max_shards")?, fields.unsigned("min_shards")?);
    for (name, number) in [
        ("max_shards", max_shards),
        ("min_shards", min_shards),
        ("max_samples_per_send", fields.unsigned("max_samples_per_send")?),
        ("capacity", fields.unsigned("capacity")?),
    ] {
        if number == Some(0) {
            return refuse(name, &format!("{name} must be positive"));
        }
    }
    if min_shards.unwrap_or(1) > max_shards.unwrap_or(50) {
        return refuse("min_shards", "min_shards must not be greater than max_shards");
    }
    let (least, most) = (fields.duration_ms("min_backoff")?, fields.duration_ms("max_backoff")?);
    if most.unwrap_or(5_000) < least.unwrap_or(30) {
        return refuse("max_backoff", "max_backoff must not be less than min_backoff");
    }
    Ok(())
}

fn remote_read(node: &Node, names: &mut Vec<String>, secrets: &mut Secrets<'_>) -> Result<(), Fault> {
    let own = [
        "url",
        "remote_timeout",
        "chunked_read_limit",
        "headers",
        "read_recent",
        "name",
        "required_matchers",
        "filter_external_labels",
    ];
    let known = [&own[..], &http_client::FIELDS].concat();
    let fields = Fields::read(node, "remote_read", &known, &[])?;
    server(&fields, "remote_read", "remote read", names, secrets)
}

/// What both have: a URL, headers, a name of its own, a client.
fn server(
    fields: &Fields<'_>,
    section: &str,
    words: &str,
    names: &mut Vec<String>,
    secrets: &mut Secrets<'_>,
) -> Result<(), Fault> {
    if fields.text("url")?.unwrap_or_default().is_empty() {
        let what = format!("url for {section} is empty");
        return Err(Fault::new(fields.position("url"), what));
    }
    fields.duration_ms("remote_timeout")?;
    let authorization = "authorization header must be changed via the basic_auth, authorization, oauth2, sigv4, azuread or \
                         google_iam parameter";
    headers(fields, authorization)?;
    let name = fields.text("name")?.unwrap_or_default();
    if !name.is_empty() {
        if names.iter().any(|other| other == name) {
            let what = format!("found multiple {words} configs with job name {}", quote(name));
            return Err(Fault::new(fields.position("name"), what));
        }
        names.push(name.to_owned());
    }
    http_client::read(fields, secrets).map(|_| ())
}

/// `validateHeaders` and `validateHeadersForTracing` of Prometheus.
fn headers(fields: &Fields<'_>, authorization: &str) -> Result<(), Fault> {
    let Some(node) = fields.get("headers") else {
        return Ok(());
    };
    for (key, _) in pairs(node, "headers")? {
        let name = key.text()?;
        let lower = name.to_ascii_lowercase();
        if lower == "authorization" {
            return Err(Fault::new(key.at, authorization));
        }
        if RESERVED_HEADERS.contains(&lower.as_str()) {
            let what = format!("{name} is a reserved header. It must not be changed");
            return Err(Fault::new(key.at, what));
        }
    }
    Ok(())
}

fn tracing(node: &Node, secrets: &mut Secrets<'_>) -> Result<(), Fault> {
    let known = [
        "client_type",
        "endpoint",
        "sampling_fraction",
        "insecure",
        "tls_config",
        "headers",
        "compression",
        "timeout",
    ];
    let fields = Fields::read(node, "tracing", &known, &[])?;
    if fields.text("endpoint")?.unwrap_or_default().is_empty() {
        return Err(Fault::new(fields.at, "tracing endpoint must be set"));
    }
    let compression = fields.text("compression")?.unwrap_or_default();
    if !matches!(compression, "" | "gzip") {
        let what = format!("invalid compression type {compression} provided, valid options: gzip");
        return Err(Fault::new(fields.position("compression"), what));
    }
    let client = fields.text("client_type")?.unwrap_or_default();
    if !matches!(client, "" | "http" | "grpc") {
        let what = format!("expected tracing client type to be http or grpc, but got {client}");
        return Err(Fault::new(fields.position("client_type"), what));
    }
    headers(
        &fields,
        "custom authorization header configuration is not yet supported",
    )?;
    if let Some(node) = fields.get("tls_config") {
        http_client::read_tls(node, secrets)?;
    }
    Ok(())
}
