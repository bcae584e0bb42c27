//! Discovery sections, sections about other servers, and files with further jobs.
#![allow(clippy::unwrap_used)]

use parapet_config::{AwsRole, AwsSd, DnsRecord, Mechanism, parse, parse_with};

fn mechanism(section: &str) -> Result<(Mechanism, i64), String> {
    let text = format!("scrape_configs:\n- job_name: j\n  {section}\n");
    let config = parse("p.yml", &text).map_err(|error| error.to_string())?;
    let discovery = &config.jobs[0].discoveries[0];
    Ok((discovery.mechanism.clone(), discovery.refresh_interval_ms))
}

fn aws(section: &str) -> Result<AwsSd, String> {
    match mechanism(section)? {
        (Mechanism::Aws(config), _) => Ok(*config),
        (other, _) => Err(format!("{other:?}")),
    }
}

#[test]
fn names_of_the_dns() {
    let (Mechanism::Dns(config), refresh_ms) = mechanism("dns_sd_configs: [{names: [a, b]}]").unwrap() else {
        panic!("not dns")
    };
    assert_eq!(
        (config.names.len(), config.record, refresh_ms),
        (2, DnsRecord::Srv, 30_000)
    );
    let (Mechanism::Dns(config), refresh_ms) =
        mechanism("dns_sd_configs: [{names: [a], type: aaaa, port: 9100, refresh_interval: 15s}]").unwrap()
    else {
        panic!("not dns")
    };
    assert_eq!(
        (config.record, config.port, refresh_ms),
        (DnsRecord::Aaaa, 9100, 15_000)
    );
    for (section, want) in [
        (
            "dns_sd_configs: [{names: []}]",
            "DNS-SD config must contain at least one SRV record name",
        ),
        (
            "dns_sd_configs: [{names: [a], type: MX}]",
            "a port is required in DNS-SD configs for all record types except SRV",
        ),
        (
            "dns_sd_configs: [{names: [a], type: PTR}]",
            "invalid DNS-SD records type \"PTR\"; write SRV, A, AAAA, MX or NS",
        ),
        (
            "dns_sd_configs: [{names: [a], type: A, port: 70000}]",
            "port must be a number from 0 to 65535, not 70000",
        ),
    ] {
        let error = mechanism(section).unwrap_err();
        assert!(error.ends_with(want), "{error}");
    }
}

#[test]
fn services_of_aws() {
    let ec2 = aws(
        "ec2_sd_configs: [{region: r, port: 9100, role_arn: arn, external_id: x, endpoint: 'http://e', filters: [{name: n, values: [a, b]}]}]",
    )
    .unwrap();
    assert_eq!(
        (ec2.role, ec2.port, ec2.access.region.as_str()),
        (AwsRole::Ec2, 9100, "r")
    );
    assert_eq!(ec2.filters, [("n".to_owned(), vec!["a".to_owned(), "b".to_owned()])]);
    assert_eq!(
        (ec2.access.role_arn.as_str(), ec2.access.external_id.as_str()),
        ("arn", "x")
    );
    let ecs = aws("ecs_sd_configs: [{clusters: [c]}]").unwrap();
    assert_eq!((ecs.role, ecs.port, ecs.request_concurrency), (AwsRole::Ecs, 80, 20));
    assert_eq!(ecs.clusters, ["c"]);
    assert_eq!(aws("lightsail_sd_configs: [{}]").unwrap().role, AwsRole::Lightsail);
    assert_eq!(
        aws("cloudmap_sd_configs: [{namespaces: [n]}]").unwrap().role,
        AwsRole::CloudMap
    );
    for (role, want) in [
        ("ec2", AwsRole::Ec2),
        ("ecs", AwsRole::Ecs),
        ("lightsail", AwsRole::Lightsail),
    ] {
        assert_eq!(aws(&format!("aws_sd_configs: [{{role: {role}}}]")).unwrap().role, want);
    }
    for (section, want) in [
        (
            "aws_sd_configs: [{role: rds}]",
            "AWS SD role \"rds\" is not supported yet",
        ),
        (
            "aws_sd_configs: [{role: s3}]",
            "unknown AWS SD role \"s3\"; write ec2, ecs or lightsail",
        ),
        (
            "ec2_sd_configs: [{filters: [{name: n, values: []}]}]",
            "EC2 SD configuration filter values cannot be empty",
        ),
        ("lightsail_sd_configs: [{filters: []}]", "known fields are endpoint"),
        ("ec2_sd_configs: [{endpoint: 'e:1'}]", "endpoint \"e:1\" is not a URL"),
    ] {
        let error = aws(section).unwrap_err();
        assert!(error.contains(want), "{error}");
    }
}

#[test]
fn the_key_of_a_discovery_is_not_shown() {
    let text = "scrape_configs:\n- job_name: j\n  ec2_sd_configs: [{access_key: a, secret_key: s3cr3t}]\n";
    let config = parse("p.yml", text).unwrap();
    assert!(!config.to_yaml().contains("s3cr3t") && config.to_yaml().contains("<secret>"));
    assert!(!format!("{config:?}").replace(text, "").contains("s3cr3t"));
}

#[test]
fn other_servers_are_accepted_and_named() {
    let text = "
remote_write:
- {url: 'http://a/push', name: a, basic_auth: {username: u, password: p4ss}, queue_config: {max_shards: 3}}
- {url: 'http://b/push', write_relabel_configs: [{action: drop, source_labels: [x], regex: y}]}
remote_read: [{url: 'http://a/read', read_recent: true}]
tracing: {endpoint: 'c:4317', client_type: grpc}
";
    let config = parse("p.yml", text).unwrap();
    assert_eq!(
        config.warnings,
        [
            "line 2: not used: remote_write in the configuration",
            "line 5: not used: remote_read in the configuration",
            "line 6: not used: tracing in the configuration",
        ]
    );
    assert!(!config.to_yaml().contains("p4ss"));
    for (text, want) in [
        ("remote_write: [{name: x}]", "url for remote_write is empty"),
        ("remote_write: [{url: u, nam: x}]", "did you mean \"name\"?"),
        (
            "remote_write: [{url: u, queue_config: {min_shards: 60}}]",
            "remote write queue min_shards must not be greater than max_shards",
        ),
        (
            "remote_write: [{url: u, sigv4: {}, basic_auth: {username: u}}]",
            "p.yml:1:36: at most one of basic_auth",
        ),
        ("tracing: {client_type: http}", "tracing endpoint must be set"),
    ] {
        let error = parse("p.yml", text).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
}

#[test]
fn jobs_of_other_files() {
    let main = "global: {scrape_interval: 5s}\nscrape_config_files: ['jobs/*.yml']\nscrape_configs: [{job_name: a}]\n";
    let config = parse("d/p.yml", main).unwrap();
    assert_eq!(config.scrape_config_files, ["jobs/*.yml"]);
    let more =
        "scrape_configs:\n- job_name: b\n  scrape_failure_log_file: x\n  file_sd_configs: [{files: [sd.json]}]\n";
    let config = parse_with("d/p.yml", main, [("d/jobs/b.yml", more)], &|_| None).unwrap();
    let b = &config.jobs[1];
    assert_eq!((b.name.as_str(), b.interval_ms), ("b", 5_000));
    // Files are beside the file that names them.
    assert_eq!(
        b.discoveries[0].mechanism,
        Mechanism::File(vec!["d/jobs/sd.json".to_owned()])
    );
    assert_eq!(
        config.warnings,
        ["d/jobs/b.yml: line 3: not used: scrape_failure_log_file in job \"b\""]
    );
    for (files, want) in [
        (
            vec![("x.yml", "scrape_configs: [{job_name: a}]")],
            "x.yml:1:18: found multiple scrape configs with job name \"a\", the first in another file; rename one",
        ),
        (
            vec![("x.yml", "global: {}")],
            "x.yml:1:1: unknown field \"global\" in a file of scrape_config_files",
        ),
        (
            vec![("x.yml", "scrape_configs: [{job_name: c, scrape_timeout: 6s}]")],
            "x.yml:1:32: scrape timeout greater than scrape interval",
        ),
    ] {
        let error = parse_with("p.yml", main, files, &|_| None).unwrap_err().to_string();
        assert!(error.starts_with(want), "{error}");
    }
    let error = parse("p.yml", "scrape_config_files: ['*/a.yml']")
        .unwrap_err()
        .to_string();
    assert!(error.contains("invalid scrape config file path \"*/a.yml\""), "{error}");
}
