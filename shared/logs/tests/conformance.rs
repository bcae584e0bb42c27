//! Real logs of eighteen kinds of system: every line is understood by its shipped pipeline, and none loses a byte.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // A test may stop at what must not be.

use parapet_logs::LogRecord;
use parapet_logs::pipeline::{Origin, Pipelines};
use parapet_logs::shape::{Shapes, restore};
use parapet_logs::templates::Miner;
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

/// The bytes of a set.
fn bytes(file: &str) -> Option<Vec<u8>> {
    let path = folder()?.join(format!("{file}.gz"));
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap())
        .read_to_end(&mut bytes)
        .unwrap();
    Some(bytes)
}

fn records(bytes: &[u8]) -> Vec<LogRecord> {
    let lines = bytes.strip_suffix(b"\n").unwrap_or(bytes).split(|byte| *byte == b'\n');
    lines
        .map(|line| LogRecord {
            raw: line.to_vec().into(),
            ..LogRecord::default()
        })
        .collect()
}

#[test]
fn every_line_is_parsed_and_kept_whole() {
    // 2026-01-01: later than all of them.
    let origin = Origin {
        path: "",
        received_ns: 1_767_225_600_000_000_000,
    };
    let mut faults = Vec::new();
    for (file, name) in SETS {
        let Some(bytes) = bytes(file) else { return };
        let outcome = Pipelines::shipped(name).unwrap().process(records(&bytes), origin);
        let counts = outcome.counts[name];
        println!("{file}: {} lines, {} records", counts.lines, outcome.records.len());
        if counts.unparsed > 0 || counts.without_time > 0 {
            faults.push(format!(
                "{file}: {} unparsed, {} without time",
                counts.unparsed, counts.without_time
            ));
        }
        let (mut shapes, mut known) = (std::collections::BTreeSet::new(), Shapes::default());
        let mut variables = 0;
        for record in &outcome.records {
            let cut = known.cut(record).unwrap();
            let texts = cut.variables.iter();
            let texts = texts.map(|range| std::str::from_utf8(&record.raw[range.clone()]).unwrap());
            assert_eq!(restore(cut.shape, texts.clone(), record).unwrap(), record.raw, "{file}");
            variables += texts.map(str::len).sum::<usize>();
            shapes.insert(cut.shape.to_owned());
        }
        let left = shapes.iter().map(String::len).sum::<usize>() + variables;
        println!(
            "{file}: {} shapes; {} of 100 bytes are in no field",
            shapes.len(),
            left * 100 / bytes.len()
        );
        let raw: Vec<&[u8]> = outcome.records.iter().map(|record| record.raw.as_ref()).collect();
        let mut back = raw.join(&b'\n');
        if bytes.ends_with(b"\n") {
            back.push(b'\n');
        }
        assert!(back == bytes, "{file} does not come back byte for byte");
        let with_message = outcome.records.iter().filter(|record| !record.message.is_empty());
        assert!(
            with_message.count() > 0 || name.contains("nginx"),
            "{file} has no messages of its own"
        );
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn as_many_templates_as_published() {
    let origin = Origin {
        path: "",
        received_ns: 1_767_225_600_000_000_000,
    };
    let mut faults = Vec::new();
    for (file, name) in SETS.iter().filter(|(file, _)| file.starts_with("loghub")) {
        let Some(bytes) = bytes(file) else { return };
        let published = folder().unwrap().join(format!("{file}_templates.csv"));
        let published = std::fs::read_to_string(published).unwrap().trim_end().lines().count() - 1;
        let pipelines = Pipelines::shipped(name).unwrap();
        let records = pipelines.process(records(&bytes), origin).records;
        let mut miner = Miner::new(pipelines.template_options(&records[0], "")).unwrap();
        records.iter().for_each(|record| miner.learn(&record.message()));
        let templates = miner.templates();
        assert_eq!(
            templates.iter().map(|template| template.count).sum::<u64>(),
            records.len() as u64
        );
        println!("{file}: {} templates, {published} published", templates.len());
        if templates.len().abs_diff(published) * 10 > published {
            faults.push(format!("{file}: {} templates, {published} published", templates.len()));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
