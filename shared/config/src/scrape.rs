//! `scrape_configs`: jobs with everything resolved.

use crate::discovery::{self, Discovery};
use crate::error::Fault;
use crate::fields::Fields;
use crate::global::{self, Global, Histograms, ScrapeLimits};
use crate::http_client::{self, Secrets};
use crate::protocols::{self, ScrapeProtocol};
use crate::target::{self, Resolved, Target, TargetDefaults, TargetGroup};
use crate::yaml::{Node, Value};
use crate::{relabel, static_configs};
use parapet_http_client::HttpClient;
use parapet_model::{EscapingScheme, Labels, NameValidation, format_duration_ms, quote};
use parapet_relabel::Rule;
use std::collections::{BTreeMap, HashSet};

/// A job: what to scrape, how often and how. Limits of 0 are none.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeJob {
    /// Its name, unique in the configuration.
    pub name: String,
    /// Milliseconds between scrapes, at least 1000.
    pub interval_ms: i64,
    /// Milliseconds that a scrape may take, at most the interval.
    pub timeout_ms: i64,
    /// The path on each target.
    pub metrics_path: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Query parameters.
    pub params: BTreeMap<String, Vec<String>>,
    /// Whether labels of a target's body win over the labels of the target.
    pub honor_labels: bool,
    /// Whether timestamps in a body are used.
    pub honor_timestamps: bool,
    /// Whether series with timestamps of their own get staleness markers.
    pub track_timestamps_staleness: bool,
    /// Whether a compressed answer is asked for.
    pub enable_compression: bool,
    /// The longest decompressed body, bytes.
    pub body_size_limit_bytes: u64,
    /// The most samples of one scrape.
    pub sample_limit: u64,
    /// The most labels of one series.
    pub label_limit: u64,
    /// The longest label name, bytes.
    pub label_name_length_limit: u64,
    /// The longest label value, bytes.
    pub label_value_length_limit: u64,
    /// The most targets of the job: with more, each of its scrapes fails.
    pub target_limit: u64,
    /// The formats asked for, the most wanted first.
    pub protocols: Vec<ScrapeProtocol>,
    /// The format of an answer that does not say what it is.
    pub fallback_protocol: Option<ScrapeProtocol>,
    /// Which names of metrics and labels are valid.
    pub name_validation: NameValidation,
    /// How names outside the classic character set are asked for.
    pub escaping: EscapingScheme,
    /// Whether native histograms are taken; a histogram that has a classic form too is read as that otherwise.
    pub native_histograms: bool,
    /// Whether classic histograms are stored as native ones with custom buckets.
    pub convert_classic_histograms: bool,
    /// Whether classic histograms are stored too where they are stored as native ones.
    pub classic_histograms: bool,
    /// The most buckets of a native histogram: its resolution is halved until they fit.
    pub native_histogram_bucket_limit: u64,
    /// The least factor by which bounds of a native histogram grow: finer ones are made coarser. 0 asks for nothing.
    pub native_histogram_min_bucket_factor: f64,
    /// Whether scrapes report their timeout, sample limit and body size too.
    pub extra_metrics: bool,
    /// How requests authenticate and which way they take.
    pub http: HttpClient,
    /// Rules for the labels of targets; `targets` are what they leave.
    pub relabel: Vec<Rule>,
    /// Rules for the labels of scraped series, before they are stored.
    pub metric_relabel: Vec<Rule>,
    /// Where further targets are found.
    pub discoveries: Vec<Discovery>,
    /// `static_configs`.
    pub static_groups: Vec<TargetGroup>,
    /// The targets, without repeats.
    pub targets: Vec<Target>,
    /// The labels of targets that `relabel` dropped, as they were before; no more than `keep_dropped_targets`.
    pub dropped_targets: Vec<Labels>,
    /// How many targets `relabel` dropped.
    pub dropped_targets_count: u64,
    /// What of the discovered is no target: the labels as they were before `relabel`, and why.
    pub faulty_targets: Vec<(Labels, String)>,
    /// How many dropped targets are remembered.
    pub keep_dropped_targets: u64,
}

const SUPPORTED: [&str; 19] = [
    "job_name",
    "static_configs",
    "relabel_configs",
    "metric_relabel_configs",
    "scrape_interval",
    "scrape_timeout",
    "metrics_path",
    "scheme",
    "params",
    "honor_labels",
    "honor_timestamps",
    "track_timestamps_staleness",
    "enable_compression",
    "scrape_protocols",
    "fallback_scrape_protocol",
    "metric_name_validation_scheme",
    "metric_name_escaping_scheme",
    "native_histogram_bucket_limit",
    "native_histogram_min_bucket_factor",
];

/// Fields that have no effect here.
const NOT_USED: [&str; 1] = ["scrape_failure_log_file"];

/// Every other way of discovery of Prometheus 3.
const DISCOVERY: [&str; 27] = [
    "azure_sd_configs",
    "digitalocean_sd_configs",
    "docker_sd_configs",
    "dockerswarm_sd_configs",
    "elasticache_sd_configs",
    "eureka_sd_configs",
    "gce_sd_configs",
    "hetzner_sd_configs",
    "ionos_sd_configs",
    "kuma_sd_configs",
    "linode_sd_configs",
    "marathon_sd_configs",
    "msk_sd_configs",
    "nerve_sd_configs",
    "nomad_sd_configs",
    "oci_sd_configs",
    "openstack_sd_configs",
    "outscale_sd_configs",
    "ovhcloud_sd_configs",
    "puppetdb_sd_configs",
    "rds_sd_configs",
    "scaleway_sd_configs",
    "serverset_sd_configs",
    "stackit_sd_configs",
    "triton_sd_configs",
    "uyuni_sd_configs",
    "vultr_sd_configs",
];

/// Shorter intervals cannot be kept by queues whose delays are whole seconds.
pub(crate) const MIN_INTERVAL_MS: i64 = 1_000;

/// Reads one element of `scrape_configs`.
pub(crate) fn read(
    node: &Node,
    global: &Global,
    warnings: &mut Vec<String>,
    secrets: &mut Secrets<'_>,
) -> Result<ScrapeJob, Fault> {
    if matches!(node.value, Value::Null) {
        return Err(Fault::new(
            node.at,
            "empty or null scrape config section; remove it or give it a job_name",
        ));
    }
    let supported = [
        &SUPPORTED[..],
        &ScrapeLimits::FIELDS,
        &Histograms::FIELDS,
        &NOT_USED,
        &http_client::FIELDS,
        &discovery::FIELDS,
    ]
    .concat();
    let fields = Fields::read(node, "scrape_configs", &supported, &DISCOVERY)?;
    let name = fields.text("job_name")?.unwrap_or_default();
    if name.is_empty() {
        return Err(Fault::new(
            fields.position("job_name"),
            "job_name is empty; give each scrape config a name",
        ));
    }
    for field in NOT_USED {
        global::warn_not_used(&fields, &format!("job {}", quote(name)), field, warnings);
    }
    let histograms = Histograms::read(&fields, global.histograms)?;
    let names = protocols::read_names(&fields, global.names)?;
    let (interval_ms, timeout_ms) = times(&fields, name, global)?;
    let limits = ScrapeLimits::read(&fields, &global.limits)?;
    let scheme = fields
        .text("scheme")?
        .filter(|scheme| !scheme.is_empty())
        .unwrap_or("http");
    if !matches!(scheme, "http" | "https") {
        return Err(Fault::new(
            fields.position("scheme"),
            format!("scheme {} is neither http nor https", quote(scheme)),
        ));
    }
    let metrics_path = fields
        .text("metrics_path")?
        .filter(|path| !path.is_empty())
        .unwrap_or("/metrics");
    let mut job = ScrapeJob {
        name: name.to_owned(),
        interval_ms,
        timeout_ms,
        metrics_path: metrics_path.to_owned(),
        scheme: scheme.to_owned(),
        params: params(&fields)?,
        honor_labels: fields.boolean("honor_labels")?.unwrap_or(false),
        honor_timestamps: fields.boolean("honor_timestamps")?.unwrap_or(true),
        track_timestamps_staleness: fields.boolean("track_timestamps_staleness")?.unwrap_or(false),
        enable_compression: fields.boolean("enable_compression")?.unwrap_or(true),
        body_size_limit_bytes: limits.body_size_bytes,
        sample_limit: limits.samples,
        label_limit: limits.labels,
        label_name_length_limit: limits.label_name_length,
        label_value_length_limit: limits.label_value_length,
        target_limit: limits.targets,
        protocols: protocols::read_list(&fields)?
            .or_else(|| global.protocols.clone())
            .unwrap_or_else(|| {
                if histograms.native {
                    ScrapeProtocol::PROTOBUF_FIRST.to_vec()
                } else {
                    ScrapeProtocol::DEFAULT.to_vec()
                }
            }),
        fallback_protocol: protocols::read_fallback(&fields)?,
        name_validation: names.validation,
        escaping: names.escaping,
        native_histograms: histograms.native,
        convert_classic_histograms: histograms.convert_classic,
        classic_histograms: histograms.always_classic,
        native_histogram_bucket_limit: fields.unsigned("native_histogram_bucket_limit")?.unwrap_or_default(),
        native_histogram_min_bucket_factor: fields.float("native_histogram_min_bucket_factor")?.unwrap_or_default(),
        extra_metrics: histograms.extra_metrics,
        http: http_client::read(&fields, secrets)?,
        relabel: relabel::read(&fields, "relabel_configs", "target", names.validation)?,
        metric_relabel: relabel::read(&fields, "metric_relabel_configs", "metric", names.validation)?,
        discoveries: discovery::read(&fields, name, secrets)?,
        static_groups: Vec::new(),
        targets: Vec::new(),
        dropped_targets: Vec::new(),
        dropped_targets_count: 0,
        faulty_targets: Vec::new(),
        keep_dropped_targets: limits.keep_dropped_targets,
    };
    job.static_groups = static_configs::read(&fields)?;
    let groups = std::mem::take(&mut job.static_groups);
    job.set_targets(&groups);
    job.static_groups = groups;
    static_configs::check(&fields, &job, warnings)?;
    Ok(job)
}

impl ScrapeJob {
    /// Makes targets of groups, in the place of those that the job had: what the rules leave of them, each once
    /// (`targetsFromGroup` of Prometheus). What relabelling made of a target is the target's fault, not the job's.
    pub fn set_targets<'g>(&mut self, groups: impl IntoIterator<Item = &'g TargetGroup>) {
        let (mut kept, mut dropped, mut faulty, mut seen) = (Vec::new(), Vec::new(), Vec::new(), HashSet::new());
        let (mut dropped_count, keep) = (0, self.keep_dropped_targets);
        let defaults = TargetDefaults {
            job: &self.name,
            scheme: &self.scheme,
            metrics_path: &self.metrics_path,
            params: &self.params,
            interval: format_duration_ms(self.interval_ms),
            timeout: format_duration_ms(self.timeout_ms),
            relabel: &self.relabel,
        };
        for group in groups {
            for own in &group.targets {
                let labels = target::discovered_labels(own, &group.labels, &defaults);
                match target::resolve(&labels, &defaults) {
                    // As in Prometheus, the same target twice is one.
                    Ok(Resolved::Kept(target)) if seen.insert(target.identity) => kept.push(*target),
                    Ok(Resolved::Kept(_)) => {}
                    Ok(Resolved::Dropped) => {
                        dropped_count += 1;
                        if keep == 0 || dropped_count <= keep {
                            dropped.push(labels);
                        }
                    }
                    Err(what) => faulty.push((labels, what)),
                }
            }
        }
        (self.targets, self.dropped_targets, self.faulty_targets) = (kept, dropped, faulty);
        self.dropped_targets_count = dropped_count;
    }
}

/// Interval and timeout, milliseconds.
fn times(fields: &Fields<'_>, name: &str, global: &Global) -> Result<(i64, i64), Fault> {
    let set = |field| -> Result<Option<i64>, Fault> { Ok(fields.duration_ms(field)?.filter(|ms| *ms != 0)) };
    let interval_ms = set("scrape_interval")?.unwrap_or(global.scrape_interval_ms);
    if interval_ms < MIN_INTERVAL_MS {
        return Err(Fault::new(
            fields.position("scrape_interval"),
            format!(
                "scrape_interval of job {} is under a second, which is not supported; write 1s or more",
                quote(name)
            ),
        ));
    }
    let timeout_ms = set("scrape_timeout")?;
    if timeout_ms.is_some_and(|timeout_ms| timeout_ms > interval_ms) {
        return Err(Fault::new(
            fields.position("scrape_timeout"),
            format!(
                "scrape timeout greater than scrape interval for scrape config with job name {}",
                quote(name)
            ),
        ));
    }
    Ok((
        interval_ms,
        timeout_ms.unwrap_or(global.scrape_timeout_ms.min(interval_ms)),
    ))
}

fn params(fields: &Fields<'_>) -> Result<BTreeMap<String, Vec<String>>, Fault> {
    let Some(node) = fields.get("params") else {
        return Ok(BTreeMap::new());
    };
    let Value::Mapping(pairs) = &node.value else {
        return Err(Fault::new(
            node.at,
            format!("params must be a mapping of names to lists, this is {}", node.kind()),
        ));
    };
    pairs
        .iter()
        .map(|(key, value)| {
            let values = value
                .list("a parameter")?
                .iter()
                .map(|value| value.text().map(str::to_owned));
            Ok((key.text()?.to_owned(), values.collect::<Result<_, Fault>>()?))
        })
        .collect()
}
