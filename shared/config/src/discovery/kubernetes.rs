//! `kubernetes_sd_configs`

use super::{Discovery, Mechanism, discovery, texts};
use crate::error::Fault;
use crate::fields::Fields;
use crate::http_client::{self, Secrets};
use crate::yaml::Node;
use parapet_http_client::HttpClient;
use parapet_model::quote;

/// What of a Kubernetes cluster becomes targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The roles of Prometheus.
pub enum KubernetesRole {
    Node,
    Pod,
    Service,
    Endpoints,
    EndpointSlice,
    Ingress,
}

impl KubernetesRole {
    const ALL: [(&'static str, Self); 6] = [
        ("node", Self::Node),
        ("pod", Self::Pod),
        ("service", Self::Service),
        ("endpoints", Self::Endpoints),
        ("endpointslice", Self::EndpointSlice),
        ("ingress", Self::Ingress),
    ];

    fn read(fields: &Fields<'_>) -> Result<Option<Self>, Fault> {
        let Some(name) = fields.text("role")?.filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        match Self::ALL.into_iter().find(|(known, _)| *known == name) {
            Some((_, role)) => Ok(Some(role)),
            None => Err(Fault::new(
                fields.position("role"),
                format!(
                    "unknown Kubernetes SD role {}; write node, pod, service, endpoints, endpointslice or ingress",
                    quote(name)
                ),
            )),
        }
    }

    /// Of what selectors may choose, beside the role itself.
    fn selectors(self) -> &'static [(&'static str, Self)] {
        match self {
            Self::Node => &[("node", Self::Node)],
            Self::Pod => &[("pod", Self::Pod), ("node", Self::Node)],
            Self::Service => &[("service", Self::Service)],
            Self::Endpoints => &[
                ("pod", Self::Pod),
                ("service", Self::Service),
                ("endpoints", Self::Endpoints),
            ],
            Self::EndpointSlice => &[
                ("pod", Self::Pod),
                ("service", Self::Service),
                ("endpointslice", Self::EndpointSlice),
            ],
            Self::Ingress => &[("ingress", Self::Ingress)],
        }
    }

    fn name(self) -> &'static str {
        let mut all = Self::ALL.into_iter();
        all.find(|(_, role)| *role == self).map_or("", |(name, _)| name)
    }
}

/// An element of `kubernetes_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesSd {
    /// What becomes targets.
    pub role: KubernetesRole,
    /// The server, where it is named; else the cluster that this runs in.
    pub api_server: Option<String>,
    /// A file that says how the server is reached.
    pub kubeconfig_file: Option<String>,
    /// The namespaces that are looked into; all, where none is named.
    pub namespaces: Vec<String>,
    /// Whether the pod's own namespace is looked into.
    pub own_namespace: bool,
    /// Which objects of a kind are taken.
    pub selectors: Vec<KubernetesSelector>,
    /// What is told of related objects.
    pub attach: KubernetesAttach,
}

/// A choice among objects of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesSelector {
    /// The kind.
    pub role: KubernetesRole,
    /// A selector of labels.
    pub label: String,
    /// A selector of fields.
    pub field: String,
}

/// `attach_metadata`: which related objects are asked for, for their labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // The fields of Prometheus.
pub struct KubernetesAttach {
    pub node: bool,
    pub namespace: bool,
    pub deployment: bool,
    pub job: bool,
    pub cronjob: bool,
}

pub(super) fn read(node: &Node, secrets: &mut Secrets<'_>) -> Result<Discovery, Fault> {
    let own = [
        "api_server",
        "role",
        "kubeconfig_file",
        "namespaces",
        "selectors",
        "attach_metadata",
    ];
    let fields = Fields::read(
        node,
        "kubernetes_sd_configs",
        &[&own[..], &http_client::FIELDS].concat(),
        &[],
    )?;
    let Some(role) = KubernetesRole::read(&fields)? else {
        return Err(Fault::new(
            node.at,
            "role missing (one of: pod, service, endpoints, endpointslice, node, ingress)",
        ));
    };
    let text = |name: &str| -> Result<Option<String>, Fault> {
        Ok(fields.text(name)?.filter(|text| !text.is_empty()).map(str::to_owned))
    };
    let (api_server, kubeconfig) = (text("api_server")?, text("kubeconfig_file")?);
    let client = http_client::read(&fields, secrets)?;
    let refuse = |name: &str, what: &str| Err(Fault::new(fields.position(name), what));
    let custom = client != HttpClient::default();
    if api_server.is_some() && kubeconfig.is_some() {
        return refuse(
            "kubeconfig_file",
            "cannot use 'kubeconfig_file' and 'api_server' simultaneously",
        );
    }
    if kubeconfig.is_some() && custom {
        return refuse(
            "kubeconfig_file",
            "cannot use a custom HTTP client configuration together with 'kubeconfig_file'",
        );
    }
    if api_server.is_none() && custom {
        return refuse(
            "api_server",
            "to use custom HTTP client configuration please provide the 'api_server' URL explicitly",
        );
    }
    let (mut namespaces, mut own_namespace) = (Vec::new(), false);
    if let Some(node) = fields.get("namespaces") {
        let section = Fields::read(node, "namespaces", &["own_namespace", "names"], &[])?;
        own_namespace = section.boolean("own_namespace")?.unwrap_or(false);
        namespaces = texts(section.list("names")?)?;
    }
    for (other, name) in [(&api_server, "api_server"), (&kubeconfig, "kubeconfig_file")] {
        if own_namespace && other.is_some() {
            let what = format!("cannot use '{name}' and 'namespaces.own_namespace' simultaneously");
            return refuse(name, &what);
        }
    }
    let mut attach = KubernetesAttach::default();
    if let Some(node) = fields.get("attach_metadata") {
        let known = ["node", "namespace", "deployment", "job", "cronjob"];
        let section = Fields::read(node, "attach_metadata", &known, &[])?;
        let asked = |name: &str| -> Result<bool, Fault> { Ok(section.boolean(name)?.unwrap_or(false)) };
        attach = KubernetesAttach {
            node: asked("node")?,
            namespace: asked("namespace")?,
            deployment: asked("deployment")?,
            job: asked("job")?,
            cronjob: asked("cronjob")?,
        };
    }
    let config = KubernetesSd {
        role,
        api_server,
        kubeconfig_file: kubeconfig.map(|path| secrets.path(&path)),
        namespaces,
        own_namespace,
        selectors: selectors(&fields, role)?,
        attach,
    };
    // Prometheus watches; the tick of a minute is as near as a refresh comes.
    Ok(discovery(Mechanism::Kubernetes(Box::new(config)), client, 30_000))
}

fn selectors(fields: &Fields<'_>, role: KubernetesRole) -> Result<Vec<KubernetesSelector>, Fault> {
    let mut out: Vec<KubernetesSelector> = Vec::new();
    for node in fields.list("selectors")? {
        let section = Fields::read(node, "selectors", &["role", "label", "field"], &[])?;
        let allowed = role.selectors();
        let of = KubernetesRole::read(&section)?.filter(|of| allowed.iter().any(|(_, known)| known == of));
        let Some(of) = of else {
            let names: Vec<&str> = allowed.iter().map(|(name, _)| *name).collect();
            let what = format!("{} role supports only {} selectors", role.name(), names.join(", "));
            return Err(Fault::new(section.position("role"), what));
        };
        if out.iter().any(|other| other.role == of) {
            let what = format!("duplicated selector role: {}", of.name());
            return Err(Fault::new(section.position("role"), what));
        }
        for part in section.text("field")?.unwrap_or_default().split(',') {
            if !part.is_empty() && !part.contains('=') {
                let written = section.text("field")?.unwrap_or_default();
                let what = format!("invalid selector: '{written}'; can't understand '{part}'");
                return Err(Fault::new(section.position("field"), what));
            }
        }
        out.push(KubernetesSelector {
            role: of,
            label: section.text("label")?.unwrap_or_default().to_owned(),
            field: section.text("field")?.unwrap_or_default().to_owned(),
        });
    }
    Ok(out)
}
