//! An answer of a server in: groups of targets come out, or a reason. The first byte chooses the server.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_config::{ConsulSd, KubernetesSd, Mechanism};
use parapet_discovery::kubernetes::{Cluster, Resource, kubeconfig, targets};
use parapet_discovery::{consul, file, http};
use std::sync::LazyLock;

static CONFIGURED: LazyLock<(ConsulSd, Vec<(Resource, KubernetesSd)>)> = LazyLock::new(|| {
    let roles = [
        ("node", Resource::Nodes),
        ("pod", Resource::Pods),
        ("service", Resource::Services),
        ("endpoints", Resource::Endpoints),
        ("endpointslice", Resource::EndpointSlices),
        ("ingress", Resource::Ingresses),
    ];
    let mut text = "scrape_configs:\n- job_name: j\n  consul_sd_configs: [{}]\n  kubernetes_sd_configs:\n".to_owned();
    for (role, _) in roles {
        text.push_str(&format!("  - {{role: {role}, attach_metadata: {{node: true, namespace: true}}}}\n"));
    }
    let config = parapet_config::parse("p.yml", &text).expect("the configuration is sound");
    let (mut consul, mut kubernetes) = (None, Vec::new());
    for discovery in &config.jobs[0].discoveries {
        match &discovery.mechanism {
            Mechanism::Consul(config) => consul = Some(*config.clone()),
            Mechanism::Kubernetes(config) => kubernetes.push((roles[kubernetes.len()].1, *config.clone())),
            _ => {}
        }
    }
    (consul.expect("it is there"), kubernetes)
});

fuzz_target!(|input: &[u8]| {
    let Some((choice, body)) = input.split_first() else { return };
    let (config, roles) = &*CONFIGURED;
    let text = String::from_utf8_lossy(body);
    match choice % 12 {
        0 => drop(http::targets(body, "http://u")),
        1 => drop(file::targets("a.yml", &text)),
        2 => drop(file::targets("a.json", &text)),
        3 => drop(consul::services(config, body)),
        4 => drop(consul::targets(config, "s", body)),
        5 => drop(kubeconfig("k", &text)),
        role => {
            let (resource, config) = &roles[usize::from(role - 6)];
            let mut cluster = Cluster::default();
            if cluster.add(*resource, body).is_ok() {
                let groups = targets(config, &cluster);
                assert!(groups.iter().flat_map(|group| &group.targets).all(|labels| labels.get("__address__").is_some()));
            }
        }
    }
});
