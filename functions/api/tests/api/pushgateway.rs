//! The Pushgateway's API: pushes side by side, refusals, what a scraper reads.

use crate::harness::{Answer, Harness, get};
use http::{Method, Request};
use serde_json::json;

const NOW_MS: i64 = 1_700_000_000_000;

async fn send(harness: &Harness, method: Method, path: &str, body: &str) -> Answer {
    let request = Request::builder().method(method).uri(path);
    harness.call(request.body(body.to_owned().into()).unwrap()).await
}

/// What a scraper reads, but for the times of pushes.
async fn scraped(harness: &Harness) -> Vec<String> {
    let answer = harness.call(get("/pushgateway/metrics")).await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let text = answer.text();
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.starts_with("push_"));
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn groups_are_put_posted_and_deleted() {
    let harness = Harness::new(NOW_MS);
    for (method, path, body, status, want) in [
        (
            Method::PUT,
            "/metrics/job/a",
            "x 1\ny 1\n",
            200,
            vec!["x{instance=\"\",job=\"a\"} 1", "y{instance=\"\",job=\"a\"} 1"],
        ),
        (
            Method::POST,
            "/metrics/job/a",
            "x 2\n",
            200,
            vec!["x{instance=\"\",job=\"a\"} 2", "y{instance=\"\",job=\"a\"} 1"],
        ),
        (
            Method::PUT,
            "/pushgateway/metrics/job/a",
            "x 3\n",
            200,
            vec!["x{instance=\"\",job=\"a\"} 3"],
        ),
        (
            Method::POST,
            "/metrics/job@base64/YS9i/instance/i",
            "x 4\n",
            200,
            vec!["x{instance=\"\",job=\"a\"} 3", "x{instance=\"i\",job=\"a/b\"} 4"],
        ),
        (
            Method::DELETE,
            "/metrics/job/a",
            "",
            202,
            vec!["x{instance=\"i\",job=\"a/b\"} 4"],
        ),
        (
            Method::DELETE,
            "/metrics/job/a",
            "",
            202,
            vec!["x{instance=\"i\",job=\"a/b\"} 4"],
        ),
        (Method::PUT, "/metrics/job@base64/YS9i/instance/i", "", 200, vec![]),
    ] {
        let answer = send(&harness, method.clone(), path, body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text().as_str()),
            (status, ""),
            "{method} {path}"
        );
        assert_eq!(scraped(&harness).await, want, "{method} {path}");
    }
    let text = harness.call(get("/pushgateway/metrics")).await.text();
    assert!(
        text.contains("push_time_seconds{instance=\"i\",job=\"a/b\"} 1700000000\n"),
        "{text}"
    );
    let groups = harness.call(get("/api/v1/metrics")).await.json();
    assert_eq!(groups["status"], "success");
    assert_eq!(groups["data"][0]["labels"], json!({"job": "a/b", "instance": "i"}));
}

#[tokio::test]
async fn a_push_that_does_not_fit_is_refused_and_remembered() {
    let harness = Harness::new(NOW_MS);
    send(&harness, Method::PUT, "/metrics/job/a", "# TYPE x counter\nx 1\n").await;
    for (path, body, reason, fails) in [
        (
            "/metrics/job/b",
            "# TYPE x gauge\nx 1\n",
            "inconsistent with existing metrics: collected metric \"x\"",
            true,
        ),
        (
            "/metrics/job/c",
            "x 1 1700000000000\n",
            "must not have timestamps",
            true,
        ),
        ("/metrics/job/d", "x{\n", "text format parsing error", false),
        ("/metrics/job/e/f", "x 1\n", "odd number of components", false),
        ("/metrics/jobs/e", "x 1\n", "begins with /metrics/job/", false),
    ] {
        let answer = send(&harness, Method::POST, path, body).await;
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.text().contains(reason), "{}", answer.text());
        let text = harness.call(get("/pushgateway/metrics")).await.text();
        let job = &path["/metrics/job/".len()..];
        let failed = format!("push_failure_time_seconds{{instance=\"\",job=\"{job}\"}} 1700000000\n");
        assert_eq!(text.contains(&failed), fails, "{text}");
    }
    assert_eq!(scraped(&harness).await, ["x{instance=\"\",job=\"a\"} 1"]);
}

#[tokio::test]
async fn unchecked_pushes_are_accepted_and_limits_hold() {
    let harness = Harness::with(NOW_MS, |settings| settings.push_unchecked = true);
    for (path, body) in [
        ("/metrics/job/a", "# TYPE x counter\nx 1\n"),
        ("/metrics/job/b", "# TYPE x gauge\nx 1\n"),
    ] {
        assert_eq!(send(&harness, Method::PUT, path, body).await.status, 202);
    }
    let harness = Harness::with(NOW_MS, |settings| {
        settings.max_push_groups = 1;
        settings.max_write_bytes = 4_000_000;
    });
    assert_eq!(send(&harness, Method::PUT, "/metrics/job/a", "x 1\n").await.status, 200);
    assert_eq!(send(&harness, Method::PUT, "/metrics/job/a", "x 2\n").await.status, 200);
    let answer = send(&harness, Method::PUT, "/metrics/job/b", "x 1\n").await;
    assert_eq!(answer.status, 429);
    assert!(answer.text().contains("1 pushed groups already"), "{}", answer.text());
    let mut number = 1u64;
    let large: String = (0..60_000)
        .map(|line| {
            number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            format!("x{{n=\"{line}-{number}\"}} {number}\n")
        })
        .collect();
    let answer = send(&harness, Method::PUT, "/metrics/job/a", &large).await;
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert!(answer.text().contains("push fewer metrics"), "{}", answer.text());
}

#[tokio::test]
async fn pushes_side_by_side_are_all_taken() {
    let harness = Harness::new(NOW_MS);
    let bodies: Vec<String> = (0..8).map(|number| format!("x{number} {number}\n")).collect();
    let pushes = bodies
        .iter()
        .map(|body| send(&harness, Method::POST, "/metrics/job/a", body));
    for answer in futures::future::join_all(pushes).await {
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(scraped(&harness).await.len(), 8);
}

#[tokio::test]
async fn tenants_have_groups_of_their_own() {
    let harness = Harness::new(NOW_MS);
    let push = Request::put("/metrics/job/a").header("x-scope-orgid", "other");
    assert_eq!(
        harness.call(push.body("x 1\n".to_owned().into()).unwrap()).await.status,
        200
    );
    assert_eq!(scraped(&harness).await, [""; 0]);
}
