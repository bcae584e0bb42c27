//! `consul_sd_configs`: services of Consul's catalog and their instances.

use crate::{join_host_port, sanitize};
use parapet_config::{ConsulSd, TargetGroup};
use parapet_http_client::query::encode;
use parapet_model::Labels;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The URL of the catalog of services.
#[must_use]
pub fn services_url(config: &ConsulSd) -> String {
    let mut parameters = common(config);
    parameters.extend((!config.filter.is_empty()).then(|| ("filter", config.filter.clone())));
    url(config, "catalog/services", parameters)
}

/// The services to ask for, from the answer of the catalog: those that the configuration names (all, where it names
/// none) and that have each of its tags.
///
/// # Errors
/// Where the answer is no catalog.
pub fn services(config: &ConsulSd, body: &[u8]) -> Result<Vec<String>, String> {
    let catalog: BTreeMap<String, Option<Vec<String>>> =
        serde_json::from_slice(body).map_err(|error| format!("catalog of services: {error}"))?;
    let wanted = |name: &str, tags: &[String]| {
        (config.services.is_empty() || config.services.iter().any(|service| service == name))
            && config.tags.iter().all(|tag| tags.contains(tag))
    };
    let found = catalog
        .into_iter()
        .filter(|(name, tags)| wanted(name, tags.as_deref().unwrap_or_default()));
    Ok(found.map(|(name, _)| name).collect())
}

/// The URL of the instances of a service.
#[must_use]
pub fn instances_url(config: &ConsulSd, service: &str) -> String {
    let mut parameters = common(config);
    parameters.extend(config.tags.iter().map(|tag| ("tag", tag.clone())));
    parameters.extend((!config.health_filter.is_empty()).then(|| ("filter", config.health_filter.clone())));
    let service = parapet_http_client::query::escape(service).replace('+', "%20");
    url(config, &format!("health/service/{service}"), parameters)
}

fn common(config: &ConsulSd) -> Vec<(&'static str, String)> {
    let mut parameters = Vec::new();
    if config.allow_stale {
        parameters.push(("stale", String::new()));
    }
    for (name, value) in [
        ("dc", &config.datacenter),
        ("ns", &config.namespace),
        ("partition", &config.partition),
    ] {
        parameters.extend((!value.is_empty()).then(|| (name, value.clone())));
    }
    let meta = config.node_meta.iter();
    parameters.extend(meta.map(|(name, value)| ("node-meta", format!("{name}:{value}"))));
    parameters
}

fn url(config: &ConsulSd, path: &str, parameters: Vec<(&'static str, String)>) -> String {
    let (scheme, server) = (&config.scheme, &config.server);
    let prefix = config.path_prefix.trim_matches('/');
    let slash = if prefix.is_empty() { "" } else { "/" };
    format!("{scheme}://{server}{slash}{prefix}/v1/{path}?{}", encode(parameters))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Instance {
    node: Node,
    service: Service,
    checks: Vec<Check>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Node {
    node: String,
    address: String,
    datacenter: String,
    meta: Option<BTreeMap<String, String>>,
    tagged_addresses: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Service {
    #[serde(rename = "ID")]
    id: String,
    tags: Option<Vec<String>>,
    address: String,
    port: i64,
    namespace: String,
    partition: String,
    meta: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Check {
    #[serde(rename = "CheckID")]
    id: String,
    status: String,
}

/// The group of a service, from the answer about its instances.
///
/// # Errors
/// Where the answer is no list of instances.
pub fn targets(config: &ConsulSd, service: &str, body: &[u8]) -> Result<TargetGroup, String> {
    let instances: Vec<Instance> =
        serde_json::from_slice(body).map_err(|error| format!("instances of {service}: {error}"))?;
    let datacenter = instances.first().map(|instance| instance.node.datacenter.clone());
    let datacenter = Some(config.datacenter.clone())
        .filter(|configured| !configured.is_empty())
        .or(datacenter)
        .unwrap_or_default();
    Ok(TargetGroup {
        source: service.to_owned(),
        targets: instances.iter().map(|instance| labels(config, instance)).collect(),
        labels: Labels::from_pairs([
            ("__meta_consul_service", service),
            ("__meta_consul_dc", datacenter.as_str()),
        ]),
    })
}

fn labels(config: &ConsulSd, Instance { node, service, checks }: &Instance) -> Labels {
    let host = if service.address.is_empty() {
        &node.address
    } else {
        &service.address
    };
    // Separators at both ends, so that expressions need not care for the place of a tag.
    let separator = &config.tag_separator;
    let tags = service.tags.clone().unwrap_or_default().join(separator);
    let mut pairs: Vec<(String, String)> = [
        ("__address__", join_host_port(host, service.port)),
        ("__meta_consul_address", node.address.clone()),
        ("__meta_consul_node", node.node.clone()),
        ("__meta_consul_namespace", service.namespace.clone()),
        ("__meta_consul_partition", service.partition.clone()),
        ("__meta_consul_tags", format!("{separator}{tags}{separator}")),
        ("__meta_consul_service_address", service.address.clone()),
        ("__meta_consul_service_port", service.port.to_string()),
        ("__meta_consul_service_id", service.id.clone()),
        ("__meta_consul_health", health(checks).to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    for (prefix, map) in [
        ("__meta_consul_metadata_", &node.meta),
        ("__meta_consul_service_metadata_", &service.meta),
        ("__meta_consul_tagged_address_", &node.tagged_addresses),
    ] {
        for (name, value) in map.iter().flatten() {
            pairs.push((format!("{prefix}{}", sanitize(name)), value.clone()));
        }
    }
    Labels::from_pairs(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// What the checks of an instance say together (`HealthChecks.AggregatedStatus` of Consul's client).
fn health(checks: &[Check]) -> &'static str {
    let is = |status: &str| checks.iter().any(|check| check.status == status);
    if checks
        .iter()
        .any(|check| check.id == "_node_maintenance" || check.id.starts_with("_service_maintenance:"))
    {
        "maintenance"
    } else if is("critical") {
        "critical"
    } else if is("warning") {
        "warning"
    } else {
        "passing"
    }
}
