//! Which exposition formats are asked of targets, and in which order.

use crate::error::{Fault, Position};
use crate::fields::Fields;
use parapet_model::quote;

/// A format that a target may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScrapeProtocol {
    /// `OpenMetricsText1.0.0`
    OpenMetricsText1_0_0,
    /// `OpenMetricsText0.0.1`
    OpenMetricsText0_0_1,
    /// `PrometheusText1.0.0`
    PrometheusText1_0_0,
    /// `PrometheusText0.0.4`
    PrometheusText0_0_4,
}

/// Known to Prometheus, not read here.
const PROTOBUF: &str = "PrometheusProto";

impl ScrapeProtocol {
    /// What is asked for where the configuration says nothing, the most wanted first.
    pub const DEFAULT: [Self; 4] = [
        Self::OpenMetricsText1_0_0,
        Self::OpenMetricsText0_0_1,
        Self::PrometheusText1_0_0,
        Self::PrometheusText0_0_4,
    ];

    /// Its name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenMetricsText1_0_0 => "OpenMetricsText1.0.0",
            Self::OpenMetricsText0_0_1 => "OpenMetricsText0.0.1",
            Self::PrometheusText1_0_0 => "PrometheusText1.0.0",
            Self::PrometheusText0_0_4 => "PrometheusText0.0.4",
        }
    }

    /// Its media type with the version, as in an `Accept` header.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::OpenMetricsText1_0_0 => "application/openmetrics-text;version=1.0.0",
            Self::OpenMetricsText0_0_1 => "application/openmetrics-text;version=0.0.1",
            Self::PrometheusText1_0_0 => "text/plain;version=1.0.0",
            Self::PrometheusText0_0_4 => "text/plain;version=0.0.4",
        }
    }

    fn parse(name: &str, at: Position) -> Result<Option<Self>, Fault> {
        if name == PROTOBUF {
            return Ok(None);
        }
        let known = Self::DEFAULT.into_iter().find(|protocol| protocol.as_str() == name);
        known.map(Some).ok_or_else(|| {
            let supported =
                "OpenMetricsText0.0.1 OpenMetricsText1.0.0 PrometheusProto PrometheusText0.0.4 PrometheusText1.0.0";
            Fault::new(at, format!("unknown scrape protocol {name}, supported: [{supported}]"))
        })
    }
}

/// Reads `scrape_protocols`; `None` where the field is absent.
pub(crate) fn read_list(fields: &Fields<'_>, warnings: &mut Vec<String>) -> Result<Option<Vec<ScrapeProtocol>>, Fault> {
    const NAME: &str = "scrape_protocols";
    if fields.get(NAME).is_none() {
        return Ok(None);
    }
    let at = fields.position(NAME);
    let items = fields.list(NAME)?;
    let mut seen: Vec<String> = Vec::new();
    let mut out = Vec::new();
    for item in items {
        let name = item.text()?;
        if seen.contains(&name.to_ascii_lowercase()) {
            return Err(Fault::new(
                item.at,
                format!("duplicated protocol {name} in {NAME}; remove it"),
            ));
        }
        seen.push(name.to_ascii_lowercase());
        match ScrapeProtocol::parse(name, item.at)? {
            Some(protocol) => out.push(protocol),
            None => warnings.push(format!(
                "line {}: {PROTOBUF} in {NAME} is not asked for: the protobuf format is not supported yet",
                item.at.line
            )),
        }
    }
    match (items.is_empty(), out.is_empty()) {
        (true, _) => Err(Fault::new(
            at,
            format!("{NAME} cannot be empty; remove it to use the default"),
        )),
        (false, true) => Err(Fault::new(
            at,
            format!("{PROTOBUF} is not supported yet; add a text format, as OpenMetricsText1.0.0"),
        )),
        _ => Ok(Some(out)),
    }
}

/// Reads `fallback_scrape_protocol`.
pub(crate) fn read_fallback(fields: &Fields<'_>) -> Result<Option<ScrapeProtocol>, Fault> {
    const NAME: &str = "fallback_scrape_protocol";
    let Some(node) = fields.get(NAME) else {
        return Ok(None);
    };
    let name = node.text()?;
    if name.is_empty() {
        return Ok(None);
    }
    match ScrapeProtocol::parse(name, node.at)? {
        Some(protocol) => Ok(Some(protocol)),
        None => Err(Fault::new(
            node.at,
            format!("{PROTOBUF} is not supported yet as {NAME}"),
        )),
    }
}

/// How a target shall write names outside the classic character set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EscapingScheme {
    /// As they are.
    #[default]
    AllowUtf8,
    /// Other characters as underscores.
    Underscores,
    /// Dots as `_dot_`.
    Dots,
    /// Other characters as their code.
    Values,
}

impl EscapingScheme {
    /// Its name in the configuration and in the `Accept` header.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }
}

/// The two fields on metric names: how they are checked and how they are asked for.
pub(crate) fn read_names(fields: &Fields<'_>) -> Result<Option<EscapingScheme>, Fault> {
    if let Some(node) = fields.get("metric_name_validation_scheme") {
        match node.text()? {
            "" | "utf8" => {}
            "legacy" => {
                return Err(Fault::new(
                    node.at,
                    "metric_name_validation_scheme \"legacy\" is not supported yet; write utf8, and \
                     metric_name_escaping_scheme: underscores to have classic names",
                ));
            }
            other => {
                let other = quote(other);
                return Err(Fault::new(
                    node.at,
                    format!("unrecognized ValidationScheme: {other}; write utf8"),
                ));
            }
        }
    }
    let Some(node) = fields.get("metric_name_escaping_scheme") else {
        return Ok(None);
    };
    let name = node.text()?;
    let all = [
        EscapingScheme::AllowUtf8,
        EscapingScheme::Underscores,
        EscapingScheme::Dots,
        EscapingScheme::Values,
    ];
    match all.into_iter().find(|scheme| scheme.as_str() == name) {
        Some(scheme) => Ok(Some(scheme)),
        None if name.is_empty() => Ok(None),
        None => Err(Fault::new(
            node.at,
            format!(
                "unknown metric_name_escaping_scheme {}; write allow-utf-8, underscores, dots or values",
                quote(name)
            ),
        )),
    }
}
