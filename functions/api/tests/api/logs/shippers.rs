//! What each shipper for Elasticsearch asks, in its order, as its sources have it: elastic/beats (`libbeat/esleg`,
//! `libbeat/template`, `libbeat/idxmgmt`), logstash-plugins/logstash-output-elasticsearch 12 (`http_client/pool.rb`),
//! vectordotdev/vector (`src/sinks/elasticsearch`), fluent/fluent-bit (`plugins/out_es`).

use super::{NOW_MS, gzip, queued};
use crate::harness::Harness;
use http::Request;
use parapet_logs::LogRecord;
use serde_json::{Value, json};

/// A request, and what the shipper needs of its answer.
struct Exchange {
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: Vec<u8>,
    /// Fields of the answer by their place.
    wants: Vec<(&'static str, Value)>,
}

fn ask(method: &'static str, path: &'static str, wants: &[(&'static str, Value)]) -> Exchange {
    Exchange {
        method,
        path,
        headers: &[],
        body: Vec::new(),
        wants: wants.to_vec(),
    }
}

const NDJSON_GZIP: &[(&str, &str)] = &[("content-type", "application/x-ndjson"), ("content-encoding", "gzip")];

fn send(
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: Vec<u8>,
    wants: &[(&'static str, Value)],
) -> Exchange {
    Exchange {
        method: "POST",
        path,
        headers,
        body,
        wants: wants.to_vec(),
    }
}

/// Goes through the exchanges; gives what was taken.
async fn exchange(exchanges: Vec<Exchange>) -> Vec<LogRecord> {
    let harness = Harness::new(NOW_MS);
    for exchange in exchanges {
        let name = format!("{} {}", exchange.method, exchange.path);
        let request = Request::builder().method(exchange.method).uri(exchange.path);
        let request = exchange
            .headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = harness.call(request.body(exchange.body.into()).unwrap()).await;
        assert!(answer.status.is_success(), "{name}: {}", answer.text());
        assert_eq!(answer.header("x-elastic-product"), Some("Elasticsearch"), "{name}");
        for (place, want) in exchange.wants {
            let json = answer.json();
            assert_eq!(json.pointer(place), Some(&want), "{name}: {place} of {json}");
        }
    }
    queued(&harness)
        .await
        .into_iter()
        .flat_map(|(_, _, records)| records)
        .collect()
}

fn lines(records: &[LogRecord]) -> Vec<String> {
    records.iter().map(|record| record.line().into_owned()).collect()
}

#[tokio::test]
async fn filebeat() {
    let event = |message: &str| {
        format!(
            concat!(
                r#"{{"create":{{"_index":"filebeat-8.19.0"}}}}"#,
                "\n",
                r#"{{"@timestamp":"2023-11-14T22:13:20.000Z","message":"{}","log":{{"offset":0,"file":{{"path":"/var/log/a.log"}}}},"host":{{"name":"h1"}},"agent":{{"type":"filebeat","version":"8.19.0"}},"ecs":{{"version":"8.0.0"}},"input":{{"type":"filestream"}}}}"#,
                "\n",
            ),
            message
        )
    };
    let body = event("first") + &event("second") + r#"{"create":{"_index":"filebeat-8.19.0"}}"# + "\n{broken\n";
    let records = exchange(vec![
        ask(
            "GET",
            "/elasticsearch/",
            &[
                ("/version/number", json!("8.19.0")),
                ("/version/build_flavor", json!("default")),
                ("/tagline", json!("You Know, for Search")),
            ],
        ),
        ask(
            "GET",
            "/elasticsearch/_license?human=false",
            &[
                ("/license/status", json!("active")),
                ("/license/type", json!("basic")),
                ("/license/uid", json!("parapet")),
            ],
        ),
        // What is there is not set up again.
        ask("GET", "/elasticsearch/_ilm/policy/filebeat", &[]),
        ask(
            "PUT",
            "/elasticsearch/_ilm/policy/filebeat",
            &[("/acknowledged", json!(true))],
        ),
        ask("HEAD", "/elasticsearch/_index_template/filebeat-8.19.0", &[]),
        ask(
            "PUT",
            "/elasticsearch/_index_template/filebeat-8.19.0",
            &[("/acknowledged", json!(true))],
        ),
        ask(
            "PUT",
            "/elasticsearch/_component_template/filebeat",
            &[("/acknowledged", json!(true))],
        ),
        ask("GET", "/elasticsearch/_data_stream/filebeat-8.19.0", &[]),
        ask(
            "PUT",
            "/elasticsearch/_data_stream/filebeat-8.19.0",
            &[("/acknowledged", json!(true))],
        ),
        ask("GET", "/elasticsearch/_nodes/ingest", &[]),
        ask(
            "GET",
            "/elasticsearch/_ingest/pipeline/filebeat-8.19.0-nginx-access-pipeline",
            &[],
        ),
        ask(
            "PUT",
            "/elasticsearch/_ingest/pipeline/filebeat-8.19.0-nginx-access-pipeline",
            &[("/acknowledged", json!(true))],
        ),
        send(
            "/elasticsearch/_bulk?filter_path=errors%2Citems.%2A.error%2Citems.%2A.status",
            &[
                ("content-type", "application/json; charset=UTF-8"),
                ("content-encoding", "gzip"),
            ],
            gzip(&body),
            &[
                ("/errors", json!(true)),
                ("/items/0", json!({"create": {"status": 201}})),
                ("/items/2/create/status", json!(400)),
                ("/items/2/create/error/type", json!("document_parsing_exception")),
            ],
        ),
    ])
    .await;
    assert_eq!(lines(&records), ["first", "second"]);
    assert_eq!(records[0].host, "h1");
    assert_eq!(records[0].attributes.get("log.file.path"), Some("/var/log/a.log"));
}

#[tokio::test]
async fn logstash() {
    let document = r#"{"@timestamp":"2023-11-14T22:13:20.000Z","message":"from logstash","@version":"1","host":{"hostname":"h2"},"data_stream":{"type":"logs","dataset":"generic","namespace":"default"}}"#;
    let body = format!("{{\"create\":{{\"_index\":\"logs-generic-default\",\"routing\":null}}}}\n{document}\n");
    let records = exchange(vec![
        ask("HEAD", "/elasticsearch/", &[]),
        ask("GET", "/elasticsearch/", &[("/version/number", json!("8.19.0"))]),
        ask(
            "GET",
            "/elasticsearch/_license",
            &[("/license/status", json!("active"))],
        ),
        ask(
            "GET",
            "/elasticsearch/_xpack",
            &[
                ("/features/ilm/available", json!(true)),
                ("/features/ilm/enabled", json!(true)),
            ],
        ),
        ask("GET", "/elasticsearch/_ilm/policy", &[]),
        ask("HEAD", "/elasticsearch/_index_template/ecs-logstash", &[]),
        ask(
            "PUT",
            "/elasticsearch/_index_template/ecs-logstash",
            &[("/acknowledged", json!(true))],
        ),
        ask("HEAD", "/elasticsearch/logstash", &[]),
        ask(
            "PUT",
            "/elasticsearch/%3Clogstash-%7Bnow%2Fd%7D-000001%3E",
            &[("/acknowledged", json!(true))],
        ),
        ask("GET", "/elasticsearch/_ilm/policy/logstash-policy", &[]),
        ask(
            "PUT",
            "/elasticsearch/_ilm/policy/logstash-policy",
            &[("/acknowledged", json!(true))],
        ),
        ask("GET", "/elasticsearch/_nodes/http", &[("/nodes", json!({}))]),
        send(
            "/elasticsearch/_bulk?filter_path=errors,items.*.error,items.*.status",
            &[
                ("content-type", "application/json"),
                ("content-encoding", "gzip"),
                ("x-elastic-event-count", "1"),
                ("x-elastic-uncompressed-request-length", "300"),
            ],
            gzip(&body),
            &[
                ("/errors", json!(false)),
                ("/items", json!([{"create": {"status": 201}}])),
            ],
        ),
    ])
    .await;
    assert_eq!(lines(&records), ["from logstash"]);
    assert_eq!(records[0].host, "h2");
    assert_eq!(records[0].stream.get("index"), Some("logs-generic-default"));
}

#[tokio::test]
async fn vector() {
    let body = concat!(
        r#"{"create":{"_index":"logs-generic-default","_id":"a"}}"#,
        "\n",
        r#"{"@timestamp":"2023-11-14T22:13:20.000Z","data_stream":{"dataset":"generic","namespace":"default","type":"logs"},"file":"/var/log/a","host":"h3","message":"from vector","source_type":"file"}"#,
        "\n",
    );
    let records = exchange(vec![
        ask("GET", "/elasticsearch/_cluster/health", &[("/status", json!("green"))]),
        // How it finds the version: `api_version: auto`.
        ask("GET", "/elasticsearch/", &[("/version/number", json!("8.19.0"))]),
        send(
            "/elasticsearch/_bulk?timeout=60s",
            NDJSON_GZIP,
            gzip(body),
            &[
                ("/errors", json!(false)),
                ("/items/0/create/_index", json!("logs-generic-default")),
                ("/items/0/create/_id", json!("a")),
                ("/items/0/create/status", json!(201)),
            ],
        ),
    ])
    .await;
    assert_eq!(lines(&records), ["from vector"]);
    assert_eq!(records[0].host, "h3");
}

#[tokio::test]
async fn fluent_bit() {
    // It knows no prefix unless it is told one, and names a type unless it is told not to.
    let body = concat!(
        r#"{"create":{"_index":"fluent-bit","_type":"_doc"}}"#,
        "\n",
        r#"{"@timestamp":"2023-11-14T22:13:20.000Z","log":"from fluent bit","stream":"stdout","kubernetes":{"pod_name":"p"}}"#,
        "\n",
    );
    let taken = [("/errors", json!(false)), ("/items/0/create/status", json!(201))];
    let records = exchange(vec![
        send(
            "/_bulk",
            &[("content-type", "application/x-ndjson")],
            body.into(),
            &taken,
        ),
        send("/_bulk?pipeline=p", NDJSON_GZIP, gzip(body), &taken),
        send(
            "/elasticsearch/_bulk?filter_path=items",
            NDJSON_GZIP,
            gzip(body),
            &taken[1..],
        ),
    ])
    .await;
    assert_eq!(lines(&records), ["from fluent bit"; 3]);
    assert_eq!(records[0].attributes.get("kubernetes.pod_name"), Some("p"));
}

#[tokio::test]
async fn a_document_that_is_no_text_holds_up_no_other() {
    let mut body = b"{\"create\":{}}\n{\"message\":\"caf\xe9\"}\n".to_vec();
    body.extend_from_slice(b"{\"create\":{}}\r\n{\"message\":\"fine\"}\r\n");
    let records = exchange(vec![send(
        "/_bulk?filter_path=errors,items.*.status",
        &[("content-type", "application/x-ndjson")],
        body,
        &[
            ("/errors", json!(true)),
            (
                "/items",
                json!([{"create": {"status": 400}}, {"create": {"status": 201}}]),
            ),
        ],
    )])
    .await;
    assert_eq!(lines(&records), ["fine"]);
}
