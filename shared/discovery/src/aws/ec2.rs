//! EC2: instances, and what ECS asks of them.

use super::{Call, Tag, add, labels, listed, tag_labels, xml};
use crate::join_host_port;
use parapet_config::{AwsSd, TargetGroup};
use parapet_model::Labels;
use roxmltree::Node;
use std::collections::BTreeMap;

const VERSION: &str = "2016-11-15";

/// An instance, as far as it is told in labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    pub(super) id: Option<String>,
    owner: Option<String>,
    pub(super) private_ip: Option<String>,
    private_dns: Option<String>,
    pub(super) public_ip: Option<String>,
    public_dns: Option<String>,
    platform: Option<String>,
    image: Option<String>,
    zone: Option<String>,
    state: Option<String>,
    pub(super) kind: Option<String>,
    lifecycle: Option<String>,
    architecture: Option<String>,
    vpc: Option<String>,
    pub(super) subnet: Option<String>,
    interfaces: Vec<Interface>,
    pub(super) tags: Vec<Tag>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Interface {
    subnet: Option<String>,
    device_index: usize,
    /// With whether each is the primary one.
    ipv6: Vec<(String, bool)>,
}

/// A page of an answer, and where the next begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What it holds.
    pub items: Vec<T>,
    /// Absent in the last.
    pub next: Option<String>,
}

/// A page of the instances that filters and identifiers leave.
#[must_use]
pub fn instances(filters: &[(String, Vec<String>)], ids: &[String], next: Option<&str>) -> Call {
    let mut parameters = numbered("InstanceId", ids);
    for (index, (name, values)) in (1..).zip(filters) {
        parameters.push((format!("Filter.{index}.Name"), name.clone()));
        parameters.extend(numbered(&format!("Filter.{index}.Value"), values));
    }
    parameters.extend(next.map(|next| ("NextToken".to_owned(), next.to_owned())));
    Call::query("ec2", "DescribeInstances", VERSION, parameters)
}

/// The availability zones of the region.
#[must_use]
pub fn zones() -> Call {
    Call::query("ec2", "DescribeAvailabilityZones", VERSION, Vec::new())
}

/// A page of network interfaces.
#[must_use]
pub fn interfaces(ids: &[String], next: Option<&str>) -> Call {
    let mut parameters = numbered("NetworkInterfaceId", ids);
    parameters.extend(next.map(|next| ("NextToken".to_owned(), next.to_owned())));
    Call::query("ec2", "DescribeNetworkInterfaces", VERSION, parameters)
}

fn numbered(name: &str, values: &[String]) -> Vec<(String, String)> {
    let values = (1..).zip(values);
    values
        .map(|(index, value)| (format!("{name}.{index}"), value.clone()))
        .collect()
}

/// Reads a page; `read` takes what it has from the root.
fn page<T>(body: &[u8], operation: &str, read: impl Fn(Node<'_, '_>) -> Vec<T>) -> Result<Page<T>, String> {
    let failed = |error: String| format!("{operation}: {error}");
    let text = std::str::from_utf8(body).map_err(|error| failed(error.to_string()))?;
    let document = xml::parse(text).map_err(failed)?;
    let root = document.root_element();
    if root.tag_name().name() != format!("{operation}Response") {
        return Err(failed(format!("the answer is a {}", root.tag_name().name())));
    }
    Ok(Page {
        items: read(root),
        next: xml::text(root, "nextToken"),
    })
}

/// Reads a page of [`instances`].
///
/// # Errors
/// Where the answer is none.
pub fn read_instances(body: &[u8]) -> Result<Page<Instance>, String> {
    page(body, "DescribeInstances", |root| {
        let reservations = xml::items(root, "reservationSet");
        reservations
            .flat_map(|reservation| {
                let owner = xml::text(reservation, "ownerId");
                xml::items(reservation, "instancesSet").map(move |node| instance(node, owner.clone()))
            })
            .collect()
    })
}

/// Reads the zones of [`zones`]: their identifiers by name.
///
/// # Errors
/// Where the answer is none.
pub fn read_zones(body: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let page = page(body, "DescribeAvailabilityZones", |root| {
        let zones = xml::items(root, "availabilityZoneInfo");
        zones
            .filter_map(|zone| xml::text(zone, "zoneName").zip(xml::text(zone, "zoneId")))
            .collect()
    })?;
    Ok(page.items.into_iter().collect())
}

/// Reads a page of [`interfaces`]: their public addresses by identifier, of those that have one.
///
/// # Errors
/// Where the answer is none.
pub fn read_interfaces(body: &[u8]) -> Result<Page<(String, String)>, String> {
    page(body, "DescribeNetworkInterfaces", |root| {
        let interfaces = xml::items(root, "networkInterfaceSet");
        interfaces
            .filter_map(|node| {
                let association = xml::child(node, "association")?;
                xml::text(node, "networkInterfaceId").zip(xml::text(association, "publicIp"))
            })
            .collect()
    })
}

fn instance(node: Node<'_, '_>, owner: Option<String>) -> Instance {
    let text = |name: &str| xml::text(node, name);
    let within = |outer: &str, name: &str| xml::text(xml::child(node, outer)?, name);
    let interfaces = xml::items(node, "networkInterfaceSet").map(|interface| {
        let attachment = xml::child(interface, "attachment");
        let index = attachment.and_then(|node| xml::text(node, "deviceIndex")?.parse().ok());
        let addresses = xml::items(interface, "ipv6AddressesSet").filter_map(|address| {
            let primary = xml::text(address, "isPrimaryIpv6").is_some_and(|text| text == "true");
            Some((xml::text(address, "ipv6Address")?, primary))
        });
        Interface {
            subnet: xml::text(interface, "subnetId"),
            device_index: index.unwrap_or_default(),
            ipv6: addresses.collect(),
        }
    });
    Instance {
        id: text("instanceId"),
        owner,
        private_ip: text("privateIpAddress"),
        private_dns: text("privateDnsName"),
        public_ip: text("ipAddress"),
        public_dns: text("dnsName"),
        platform: text("platform"),
        image: text("imageId"),
        zone: within("placement", "availabilityZone"),
        state: within("instanceState", "name"),
        kind: text("instanceType"),
        lifecycle: text("instanceLifecycle"),
        architecture: text("architecture"),
        vpc: text("vpcId"),
        subnet: text("subnetId"),
        interfaces: interfaces.collect(),
        tags: xml::items(node, "tagSet")
            .map(|tag| Tag {
                key: xml::text(tag, "key"),
                // An empty value is one.
                value: xml::child(tag, "value").map(|node| node.text().unwrap_or_default().to_owned()),
            })
            .collect(),
    }
}

/// The group of a region, from its instances and the identifiers of its zones.
#[must_use]
pub fn targets(config: &AwsSd, region: &str, instances: &[Instance], zones: &BTreeMap<String, String>) -> TargetGroup {
    TargetGroup {
        source: region.to_owned(),
        targets: instances
            .iter()
            .filter_map(|instance| target(config, region, instance, zones))
            .collect(),
        labels: Labels::empty(),
    }
}

/// The most interfaces of an instance whose place is kept in `primary_ipv6_addresses`; the largest has fifteen.
const MAX_DEVICES: usize = 64;

fn target(config: &AwsSd, region: &str, instance: &Instance, zones: &BTreeMap<String, String>) -> Option<Labels> {
    let (mut primary, mut ipv6) = (Vec::<&str>::new(), Vec::<&str>::new());
    let with_subnet = instance
        .interfaces
        .iter()
        .filter(|interface| instance.vpc.is_some() && interface.subnet.is_some());
    for interface in with_subnet.clone() {
        for (address, is_primary) in &interface.ipv6 {
            ipv6.push(address);
            if *is_primary && interface.device_index < MAX_DEVICES {
                // Empty places stand for interfaces without one.
                primary.resize(primary.len().max(interface.device_index + 1), "");
                primary[interface.device_index] = address;
            }
        }
    }
    let mut candidates = primary.iter().chain(&ipv6);
    let default_ipv6 = candidates
        .find(|address| !address.is_empty())
        .map(|text| (*text).to_owned());
    let address = instance.private_ip.as_ref().or(default_ipv6.as_ref())?;
    let mut pairs = vec![
        ("__address__".to_owned(), join_host_port(address, config.port)),
        ("__meta_ec2_region".to_owned(), region.to_owned()),
    ];
    let zone_id = instance.zone.as_ref().and_then(|zone| zones.get(zone));
    let public_dns = instance.public_ip.as_ref().and(instance.public_dns.as_ref());
    let primary_subnet = instance.vpc.as_ref().and(instance.subnet.as_ref());
    for (name, value) in [
        ("instance_id", instance.id.as_ref()),
        ("owner_id", instance.owner.as_ref()),
        ("default_ipv6_address", default_ipv6.as_ref()),
        ("private_ip", instance.private_ip.as_ref()),
        ("private_dns_name", instance.private_dns.as_ref()),
        ("platform", instance.platform.as_ref()),
        ("public_ip", instance.public_ip.as_ref()),
        ("public_dns_name", public_dns),
        ("ami", instance.image.as_ref()),
        ("availability_zone", instance.zone.as_ref()),
        ("availability_zone_id", zone_id),
        ("instance_state", instance.state.as_ref()),
        ("instance_type", instance.kind.as_ref()),
        ("instance_lifecycle", instance.lifecycle.as_ref()),
        ("architecture", instance.architecture.as_ref()),
        ("vpc_id", instance.vpc.as_ref()),
        ("primary_subnet_id", primary_subnet),
    ] {
        add(&mut pairs, &format!("__meta_ec2_{name}"), value);
    }
    if instance.vpc.is_some() {
        let mut subnets: Vec<&str> = Vec::new();
        for subnet in with_subnet.filter_map(|interface| interface.subnet.as_deref()) {
            if !subnets.contains(&subnet) {
                subnets.push(subnet);
            }
        }
        pairs.push(("__meta_ec2_subnet_id".to_owned(), listed(subnets)));
    }
    for (name, addresses) in [("primary_ipv6_addresses", primary), ("ipv6_addresses", ipv6)] {
        if !addresses.is_empty() {
            pairs.push((format!("__meta_ec2_{name}"), listed(addresses)));
        }
    }
    pairs.extend(tag_labels("__meta_ec2_tag_", &instance.tags));
    Some(labels(&pairs))
}
