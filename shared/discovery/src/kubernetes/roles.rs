//! The roles without pods: nodes, services, ingresses.

use super::object::{Object, Pairs};
use super::{Cluster, Resource};
use crate::{join_host_port, sanitize};
use parapet_config::{KubernetesSd, TargetGroup};

/// What a role is built from.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) config: &'a KubernetesSd,
    pub(super) cluster: &'a Cluster,
}

impl View<'_> {
    /// Adds the labels of a namespace, where they are asked for.
    pub(super) fn add_namespace(&self, namespace: &str, pairs: &mut Pairs) {
        if self.config.attach.namespace
            && let Some(object) = self.cluster.get(Resource::Namespaces, namespace)
        {
            object.labels_and_annotations("namespace", pairs);
        }
    }

    /// Adds the labels of a node, where they are asked for.
    pub(super) fn add_node(&self, name: Option<&str>, pairs: &mut Pairs) {
        if self.config.attach.node
            && let Some(object) = name.and_then(|name| self.cluster.get(Resource::Nodes, name))
        {
            object.metadata("node", pairs);
        }
    }
}

/// The addresses of a node, the one most wanted first (`nodeAddress` of Prometheus).
const NODE_ADDRESSES: [&str; 6] = [
    "InternalIP",
    "InternalDNS",
    "ExternalIP",
    "ExternalDNS",
    "LegacyHostIP",
    "Hostname",
];

/// A node; `None` for one without an address.
pub(super) fn node(_: &View<'_>, node: Object<'_>) -> Option<TargetGroup> {
    let address_of = |kind: &str| {
        let mut addresses = node.list("status.addresses");
        addresses
            .find(|address| address.text("type") == kind)
            .map(|address| address.text("address"))
    };
    let address = NODE_ADDRESSES.into_iter().find_map(address_of)?;
    let port = node.number("status.daemonEndpoints.kubeletEndpoint.Port");
    let mut target = Pairs::default();
    target.set_plain("__address__", join_host_port(address, port.as_deref().unwrap_or("0")));
    target.set_plain("instance", node.name());
    for address in node.list("status.addresses") {
        let kind = address.text("type");
        if let Some(first) = address_of(kind) {
            target.set(&format!("node_address_{}", sanitize(kind)), first);
        }
    }
    let mut labels = Pairs::default();
    labels.set("node_provider_id", node.text("spec.providerID"));
    for condition in node.list("status.conditions") {
        let name = sanitize(&condition.text("type").to_lowercase());
        labels.set(
            &format!("node_condition_{name}"),
            condition.text("status").to_lowercase(),
        );
    }
    node.metadata("node", &mut labels);
    Some(TargetGroup {
        source: format!("node/{}", node.name()),
        targets: vec![target.to_labels()],
        labels: labels.to_labels(),
    })
}

/// The labels that a service gives to what belongs to it.
pub(super) fn service_labels(service: Object<'_>) -> Pairs {
    let mut labels = Pairs::default();
    labels.set("namespace", service.namespace());
    service.metadata("service", &mut labels);
    labels
}

pub(super) fn service(view: &View<'_>, service: Object<'_>) -> Option<TargetGroup> {
    let mut labels = service_labels(service);
    view.add_namespace(service.namespace(), &mut labels);
    let kind = service.text("spec.type");
    let targets = service.list("spec.ports").map(|port| {
        let number = port.number("port").unwrap_or_default();
        let host = format!("{}.{}.svc", service.name(), service.namespace());
        let mut target = Pairs::default();
        target.set_plain("__address__", join_host_port(&host, &number));
        target.set("service_port_name", port.text("name"));
        target.set("service_port_number", number);
        target.set("service_port_protocol", port.text("protocol"));
        target.set("service_type", kind);
        if kind == "ExternalName" {
            target.set("service_external_name", service.text("spec.externalName"));
        } else {
            target.set("service_cluster_ip", service.text("spec.clusterIP"));
        }
        if kind == "LoadBalancer" {
            let ingress = service
                .list("status.loadBalancer.ingress")
                .map(|ingress| ingress.text("ip"));
            let addresses: Vec<&str> = ingress.filter(|address| !address.is_empty()).collect();
            let address = if addresses.is_empty() {
                service.text("spec.loadBalancerIP").to_owned()
            } else {
                addresses.join(",")
            };
            target.set("service_loadbalancer_ip", address);
        }
        target.to_labels()
    });
    Some(TargetGroup {
        source: format!("svc/{}", service.key()),
        targets: targets.collect(),
        labels: labels.to_labels(),
    })
}

pub(super) fn ingress(view: &View<'_>, ingress: Object<'_>) -> Option<TargetGroup> {
    let mut labels = Pairs::default();
    labels.set("namespace", ingress.namespace());
    labels.set_some("ingress_class_name", ingress.maybe_text("spec.ingressClassName"));
    ingress.metadata("ingress", &mut labels);
    view.add_namespace(ingress.namespace(), &mut labels);
    let secured = |host: &str| {
        let hosts = ingress.list("spec.tls").flat_map(|tls| tls.list("hosts"));
        hosts
            .into_iter()
            .any(|pattern| matches_host(pattern.0.as_str().unwrap_or_default(), host))
    };
    let mut targets = Vec::new();
    for rule in ingress.list("spec.rules") {
        let host = rule.text("host");
        let scheme = if secured(host) { "https" } else { "http" };
        let mut paths: Vec<&str> = rule.list("http.paths").map(|path| path.text("path")).collect();
        if rule.at("http").0.is_null() {
            paths.push("/");
        }
        for path in paths {
            let mut target = Pairs::default();
            target.set_plain("__address__", host);
            target.set("ingress_scheme", scheme);
            target.set("ingress_host", host);
            target.set("ingress_path", if path.is_empty() { "/" } else { path });
            targets.push(target.to_labels());
        }
    }
    Some(TargetGroup {
        source: format!("ingress/{}", ingress.key()),
        targets,
        labels: labels.to_labels(),
    })
}

/// Whether a host is meant by a name, whose first part may be `*`.
fn matches_host(pattern: &str, host: &str) -> bool {
    let after_first = |name: &'_ str| name.split_once('.').map(|(_, rest)| rest.to_owned());
    pattern == host || (pattern.starts_with("*.") && after_first(pattern) == after_first(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_part_of_a_name() {
        for (pattern, host, want) in [
            ("a.example", "a.example", true),
            ("*.example", "a.example", true),
            ("*.example", "a.b.example", false),
            ("*.example", "example", false),
            ("b.example", "a.example", false),
        ] {
            assert_eq!(matches_host(pattern, host), want, "{pattern} {host}");
        }
    }
}
