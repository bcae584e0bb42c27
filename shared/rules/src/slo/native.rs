//! Parapet's own notation.
//!
//! ```yaml
//! slos:
//! - name: requests            # needed
//!   service: checkout         # needed
//!   objective: 99.9           # needed: percent of good events
//!   window: 30d               # whole days
//!   description: checkouts that do not end in a server error
//!   error_query: sum(rate(http_requests_total{job="checkout", code=~"5.."}[{{.window}}]))
//!   total_query: sum(rate(http_requests_total{job="checkout"}[{{.window}}]))
//!   # or, in place of the two: error_ratio_query: avg(probe_failed)
//!   labels: {team: payments}  # on every series and alert
//!   alerting:                 # all of it optional
//!     name: CheckoutBurns
//!     labels: {}
//!     annotations: {}
//!     page: {disable: false, for: 2m, labels: {severity: page}, annotations: {}}
//!     ticket: {}
//! ```

use super::reader::{Reader, Text};
use super::{Alerting, Indicator, SeverityAlert, Slo};
use crate::error::{Fault, read_yaml};
use crate::mapping::mapping;
use parapet_model::parse_duration_ms;
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeMap;

type TextMap = BTreeMap<String, Text>;

mapping! {
    struct FileFields {
        slos: Vec<Spanned<SloFields>> = "slos",
    }
}

mapping! {
    struct SloFields {
        name: Text = "name",
        service: Text = "service",
        description: Text = "description",
        objective: Spanned<f64> = "objective",
        window: Text = "window",
        error_query: Text = "error_query",
        total_query: Text = "total_query",
        error_ratio_query: Text = "error_ratio_query",
        labels: TextMap = "labels",
        alerting: AlertingFields = "alerting",
    }
}

mapping! {
    /// Sloth's names are taken too.
    struct AlertingFields {
        name: Text = "name",
        labels: TextMap = "labels",
        annotations: TextMap = "annotations",
        page: SeverityFields = "page" | "page_alert" | "pageAlert",
        ticket: SeverityFields = "ticket" | "ticket_alert" | "ticketAlert",
    }
}

mapping! {
    struct SeverityFields {
        disable: bool = "disable",
        hold: Text = "for",
        labels: TextMap = "labels",
        annotations: TextMap = "annotations",
    }
}

pub(super) fn read(text: &str, reader: &mut Reader) -> Result<Vec<Slo>, Fault> {
    let file: FileFields = read_yaml(text)?;
    reader.unknown(&file.unknown, FileFields::FIELDS);
    let slos = file.slos.unwrap_or_default();
    Ok(slos.into_iter().filter_map(|slo| read_slo(slo, reader)).collect())
}

fn read_slo(slo: Spanned<SloFields>, reader: &mut Reader) -> Option<Slo> {
    let (at, fields) = (slo.defined, slo.value);
    reader.unknown(&fields.unknown, SloFields::FIELDS);
    let name = reader.needed(fields.name, at, "name");
    let service = reader.needed(fields.service, at, "service");
    let objective = reader.objective(fields.objective, at);
    let indicator = read_indicator(
        fields.error_query,
        fields.total_query,
        fields.error_ratio_query,
        at,
        reader,
    );
    Some(Slo {
        id: reader.id(&service, &name, at),
        name,
        service,
        description: fields.description.map(|text| text.value).unwrap_or_default(),
        period_ms: reader.period(fields.window),
        labels: reader.labels([fields.labels]),
        alerting: read_alerting(fields.alerting, reader),
        objective: objective?,
        indicator: indicator?,
        is_sloths: false,
    })
}

/// Two queries, or a ratio in their place.
pub(super) fn read_indicator(
    errors: Option<Text>,
    total: Option<Text>,
    ratio: Option<Text>,
    at: Location,
    reader: &mut Reader,
) -> Option<Indicator> {
    if ratio.is_none() {
        let errors = reader.query(errors, at, "error_query");
        let total = reader.query(total, at, "total_query");
        return Some(Indicator::Events {
            errors: errors?,
            total: total?,
        });
    }
    if let Some(other) = errors.or(total) {
        reader.fault(
            other.defined,
            "error_ratio_query stands in place of error_query and total_query",
        );
    }
    reader.instant(ratio, at, "error_ratio_query").map(Indicator::Ratio)
}

pub(super) fn read_alerting(fields: Option<AlertingFields>, reader: &mut Reader) -> Alerting {
    let fields = fields.unwrap_or_default();
    reader.unknown(&fields.unknown, AlertingFields::FIELDS);
    Alerting {
        name: fields.name.map(|name| name.value),
        labels: reader.labels([fields.labels]),
        annotations: plain(fields.annotations),
        page: read_severity(fields.page, reader),
        ticket: read_severity(fields.ticket, reader),
    }
}

fn read_severity(fields: Option<SeverityFields>, reader: &mut Reader) -> SeverityAlert {
    let fields = fields.unwrap_or_default();
    reader.unknown(&fields.unknown, SeverityFields::FIELDS);
    if let Some(hold) = &fields.hold
        && let Err(error) = parse_duration_ms(&hold.value)
    {
        reader.fault(hold.defined, error.to_string());
    }
    SeverityAlert {
        is_disabled: fields.disable.unwrap_or_default(),
        hold: fields.hold.map(|hold| hold.value),
        labels: reader.labels([fields.labels]),
        annotations: plain(fields.annotations),
    }
}

fn plain(texts: Option<TextMap>) -> BTreeMap<String, String> {
    let texts = texts.unwrap_or_default();
    texts.into_iter().map(|(name, text)| (name, text.value)).collect()
}
