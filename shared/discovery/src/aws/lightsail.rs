//! Lightsail: its instances.

use super::ec2::Page;
use super::{Call, Tag, add, labels, listed, tag_labels};
use crate::join_host_port;
use parapet_config::{AwsSd, TargetGroup};
use parapet_model::Labels;
use serde::Deserialize;
use serde_json::json;

/// An instance, as far as it is told in labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Instance {
    name: Option<String>,
    blueprint_id: Option<String>,
    bundle_id: Option<String>,
    support_code: Option<String>,
    private_ip_address: Option<String>,
    public_ip_address: Option<String>,
    ipv6_addresses: Option<Vec<String>>,
    location: Option<Location>,
    state: Option<State>,
    tags: Option<Vec<Tag>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Location {
    availability_zone: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct State {
    name: Option<String>,
}

/// A page of instances.
#[must_use]
pub fn instances(next: Option<&str>) -> Call {
    let body = next.map_or_else(|| json!({}), |next| json!({ "pageToken": next }));
    Call::json("lightsail", "Lightsail_20161128", "GetInstances", &body)
}

/// Reads a page of [`instances`].
///
/// # Errors
/// Where the answer is none.
pub fn read_instances(body: &[u8]) -> Result<Page<Instance>, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        instances: Vec<Instance>,
        #[serde(default)]
        next_page_token: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|error| format!("GetInstances: {error}"))?;
    Ok(Page {
        items: answer.instances,
        next: answer.next_page_token.filter(|next| !next.is_empty()),
    })
}

/// The group of a region, from its instances.
#[must_use]
pub fn targets(config: &AwsSd, region: &str, instances: &[Instance]) -> TargetGroup {
    let targets = instances.iter().filter_map(|instance| {
        let address = instance.private_ip_address.as_ref()?;
        let mut pairs = vec![
            ("__address__".to_owned(), join_host_port(address, config.port)),
            ("__meta_lightsail_region".to_owned(), region.to_owned()),
        ];
        let zone = instance.location.as_ref().and_then(|at| at.availability_zone.as_ref());
        for (name, value) in [
            ("private_ip", Some(address)),
            ("availability_zone", zone),
            ("blueprint_id", instance.blueprint_id.as_ref()),
            ("bundle_id", instance.bundle_id.as_ref()),
            ("instance_name", instance.name.as_ref()),
            (
                "instance_state",
                instance.state.as_ref().and_then(|state| state.name.as_ref()),
            ),
            ("instance_support_code", instance.support_code.as_ref()),
            ("public_ip", instance.public_ip_address.as_ref()),
        ] {
            add(&mut pairs, &format!("__meta_lightsail_{name}"), value);
        }
        let ipv6 = instance.ipv6_addresses.as_deref().unwrap_or_default();
        if !ipv6.is_empty() {
            let addresses = listed(ipv6.iter().map(String::as_str));
            pairs.push(("__meta_lightsail_ipv6_addresses".to_owned(), addresses));
        }
        let tags = instance.tags.as_deref().unwrap_or_default();
        pairs.extend(tag_labels("__meta_lightsail_tag_", tags));
        Some(labels(&pairs))
    });
    TargetGroup {
        source: region.to_owned(),
        targets: targets.collect(),
        labels: Labels::empty(),
    }
}
