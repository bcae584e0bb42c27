//! The `global` section, whose values jobs inherit.

use crate::error::Fault;
use crate::fields::Fields;
use crate::protocols::{self, Names, ScrapeProtocol};
use crate::yaml::Node;
use parapet_model::Labels;

/// Limits on what one scrape may bring; 0 is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ScrapeLimits {
    pub(crate) body_size_bytes: u64,
    pub(crate) samples: u64,
    pub(crate) labels: u64,
    pub(crate) label_name_length: u64,
    pub(crate) label_value_length: u64,
    pub(crate) targets: u64,
    pub(crate) keep_dropped_targets: u64,
}

impl ScrapeLimits {
    pub(crate) const FIELDS: [&'static str; 7] = [
        "body_size_limit",
        "sample_limit",
        "label_limit",
        "label_name_length_limit",
        "label_value_length_limit",
        "target_limit",
        "keep_dropped_targets",
    ];

    /// Reads the limits of a section; where one is 0 or absent, `inherited` stands.
    pub(crate) fn read(fields: &Fields<'_>, inherited: &Self) -> Result<Self, Fault> {
        let or = |name, inherited| -> Result<u64, Fault> {
            Ok(fields.unsigned(name)?.filter(|limit| *limit != 0).unwrap_or(inherited))
        };
        let body = fields.size_bytes("body_size_limit")?.unwrap_or_default();
        Ok(Self {
            // A negative size is no limit, as 0 is.
            body_size_bytes: u64::try_from(body)
                .ok()
                .filter(|limit| *limit != 0)
                .unwrap_or(inherited.body_size_bytes),
            samples: or("sample_limit", inherited.samples)?,
            labels: or("label_limit", inherited.labels)?,
            label_name_length: or("label_name_length_limit", inherited.label_name_length)?,
            label_value_length: or("label_value_length_limit", inherited.label_value_length)?,
            targets: or("target_limit", inherited.targets)?,
            keep_dropped_targets: or("keep_dropped_targets", inherited.keep_dropped_targets)?,
        })
    }
}

/// The `global` section with its defaults.
#[derive(Clone, Debug)]
pub(crate) struct Global {
    pub(crate) scrape_interval_ms: i64,
    pub(crate) scrape_timeout_ms: i64,
    pub(crate) evaluation_interval_ms: i64,
    pub(crate) rule_query_offset_ms: i64,
    pub(crate) external_labels: Labels,
    pub(crate) limits: ScrapeLimits,
    pub(crate) protocols: Option<Vec<ScrapeProtocol>>,
    pub(crate) names: Names,
    pub(crate) histograms: Histograms,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            scrape_interval_ms: 60_000,
            scrape_timeout_ms: 10_000,
            evaluation_interval_ms: 60_000,
            rule_query_offset_ms: 0,
            external_labels: Labels::empty(),
            limits: ScrapeLimits::default(),
            protocols: None,
            names: Names::default(),
            histograms: Histograms::default(),
        }
    }
}

/// Reads the `global` section.
pub(crate) fn read(node: Option<&Node>, warnings: &mut Vec<String>) -> Result<Global, Fault> {
    let mut global = Global::default();
    let Some(node) = node else {
        return Ok(global);
    };
    let not_used = ["query_log_file", "scrape_failure_log_file"];
    let supported = [
        &[
            "scrape_interval",
            "scrape_timeout",
            "evaluation_interval",
            "rule_query_offset",
            "external_labels",
            "scrape_protocols",
            "metric_name_validation_scheme",
            "metric_name_escaping_scheme",
        ][..],
        &Histograms::FIELDS,
        &ScrapeLimits::FIELDS,
        &not_used,
    ]
    .concat();
    let fields = Fields::read(node, "global", &supported, &[])?;
    for name in not_used {
        warn_not_used(&fields, "global", name, warnings);
    }
    if let Some(interval_ms) = fields.duration_ms("scrape_interval")?.filter(|ms| *ms != 0) {
        global.scrape_interval_ms = interval_ms;
    }
    let timeout_ms = fields.duration_ms("scrape_timeout")?.unwrap_or_default();
    if timeout_ms > global.scrape_interval_ms {
        return Err(Fault::new(
            fields.position("scrape_timeout"),
            "global scrape timeout greater than scrape interval",
        ));
    }
    global.scrape_timeout_ms = match timeout_ms {
        0 => global.scrape_timeout_ms.min(global.scrape_interval_ms),
        timeout_ms => timeout_ms,
    };
    if let Some(interval_ms) = fields.duration_ms("evaluation_interval")?.filter(|ms| *ms != 0) {
        global.evaluation_interval_ms = interval_ms;
    }
    global.rule_query_offset_ms = fields.duration_ms("rule_query_offset")?.unwrap_or_default();
    if let Some(labels) = fields.get("external_labels") {
        global.external_labels = labels.labels("external_labels")?;
    }
    global.limits = ScrapeLimits::read(&fields, &ScrapeLimits::default())?;
    global.protocols = protocols::read_list(&fields)?;
    global.names = protocols::read_names(&fields, Names::default())?;
    global.histograms = Histograms::read(&fields, Histograms::default())?;
    Ok(global)
}

/// Which forms of histograms are taken, and whether scrapes report more of themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Histograms {
    pub(crate) native: bool,
    pub(crate) convert_classic: bool,
    pub(crate) always_classic: bool,
    pub(crate) extra_metrics: bool,
}

impl Histograms {
    pub(crate) const FIELDS: [&'static str; 4] = [
        "scrape_native_histograms",
        "convert_classic_histograms_to_nhcb",
        "always_scrape_classic_histograms",
        "extra_scrape_metrics",
    ];

    pub(crate) fn read(fields: &Fields<'_>, inherited: Self) -> Result<Self, Fault> {
        let [native, convert_classic, always_classic, extra_metrics] = Self::FIELDS.map(|name| fields.boolean(name));
        Ok(Self {
            native: native?.unwrap_or(inherited.native),
            convert_classic: convert_classic?.unwrap_or(inherited.convert_classic),
            always_classic: always_classic?.unwrap_or(inherited.always_classic),
            extra_metrics: extra_metrics?.unwrap_or(inherited.extra_metrics),
        })
    }
}

/// Notes that a field has no effect here.
pub(crate) fn warn_not_used(fields: &Fields<'_>, section: &str, name: &str, warnings: &mut Vec<String>) {
    if fields.get(name).is_some_and(|node| !node.is_empty()) {
        warnings.push(format!(
            "line {}: not used: {name} in {section}",
            fields.position(name).line
        ));
    }
}
