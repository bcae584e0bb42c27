//! The walls of the house: what each ring may depend on. Asked of `cargo tree`, so that a transitive dependency counts too.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

/// The pure ring: no runtime, no cloud, no clock of its own.
const PURE: [&str; 25] = [
    "discovery",
    "drift",
    "ml",
    "probe",
    "model",
    "protobuf",
    "http-client",
    "exposition",
    "remote-write",
    "relabel",
    "config",
    "promql",
    "rules",
    "gotemplate",
    "routing",
    "receivers",
    "segment",
    "log-segment",
    "tsdb",
    "ledger",
    "logs",
    "influx",
    "otlp",
    "pushgateway",
    "ports",
];

/// What the pure ring must not pull in.
fn is_impure(package: &str) -> bool {
    package == "tokio"
        || package == "reqwest"
        || package == "hyper"
        || package.starts_with("aws-")
        || package.starts_with("lambda")
}

fn tree(package: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--package",
            package,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "cargo tree: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

fn manifests(directory: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let mut names: Vec<String> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn the_pure_ring_pulls_in_no_runtime_and_no_cloud() {
    for name in PURE {
        let package = format!("parapet-{name}");
        let tree = tree(&package);
        assert_eq!(tree.first(), Some(&package));
        // The ports carry the trait of object_store, whose core needs tokio's file-free parts.
        let allowed = |dependency: &str| name == "ports" && dependency == "tokio";
        let impure: Vec<&String> = tree.iter().filter(|p| is_impure(p) && !allowed(p)).collect();
        assert!(impure.is_empty(), "{package} pulls in {impure:?}");
        let inward: Vec<&String> = tree
            .iter()
            .filter(|p| p.starts_with("parapet-adapter") || p.contains("function-kit") || *p == "parapet-store")
            .collect();
        assert!(inward.is_empty(), "{package} depends outward on {inward:?}");
    }
}

#[test]
fn every_shared_crate_belongs_to_a_ring() {
    let outer = ["store", "adapter-aws", "adapter-local", "function-kit", "prober"];
    for name in manifests("shared") {
        assert!(
            PURE.contains(&name.as_str()) || outer.contains(&name.as_str()),
            "shared/{name} is in no ring of tests/walls.rs"
        );
    }
}

#[test]
fn only_the_aws_adapter_depends_on_the_sdks() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = ["shared", "functions"]
        .into_iter()
        .flat_map(|d| manifests(d).into_iter().map(move |name| format!("{d}/{name}")));
    for directory in crates.chain([".".to_owned()]) {
        let manifest = std::fs::read_to_string(root.join(&directory).join("Cargo.toml")).unwrap();
        let own = manifest
            .rsplit_once("[dependencies]")
            .map_or("", |(_, dependencies)| dependencies);
        let names_sdk = own
            .lines()
            .any(|line| line.starts_with("aws-sdk-") || line.starts_with("aws-config"));
        assert_eq!(names_sdk, directory == "shared/adapter-aws", "{directory}/Cargo.toml");
    }
}

#[test]
fn store_and_adapters_keep_their_direction() {
    for (package, forbidden) in [
        (
            "parapet-store",
            &["parapet-adapter-aws", "parapet-adapter-local", "parapet-function-kit"][..],
        ),
        ("parapet-adapter-aws", &["parapet-store", "parapet-adapter-local"][..]),
        ("parapet-adapter-local", &["parapet-store", "parapet-adapter-aws"][..]),
    ] {
        let tree = tree(package);
        let found: Vec<&String> = tree.iter().filter(|p| forbidden.contains(&p.as_str())).collect();
        assert!(found.is_empty(), "{package} depends on {found:?}");
    }
}
