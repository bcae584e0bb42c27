//! Endpoints and endpoint slices, with the pods behind them.

use super::Resource;
use super::object::{Object, Pairs};
use super::pod::{self, containers, port_labels};
use super::roles::{View, service_labels};
use crate::{join_host_port, sanitize};
use parapet_config::TargetGroup;
use parapet_model::Labels;

/// Gathers the targets of one object.
struct Gathering<'a> {
    view: View<'a>,
    targets: Vec<Labels>,
    /// The pods behind endpoints, in the order in which they came, with the ports that are targets already.
    seen: Vec<(Object<'a>, Vec<i64>)>,
}

impl<'a> Gathering<'a> {
    fn new(view: &View<'a>) -> Self {
        Self {
            view: *view,
            targets: Vec::new(),
            seen: Vec::new(),
        }
    }

    /// Adds an endpoint: its own labels, and those of the pod behind it. `protocol` is what the object says of the
    /// port; without it the container's own counts.
    fn add(&mut self, mut target: Pairs, reference: Object<'a>, port: Option<i64>, protocol: Option<&str>) {
        let pod = (reference.text("kind") == "Pod")
            .then(|| format!("{}/{}", reference.text("namespace"), reference.text("name")))
            .and_then(|key| self.view.cluster.get(Resource::Pods, &key));
        let Some(pod) = pod else {
            self.targets.push(target.to_labels());
            return;
        };
        target.merge(&pod::labels(&self.view, pod));
        for (container, is_init) in containers(pod) {
            let mut ports = container.list("ports");
            if let Some(own) = ports.find(|own| port.is_some() && own.at("containerPort").0.as_i64() == port) {
                port_labels(&mut target, container, own, is_init);
                if let Some(protocol) = protocol {
                    target.set("pod_container_port_protocol", protocol);
                }
            }
        }
        let place = self.seen.iter().position(|(seen, _)| seen.key() == pod.key());
        let place = place.unwrap_or_else(|| {
            self.seen.push((pod, Vec::new()));
            self.seen.len() - 1
        });
        self.seen[place].1.extend(port);
        self.targets.push(target.to_labels());
    }

    /// Adds the ports of the pods that no endpoint has.
    fn finish(mut self, source: String, labels: &Pairs) -> TargetGroup {
        for (pod, ports) in &self.seen {
            let address = pod.text("status.podIP");
            if address.is_empty() {
                continue;
            }
            for (container, is_init) in containers(*pod) {
                for port in container.list("ports") {
                    let number = port.at("containerPort").0.as_i64().unwrap_or_default();
                    if ports.contains(&number) {
                        continue;
                    }
                    let mut target = Pairs::default();
                    target.set_plain("__address__", join_host_port(address, number));
                    port_labels(&mut target, container, port, is_init);
                    target.merge(&pod::labels(&self.view, *pod));
                    self.targets.push(target.to_labels());
                }
            }
        }
        TargetGroup {
            source,
            targets: self.targets,
            labels: labels.to_labels(),
        }
    }
}

/// An `Endpoints` object.
pub(super) fn endpoints(view: &View<'_>, object: Object<'_>) -> Option<TargetGroup> {
    let mut labels = Pairs::default();
    labels.set("namespace", object.namespace());
    object.metadata("endpoints", &mut labels);
    if let Some(service) = view.cluster.get(Resource::Services, &object.key()) {
        labels.merge(&service_labels(service));
    }
    view.add_namespace(object.namespace(), &mut labels);
    let mut gathering = Gathering::new(view);
    for subset in object.list("subsets") {
        for port in subset.list("ports") {
            let number = port.at("port").0.as_i64().unwrap_or_default();
            let ready = subset.list("addresses").map(|address| (address, "true"));
            for (address, ready) in ready.chain(subset.list("notReadyAddresses").map(|address| (address, "false"))) {
                let mut target = Pairs::default();
                target.set_plain("__address__", join_host_port(address.text("ip"), number));
                target.set("endpoint_port_name", port.text("name"));
                target.set("endpoint_port_protocol", port.text("protocol"));
                target.set("endpoint_ready", ready);
                let reference = address.at("targetRef");
                if !reference.0.is_null() {
                    target.set("endpoint_address_target_kind", reference.text("kind"));
                    target.set("endpoint_address_target_name", reference.text("name"));
                }
                let node = address.maybe_text("nodeName");
                target.set_some("endpoint_node_name", node);
                let hostname = Some(address.text("hostname")).filter(|name| !name.is_empty());
                target.set_some("endpoint_hostname", hostname);
                view.add_node(node.or_else(|| node_of(reference)), &mut target);
                gathering.add(target, reference, Some(number), Some(port.text("protocol")));
            }
        }
    }
    Some(gathering.finish(format!("endpoints/{}", object.key()), &labels))
}

/// The node that a reference is to.
fn node_of(reference: Object<'_>) -> Option<&str> {
    (reference.text("kind") == "Node").then(|| reference.text("name"))
}

/// An `EndpointSlice`.
pub(super) fn slice(view: &View<'_>, object: Object<'_>) -> Option<TargetGroup> {
    let mut labels = Pairs::default();
    labels.set("namespace", object.namespace());
    labels.set("endpointslice_address_type", object.text("addressType"));
    object.metadata("endpointslice", &mut labels);
    let name = object
        .pairs("metadata.labels")
        .find(|(name, _)| *name == "kubernetes.io/service-name");
    let service = name.and_then(|(_, name)| {
        let key = format!("{}/{name}", object.namespace());
        view.cluster.get(Resource::Services, &key)
    });
    if let Some(service) = service {
        labels.merge(&service_labels(service));
    }
    view.add_namespace(object.namespace(), &mut labels);
    let mut gathering = Gathering::new(view);
    let source = format!("endpointslice/{}", object.key());
    if service.is_some_and(|service| is_secondary(service, object)) {
        return Some(gathering.finish(source, &labels));
    }
    for endpoint in object.list("endpoints") {
        for port in object.list("ports") {
            let number = port.at("port").0.as_i64();
            for address in endpoint.list("addresses") {
                let address = address.0.as_str().unwrap_or_default();
                let target = slice_target(view, endpoint, port, address);
                gathering.add(target, endpoint.at("targetRef"), number, None);
            }
        }
    }
    Some(gathering.finish(source, &labels))
}

fn slice_target(view: &View<'_>, endpoint: Object<'_>, port: Object<'_>, address: &str) -> Pairs {
    let mut target = Pairs::default();
    let number = port.number("port");
    let shown = number.as_ref().map(|number| join_host_port(address, number));
    target.set_plain("__address__", shown.unwrap_or_else(|| address.to_owned()));
    target.set_some("endpointslice_port_name", port.maybe_text("name"));
    target.set_some("endpointslice_port_protocol", port.maybe_text("protocol"));
    target.set_some("endpointslice_port", number);
    target.set_some("endpointslice_port_app_protocol", port.maybe_text("appProtocol"));
    for condition in ["ready", "serving", "terminating"] {
        let name = format!("endpointslice_endpoint_conditions_{condition}");
        target.set_some(&name, endpoint.at("conditions").truth(condition));
    }
    target.set_some("endpointslice_endpoint_hostname", endpoint.maybe_text("hostname"));
    let reference = endpoint.at("targetRef");
    if !reference.0.is_null() {
        target.set("endpointslice_address_target_kind", reference.text("kind"));
        target.set("endpointslice_address_target_name", reference.text("name"));
    }
    let node = endpoint.maybe_text("nodeName");
    target.set_some("endpointslice_endpoint_node_name", node);
    target.set_some("endpointslice_endpoint_zone", endpoint.maybe_text("zone"));
    for (name, value) in endpoint.pairs("deprecatedTopology") {
        let name = sanitize(name);
        target.set(&format!("endpointslice_endpoint_topology_{name}"), value);
        target.set(&format!("endpointslice_endpoint_topology_present_{name}"), "true");
    }
    view.add_node(node_of(reference).or(node), &mut target);
    target
}

/// Whether a slice is the second of a service with two families of addresses: its targets would be those of the first.
fn is_secondary(service: Object<'_>, slice: Object<'_>) -> bool {
    let policy = service.text("spec.ipFamilyPolicy");
    let first = service.list("spec.ipFamilies").next();
    matches!(policy, "PreferDualStack" | "RequireDualStack")
        && first.is_some_and(|family| family.0.as_str() != slice.maybe_text("addressType"))
}
