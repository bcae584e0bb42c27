//! An answer of a server in: groups of targets come out, or a reason. The first byte chooses the server.
#![no_main]

use libfuzzer_sys::fuzz_target;
use parapet_config::{AwsSd, ConsulSd, DnsSd, KubernetesSd, Mechanism};
use parapet_discovery::kubernetes::{Cluster, Resource, kubeconfig, targets};
use parapet_discovery::aws::{cloud_map, ec2, ecs, failure, lightsail, sts};
use parapet_discovery::{consul, dns, file, http};
use std::sync::LazyLock;

static CONFIGURED: LazyLock<(ConsulSd, AwsSd, DnsSd, Vec<(Resource, KubernetesSd)>)> = LazyLock::new(|| {
    let roles = [
        ("node", Resource::Nodes),
        ("pod", Resource::Pods),
        ("service", Resource::Services),
        ("endpoints", Resource::Endpoints),
        ("endpointslice", Resource::EndpointSlices),
        ("ingress", Resource::Ingresses),
    ];
    let mut text = "scrape_configs:\n- job_name: j\n  consul_sd_configs: [{}]\n  ec2_sd_configs: [{}]\n  dns_sd_configs: [{names: [a]}]\n  kubernetes_sd_configs:\n".to_owned();
    for (role, _) in roles {
        text.push_str(&format!("  - {{role: {role}, attach_metadata: {{node: true, namespace: true}}}}\n"));
    }
    let config = parapet_config::parse("p.yml", &text).expect("the configuration is sound");
    let (mut consul, mut aws, mut dns, mut kubernetes) = (None, None, None, Vec::new());
    for discovery in &config.jobs[0].discoveries {
        match &discovery.mechanism {
            Mechanism::Consul(config) => consul = Some(*config.clone()),
            Mechanism::Aws(config) => aws = Some(*config.clone()),
            Mechanism::Dns(config) => dns = Some(config.clone()),
            Mechanism::Kubernetes(config) => kubernetes.push((roles[kubernetes.len()].1, *config.clone())),
            _ => {}
        }
    }
    (
        consul.expect("it is there"),
        aws.expect("it is there"),
        dns.expect("it is there"),
        kubernetes,
    )
});

fuzz_target!(|input: &[u8]| {
    let Some((choice, body)) = input.split_first() else { return };
    let (config, aws, names, roles) = &*CONFIGURED;
    let text = String::from_utf8_lossy(body);
    match choice % 20 {
        0 => drop(http::targets(body, "http://u")),
        1 => drop(file::targets("a.yml", &text)),
        2 => drop(file::targets("a.json", &text)),
        3 => drop(consul::services(config, body)),
        4 => drop(consul::targets(config, "s", body)),
        5 => drop(kubeconfig("k", &text)),
        12 => {
            if let Ok(page) = ec2::read_instances(body) {
                ec2::targets(aws, "r", &page.items, &Default::default());
            }
        }
        13 => drop((ec2::read_zones(body), ec2::read_interfaces(body), sts::assumed(body))),
        14 => drop(failure(body)),
        15 => {
            if let Ok(page) = lightsail::read_instances(body) {
                lightsail::targets(aws, "r", &page.items);
            }
        }
        16 => {
            if let Ok(page) = ecs::read::<ecs::Task>(body, "tasks") {
                let known = ecs::Known {
                    tasks: page.items,
                    ..ecs::Known::default()
                };
                ecs::targets(aws, "r", &[known]);
            }
        }
        17 => {
            if let Ok(page) = cloud_map::read::<cloud_map::Instance>(body, "Instances") {
                let named = cloud_map::Named::default();
                cloud_map::targets(aws, "r", &named, &named, &page.items);
            }
        }
        18 => {
            let id = body.get(..2).map_or(0, |id| u16::from_be_bytes([id[0], id[1]]));
            if let Ok(dns::Reply::Found(records)) = dns::reply(id, body) {
                dns::targets(names, "a", &records);
            }
        }
        19 => drop(dns::Resolver::read(&text).names("a.b")),
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
