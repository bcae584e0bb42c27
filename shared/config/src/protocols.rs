//! Which exposition formats are asked of targets, and in which order.

use crate::error::{Fault, Position};
use crate::fields::Fields;
use parapet_model::{EscapingScheme, NameValidation, quote};

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
    /// `PrometheusProto`
    PrometheusProto,
}

impl ScrapeProtocol {
    /// What is asked for where the configuration says nothing, the most wanted first.
    pub const DEFAULT: [Self; 4] = [
        Self::OpenMetricsText1_0_0,
        Self::OpenMetricsText0_0_1,
        Self::PrometheusText1_0_0,
        Self::PrometheusText0_0_4,
    ];

    /// What is asked for where native histograms are wanted, the most wanted first.
    pub const PROTOBUF_FIRST: [Self; 5] = [
        Self::PrometheusProto,
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
            Self::PrometheusProto => "PrometheusProto",
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
            Self::PrometheusProto => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
        }
    }

    fn parse(name: &str, at: Position) -> Result<Self, Fault> {
        let known = Self::PROTOBUF_FIRST
            .into_iter()
            .find(|protocol| protocol.as_str() == name);
        known.ok_or_else(|| {
            let supported =
                "OpenMetricsText0.0.1 OpenMetricsText1.0.0 PrometheusProto PrometheusText0.0.4 PrometheusText1.0.0";
            Fault::new(at, format!("unknown scrape protocol {name}, supported: [{supported}]"))
        })
    }
}

/// The `Accept` header of a scrape (`acceptHeader` of Prometheus): weights fall from 0.6, anything comes last.
#[must_use]
pub fn accept_header(protocols: &[ScrapeProtocol], escaping: EscapingScheme) -> String {
    let mut out = String::new();
    let mut weight = ScrapeProtocol::PROTOBUF_FIRST.len() + 1;
    for protocol in protocols {
        out.push_str(protocol.media_type());
        // Only the newer text formats know how to escape names.
        if matches!(
            protocol,
            ScrapeProtocol::OpenMetricsText1_0_0 | ScrapeProtocol::PrometheusText1_0_0
        ) {
            out.push_str(";escaping=");
            out.push_str(escaping.as_str());
        }
        out.push_str(&format!(";q=0.{weight},"));
        weight = weight.saturating_sub(1);
    }
    out.push_str(&format!("*/*;q=0.{weight}"));
    out
}

/// Reads `scrape_protocols`; `None` where the field is absent.
pub(crate) fn read_list(fields: &Fields<'_>) -> Result<Option<Vec<ScrapeProtocol>>, Fault> {
    const NAME: &str = "scrape_protocols";
    if fields.get(NAME).is_none() {
        return Ok(None);
    }
    let mut out = Vec::new();
    for item in fields.list(NAME)? {
        let name = item.text()?;
        if out
            .iter()
            .any(|seen: &ScrapeProtocol| seen.as_str().eq_ignore_ascii_case(name))
        {
            let what = format!("duplicated protocol {name} in {NAME}; remove it");
            return Err(Fault::new(item.at, what));
        }
        out.push(ScrapeProtocol::parse(name, item.at)?);
    }
    if out.is_empty() {
        let what = format!("{NAME} cannot be empty; remove it to use the default");
        return Err(Fault::new(fields.position(NAME), what));
    }
    Ok(Some(out))
}

/// Reads `fallback_scrape_protocol`.
pub(crate) fn read_fallback(fields: &Fields<'_>) -> Result<Option<ScrapeProtocol>, Fault> {
    let node = fields.get("fallback_scrape_protocol").filter(|node| !node.is_empty());
    node.map(|node| ScrapeProtocol::parse(node.text()?, node.at))
        .transpose()
}

/// How names are checked, and how those outside the classic character set are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) validation: NameValidation,
    pub(crate) escaping: EscapingScheme,
}

/// The two fields on names. A section that sets the validation alone gets the escaping that goes with it, not the
/// inherited one.
pub(crate) fn read_names(fields: &Fields<'_>, inherited: Names) -> Result<Names, Fault> {
    const VALIDATION: &str = "metric_name_validation_scheme";
    const ESCAPING: &str = "metric_name_escaping_scheme";
    let written = match fields.text(VALIDATION)?.unwrap_or_default() {
        "" => None,
        "utf8" => Some(NameValidation::Utf8),
        "legacy" => Some(NameValidation::Legacy),
        other => {
            let what = format!("unrecognized ValidationScheme: {}; write utf8 or legacy", quote(other));
            return Err(Fault::new(fields.position(VALIDATION), what));
        }
    };
    let validation = written.unwrap_or(inherited.validation);
    let word = fields.text(ESCAPING)?.unwrap_or_default();
    let escaping = match (EscapingScheme::from_word(word), written) {
        (Some(escaping), _) => escaping,
        (None, _) if !word.is_empty() => {
            let word = quote(word);
            let what = format!("unknown {ESCAPING} {word}; write allow-utf-8, underscores, dots or values");
            return Err(Fault::new(fields.position(ESCAPING), what));
        }
        (None, None) => inherited.escaping,
        (None, Some(NameValidation::Legacy)) => EscapingScheme::Underscores,
        (None, Some(NameValidation::Utf8)) => EscapingScheme::AllowUtf8,
    };
    if (validation, escaping) == (NameValidation::Legacy, EscapingScheme::AllowUtf8) {
        let what = "utf8 metric names requested but validation scheme is not set to UTF8; write underscores, dots or \
                    values, or metric_name_validation_scheme: utf8";
        return Err(Fault::new(fields.position(ESCAPING), what));
    }
    Ok(Names { validation, escaping })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_prometheus_accepts() {
        assert_eq!(
            accept_header(&ScrapeProtocol::DEFAULT, EscapingScheme::AllowUtf8),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
        );
        assert_eq!(
            accept_header(&ScrapeProtocol::PROTOBUF_FIRST, EscapingScheme::Underscores),
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,\
             application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=1.0.0;escaping=underscores;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
        );
        assert_eq!(
            accept_header(&[ScrapeProtocol::PrometheusText0_0_4], EscapingScheme::Dots),
            "text/plain;version=0.0.4;q=0.6,*/*;q=0.5"
        );
    }
}
