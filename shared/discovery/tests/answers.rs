//! Answers as the servers give them, and the labels that Prometheus gives to what they say.
#![allow(clippy::unwrap_used)]

use parapet_config::{ConsulSd, Mechanism};
use parapet_discovery::aws::{cloud_map, ecs};
use parapet_discovery::{TargetGroup, consul, file, http};
use parapet_model::Labels;
use serde_json::{Value as Json, json};

/// The discovery that a section of a job describes.
fn mechanism(section: &str) -> Mechanism {
    let text = format!("scrape_configs:\n- job_name: j\n{section}\n");
    let config = parapet_config::parse("dir/p.yml", &text).unwrap();
    config.jobs[0].discoveries[0].mechanism.clone()
}

/// Labels as a JSON object.
fn shown(labels: &Labels) -> Json {
    labels.iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn shown_group(group: &TargetGroup) -> Json {
    let targets: Vec<Json> = group.targets.iter().map(shown).collect();
    json!({"source": group.source, "labels": shown(&group.labels), "targets": targets})
}

#[test]
fn files_in_yaml_and_json() {
    let yaml = "- targets: ['a:1', 'b:2']\n  labels: {env: prod}\n- targets: ['c']\n";
    let groups = file::targets("sd/x.yml", yaml).unwrap();
    assert_eq!(
        shown_group(&groups[0]),
        json!({
            "source": "sd/x.yml:0",
            "labels": {"env": "prod", "__meta_filepath": "sd/x.yml"},
            "targets": [{"__address__": "a:1"}, {"__address__": "b:2"}],
        })
    );
    assert_eq!(groups.len(), 2);
    assert_eq!(file::targets("x.json", r#"[{"targets": ["a"]}]"#).unwrap().len(), 1);
    assert!(file::targets("x.yml", "").unwrap().is_empty());
    for (path, text) in [
        ("x.yml", "- target: [a]\n"),
        ("x.json", "- targets: [a]\n"),
        ("x.json", "[null]"),
        ("x.yml", "- targets: {a: b}\n"),
        ("x.yml", "- {targets: [a], labels: {'': x}}\n"),
    ] {
        let error = file::targets(path, text).unwrap_err();
        assert!(error.starts_with(path), "{error}");
    }
}

#[test]
fn http_lists() {
    let body = br#"[{"targets": ["a:1"], "labels": {"k": "v"}}, {"targets": ["b:1"]}]"#;
    let groups = http::targets(body, "http://sd/").unwrap();
    assert_eq!(groups[1].source, "http://sd/:1");
    assert_eq!(shown(&groups[0].labels), json!({"k": "v", "__meta_url": "http://sd/"}));
    assert_eq!(
        http::targets(b"[null]", "u").unwrap_err(),
        "nil target group item found"
    );
    assert!(http::targets(b"{}", "u").is_err());
    for (header, fits) in [
        ("application/json", true),
        ("Application/JSON; charset=utf-8", true),
        ("application/json;charset=\"utf-8\"", true),
        ("application/json; charset=latin1", false),
        ("text/plain", false),
        ("", false),
    ] {
        assert_eq!(http::check_content_type(header).is_ok(), fits, "{header}");
    }
}

fn consul_config(section: &str) -> ConsulSd {
    match mechanism(&format!("  consul_sd_configs: [{section}]")) {
        Mechanism::Consul(config) => *config,
        other => panic!("{other:?}"),
    }
}

#[test]
fn consul_asks_for_services_and_their_instances() {
    let config = consul_config(
        "{server: 'c:8500', services: [web, db], tags: [a, b], node_meta: {rack: r1}, datacenter: dc2, filter: 'X == 1'}",
    );
    assert_eq!(
        consul::services_url(&config),
        "http://c:8500/v1/catalog/services?dc=dc2&filter=X+%3D%3D+1&node-meta=rack%3Ar1&stale="
    );
    let catalog = br#"{"web": ["a", "b", "c"], "db": ["a"], "other": ["a", "b"], "consul": []}"#;
    assert_eq!(consul::services(&config, catalog).unwrap(), ["web"]);
    assert_eq!(
        consul::instances_url(&config, "my web"),
        "http://c:8500/v1/health/service/my%20web?dc=dc2&node-meta=rack%3Ar1&stale=&tag=a&tag=b"
    );
    assert_eq!(consul::services(&consul_config("{}"), catalog).unwrap().len(), 4);
}

#[test]
fn consul_instances_become_targets() {
    // The answer of `TestOneService` and its like in Prometheus, with more fields.
    let body = json!([{
        "Node": {
            "ID": "b78c2e48", "Node": "node1", "Address": "1.1.1.1", "Datacenter": "test-dc",
            "TaggedAddresses": {"lan": "192.168.10.10", "wan": "10.0.10.10"}, "Meta": {"rack-name": "2304"},
        },
        "Service": {
            "ID": "test-1", "Service": "test", "Tags": ["tag1", "tag2"], "Address": "", "Port": 3341,
            "Meta": {"version": "1.0.0"}, "Namespace": "default", "Partition": "part",
        },
        "Checks": [{"CheckID": "serfHealth", "Status": "passing"}, {"CheckID": "x", "Status": "warning"}],
    }, {
        "Node": {"Node": "node2", "Address": "::1", "Datacenter": "test-dc", "Meta": null, "TaggedAddresses": null},
        "Service": {"ID": "test-2", "Tags": null, "Address": "10.0.0.2", "Port": 80, "Meta": null},
        "Checks": [{"CheckID": "_node_maintenance", "Status": "critical"}],
    }]);
    let group = consul::targets(&consul_config("{}"), "test", body.to_string().as_bytes()).unwrap();
    assert_eq!(
        shown_group(&group),
        json!({
            "source": "test",
            "labels": {"__meta_consul_service": "test", "__meta_consul_dc": "test-dc"},
            "targets": [{
                "__address__": "1.1.1.1:3341",
                "__meta_consul_address": "1.1.1.1",
                "__meta_consul_node": "node1",
                "__meta_consul_namespace": "default",
                "__meta_consul_partition": "part",
                "__meta_consul_tags": ",tag1,tag2,",
                "__meta_consul_service_port": "3341",
                "__meta_consul_service_id": "test-1",
                "__meta_consul_health": "warning",
                "__meta_consul_metadata_rack_name": "2304",
                "__meta_consul_service_metadata_version": "1.0.0",
                "__meta_consul_tagged_address_lan": "192.168.10.10",
                "__meta_consul_tagged_address_wan": "10.0.10.10",
            }, {
                "__address__": "10.0.0.2:80",
                "__meta_consul_address": "::1",
                "__meta_consul_node": "node2",
                "__meta_consul_tags": ",,",
                "__meta_consul_service_address": "10.0.0.2",
                "__meta_consul_service_port": "80",
                "__meta_consul_service_id": "test-2",
                "__meta_consul_health": "maintenance",
            }],
        })
    );
    assert!(consul::targets(&consul_config("{}"), "test", b"{}").is_err());
}

#[test]
fn an_answer_of_aws_that_is_no_object_is_refused() {
    for body in ["22", "[]", "\"x\"", "null", "{\"tasks\": 1, \"Instances\": 1}"] {
        assert!(ecs::read::<ecs::Task>(body.as_bytes(), "tasks").is_err(), "{body}");
        let instances = cloud_map::read::<cloud_map::Instance>(body.as_bytes(), "Instances");
        assert!(instances.is_err(), "{body}");
    }
    assert!(ecs::read::<ecs::Task>(b"{}", "tasks").unwrap().items.is_empty());
}
