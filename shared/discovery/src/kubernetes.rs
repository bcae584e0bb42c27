//! `kubernetes_sd_configs`: objects of a cluster, by plain list calls.

mod access;
mod endpoints;
mod object;
mod pod;
mod roles;

pub use access::{Access, kubeconfig};

use object::Object;
use parapet_config::{KubernetesRole, KubernetesSd, TargetGroup};
use parapet_http_client::query::encode;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Objects of one page of a list.
const PAGE: &str = "500";

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Resource {
    /// `nodes`
    Nodes,
    /// `pods`
    Pods,
    /// `services`
    Services,
    /// `endpoints`
    Endpoints,
    /// `endpointslices`
    EndpointSlices,
    /// `ingresses`
    Ingresses,
    /// `namespaces`
    Namespaces,
    /// `replicasets`
    ReplicaSets,
    /// `jobs`
    Jobs,
}

impl Resource {
    /// The API that it is of, its plural, and whether it is of a namespace.
    fn path(self) -> (&'static str, &'static str, bool) {
        match self {
            Self::Nodes => ("api/v1", "nodes", false),
            Self::Pods => ("api/v1", "pods", true),
            Self::Services => ("api/v1", "services", true),
            Self::Endpoints => ("api/v1", "endpoints", true),
            Self::EndpointSlices => ("apis/discovery.k8s.io/v1", "endpointslices", true),
            Self::Ingresses => ("apis/networking.k8s.io/v1", "ingresses", true),
            Self::Namespaces => ("api/v1", "namespaces", false),
            Self::ReplicaSets => ("apis/apps/v1", "replicasets", true),
            Self::Jobs => ("apis/batch/v1", "jobs", true),
        }
    }

    /// The role whose selectors choose among its objects.
    fn role(self) -> Option<KubernetesRole> {
        match self {
            Self::Nodes => Some(KubernetesRole::Node),
            Self::Pods => Some(KubernetesRole::Pod),
            Self::Services => Some(KubernetesRole::Service),
            Self::Endpoints => Some(KubernetesRole::Endpoints),
            Self::EndpointSlices => Some(KubernetesRole::EndpointSlice),
            Self::Ingresses => Some(KubernetesRole::Ingress),
            Self::Namespaces | Self::ReplicaSets | Self::Jobs => None,
        }
    }
}

/// A list to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Of what.
    pub resource: Resource,
    /// Path and query, after the server's address; the next page has a further parameter.
    path: String,
    query: Vec<(&'static str, String)>,
}

impl List {
    /// The URL of a page; `next` is the token of the page before.
    #[must_use]
    pub fn url(&self, server: &str, next: &str) -> String {
        let mut query = self.query.clone();
        query.extend((!next.is_empty()).then(|| ("continue", next.to_owned())));
        format!("{}/{}?{}", server.trim_end_matches('/'), self.path, encode(query))
    }
}

/// Every list that a role needs.
#[must_use]
pub fn lists(config: &KubernetesSd, own_namespace: Option<&str>) -> Vec<List> {
    use KubernetesRole::{EndpointSlice, Endpoints, Ingress, Node, Pod, Service};
    let attach = &config.attach;
    let pods = matches!(config.role, Pod | Endpoints | EndpointSlice);
    let wanted = [
        (Resource::Nodes, config.role == Node || (pods && attach.node)),
        (Resource::Pods, pods),
        (
            Resource::Services,
            matches!(config.role, Service | Endpoints | EndpointSlice),
        ),
        (Resource::Endpoints, config.role == Endpoints),
        (Resource::EndpointSlices, config.role == EndpointSlice),
        (Resource::Ingresses, config.role == Ingress),
        (Resource::Namespaces, config.role != Node && attach.namespace),
        (Resource::ReplicaSets, pods && attach.deployment),
        (Resource::Jobs, pods && attach.cronjob),
    ];
    let mut namespaces: Vec<&str> = config.namespaces.iter().map(String::as_str).collect();
    namespaces.extend(own_namespace.filter(|_| config.own_namespace));
    let mut lists = Vec::new();
    for (resource, _) in wanted.into_iter().filter(|(_, is_wanted)| *is_wanted) {
        let (api, plural, namespaced) = resource.path();
        let mut query = vec![("limit", PAGE.to_owned())];
        let selector = config
            .selectors
            .iter()
            .find(|selector| Some(selector.role) == resource.role());
        if let Some(selector) = selector {
            for (name, text) in [("labelSelector", &selector.label), ("fieldSelector", &selector.field)] {
                query.extend((!text.is_empty()).then(|| (name, text.clone())));
            }
        }
        let mut add = |path| {
            let query = query.clone();
            lists.push(List { resource, path, query });
        };
        if namespaced && !namespaces.is_empty() {
            for namespace in &namespaces {
                add(format!("{api}/namespaces/{namespace}/{plural}"));
            }
        } else {
            add(format!("{api}/{plural}"));
        }
    }
    lists
}

/// The objects of a cluster, as far as they were listed.
#[derive(Clone, Debug, Default)]
pub struct Cluster {
    /// By what they are, then by `namespace/name`, or `name`.
    objects: BTreeMap<Resource, BTreeMap<String, Json>>,
}

impl Cluster {
    /// Adds a page of a list; the token of the next page, empty where there is none.
    ///
    /// # Errors
    /// Where the page is no list.
    pub fn add(&mut self, resource: Resource, page: &[u8]) -> Result<String, String> {
        let mut page: Json = serde_json::from_slice(page).map_err(|error| format!("list of {resource:?}: {error}"))?;
        let Some(Json::Array(items)) = page.get_mut("items").map(Json::take) else {
            // An empty list may be null.
            return match page.get("kind") {
                Some(Json::String(kind)) if kind.ends_with("List") => Ok(String::new()),
                _ => Err(format!("list of {resource:?}: there are no items")),
            };
        };
        let known = self.objects.entry(resource).or_default();
        for item in items {
            known.insert(Object(&item).key(), item);
        }
        Ok(page["metadata"]["continue"].as_str().unwrap_or_default().to_owned())
    }

    fn all(&self, resource: Resource) -> impl Iterator<Item = Object<'_>> {
        self.objects
            .get(&resource)
            .into_iter()
            .flat_map(|all| all.values())
            .map(Object)
    }

    fn get(&self, resource: Resource, key: &str) -> Option<Object<'_>> {
        self.objects.get(&resource)?.get(key).map(Object)
    }
}

/// The groups of a role.
#[must_use]
pub fn targets(config: &KubernetesSd, cluster: &Cluster) -> Vec<TargetGroup> {
    let view = roles::View { config, cluster };
    let (resource, build): (_, fn(&roles::View<'_>, Object<'_>) -> Option<TargetGroup>) = match config.role {
        KubernetesRole::Node => (Resource::Nodes, roles::node),
        KubernetesRole::Service => (Resource::Services, roles::service),
        KubernetesRole::Ingress => (Resource::Ingresses, roles::ingress),
        KubernetesRole::Pod => (Resource::Pods, pod::group),
        KubernetesRole::Endpoints => (Resource::Endpoints, endpoints::endpoints),
        KubernetesRole::EndpointSlice => (Resource::EndpointSlices, endpoints::slice),
    };
    cluster
        .all(resource)
        .filter_map(|object| build(&view, object))
        .collect()
}
