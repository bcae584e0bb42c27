//! ECS: tasks, with their clusters, services and the instances that they run on.

use super::ec2::{self, Page};
use super::{Call, Tag, add, labels, tag_labels};
use crate::join_host_port;
use parapet_config::{AwsSd, TargetGroup};
use parapet_model::Labels;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const PREFIX: &str = "AmazonEC2ContainerServiceV20141113";

/// How many things one call describes: as many as ECS allows.
pub const BATCH: usize = 100;
/// Of services, likewise.
pub const SERVICES_BATCH: usize = 10;

/// A cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cluster {
    /// Its identifier.
    pub cluster_arn: Option<String>,
    cluster_name: Option<String>,
    tags: Option<Vec<Tag>>,
}

/// A service of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    service_name: Option<String>,
    service_arn: Option<String>,
    status: Option<String>,
    tags: Option<Vec<Tag>>,
}

/// A task of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Task {
    task_arn: Option<String>,
    task_definition_arn: Option<String>,
    group: Option<String>,
    launch_type: Option<String>,
    health_status: Option<String>,
    availability_zone: Option<String>,
    desired_status: Option<String>,
    last_status: Option<String>,
    platform_family: Option<String>,
    platform_version: Option<String>,
    container_instance_arn: Option<String>,
    attachments: Option<Vec<Attachment>>,
    tags: Option<Vec<Tag>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Attachment {
    #[serde(rename = "type")]
    kind: Option<String>,
    details: Option<Vec<Detail>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Detail {
    name: Option<String>,
    value: Option<String>,
}

/// An instance that tasks run on, and which of EC2 it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerInstance {
    container_instance_arn: Option<String>,
    ec2_instance_id: Option<String>,
}

impl Task {
    fn interface(&self) -> Option<&Attachment> {
        let mut attachments = self.attachments.iter().flatten();
        attachments.find(|attachment| attachment.kind.as_deref() == Some("ElasticNetworkInterface"))
    }
}

impl Attachment {
    fn detail(&self, name: &str) -> Option<&String> {
        let mut details = self.details.iter().flatten();
        let named = |detail: &&Detail| detail.name.as_deref() == Some(name) && detail.value.is_some();
        details.rfind(named)?.value.as_ref()
    }
}

/// A page of the ARNs of clusters.
#[must_use]
pub fn clusters(next: Option<&str>) -> Call {
    list("ListClusters", json!({}), next)
}

/// A page of the ARNs of a cluster's services.
#[must_use]
pub fn services(cluster: &str, next: Option<&str>) -> Call {
    list("ListServices", json!({ "cluster": cluster }), next)
}

/// A page of the ARNs of a cluster's tasks.
#[must_use]
pub fn tasks(cluster: &str, next: Option<&str>) -> Call {
    list("ListTasks", json!({ "cluster": cluster }), next)
}

fn list(operation: &'static str, mut body: Value, next: Option<&str>) -> Call {
    body["maxResults"] = BATCH.into();
    if let Some(next) = next {
        body["nextToken"] = next.into();
    }
    Call::json("ecs", PREFIX, operation, &body)
}

/// What is known of clusters.
#[must_use]
pub fn describe_clusters(clusters: &[String]) -> Call {
    describe("DescribeClusters", json!({ "clusters": clusters, "include": ["TAGS"] }))
}

/// What is known of services.
#[must_use]
pub fn describe_services(cluster: &str, services: &[String]) -> Call {
    let body = json!({ "cluster": cluster, "services": services, "include": ["TAGS"] });
    describe("DescribeServices", body)
}

/// What is known of tasks.
#[must_use]
pub fn describe_tasks(cluster: &str, tasks: &[String]) -> Call {
    let body = json!({ "cluster": cluster, "tasks": tasks, "include": ["TAGS"] });
    describe("DescribeTasks", body)
}

/// What is known of the instances that tasks run on.
#[must_use]
pub fn describe_instances(cluster: &str, instances: &[String]) -> Call {
    let body = json!({ "cluster": cluster, "containerInstances": instances });
    describe("DescribeContainerInstances", body)
}

fn describe(operation: &'static str, body: Value) -> Call {
    Call::json("ecs", PREFIX, operation, &body)
}

/// Reads a page: `list` is the field that holds it. A list that is not there is empty.
///
/// # Errors
/// Where the answer is none.
pub fn read<T: for<'de> Deserialize<'de>>(body: &[u8], list: &str) -> Result<Page<T>, String> {
    let failed = |error: serde_json::Error| format!("{list} of ECS: {error}");
    let mut answer: Value = serde_json::from_slice(body).map_err(failed)?;
    let items = match answer.get_mut(list).map(Value::take) {
        None | Some(Value::Null) if answer.is_object() => Vec::new(),
        items => serde_json::from_value(items.unwrap_or_default()).map_err(failed)?,
    };
    Ok(Page {
        next: answer["nextToken"]
            .as_str()
            .filter(|next| !next.is_empty())
            .map(str::to_owned),
        items,
    })
}

/// The ARNs of the instances that tasks run on, each once.
#[must_use]
pub fn instances_of(tasks: &[Task]) -> Vec<String> {
    let arns: BTreeSet<_> = tasks
        .iter()
        .filter_map(|task| task.container_instance_arn.clone())
        .collect();
    arns.into_iter().collect()
}

/// The network interfaces of tasks, each once.
#[must_use]
pub fn interfaces_of(tasks: &[Task]) -> Vec<String> {
    let ids: BTreeSet<_> = tasks
        .iter()
        .filter_map(|task| task.interface()?.detail("networkInterfaceId").cloned())
        .collect();
    ids.into_iter().collect()
}

/// The instances of EC2 that container instances are, each once.
#[must_use]
pub fn machines_of(instances: &[ContainerInstance]) -> Vec<String> {
    let ids: BTreeSet<_> = instances
        .iter()
        .filter_map(|instance| instance.ec2_instance_id.clone())
        .collect();
    ids.into_iter().collect()
}

/// All that is known of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The cluster itself.
    pub cluster: Cluster,
    /// Its services.
    pub services: Vec<Service>,
    /// Its tasks.
    pub tasks: Vec<Task>,
    /// The instances that they run on.
    pub instances: Vec<ContainerInstance>,
    /// The same of EC2.
    pub machines: Vec<ec2::Instance>,
    /// Public addresses of network interfaces.
    pub public_ips: BTreeMap<String, String>,
}

/// The group of a region, from what is known of its clusters.
#[must_use]
pub fn targets(config: &AwsSd, region: &str, clusters: &[Known]) -> TargetGroup {
    let targets = clusters.iter().flat_map(|known| {
        known
            .tasks
            .iter()
            .filter_map(|task| target(config, region, known, task))
    });
    TargetGroup {
        source: region.to_owned(),
        targets: targets.collect(),
        labels: Labels::empty(),
    }
}

fn target(config: &AwsSd, region: &str, known: &Known, task: &Task) -> Option<Labels> {
    let on = task.container_instance_arn.as_ref();
    let machine_id = known
        .instances
        .iter()
        .find(|instance| on.is_some() && instance.container_instance_arn.as_ref() == on)
        .and_then(|instance| instance.ec2_instance_id.as_ref());
    let machine = known
        .machines
        .iter()
        .find(|machine| machine_id.is_some() && machine.id.as_ref() == machine_id && machine.private_ip.is_some());
    let interface = task.interface();
    // A task has an interface of its own, or its instance's.
    let (mode, address, subnet, public_ip) = match interface {
        Some(interface) => {
            let public_ip = interface
                .detail("networkInterfaceId")
                .and_then(|id| known.public_ips.get(id));
            let (address, subnet) = (interface.detail("privateIPv4Address"), interface.detail("subnetId"));
            ("awsvpc", address, subnet, public_ip)
        }
        None => {
            let machine = machine?;
            let (address, subnet) = (machine.private_ip.as_ref(), machine.subnet.as_ref());
            ("bridge", address, subnet, machine.public_ip.as_ref())
        }
    };
    let address = address.filter(|address| !address.is_empty())?;
    let mut pairs = vec![
        ("__address__".to_owned(), join_host_port(address, config.port)),
        ("__meta_ecs_region".to_owned(), region.to_owned()),
        ("__meta_ecs_network_mode".to_owned(), mode.to_owned()),
    ];
    let empty = String::new();
    for (name, value) in [
        ("ip_address", Some(address)),
        ("launch_type", Some(task.launch_type.as_ref().unwrap_or(&empty))),
        ("health_status", Some(task.health_status.as_ref().unwrap_or(&empty))),
        ("cluster_arn", known.cluster.cluster_arn.as_ref()),
        ("cluster", known.cluster.cluster_name.as_ref()),
        ("task_group", task.group.as_ref()),
        ("task_arn", task.task_arn.as_ref()),
        ("task_definition", task.task_definition_arn.as_ref()),
        ("availability_zone", task.availability_zone.as_ref()),
        ("desired_status", task.desired_status.as_ref()),
        ("last_status", task.last_status.as_ref()),
        ("subnet_id", subnet),
        ("container_instance_arn", on),
        ("ec2_instance_id", machine_id),
        ("ec2_instance_type", machine.and_then(|machine| machine.kind.as_ref())),
        (
            "ec2_instance_private_ip",
            machine.and_then(|machine| machine.private_ip.as_ref()),
        ),
        (
            "ec2_instance_public_ip",
            machine.and_then(|machine| machine.public_ip.as_ref()),
        ),
        ("public_ip", public_ip),
        ("platform_family", task.platform_family.as_ref()),
        ("platform_version", task.platform_version.as_ref()),
    ] {
        add(&mut pairs, &format!("__meta_ecs_{name}"), value);
    }
    let tags = |tags: &Option<Vec<Tag>>, of: &str| -> Vec<(String, String)> {
        tag_labels(&format!("__meta_ecs_tag_{of}_"), tags.as_deref().unwrap_or_default()).collect()
    };
    pairs.extend(tags(&known.cluster.tags, "cluster"));
    let service = task.group.as_deref().and_then(|group| group.strip_prefix("service:"));
    let service = known
        .services
        .iter()
        .find(|known| service.is_some() && known.service_name.as_deref() == service);
    if let Some(service) = service {
        add(&mut pairs, "__meta_ecs_service", service.service_name.as_ref());
        add(&mut pairs, "__meta_ecs_service_arn", service.service_arn.as_ref());
        add(&mut pairs, "__meta_ecs_service_status", service.status.as_ref());
        pairs.extend(tags(&service.tags, "service"));
    }
    pairs.extend(tags(&task.tags, "task"));
    if let Some(machine) = machine {
        pairs.extend(tag_labels("__meta_ecs_tag_ec2_", &machine.tags));
    }
    Some(labels(&pairs))
}
