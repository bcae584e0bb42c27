//! What the errors say, and where.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use parapet_config::{ScrapeProtocol, parse};
use parapet_http_client::{Reference, SecretSource};
use parapet_model::EscapingScheme;

fn error(text: &str) -> String {
    parse("p.yml", text).unwrap_err().to_string()
}

#[test]
fn says_file_line_column_what_and_what_to_write() {
    for (text, want) in [
        (
            "global:\n  scrape_intervall: 15s\n",
            r#"p.yml:2:3: unknown field "scrape_intervall" in global; did you mean "scrape_interval"?"#,
        ),
        (
            "scrape_config: []\n",
            r#"p.yml:1:1: unknown field "scrape_config" in the configuration; did you mean "scrape_configs"?"#,
        ),
        (
            "global:\n  scrape_interval: 15\n",
            r#"p.yml:2:20: not a valid duration string: "15"; write it as 30s, 5m or 1h30m"#,
        ),
        (
            "global:\n  scrape_interval: 5s\n  scrape_timeout: 6s\n",
            "p.yml:3:3: global scrape timeout greater than scrape interval",
        ),
        (
            "scrape_configs:\n- job_name: ''\n",
            "p.yml:2:3: job_name is empty; give each scrape config a name",
        ),
        (
            "scrape_configs:\n- job_name: a\n  scrape_interval: 500ms\n",
            r#"p.yml:3:3: scrape_interval of job "a" is under a second, which is not supported; write 1s or more"#,
        ),
        (
            "scrape_configs:\n- job_name: a\n  scrape_timeout: 2m\n",
            r#"p.yml:3:3: scrape timeout greater than scrape interval for scrape config with job name "a""#,
        ),
        (
            "scrape_configs:\n- job_name: a\n- job_name: b\n- job_name: a\n",
            r#"p.yml:4:3: found multiple scrape configs with job name "a", the first at line 2; rename one"#,
        ),
        (
            "scrape_configs:\n- job_name: a\n  relabel_configs:\n  - action: kep\n",
            r#"p.yml:4:5: unknown relabel action "kep"; write one of replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase, uppercase"#,
        ),
        (
            "scrape_configs:\n- job_name: a\n  metric_relabel_configs:\n  - {source_labels: [x], regex: '(', target_label: y}\n",
            r#"p.yml:4:26: "(" is not a regular expression: missing closing ): `(`"#,
        ),
        (
            "scrape_configs:\n- job_name: a\n  relabel_configs:\n  - {source_labels: [x], target_labels: y}\n",
            r#"p.yml:4:26: unknown field "target_labels" in relabel_configs; did you mean "target_label"?"#,
        ),
        (
            "scrape_configs:\n- job_name: a\n  azure_sd_configs: [{port: 80}]\n",
            r#"p.yml:3:3: "azure_sd_configs" in scrape_configs is not supported yet; remove it"#,
        ),
        (
            "scrape_configs:\n- job_name: a\n  basic_auth:\n    username: x\n    password: z\n    password_file: y\n",
            "p.yml:6:5: at most one of basic_auth password & password_file must be configured; remove one",
        ),
        (
            "scrape_configs:\n- job_name: a\n  tls_config: {min_version: TLS11}\n",
            "p.yml:3:16: TLS11 is not supported, TLS 1.2 is the oldest; write TLS12 or TLS13",
        ),
        (
            "scrape_configs:\n- job_name: a\n  tls_config: {cert_file: c}\n",
            "p.yml:3:15: exactly one of key or key_file must be configured when a client certificate is configured",
        ),
        (
            "scrape_configs:\n- job_name: a\n  http_headers:\n    User-Agent: {values: [x]}\n",
            "p.yml:4:5: setting header \"User-Agent\" is not allowed",
        ),
        (
            "scrape_configs:\n- job_name: a\n  proxy_from_environment: true\n  proxy_url: http://p\n",
            "p.yml:4:3: if proxy_from_environment is configured, proxy_url must not be configured",
        ),
        (
            "scrape_configs:\n- job_name: a\n  oauth2: {client_id: x}\n",
            "p.yml:3:11: oauth2 token_url must be configured",
        ),
        (
            "scrape_configs:\n- job_name: a\n  static_configs:\n  - targets:\n    - 'http://b:80/metrics'\n",
            r#"p.yml:5:7: "http://b:80/metrics" is not a valid hostname; write it as host:port; scheme and metrics_path are fields of their own"#,
        ),
        (
            "scrape_configs:\n- job_name: a\n  body_size_limit: 100\n",
            "p.yml:3:20: units: unknown unit  in 100; write it as 512KB, 100MB or 1GB",
        ),
        (
            "scrape_configs:\n- job_name: a\n  sample_limit: -1\n",
            r#"p.yml:3:17: sample_limit must be a whole number from 0 up, not "-1""#,
        ),
        (
            "scrape_configs:\n  job_name: a\n",
            r#"p.yml:2:3: scrape_configs must be a list, this is a mapping; begin each element with "- ""#,
        ),
    ] {
        assert_eq!(error(text), want, "{text}");
    }
}

#[test]
fn broken_yaml_has_a_place() {
    for text in [
        "global:\n  scrape_interval: 15s\n  scrape_interval: 30s\n",
        "global: [\n",
        "global:\n\t- a\n",
        "a: b: c\n",
        "scrape_configs: *nothing\n",
        "global: {}\n---\nglobal: {}\n",
        "- a\n",
        "text",
    ] {
        let error = parse("p.yml", text).unwrap_err();
        println!("{error}");
        assert!(!error.message.contains('\n'), "{error}");
        assert!(error.line >= 1 && error.column >= 1);
    }
    assert!(error("global:\n  scrape_interval: 15s\n  scrape_interval: 30s\n").starts_with("p.yml:3:3: "));
}

#[test]
fn jobs_inherit_from_global() {
    let config = parse(
        "p.yml",
        r#"
global:
  scrape_interval: 30s
  evaluation_interval: 15s
  sample_limit: 7
  body_size_limit: 1MB
  label_limit: 3
  external_labels: {region: eu, build: 1.0}
  query_log_file: q.log
rule_files: ["rules/*.yml"]
scrape_configs:
  - job_name: a
    static_configs:
      - targets: ["h:1", "h:2", "h:1"]
        labels: {env: prod, zone: 007}
  - job_name: b
    scrape_interval: 5s
    sample_limit: 9
    honor_labels: true
    honor_timestamps: no
    enable_compression: false
    scheme: https
    metrics_path: /federate
    params: {"match[]": ['{job="x"}', 'y']}
    fallback_scrape_protocol: PrometheusText0.0.4
    scrape_protocols: [PrometheusProto, PrometheusText1.0.0]
    metric_name_escaping_scheme: underscores
    basic_auth: {username: u, password: hush}
    static_configs:
      - targets: [host]
"#,
    )
    .unwrap();
    let [a, b] = config.jobs.as_slice() else { panic!() };
    assert_eq!((a.interval_ms, a.timeout_ms), (30_000, 10_000));
    assert_eq!(
        (a.sample_limit, a.body_size_limit_bytes, a.label_limit),
        (7, 1 << 20, 3)
    );
    assert!(a.honor_timestamps && !a.honor_labels && a.enable_compression);
    assert_eq!(a.targets.len(), 2);
    assert_eq!(
        a.targets[0].labels.to_string(),
        r#"{env="prod", instance="h:1", job="a", zone="007"}"#
    );
    assert_eq!(a.protocols, ScrapeProtocol::DEFAULT);
    assert_eq!((b.interval_ms, b.timeout_ms, b.sample_limit), (5_000, 5_000, 9));
    assert_eq!(
        b.targets[0].url,
        "https://host/federate?match%5B%5D=%7Bjob%3D%22x%22%7D&match%5B%5D=y"
    );
    assert_eq!(
        b.protocols,
        [ScrapeProtocol::PrometheusProto, ScrapeProtocol::PrometheusText1_0_0]
    );
    assert_eq!(b.escaping, EscapingScheme::Underscores);
    let basic = b.http.basic_auth.as_ref().unwrap();
    assert_eq!((basic.0.text(), basic.1.text()), (Some("u"), Some("hush")));
    assert!(!format!("{b:?}").contains("hush"));
    assert_eq!(config.evaluation_interval_ms, 15_000);
    assert_eq!(config.external_labels.to_string(), r#"{build="1.0", region="eu"}"#);
    assert_eq!(config.rule_files, ["rules/*.yml"]);
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
    assert!(config.to_yaml().contains("password: <secret>}"));
    assert!(!config.to_yaml().contains("hush"));
}

#[test]
fn the_http_client_of_a_job() {
    let text = r#"
scrape_configs:
  - job_name: a
    follow_redirects: false
    enable_http2: false
    proxy_url: http://u:p@proxy:3128
    no_proxy: internal
    proxy_connect_header: {X-Token: [t0ken]}
    oauth2: {client_id: id, client_secret: s3cret, token_url: "https://t/", scopes: [a, b], endpoint_params: {k: v}}
    tls_config: {ca_file: ca.pem, cert_file: /abs/c.pem, key: k3y, server_name: s, insecure_skip_verify: true, max_version: TLS12}
    http_headers: {X-One: {values: [v], secrets: [h1dden], files: [f]}}
  - job_name: b
    bearer_token_file: token
"#;
    let config = parse("dir/p.yml", text).unwrap();
    let [a, b] = config.jobs.as_slice() else { panic!() };
    let transport = &a.http.transport;
    assert!(!transport.follow_redirects && !transport.enable_http2);
    assert_eq!(transport.no_proxy, "internal");
    let file = |path: &str| SecretSource::Kept(Reference::File(path.to_owned()));
    assert_eq!(transport.tls.ca, Some(file("dir/ca.pem")));
    assert_eq!(
        transport.tls.identity,
        Some((file("/abs/c.pem"), SecretSource::new("k3y")))
    );
    assert_eq!(
        (transport.tls.server_name.as_str(), transport.tls.max_version.as_str()),
        ("s", "TLS12")
    );
    let headers: Vec<_> = a.http.headers.iter().map(|(_, value)| value.clone()).collect();
    assert_eq!(
        headers,
        [SecretSource::new("v"), SecretSource::new("h1dden"), file("dir/f")]
    );
    let oauth2 = a.http.oauth2.as_ref().unwrap();
    assert_eq!((oauth2.scopes.len(), oauth2.endpoint_params["k"].as_str()), (2, "v"));
    assert_eq!(b.http.authorization, Some(("Bearer".to_owned(), file("dir/token"))));
    for secret in ["t0ken", "s3cret", "k3y", "h1dden", "u:p@"] {
        assert!(
            !config.to_yaml().contains(secret) && !format!("{config:?}").contains(secret),
            "{secret}"
        );
    }
}

#[test]
fn empty_and_null_sections_are_defaults() {
    for text in [
        "",
        "# nothing\n",
        "global:\nscrape_configs:\n",
        "{}",
        "remote_write: []\nscrape_config_files:\n",
    ] {
        let config = parse("p.yml", text).unwrap();
        assert_eq!((config.scrape_interval_ms, config.jobs.len()), (60_000, 0), "{text:?}");
    }
}

#[test]
fn anchors_and_merges_are_resolved() {
    let config = parse(
        "p.yml",
        "scrape_configs:\n- &base\n  job_name: a\n  scrape_interval: 20s\n- <<: *base\n  job_name: b\n",
    )
    .unwrap();
    assert_eq!(config.jobs[1].name, "b");
    assert_eq!(config.jobs[1].interval_ms, 20_000);
}

#[test]
fn bombs_are_refused() {
    let mut laughs = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for i in 1..12 {
        let parts = vec![format!("*a{}", i - 1); 9].join(",");
        laughs.push_str(&format!("a{i}: &a{i} [{parts}]\n"));
    }
    assert!(parse("p.yml", &laughs).is_err());
    assert!(parse("p.yml", &"[".repeat(100_000)).is_err());
    assert!(parse("p.yml", &"- ".repeat(100_000)).is_err());
    let deep: String = (0..5_000).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    assert!(parse("p.yml", &deep).is_err());
}

proptest::proptest! {
    #[test]
    fn never_panics(text in "(\\PC|\n|  |- |: |global|scrape_configs|[\\[\\]{}\"'*&!|>#]){0,60}") {
        let _ = parse("p.yml", &text);
    }
}

#[test]
fn rules_make_drop_and_move_targets() {
    let text = r#"
scrape_configs:
- job_name: probe
  metrics_path: /probe
  params: {module: [http_2xx]}
  static_configs:
  - targets: ['https://example.com/a', 'https://example.org', 'drop.me', 'bad']
    labels: {team: web, __meta_zone: b}
  relabel_configs:
  - {source_labels: [__address__], regex: 'drop\..*', action: drop}
  - {source_labels: [__address__], target_label: __param_target}
  - {source_labels: [__param_target], target_label: instance}
  - {source_labels: [__meta_zone], target_label: zone, action: uppercase}
  - {source_labels: [__address__], regex: '[^b].*', target_label: __address__, replacement: 'blackbox:9115'}
  - {source_labels: [__address__], regex: bad, target_label: __address__, replacement: 'a/b'}
"#;
    let config = parapet_config::parse("p.yml", text).unwrap();
    let job = &config.jobs[0];
    let urls: Vec<&str> = job.targets.iter().map(|target| target.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            "http://blackbox:9115/probe?module=http_2xx&target=https%3A%2F%2Fexample.com%2Fa",
            "http://blackbox:9115/probe?module=http_2xx&target=https%3A%2F%2Fexample.org",
        ]
    );
    assert_eq!(
        job.targets[0].labels.to_string(),
        r#"{instance="https://example.com/a", job="probe", team="web", zone="B"}"#
    );
    assert_eq!(
        job.targets[0].discovered_labels.get("__address__"),
        Some("https://example.com/a")
    );
    assert_eq!(job.dropped_targets.len(), 1);
    assert_eq!(job.dropped_targets[0].get("__address__"), Some("drop.me"));
    let [warning] = &config.warnings[..] else {
        panic!("{:?}", config.warnings)
    };
    assert!(
        warning.contains(r#"line 7: target "bad" is left out after relabelling: "a/b" is not a valid hostname"#),
        "{warning}"
    );
}
