//! What Filebeat, Fluent Bit, Logstash and Vector ask of Elasticsearch.

use super::{NOW_MS, gzip, queued, send};
use crate::harness::{Harness, get};
use axum::body::Body;
use http::Request;

const NDJSON: &[(&str, &str)] = &[("content-type", "application/x-ndjson")];

#[tokio::test]
async fn every_document_has_an_answer() {
    let harness = Harness::new(NOW_MS);
    let body = concat!(
        r#"{"create":{"_index":"filebeat-8","_id":"1"}}"#,
        "\n",
        r#"{"@timestamp":"2023-11-14T22:13:20.000Z","message":"GET /","host":{"name":"h1"}}"#,
        "\n",
        r#"{"index":{}}"#,
        "\n",
        "no json\n",
        r#"{"delete":{"_id":"9"}}"#,
        "\n",
        r#"{"index":{}}"#,
        "\n",
        r#"{"@timestamp":"2001-01-01T00:00:00Z","message":"ancient"}"#,
        "\n",
        r#"{"index":{}}"#,
        "\n",
        r#"{"log":"from fluent bit"}"#,
        "\n",
    );
    let answer = send(&harness, "/elasticsearch/logs-app/_bulk", NDJSON, body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-elastic-product"), Some("Elasticsearch"));
    let told = answer.json();
    assert_eq!(told["errors"], true);
    let items = told["items"].as_array().unwrap();
    let status = |number: usize, action: &str| items[number][action]["status"].as_u64();
    assert_eq!(status(0, "create"), Some(201));
    assert_eq!(
        (
            items[0]["create"]["_index"].as_str(),
            items[0]["create"]["_id"].as_str()
        ),
        (Some("filebeat-8"), Some("1"))
    );
    for (number, action, want) in [
        (1, "index", "no JSON object"),
        (2, "delete", "only added"),
        (3, "index", "too old"),
    ] {
        assert_eq!(status(number, action), Some(400), "{number}");
        let reason = items[number][action]["error"]["reason"].as_str().unwrap();
        assert!(reason.contains(want), "{reason}");
    }
    assert_eq!(
        (status(4, "index"), items[4]["index"]["_index"].as_str()),
        (Some(201), Some("logs-app"))
    );
    let batches = queued(&harness).await;
    let lines: Vec<_> = batches[0].2.iter().map(|record| record.line().into_owned()).collect();
    assert_eq!(lines, ["GET /", "from fluent bit"]);
    assert_eq!(batches[0].2[0].host, "h1");

    let good = "{\"create\":{}}\n{\"message\":\"a\"}\n";
    for (path, headers, body) in [
        ("/_bulk", NDJSON, good.as_bytes().to_vec()),
        ("/logs/_bulk?filter_path=errors", NDJSON, good.as_bytes().to_vec()),
        (
            "/elasticsearch/_bulk",
            &[("content-type", "application/x-ndjson"), ("content-encoding", "gzip")],
            gzip(good),
        ),
    ] {
        let answer = send(&harness, path, headers, body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["errors"]),
            (200, &false.into()),
            "{path}"
        );
    }
    assert_eq!(queued(&harness).await.len(), 3);
    let answer = send(&harness, "/_bulk", NDJSON, "{\"create\":{}}\n").await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.json()["error"]["type"], "illegal_argument_exception");
}

#[tokio::test]
async fn shippers_find_what_they_look_for() {
    let harness = Harness::new(NOW_MS);
    for path in ["/elasticsearch", "/elasticsearch/"] {
        let about = harness.call(get(path)).await;
        assert_eq!(about.json()["version"]["number"], "8.19.0", "{path}");
        assert_eq!(about.header("x-elastic-product"), Some("Elasticsearch"));
    }
    for (method, path, status, field, want) in [
        ("GET", "/_license?human=false", 200, "/license/status", "active"),
        ("GET", "/_license", 200, "/license/type", "basic"),
        ("GET", "/_xpack", 200, "/license/mode", "basic"),
        ("GET", "/_cluster/health", 200, "/status", "green"),
        ("GET", "/_nodes/http", 200, "", ""),
        ("HEAD", "/_index_template/filebeat-8", 200, "", ""),
        ("GET", "/_ilm/policy/filebeat", 200, "", ""),
        ("GET", "/_cat/templates/filebeat", 200, "", ""),
        ("HEAD", "/filebeat-8", 200, "", ""),
        ("GET", "/_data_stream/filebeat-8", 200, "", ""),
        ("HEAD", "/_alias/filebeat", 200, "", ""),
        ("HEAD", "/", 200, "", ""),
    ] {
        let request = Request::builder().method(method).uri(format!("/elasticsearch{path}"));
        let answer = harness.call(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}");
        if !field.is_empty() {
            assert_eq!(answer.json().pointer(field).unwrap(), want, "{path}");
        }
    }
    for path in [
        "/_index_template/filebeat-8",
        "/_ilm/policy/filebeat",
        "/_ingest/pipeline/x",
        "/_template/logstash",
        "/filebeat-8",
    ] {
        let request = Request::put(format!("/elasticsearch{path}")).body("{}".into()).unwrap();
        let answer = harness.call(request).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["acknowledged"]),
            (200, &true.into()),
            "{path}"
        );
    }
    let answer = send(&harness, "/elasticsearch/logs/_search", &[], "{}").await;
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("/api/v1/logs/search"), "{}", answer.text());
}
