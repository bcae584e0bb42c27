//! Sloth's notation: `version: prometheus/v1`, and the Kubernetes resource `PrometheusServiceLevel`.

use super::Slo;
use super::native::{AlertingFields, read_alerting, read_indicator};
use super::reader::{DEFAULT_PERIOD_MS, Reader, Text};
use crate::error::{Fault, read_yaml};
use crate::mapping::mapping;
use parapet_model::quote;
use serde::de::IgnoredAny;
use serde_saphyr::{Location, Spanned};
use std::collections::BTreeMap;

type TextMap = BTreeMap<String, Text>;

/// The one plugin whose effect is here already: `for` in alerts.
const ALERT_FOR_PLUGIN: &str = "sloth.dev/contrib/alert_for/v1";

mapping! {
    struct ServiceFields {
        version: Text = "version",
        service: Text = "service",
        labels: TextMap = "labels",
        slo_plugins: PluginsFields = "slo_plugins" | "sloPlugins",
        slos: Vec<Spanned<SloFields>> = "slos",
    }
}

mapping! {
    struct ResourceFields {
        api_version: Text = "apiVersion",
        kind: Text = "kind",
        metadata: IgnoredAny = "metadata",
        spec: Spanned<ServiceFields> = "spec",
    }
}

mapping! {
    struct PluginsFields {
        chain: Vec<PluginFields> = "chain",
        override_previous: IgnoredAny = "override_previous" | "overridePrevious",
    }
}

mapping! {
    struct PluginFields {
        id: Text = "id",
        config: IgnoredAny = "config",
        priority: IgnoredAny = "priority",
    }
}

mapping! {
    struct SloFields {
        name: Text = "name",
        description: Text = "description",
        objective: Spanned<f64> = "objective",
        labels: TextMap = "labels",
        sli: Spanned<IndicatorFields> = "sli",
        alerting: AlertingFields = "alerting",
        plugins: PluginsFields = "plugins",
    }
}

mapping! {
    struct IndicatorFields {
        events: EventFields = "events",
        raw: RawFields = "raw",
        plugin: Spanned<IgnoredAny> = "plugin",
        denominator_corrected: Spanned<IgnoredAny> = "denominator_corrected" | "denominatorCorrected",
    }
}

mapping! {
    struct EventFields {
        error_query: Text = "error_query" | "errorQuery",
        total_query: Text = "total_query" | "totalQuery",
    }
}

mapping! {
    struct RawFields {
        error_ratio_query: Text = "error_ratio_query" | "errorRatioQuery",
    }
}

pub(super) fn read(text: &str, reader: &mut Reader) -> Result<Vec<Slo>, Fault> {
    let file: Spanned<ServiceFields> = read_yaml(text)?;
    if let Some(version) = &file.value.version
        && version.value != "prometheus/v1"
    {
        let message = format!("version {} is not known; write prometheus/v1", quote(&version.value));
        reader.fault(version.defined, message);
    }
    Ok(read_service(file, reader))
}

pub(super) fn read_resource(text: &str, reader: &mut Reader) -> Result<Vec<Slo>, Fault> {
    let file: Spanned<ResourceFields> = read_yaml(text)?;
    let (at, fields) = (file.defined, file.value);
    reader.unknown(&fields.unknown, ResourceFields::FIELDS);
    match fields.spec {
        Some(spec) => Ok(read_service(spec, reader)),
        None => {
            reader.fault(at, "field \"spec\" must be set");
            Ok(Vec::new())
        }
    }
}

fn read_service(file: Spanned<ServiceFields>, reader: &mut Reader) -> Vec<Slo> {
    let (at, fields) = (file.defined, file.value);
    reader.unknown(&fields.unknown, ServiceFields::FIELDS);
    check_plugins(fields.slo_plugins, reader);
    let service = reader.needed(fields.service, at, "service");
    let mut slos = Vec::new();
    for slo in fields.slos.unwrap_or_default() {
        slos.extend(read_slo(slo, &service, fields.labels.as_ref(), reader));
    }
    slos
}

fn read_slo(slo: Spanned<SloFields>, service: &str, labels: Option<&TextMap>, reader: &mut Reader) -> Option<Slo> {
    let (at, fields) = (slo.defined, slo.value);
    reader.unknown(&fields.unknown, SloFields::FIELDS);
    check_plugins(fields.plugins, reader);
    let name = reader.needed(fields.name, at, "name");
    let objective = reader.objective(fields.objective, at);
    let indicator = match fields.sli {
        Some(sli) => read_sli(sli, at, reader),
        None => {
            reader.fault(at, "field \"sli\" must be set");
            None
        }
    };
    Some(Slo {
        id: reader.id(service, &name, at),
        name,
        service: service.to_owned(),
        description: fields.description.map(|text| text.value).unwrap_or_default(),
        period_ms: DEFAULT_PERIOD_MS,
        labels: reader.labels([labels.cloned(), fields.labels]),
        alerting: read_alerting(fields.alerting, reader),
        objective: objective?,
        indicator: indicator?,
        is_sloths: true,
    })
}

fn read_sli(sli: Spanned<IndicatorFields>, at: Location, reader: &mut Reader) -> Option<super::Indicator> {
    let fields = sli.value;
    reader.unknown(&fields.unknown, IndicatorFields::FIELDS);
    let unable = fields.plugin.or(fields.denominator_corrected);
    if let Some(unable) = unable {
        reader.fault(
            unable.defined,
            "this kind of indicator is not supported; write events or raw",
        );
        return None;
    }
    let events = fields.events.unwrap_or_default();
    reader.unknown(&events.unknown, EventFields::FIELDS);
    let raw = fields.raw.unwrap_or_default();
    reader.unknown(&raw.unknown, RawFields::FIELDS);
    read_indicator(
        events.error_query,
        events.total_query,
        raw.error_ratio_query,
        at,
        reader,
    )
}

/// Plugins are programs: what they would change cannot be known.
fn check_plugins(plugins: Option<PluginsFields>, reader: &mut Reader) {
    let plugins = plugins.unwrap_or_default();
    reader.unknown(&plugins.unknown, PluginsFields::FIELDS);
    for plugin in plugins.chain.unwrap_or_default() {
        reader.unknown(&plugin.unknown, PluginFields::FIELDS);
        if let Some(id) = plugin.id.filter(|id| id.value != ALERT_FOR_PLUGIN) {
            let message = format!("the plugin {} is not supported; remove it", quote(&id.value));
            reader.fault(id.defined, message);
        }
    }
}
