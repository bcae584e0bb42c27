//! Pages to servers on this machine that answer as Slack, PagerDuty and Opsgenie document, and to a mail server: over
//! real sockets, while the clock is driven.

use crate::world::{START_MS, World, firing, resolved};
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use parapet_function_kit::{ReqwestHttp, SmtpMailer};
use parapet_http_client::EnvironmentProxies;
use parapet_model::Alert;
use parapet_notifier::{Notifier, Outlets, Settings};
use parapet_ports::{Clock as _, FixedClock};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

/// A request that a server was sent.
#[derive(Clone, Debug)]
struct Seen {
    /// After the story began, milliseconds.
    at_ms: i64,
    path: String,
    authorization: String,
    body: Value,
}

type Script = Mutex<Vec<Response>>;

/// A server that answers by a script, and then always with its last answer.
#[derive(Clone)]
struct Server {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    clock: Arc<Mutex<Option<Arc<FixedClock>>>>,
}

fn answer(status: u16, retry_after: Option<&str>, body: &str) -> Response {
    let kind = if body.starts_with('{') {
        "application/json"
    } else {
        "text/plain"
    };
    let mut answer = (
        http::StatusCode::from_u16(status).unwrap(),
        [("content-type", kind)],
        body.to_owned(),
    )
        .into_response();
    if let Some(seconds) = retry_after {
        answer.headers_mut().insert("retry-after", seconds.parse().unwrap());
    }
    answer
}

/// The script's next answer; `usual` where it is over.
async fn serve(script: Vec<Response>, usual: (u16, &'static str)) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server {
        url: format!("http://{}", listener.local_addr().unwrap()),
        seen: Arc::default(),
        clock: Arc::default(),
    };
    let (this, script) = (server.clone(), Arc::new(Script::new(script)));
    let router = Router::new().fallback(move |request: Request| {
        let (this, script) = (this.clone(), script.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            let now_ms = this.clock.lock().unwrap().as_ref().unwrap().now_ms();
            let authorization = head
                .headers
                .get("authorization")
                .map(|value| value.to_str().unwrap().to_owned());
            this.seen.lock().unwrap().push(Seen {
                at_ms: now_ms - START_MS,
                path: head.uri.path_and_query().unwrap().to_string(),
                authorization: authorization.unwrap_or_default(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
            });
            let mut script = script.lock().unwrap();
            if script.is_empty() {
                answer(usual.0, None, usual.1)
            } else {
                script.remove(0)
            }
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    server
}

impl Server {
    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    fn times(&self) -> Vec<i64> {
        self.seen().iter().map(|seen| seen.at_ms).collect()
    }
}

/// A world that sends by the real clients; `integrations` of its one receiver, as YAML.
fn world(integrations: &str, servers: &[&Server]) -> World {
    let text = format!(
        "route: {{receiver: ops, group_wait: 30s, group_interval: 5m, repeat_interval: 4h}}\nreceivers:\n- name: ops\n{integrations}"
    );
    let mut world = World::new(&text);
    for server in servers {
        *server.clock.lock().unwrap() = Some(world.memory.clock.clone());
    }
    world.ports.http = Arc::new(ReqwestHttp::new().unwrap());
    let outlets = Outlets {
        mailer: Arc::new(SmtpMailer),
        ..Outlets::default()
    };
    world.notifier = Notifier::new(world.ports.clone(), Settings::default()).with_outlets(outlets);
    world
}

async fn page(world: &mut World) {
    let page = Alert {
        ends_at_ms: START_MS + 600_000,
        ..firing("a", START_MS, START_MS)
    };
    world.post(vec![page]).await;
    world.run_until(START_MS + 200_000).await;
}

#[tokio::test]
async fn slack() {
    // Webhooks answer in plain text; a rate limit says how long to wait.
    let script = vec![
        answer(500, None, "rollup_error"),
        answer(429, Some("30"), r#"{"ok":false,"error":"ratelimited"}"#),
    ];
    let server = serve(script, (200, "ok")).await;
    let mut world = world(
        &format!(
            "  slack_configs: [{{api_url: '{}/services/T0/B0/xyz', channel: '#ops'}}]",
            server.url
        ),
        &[&server],
    );
    page(&mut world).await;
    // A second after the first failure, then as long as it was asked to wait.
    assert_eq!(server.times(), [30_000, 31_000, 61_000]);
    let seen = server.seen();
    assert_eq!(seen[2].path, "/services/T0/B0/xyz");
    assert_eq!(seen[2].body["channel"], "#ops");
    assert_eq!(seen[0].body, seen[2].body);
    assert!(world.log.is_empty(), "{:?}", world.log);
}

#[tokio::test]
async fn slack_refuses_for_good() {
    for (status, body) in [
        (403, "invalid_token"),
        (404, "no_service"),
        (400, "invalid_payload"),
        // The Web API refuses with status 200.
        (200, r#"{"ok":false,"error":"channel_not_found"}"#),
    ] {
        let server = serve(vec![answer(status, None, body)], (200, "ok")).await;
        let mut world = world(
            &format!(
                "  slack_configs: [{{api_url: '{}/services/T0/B0/xyz', channel: '#ops'}}]",
                server.url
            ),
            &[&server],
        );
        page(&mut world).await;
        assert_eq!(server.times(), [30_000], "{body}");
        let word = body.split('"').rev().nth(1).unwrap_or(body);
        assert_eq!(world.log.len(), 1, "{body}");
        assert!(
            world.log[0].contains(word) && world.log[0].contains("given up after 1 tries"),
            "{:?}",
            world.log
        );
        assert!(
            !world.log[0].contains("xyz"),
            "a webhook's path is a secret: {:?}",
            world.log
        );
    }
}

const PAGERDUTY_TAKEN: &str = r#"{"status":"success","message":"Event processed","dedup_key":"srv01/HTTP"}"#;

#[tokio::test]
async fn pagerduty() {
    let script = vec![
        answer(429, None, r#"{"error":{"message":"Rate Limit Exceeded","code":2020}}"#),
        answer(503, None, ""),
    ];
    let server = serve(script, (202, PAGERDUTY_TAKEN)).await;
    let mut world = world(
        &format!(
            "  pagerduty_configs: [{{routing_key: R0, url: '{}/v2/enqueue'}}]",
            server.url
        ),
        &[&server],
    );
    page(&mut world).await;
    assert_eq!(server.times(), [30_000, 31_000, 33_000]);
    world.run_until(START_MS + 250_000).await;
    world.post(vec![resolved("a", START_MS, START_MS + 250_000)]).await;
    world.run_until(START_MS + 400_000).await;
    let seen = server.seen();
    let said: Vec<&Value> = seen.iter().map(|seen| &seen.body["event_action"]).collect();
    assert_eq!(said, ["trigger", "trigger", "trigger", "resolve"]);
    // One incident: every try of the page, and its end.
    assert!(
        seen.iter()
            .all(|one| one.body["dedup_key"] == seen[0].body["dedup_key"]),
        "{seen:?}"
    );
    assert_eq!(seen[0].body["routing_key"], "R0");

    let refused =
        r#"{"status":"invalid event","message":"Event object is invalid","errors":["'payload.severity' is invalid"]}"#;
    let server = serve(vec![answer(400, None, refused)], (202, PAGERDUTY_TAKEN)).await;
    let integration = format!(
        "  pagerduty_configs: [{{routing_key: R0, url: '{}/v2/enqueue'}}]",
        server.url
    );
    let mut world = self::world(&integration, &[&server]);
    page(&mut world).await;
    assert_eq!(server.times(), [30_000]);
    assert!(
        world.log[0].contains("'payload.severity' is invalid"),
        "{:?}",
        world.log
    );
}

const OPSGENIE_TAKEN: &str = r#"{"result":"Request will be processed","took":0.302,"requestId":"43a29c5c"}"#;

#[tokio::test]
async fn opsgenie() {
    let script = vec![answer(
        429,
        Some("7"),
        r#"{"message":"You are making too many requests!","took":0.0,"requestId":"1"}"#,
    )];
    let server = serve(script, (202, OPSGENIE_TAKEN)).await;
    let mut world = world(
        &format!("  opsgenie_configs: [{{api_key: K0, api_url: '{}/'}}]", server.url),
        &[&server],
    );
    page(&mut world).await;
    assert_eq!(server.times(), [30_000, 37_000]);
    let seen = server.seen();
    assert_eq!(
        (seen[0].path.as_str(), seen[0].authorization.as_str()),
        ("/v2/alerts", "GenieKey K0")
    );
    let alias = seen[0].body["alias"].as_str().unwrap().to_owned();
    world.run_until(START_MS + 250_000).await;
    world.post(vec![resolved("a", START_MS, START_MS + 250_000)]).await;
    world.run_until(START_MS + 400_000).await;
    assert_eq!(
        server.seen()[2].path,
        format!("/v2/alerts/{alias}/close?identifierType=alias")
    );

    let refused = json!({"message": "Request body is not processable. Please check the errors.",
        "errors": {"message": "Message can not be empty."}, "took": 0.1, "requestId": "2"});
    let server = serve(vec![answer(422, None, &refused.to_string())], (202, OPSGENIE_TAKEN)).await;
    let mut world = self::world(
        &format!("  opsgenie_configs: [{{api_key: K0, api_url: '{}/'}}]", server.url),
        &[&server],
    );
    page(&mut world).await;
    assert_eq!(server.times(), [30_000]);
    assert!(
        world.log[0].contains("unexpected status code 422: {\"errors\":{\"message\":\"Message can not be empty."),
        "{:?}",
        world.log
    );
}

#[tokio::test]
async fn a_dead_slack_holds_up_no_pagerduty() {
    let slack = serve(Vec::new(), (500, "rollup_error")).await;
    let pagerduty = serve(Vec::new(), (202, PAGERDUTY_TAKEN)).await;
    let integrations = format!(
        "  slack_configs: [{{api_url: '{}/x', channel: c}}]\n  pagerduty_configs: [{{routing_key: R0, url: '{}/'}}]",
        slack.url, pagerduty.url
    );
    let mut world = world(&integrations, &[&slack, &pagerduty]);
    page(&mut world).await;
    assert_eq!(pagerduty.times(), [30_000]);
    // 1, 2, 4, … seconds apart, a minute at most.
    assert_eq!(
        slack.times(),
        [30_000, 31_000, 33_000, 37_000, 45_000, 61_000, 93_000, 153_000]
    );
}

/// A mail server that takes connection after connection; what it was told, the messages among it.
async fn mail_server(answers: Vec<&'static str>) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, told) = (
        listener.local_addr().unwrap().port(),
        Arc::<Mutex<Vec<String>>>::default(),
    );
    let (heard, mut answers) = (told.clone(), answers.into_iter());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            stream.write_all(b"220 mail.example.org ESMTP\r\n").await?;
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).await? == 0 {
                    break;
                }
                heard.lock().unwrap().push(line.trim_end().to_owned());
                let answer = match line.split([' ', '\r']).next().unwrap_or_default() {
                    "EHLO" => "250-mail.example.org\r\n250 AUTH LOGIN CRAM-MD5",
                    // RFC 2195's example.
                    "AUTH" => "334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+",
                    "DATA" => {
                        stream.write_all(b"354 go on\r\n").await?;
                        let mut message = String::new();
                        while !message.ends_with("\r\n.\r\n") {
                            stream.read_line(&mut message).await?;
                        }
                        heard.lock().unwrap().push(message);
                        "250 taken"
                    }
                    "QUIT" => "221 bye",
                    "RCPT" => answers.next().unwrap_or("250 ok"),
                    _ if line.starts_with("dGlt") => "235 welcome",
                    _ => "250 ok",
                };
                stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
            }
        }
        std::io::Result::Ok(())
    });
    (port, told)
}

#[tokio::test]
async fn a_mail_server_that_is_slow_to_trust() {
    // Greylisted first, then a full mailbox: Alertmanager tries again after either, and so do we.
    let (port, told) = mail_server(vec!["451 4.7.1 greylisted", "552 5.2.2 mailbox full"]).await;
    let integration = format!(
        "  email_configs: [{{to: ops@example.org, from: alerts@example.org, smarthost: '127.0.0.1:{port}', require_tls: false, \
         auth_username: tim, auth_secret: tanstaaftanstaaf, hello: parapet.example.org, headers: {{X-Team: ops}}}}]"
    );
    let mut world = world(&integration, &[]);
    page(&mut world).await;
    assert!(world.log.is_empty(), "{:?}", world.log);
    let told = told.lock().unwrap().clone();
    let count = |what: &str| told.iter().filter(|line| line.starts_with(what)).count();
    // Three connections; the server's first mechanism has no password here.
    assert_eq!(
        (
            count("AUTH CRAM-MD5"),
            count("RCPT TO:<ops@example.org>"),
            count("DATA")
        ),
        (3, 3, 1)
    );
    assert_eq!(told[0], "EHLO parapet.example.org");
    let message = told.iter().find(|line| line.contains("\r\n.\r\n")).unwrap();
    assert!(
        message.contains("X-Team: ops\r\n") && message.contains("Subject: [FIRING:1]"),
        "{message}"
    );
}

#[tokio::test]
async fn the_environments_proxy_is_that_of_the_urls_scheme() {
    let text = "
route: {receiver: ops, group_wait: 1s}
receivers:
- name: ops
  webhook_configs:
  - {url: 'http://plain.example/', http_config: {proxy_from_environment: true}}
  - {url: 'https://secure.example/', http_config: {proxy_from_environment: true}}
  - {url: 'https://own.example/', http_config: {proxy_url: 'http://own-proxy:3128', no_proxy: 'a.example'}}
  - {url: 'https://bare.example/', http_config: {proxy_url: 'http://own-proxy:3128'}}
  - {url: 'https://none.example/'}
";
    let settings = Settings {
        proxies: EnvironmentProxies {
            http: Some("http://p:1".into()),
            https: Some("http://s:2".into()),
            no_proxy: "b.example".into(),
        },
        ..Settings::default()
    };
    let mut world = World::with_settings(text, settings);
    let routes = Arc::new(Mutex::new(Vec::new()));
    let noted = routes.clone();
    world.answer(move |request, _| {
        let options = &request.options;
        let proxy = options.proxy_url.clone().unwrap_or_default();
        noted
            .lock()
            .unwrap()
            .push((request.url.clone(), proxy, options.no_proxy.clone()));
        crate::world::status(200)
    });
    world.post(vec![firing("a", START_MS, START_MS)]).await;
    world.run_until(START_MS + 5_000).await;
    let mut routes = routes.lock().unwrap().clone();
    routes.sort();
    let machine = ",localhost,127.0.0.0/8,::1";
    let expected = [
        ("https://bare.example/", "http://own-proxy:3128", String::new()),
        ("https://none.example/", "", String::new()),
        (
            "https://own.example/",
            "http://own-proxy:3128",
            format!("a.example{machine}"),
        ),
        ("https://secure.example/", "http://s:2", format!("b.example{machine}")),
        ("http://plain.example/", "http://p:1", format!("b.example{machine}")),
    ];
    let mut expected = expected.map(|(url, proxy, no_proxy)| (url.to_owned(), proxy.to_owned(), no_proxy));
    expected.sort();
    assert_eq!(routes, expected);
}
