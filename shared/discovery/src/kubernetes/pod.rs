//! Pods, by themselves and behind endpoints.

use super::Resource;
use super::object::{Object, Pairs};
use super::roles::View;
use crate::join_host_port;
use parapet_config::TargetGroup;

/// The containers of a pod, and whether each is one that runs before the others.
pub(super) fn containers(pod: Object<'_>) -> impl Iterator<Item = (Object<'_>, bool)> {
    let usual = pod.list("spec.containers").map(|container| (container, false));
    usual.chain(pod.list("spec.initContainers").map(|container| (container, true)))
}

/// The labels of a pod, without those of its namespace and node.
pub(super) fn labels(view: &View<'_>, pod: Object<'_>) -> Pairs {
    let mut pairs = Pairs::default();
    pairs.set("pod_ip", pod.text("status.podIP"));
    let ready = pod
        .list("status.conditions")
        .find(|condition| condition.text("type") == "Ready")
        .map_or("unknown".to_owned(), |condition| {
            condition.text("status").to_lowercase()
        });
    pairs.set("pod_ready", ready);
    pairs.set("pod_phase", pod.text("status.phase"));
    pairs.set("pod_node_name", pod.text("spec.nodeName"));
    pairs.set("pod_host_ip", pod.text("status.hostIP"));
    pairs.set("pod_uid", pod.text("metadata.uid"));
    pod.metadata("pod", &mut pairs);
    let Some((kind, name)) = pod.controller() else {
        return pairs;
    };
    pairs.set_some("pod_controller_kind", Some(kind).filter(|kind| !kind.is_empty()));
    pairs.set_some("pod_controller_name", Some(name).filter(|name| !name.is_empty()));
    let attach = &view.config.attach;
    // The owner's own owner, of a kind.
    let above = |resource, wanted: &str| {
        let owner = view.cluster.get(resource, &format!("{}/{name}", pod.namespace()))?;
        owner
            .controller()
            .filter(|(kind, _)| *kind == wanted)
            .map(|(_, name)| name)
    };
    match kind {
        "ReplicaSet" if attach.deployment => {
            pairs.set_some("pod_deployment_name", above(Resource::ReplicaSets, "Deployment"));
        }
        "Job" => {
            pairs.set_some("pod_job_name", Some(name).filter(|_| attach.job));
            if attach.cronjob {
                pairs.set_some("pod_cronjob_name", above(Resource::Jobs, "CronJob"));
            }
        }
        _ => {}
    }
    pairs
}

/// The labels of a container's port.
pub(super) fn port_labels(target: &mut Pairs, container: Object<'_>, port: Object<'_>, is_init: bool) {
    target.set("pod_container_name", container.text("name"));
    target.set("pod_container_image", container.text("image"));
    target.set("pod_container_port_name", port.text("name"));
    target.set(
        "pod_container_port_number",
        port.number("containerPort").unwrap_or_default(),
    );
    target.set("pod_container_port_protocol", port.text("protocol"));
    target.set("pod_container_init", is_init.to_string());
}

/// A pod: a target for each port of a container, and one for a container without ports.
pub(super) fn group(view: &View<'_>, pod: Object<'_>) -> Option<TargetGroup> {
    let source = format!("pod/{}", pod.key());
    let (address, node) = (pod.text("status.podIP"), pod.text("spec.nodeName"));
    // It has no address while it starts or was evicted. A node that is not there was left out by a selector.
    let is_out = view.config.attach.node && view.cluster.get(Resource::Nodes, node).is_none();
    if address.is_empty() || is_out {
        return Some(TargetGroup {
            source,
            ..TargetGroup::default()
        });
    }
    let mut pairs = labels(view, pod);
    pairs.set("namespace", pod.namespace());
    view.add_node(Some(node), &mut pairs);
    view.add_namespace(pod.namespace(), &mut pairs);
    let mut targets = Vec::new();
    for (container, is_init) in containers(pod) {
        let statuses = if is_init {
            "status.initContainerStatuses"
        } else {
            "status.containerStatuses"
        };
        let status = pod
            .list(statuses)
            .find(|status| status.text("name") == container.text("name"));
        let mut common = Pairs::default();
        common.set(
            "pod_container_id",
            status.map_or("", |status| status.text("containerID")),
        );
        let mut ports = container.list("ports").peekable();
        if ports.peek().is_none() {
            // The user has to say the port.
            common.set_plain("__address__", address);
            common.set("pod_container_name", container.text("name"));
            common.set("pod_container_image", container.text("image"));
            common.set("pod_container_init", is_init.to_string());
            targets.push(common.to_labels());
            continue;
        }
        for port in ports {
            let mut target = common.clone();
            let number = port.number("containerPort").unwrap_or_default();
            target.set_plain("__address__", join_host_port(address, number));
            port_labels(&mut target, container, port, is_init);
            targets.push(target.to_labels());
        }
    }
    Some(TargetGroup {
        source,
        targets,
        labels: pairs.to_labels(),
    })
}
