//! Real logs on the whole path: sent, parsed, stored, merged, searched. Every byte of every line comes back.

use super::world::{batch, everything, search, store, world};
use parapet_compactor::{Compactor, Settings};
use parapet_store::logs::{LogQuery, Order};
use std::io::Read as _;
use std::path::PathBuf;

/// The sets, with the pipeline of each.
const SETS: [(&str, &str); 18] = [
    ("loghub/Android_2k.log", "android"),
    ("loghub/Apache_2k.log", "apache_error"),
    ("loghub/BGL_2k.log", "bgl"),
    ("loghub/HDFS_2k.log", "hdfs"),
    ("loghub/HPC_2k.log", "hpc"),
    ("loghub/Hadoop_2k.log", "hadoop"),
    ("loghub/HealthApp_2k.log", "health_app"),
    ("loghub/Linux_2k.log", "linux"),
    ("loghub/Mac_2k.log", "mac"),
    ("loghub/OpenSSH_2k.log", "openssh"),
    ("loghub/OpenStack_2k.log", "openstack"),
    ("loghub/Proxifier_2k.log", "proxifier"),
    ("loghub/Spark_2k.log", "spark"),
    ("loghub/Thunderbird_2k.log", "thunderbird"),
    ("loghub/Windows_2k.log", "windows"),
    ("loghub/Zookeeper_2k.log", "zookeeper"),
    ("elastic-examples/apache_logs.log", "nginx_access"),
    ("elastic-examples/nginx_style_json.log", "nginx_json"),
];

/// Where the logs are; `None`, with a word about it, where they are not here.
#[allow(clippy::print_stdout)]
fn folder() -> Option<PathBuf> {
    #[allow(clippy::disallowed_methods)]
    let root = std::env::var_os("PARAPET_CONFORMANCE").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/conformance")),
        PathBuf::from,
    );
    let folder = root.join("logs");
    if !folder.exists() {
        println!("skipped: {} is not here", folder.display());
        return None;
    }
    Some(folder)
}

fn sorted(mut lines: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    lines.sort();
    lines
}

async fn found(world: &parapet_ports::memory::MemoryPorts, order: Order) -> Vec<Vec<u8>> {
    let query = LogQuery { order, ..everything() };
    let (records, _) = search(&world.ports, &query).await;
    let times: Vec<i64> = records.iter().map(|record| record.timestamp_ns).collect();
    assert!(match order {
        Order::OldestFirst => times.is_sorted(),
        Order::NewestFirst => times.iter().rev().is_sorted(),
    });
    records.into_iter().map(|record| record.raw.to_vec()).collect()
}

#[tokio::test]
async fn every_byte_of_every_line_comes_back() {
    for (file, pipeline) in SETS {
        let Some(folder) = folder() else { return };
        let mut bytes = Vec::new();
        let packed = std::fs::File::open(folder.join(format!("{file}.gz"))).unwrap();
        flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).unwrap();
        let whole = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let lines: Vec<&[u8]> = whole.split(|byte| *byte == b'\n').collect();
        let world = world(&format!("pipelines:\n- name: own\n  stages:\n  - use: {pipeline}\n"));
        // In three batches, so that there is something to merge.
        let third = lines.len() / 3;
        for (number, part) in [&lines[..third], &lines[third..2 * third], &lines[2 * third..]]
            .iter()
            .enumerate()
        {
            store(&world, vec![batch(&format!("b{number}"), part, &[("file", file)])]).await;
        }
        let want = sorted(lines.iter().map(|line| line.to_vec()).collect());
        assert!(sorted(found(&world, Order::OldestFirst).await) == want, "{file}");
        // The lines are years old.
        let mut settings = Settings::default();
        settings.logs.retention_ms = i64::MAX / 2;
        let compactor = Compactor::new(&world.ports, settings);
        compactor.handle_tick(super::world::NOW_MS).await.unwrap();
        assert!(
            sorted(found(&world, Order::NewestFirst).await) == want,
            "{file}, merged"
        );
    }
}
