//! Lists of a cluster, and the labels that Prometheus gives to what they hold.
#![allow(clippy::unwrap_used)]

use parapet_config::{KubernetesSd, Mechanism};
use parapet_discovery::{TargetGroup, kubernetes};
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

fn kubernetes_config(section: &str) -> KubernetesSd {
    match mechanism(&format!("  kubernetes_sd_configs: [{section}]")) {
        Mechanism::Kubernetes(config) => *config,
        other => panic!("{other:?}"),
    }
}

fn cluster(lists: &[(kubernetes::Resource, Json)]) -> kubernetes::Cluster {
    let mut cluster = kubernetes::Cluster::default();
    for (resource, items) in lists {
        let page = json!({"kind": "AnyList", "metadata": {}, "items": items});
        assert_eq!(cluster.add(*resource, page.to_string().as_bytes()).unwrap(), "");
    }
    cluster
}

#[test]
fn kubernetes_lists_what_a_role_needs() {
    let urls = |section: &str, own| -> Vec<String> {
        let lists = kubernetes::lists(&kubernetes_config(section), own);
        lists.iter().map(|list| list.url("https://k/", "")).collect()
    };
    assert_eq!(urls("{role: node}", None), ["https://k/api/v1/nodes?limit=500"]);
    assert_eq!(
        urls(
            "{role: pod, namespaces: {names: [a], own_namespace: true}, selectors: [{role: pod, label: 'app=x', field: 'spec.nodeName=n'}], attach_metadata: {node: true}}",
            Some("me")
        ),
        [
            "https://k/api/v1/nodes?limit=500",
            "https://k/api/v1/namespaces/a/pods?fieldSelector=spec.nodeName%3Dn&labelSelector=app%3Dx&limit=500",
            "https://k/api/v1/namespaces/me/pods?fieldSelector=spec.nodeName%3Dn&labelSelector=app%3Dx&limit=500",
        ]
    );
    assert_eq!(
        urls(
            "{role: endpointslice, attach_metadata: {namespace: true, deployment: true, cronjob: true}}",
            None
        ),
        [
            "https://k/api/v1/pods?limit=500",
            "https://k/api/v1/services?limit=500",
            "https://k/apis/discovery.k8s.io/v1/endpointslices?limit=500",
            "https://k/api/v1/namespaces?limit=500",
            "https://k/apis/apps/v1/replicasets?limit=500",
            "https://k/apis/batch/v1/jobs?limit=500",
        ]
    );
    let list = &kubernetes::lists(&kubernetes_config("{role: ingress}"), None)[0];
    assert_eq!(
        list.url("https://k", "tok en"),
        "https://k/apis/networking.k8s.io/v1/ingresses?continue=tok+en&limit=500"
    );
}

#[test]
fn kubernetes_pages_are_joined_and_nonsense_is_refused() {
    let mut cluster = kubernetes::Cluster::default();
    let page = |name: &str, next: &str| {
        let item = json!({"metadata": {"name": name}, "status": {"addresses": [{"type": "InternalIP", "address": "1.2.3.4"}]}});
        json!({"kind": "NodeList", "metadata": {"continue": next}, "items": [item]}).to_string()
    };
    let nodes = kubernetes::Resource::Nodes;
    assert_eq!(cluster.add(nodes, page("a", "more").as_bytes()).unwrap(), "more");
    assert_eq!(cluster.add(nodes, page("b", "").as_bytes()).unwrap(), "");
    assert_eq!(
        kubernetes::targets(&kubernetes_config("{role: node}"), &cluster).len(),
        2
    );
    assert!(cluster.add(nodes, br#"{"kind": "NodeList", "items": null}"#).is_ok());
    assert!(
        cluster
            .add(nodes, br#"{"kind": "Status", "message": "forbidden"}"#)
            .is_err()
    );
    assert!(cluster.add(nodes, b"<html>").is_err());
}

#[test]
fn kubernetes_nodes() {
    let node = json!({
        "metadata": {"name": "test", "labels": {"test-label": "testvalue"}, "annotations": {"test-annotation": "x"}},
        "spec": {"providerID": "aws:///nl-north-1/i-1"},
        "status": {
            "addresses": [{"type": "Hostname", "address": "host"}, {"type": "InternalIP", "address": "10.0.0.1"}],
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "Unknown"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        },
    });
    let nowhere = json!({"metadata": {"name": "nowhere"}, "status": {}});
    let cluster = cluster(&[(kubernetes::Resource::Nodes, json!([node, nowhere]))]);
    let groups = kubernetes::targets(&kubernetes_config("{role: node}"), &cluster);
    assert_eq!(groups.len(), 1);
    assert_eq!(
        shown_group(&groups[0]),
        json!({
            "source": "node/test",
            "labels": {
                "__meta_kubernetes_node_name": "test",
                "__meta_kubernetes_node_provider_id": "aws:///nl-north-1/i-1",
                "__meta_kubernetes_node_label_test_label": "testvalue",
                "__meta_kubernetes_node_labelpresent_test_label": "true",
                "__meta_kubernetes_node_annotation_test_annotation": "x",
                "__meta_kubernetes_node_annotationpresent_test_annotation": "true",
                "__meta_kubernetes_node_condition_ready": "true",
                "__meta_kubernetes_node_condition_diskpressure": "unknown",
            },
            "targets": [{
                "__address__": "10.0.0.1:10250",
                "instance": "test",
                "__meta_kubernetes_node_address_InternalIP": "10.0.0.1",
                "__meta_kubernetes_node_address_Hostname": "host",
            }],
        })
    );
}

/// The pod of `makeMultiPortPods` in Prometheus, owned by a replica set.
fn pod() -> Json {
    json!({
        "metadata": {
            "name": "testpod", "namespace": "default", "uid": "abc123", "annotations": {"test/annotation": "v"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web-5d", "controller": true}],
        },
        "spec": {
            "nodeName": "testnode",
            "containers": [
                {"name": "testcontainer0", "image": "i:latest", "ports": [
                    {"name": "testport0", "protocol": "TCP", "containerPort": 9000},
                    {"name": "testport1", "protocol": "UDP", "containerPort": 9001},
                ]},
                {"name": "testcontainer1", "image": "j"},
            ],
            "initContainers": [{"name": "init", "image": "k"}],
        },
        "status": {
            "podIP": "1.2.3.4", "hostIP": "2.3.4.5", "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "testcontainer0", "containerID": "docker://a1"}],
        },
    })
}

fn pod_labels() -> Json {
    json!({
        "__meta_kubernetes_pod_name": "testpod",
        "__meta_kubernetes_pod_ip": "1.2.3.4",
        "__meta_kubernetes_pod_host_ip": "2.3.4.5",
        "__meta_kubernetes_pod_ready": "true",
        "__meta_kubernetes_pod_phase": "Running",
        "__meta_kubernetes_pod_node_name": "testnode",
        "__meta_kubernetes_pod_uid": "abc123",
        "__meta_kubernetes_pod_controller_kind": "ReplicaSet",
        "__meta_kubernetes_pod_controller_name": "web-5d",
        "__meta_kubernetes_pod_annotation_test_annotation": "v",
        "__meta_kubernetes_pod_annotationpresent_test_annotation": "true",
    })
}

fn merged(a: &Json, b: &Json) -> Json {
    let mut out = a.as_object().unwrap().clone();
    out.extend(b.as_object().unwrap().clone());
    Json::Object(out)
}

fn port(number: &str, name: &str, protocol: &str) -> Json {
    json!({
        "__meta_kubernetes_pod_container_name": "testcontainer0",
        "__meta_kubernetes_pod_container_image": "i:latest",
        "__meta_kubernetes_pod_container_port_name": name,
        "__meta_kubernetes_pod_container_port_number": number,
        "__meta_kubernetes_pod_container_port_protocol": protocol,
        "__meta_kubernetes_pod_container_init": "false",
    })
}

#[test]
fn kubernetes_pods() {
    let owner = json!({
        "metadata": {"name": "web-5d", "namespace": "default",
            "ownerReferences": [{"kind": "Deployment", "name": "web", "controller": true}]},
    });
    let node = json!({"metadata": {"name": "testnode", "labels": {"zone": "z"}}});
    let namespace = json!({"metadata": {"name": "default", "labels": {"team": "t"}}});
    let cluster = cluster(&[
        (kubernetes::Resource::Pods, json!([pod()])),
        (kubernetes::Resource::ReplicaSets, json!([owner])),
        (kubernetes::Resource::Nodes, json!([node])),
        (kubernetes::Resource::Namespaces, json!([namespace])),
    ]);
    let config = kubernetes_config("{role: pod, attach_metadata: {node: true, namespace: true, deployment: true}}");
    let group = shown_group(&kubernetes::targets(&config, &cluster)[0]);
    let attached = json!({
        "__meta_kubernetes_namespace": "default",
        "__meta_kubernetes_pod_deployment_name": "web",
        "__meta_kubernetes_node_name": "testnode",
        "__meta_kubernetes_node_label_zone": "z",
        "__meta_kubernetes_node_labelpresent_zone": "true",
        "__meta_kubernetes_namespace_label_team": "t",
        "__meta_kubernetes_namespace_labelpresent_team": "true",
    });
    assert_eq!(group["source"], "pod/default/testpod");
    assert_eq!(group["labels"], merged(&pod_labels(), &attached));
    let id = json!({"__meta_kubernetes_pod_container_id": "docker://a1"});
    let bare = |name: &str, image: &str, init: &str| {
        json!({
            "__address__": "1.2.3.4",
            "__meta_kubernetes_pod_container_name": name,
            "__meta_kubernetes_pod_container_image": image,
            "__meta_kubernetes_pod_container_init": init,
        })
    };
    assert_eq!(
        group["targets"],
        json!([
            merged(
                &merged(&port("9000", "testport0", "TCP"), &id),
                &json!({"__address__": "1.2.3.4:9000"})
            ),
            merged(
                &merged(&port("9001", "testport1", "UDP"), &id),
                &json!({"__address__": "1.2.3.4:9001"})
            ),
            bare("testcontainer1", "j", "false"),
            bare("init", "k", "true"),
        ])
    );
    // A pod without an address, or on a node that a selector left out, is no target.
    let mut lost = pod();
    lost["spec"]["nodeName"] = "elsewhere".into();
    let cluster = self::cluster(&[(kubernetes::Resource::Pods, json!([lost]))]);
    assert!(kubernetes::targets(&config, &cluster)[0].targets.is_empty());
}

fn service() -> Json {
    json!({
        "metadata": {"name": "svc", "namespace": "default", "labels": {"app/name": "x"}},
        "spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.9", "ports": [{"name": "web", "protocol": "TCP", "port": 80}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}, {"ip": "127.0.0.2"}]}},
    })
}

fn service_labels() -> Json {
    json!({
        "__meta_kubernetes_namespace": "default",
        "__meta_kubernetes_service_name": "svc",
        "__meta_kubernetes_service_label_app_name": "x",
        "__meta_kubernetes_service_labelpresent_app_name": "true",
    })
}

#[test]
fn kubernetes_services() {
    let external = json!({
        "metadata": {"name": "ext", "namespace": "default"},
        "spec": {"type": "ExternalName", "externalName": "foo.example", "ports": [{"port": 81, "protocol": "TCP"}]},
    });
    let cluster = cluster(&[(kubernetes::Resource::Services, json!([service(), external]))]);
    let groups = kubernetes::targets(&kubernetes_config("{role: service}"), &cluster);
    assert_eq!(
        shown_group(&groups[1]),
        json!({
            "source": "svc/default/svc",
            "labels": service_labels(),
            "targets": [{
                "__address__": "svc.default.svc:80",
                "__meta_kubernetes_service_port_name": "web",
                "__meta_kubernetes_service_port_number": "80",
                "__meta_kubernetes_service_port_protocol": "TCP",
                "__meta_kubernetes_service_type": "LoadBalancer",
                "__meta_kubernetes_service_cluster_ip": "10.0.0.9",
                "__meta_kubernetes_service_loadbalancer_ip": "127.0.0.1,127.0.0.2",
            }],
        })
    );
    let target = shown(&groups[0].targets[0]);
    assert_eq!(target["__meta_kubernetes_service_external_name"], "foo.example");
    assert_eq!(target.get("__meta_kubernetes_service_cluster_ip"), None);
}

#[test]
fn kubernetes_ingresses() {
    let ingress = json!({
        "metadata": {"name": "ing", "namespace": "default"},
        "spec": {
            "ingressClassName": "nginx",
            "tls": [{"hosts": ["*.example.com"]}],
            "rules": [
                {"host": "a.example.com", "http": {"paths": [{"path": "/"}, {"path": "/foo"}]}},
                {"host": "plain.test"},
            ],
        },
    });
    let cluster = cluster(&[(kubernetes::Resource::Ingresses, json!([ingress]))]);
    let group = shown_group(&kubernetes::targets(&kubernetes_config("{role: ingress}"), &cluster)[0]);
    let target = |host: &str, scheme: &str, path: &str| {
        json!({
            "__address__": host,
            "__meta_kubernetes_ingress_scheme": scheme,
            "__meta_kubernetes_ingress_host": host,
            "__meta_kubernetes_ingress_path": path,
        })
    };
    assert_eq!(
        group,
        json!({
            "source": "ingress/default/ing",
            "labels": {
                "__meta_kubernetes_namespace": "default",
                "__meta_kubernetes_ingress_name": "ing",
                "__meta_kubernetes_ingress_class_name": "nginx",
            },
            "targets": [
                target("a.example.com", "https", "/"),
                target("a.example.com", "https", "/foo"),
                target("plain.test", "http", "/"),
            ],
        })
    );
}

#[test]
fn kubernetes_endpoints_have_the_pods_behind_them() {
    let endpoints = json!({
        "metadata": {"name": "svc", "namespace": "default"},
        "subsets": [{
            "addresses": [{"ip": "1.2.3.4", "nodeName": "testnode", "hostname": "h",
                "targetRef": {"kind": "Pod", "name": "testpod", "namespace": "default"}}],
            "notReadyAddresses": [{"ip": "2001:db8::1"}],
            "ports": [{"name": "web", "protocol": "TCP", "port": 9000}],
        }],
    });
    let cluster = cluster(&[
        (kubernetes::Resource::Endpoints, json!([endpoints])),
        (kubernetes::Resource::Services, json!([service()])),
        (kubernetes::Resource::Pods, json!([pod()])),
    ]);
    let group = shown_group(&kubernetes::targets(&kubernetes_config("{role: endpoints}"), &cluster)[0]);
    assert_eq!(group["source"], "endpoints/default/svc");
    let own = json!({"__meta_kubernetes_endpoints_name": "svc"});
    assert_eq!(group["labels"], merged(&service_labels(), &own));
    let endpoint = |address: &str, ready: &str| {
        json!({
            "__address__": address,
            "__meta_kubernetes_endpoint_port_name": "web",
            "__meta_kubernetes_endpoint_port_protocol": "TCP",
            "__meta_kubernetes_endpoint_ready": ready,
        })
    };
    let reference = json!({
        "__meta_kubernetes_endpoint_address_target_kind": "Pod",
        "__meta_kubernetes_endpoint_address_target_name": "testpod",
        "__meta_kubernetes_endpoint_node_name": "testnode",
        "__meta_kubernetes_endpoint_hostname": "h",
    });
    let first = merged(&endpoint("1.2.3.4:9000", "true"), &reference);
    let first = merged(&merged(&first, &pod_labels()), &port("9000", "testport0", "TCP"));
    let uncovered = merged(&port("9001", "testport1", "UDP"), &pod_labels());
    let uncovered = merged(&uncovered, &json!({"__address__": "1.2.3.4:9001"}));
    assert_eq!(
        group["targets"],
        json!([first, endpoint("[2001:db8::1]:9000", "false"), uncovered])
    );
}

#[test]
fn kubernetes_endpoint_slices() {
    let slice = |family: &str| {
        json!({
            "metadata": {"name": format!("svc-{family}"), "namespace": "default", "labels": {"kubernetes.io/service-name": "svc"}},
            "addressType": family,
            "endpoints": [{
                "addresses": ["1.2.3.4"], "conditions": {"ready": true, "serving": true, "terminating": false},
                "hostname": "h", "nodeName": "n", "zone": "z", "deprecatedTopology": {"topology.k8s/x": "t"},
                "targetRef": {"kind": "Node", "name": "n"},
            }],
            "ports": [{"name": "web", "protocol": "TCP", "port": 9000, "appProtocol": "https"}, {}],
        })
    };
    let mut dual = service();
    dual["spec"]["ipFamilyPolicy"] = "PreferDualStack".into();
    dual["spec"]["ipFamilies"] = json!(["IPv4", "IPv6"]);
    let cluster = cluster(&[
        (
            kubernetes::Resource::EndpointSlices,
            json!([slice("IPv4"), slice("IPv6")]),
        ),
        (kubernetes::Resource::Services, json!([dual])),
    ]);
    let groups = kubernetes::targets(&kubernetes_config("{role: endpointslice}"), &cluster);
    assert!(groups[1].targets.is_empty());
    let group = shown_group(&groups[0]);
    assert_eq!(group["source"], "endpointslice/default/svc-IPv4");
    let own = json!({
        "__meta_kubernetes_endpointslice_address_type": "IPv4",
        "__meta_kubernetes_endpointslice_name": "svc-IPv4",
        "__meta_kubernetes_endpointslice_label_kubernetes_io_service_name": "svc",
        "__meta_kubernetes_endpointslice_labelpresent_kubernetes_io_service_name": "true",
    });
    assert_eq!(group["labels"], merged(&service_labels(), &own));
    let common = json!({
        "__meta_kubernetes_endpointslice_endpoint_conditions_ready": "true",
        "__meta_kubernetes_endpointslice_endpoint_conditions_serving": "true",
        "__meta_kubernetes_endpointslice_endpoint_conditions_terminating": "false",
        "__meta_kubernetes_endpointslice_endpoint_hostname": "h",
        "__meta_kubernetes_endpointslice_endpoint_node_name": "n",
        "__meta_kubernetes_endpointslice_endpoint_zone": "z",
        "__meta_kubernetes_endpointslice_endpoint_topology_topology_k8s_x": "t",
        "__meta_kubernetes_endpointslice_endpoint_topology_present_topology_k8s_x": "true",
        "__meta_kubernetes_endpointslice_address_target_kind": "Node",
        "__meta_kubernetes_endpointslice_address_target_name": "n",
    });
    let with_port = json!({
        "__address__": "1.2.3.4:9000",
        "__meta_kubernetes_endpointslice_port": "9000",
        "__meta_kubernetes_endpointslice_port_name": "web",
        "__meta_kubernetes_endpointslice_port_protocol": "TCP",
        "__meta_kubernetes_endpointslice_port_app_protocol": "https",
    });
    assert_eq!(
        group["targets"],
        json!([
            merged(&common, &with_port),
            merged(&common, &json!({"__address__": "1.2.3.4"}))
        ])
    );
}

#[test]
fn kubeconfig_files() {
    let text = r#"
apiVersion: v1
kind: Config
current-context: c
clusters: [{name: k, cluster: {server: "https://k:6443", certificate-authority-data: UEVN, tls-server-name: kubernetes}}]
contexts: [{name: c, context: {cluster: k, user: u, namespace: ns}}]
users: [{name: u, user: {client-certificate: cert.pem, client-key: /abs/key.pem, token: t}}]
"#;
    let access = kubernetes::kubeconfig("dir/kubeconfig", text).unwrap();
    assert_eq!(access.server, "https://k:6443");
    let tls = &access.client.transport.tls;
    assert_eq!(tls.ca.as_ref().unwrap().text(), Some("PEM"));
    assert_eq!(tls.server_name, "kubernetes");
    assert_eq!(
        format!("{:?}", tls.identity),
        r#"Some((Kept(File("dir/cert.pem")), Kept(File("/abs/key.pem"))))"#
    );
    assert_eq!(access.client.authorization.as_ref().unwrap().1.text(), Some("t"));
    assert_eq!(access.namespace.unwrap().text(), Some("ns"));
    for (from, to, what) in [
        ("current-context: c", "current-context: d", "there is no context \"d\""),
        ("user: u,", "user: v,", "there is no user \"v\""),
        ("token: t", "exec: {command: x}", "exec and auth-provider"),
        ("UEVN", "'?'", "base64"),
    ] {
        let error = kubernetes::kubeconfig("f", &text.replace(from, to)).unwrap_err();
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn a_page_that_is_no_list_is_refused() {
    for page in ["2", "[]", "\"x\"", "{}", "{\"items\": 1}", "{\"items\": null}", "{"] {
        let answer = kubernetes::Cluster::default().add(kubernetes::Resource::Pods, page.as_bytes());
        assert!(answer.is_err(), "{page}: {answer:?}");
    }
    let empty =
        kubernetes::Cluster::default().add(kubernetes::Resource::Pods, br#"{"kind": "PodList", "items": null}"#);
    assert_eq!(empty, Ok(String::new()));
}
