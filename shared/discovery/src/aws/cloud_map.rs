//! Cloud Map: the instances that are registered with services. Prometheus has no discovery of it.

use super::ec2::Page;
use super::{Call, labels};
use crate::{join_host_port, sanitize};
use parapet_config::{AwsSd, TargetGroup};
use parapet_model::Labels;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PREFIX: &str = "Route53AutoNaming_v20170314";

/// A namespace, or a service of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Named {
    /// Its identifier.
    pub id: String,
    /// Its name.
    pub name: String,
}

/// An instance of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Instance {
    id: String,
    attributes: BTreeMap<String, String>,
}

/// A page of the namespaces.
#[must_use]
pub fn namespaces(next: Option<&str>) -> Call {
    call("ListNamespaces", json!({ "MaxResults": 100 }), next)
}

/// A page of the services of a namespace.
#[must_use]
pub fn services(namespace: &Named, next: Option<&str>) -> Call {
    let filter = json!({ "Name": "NAMESPACE_ID", "Values": [namespace.id], "Condition": "EQ" });
    call("ListServices", json!({ "Filters": [filter], "MaxResults": 100 }), next)
}

/// A page of the instances of a service.
#[must_use]
pub fn instances(service: &Named, next: Option<&str>) -> Call {
    call(
        "ListInstances",
        json!({ "ServiceId": service.id, "MaxResults": 100 }),
        next,
    )
}

fn call(operation: &'static str, mut body: Value, next: Option<&str>) -> Call {
    if let Some(next) = next {
        body["NextToken"] = next.into();
    }
    Call::json("servicediscovery", PREFIX, operation, &body)
}

/// Reads a page: `list` is the field that holds it.
///
/// # Errors
/// Where the answer is none.
pub fn read<T: for<'de> Deserialize<'de>>(body: &[u8], list: &str) -> Result<Page<T>, String> {
    let failed = |error: serde_json::Error| format!("{list} of Cloud Map: {error}");
    let mut answer: Value = serde_json::from_slice(body).map_err(failed)?;
    Ok(Page {
        next: answer["NextToken"]
            .as_str()
            .filter(|next| !next.is_empty())
            .map(str::to_owned),
        items: serde_json::from_value(answer.get_mut(list).map(Value::take).unwrap_or_default()).map_err(failed)?,
    })
}

/// The group of a service, from its instances: those with an address. A port of their own is in the attribute
/// `AWS_INSTANCE_PORT`.
#[must_use]
pub fn targets(
    config: &AwsSd,
    region: &str,
    namespace: &Named,
    service: &Named,
    instances: &[Instance],
) -> TargetGroup {
    let targets = instances.iter().filter_map(|instance| {
        let attribute = |name: &str| instance.attributes.get(name).filter(|value| !value.is_empty());
        let address = ["AWS_INSTANCE_IPV4", "AWS_INSTANCE_IPV6", "AWS_INSTANCE_CNAME"];
        let address = address.into_iter().find_map(attribute)?;
        let port = attribute("AWS_INSTANCE_PORT").cloned();
        let port = port.unwrap_or_else(|| config.port.to_string());
        let mut pairs = vec![
            ("__address__".to_owned(), join_host_port(address, port)),
            ("__meta_cloudmap_instance_id".to_owned(), instance.id.clone()),
        ];
        for (name, value) in &instance.attributes {
            let name = format!("__meta_cloudmap_attribute_{}", sanitize(name));
            pairs.push((name, value.clone()));
        }
        Some(labels(&pairs))
    });
    TargetGroup {
        source: format!("{}/{}", namespace.id, service.id),
        targets: targets.collect(),
        labels: Labels::from_pairs([
            ("__meta_cloudmap_region", region),
            ("__meta_cloudmap_namespace", namespace.name.as_str()),
            ("__meta_cloudmap_service", service.name.as_str()),
        ]),
    }
}
