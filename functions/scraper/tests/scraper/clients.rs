//! What a job says of its client.

use crate::world::{Answer, World, job, of};
use parapet_ports::{Error, Kind, Secrets};
use parapet_scraper::{Scraper, Settings};
use std::sync::Arc;

#[derive(Debug)]
struct Kept;

#[async_trait::async_trait]
impl Secrets for Kept {
    async fn file(&self, path: &str) -> Result<String, Error> {
        match path {
            "token" => Ok("from-file\n".to_owned()),
            _ => Err(Error::new(Kind::Unavailable, "no such file")),
        }
    }

    async fn named(&self, name: &str) -> Result<String, Error> {
        Ok(format!("named-{name}"))
    }
}

fn world(more: &str) -> World {
    let mut world = World::new(&job(&["h:1"], more));
    world.scraper = Scraper::with_secrets(world.ports.clone(), Arc::new(Kept), Settings::default());
    world.expose("h:1", "a 1\n");
    world
}

fn header(world: &World, at: usize, name: &str) -> String {
    let requests = world.targets.requests.lock().unwrap();
    requests[at].headers[name].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn credentials_come_from_files_and_stores() {
    let world = self::world("  authorization: {type: Token, credentials_file: token}\n");
    world.scrape(0).await;
    assert_eq!(header(&world, 0, "authorization"), "Token from-file");
    let world = self::world("  basic_auth: {username: u, password: 'secret://db'}\n");
    world.scrape(0).await;
    assert_eq!(header(&world, 0, "authorization"), "Basic dTpuYW1lZC1kYg==");
    let world = self::world("  http_headers: {X-One: {values: [v], secrets: ['secret://x'], files: [token]}}\n");
    world.scrape(0).await;
    let requests = world.targets.requests.lock().unwrap();
    let values: Vec<_> = requests[0].headers.get_all("x-one").iter().collect();
    assert_eq!(values, ["v", "named-x", "from-file"]);
}

#[tokio::test]
async fn what_cannot_be_read_is_the_reason_of_the_failed_scrape() {
    let world = self::world("  bearer_token_file: missing\n");
    world.scrape(0).await;
    assert_eq!(world.values(&of("up")), ["0"]);
    assert!(world.targets.requests.lock().unwrap().is_empty());
    let state = parapet_scraper::read_targets(world.ports.table.as_ref()).await.unwrap();
    let error = &state.values().next().unwrap().last_error;
    assert_eq!(error, "unable to read missing: no such file");
}

#[tokio::test]
async fn a_token_is_fetched_once_and_again_before_it_ends() {
    let oauth2 = "  oauth2: {client_id: id, client_secret: s, token_url: 'http://t/token', scopes: [a]}\n";
    let world = self::world(oauth2);
    let token = |token: &str| {
        Answer::Text(
            "application/json",
            format!(r#"{{"access_token":"{token}","expires_in":60}}"#),
        )
    };
    let give = |answer| {
        world
            .targets
            .answers
            .lock()
            .unwrap()
            .insert("http://t/token".to_owned(), answer)
    };
    give(token("one"));
    world.scrape(0).await;
    give(token("two"));
    world.scrape(1).await;
    world.scrape(4).await;
    let asked: Vec<String> = {
        let requests = world.targets.requests.lock().unwrap();
        requests.iter().map(|request| request.url.clone()).collect()
    };
    let scrape = "http://h:1/metrics";
    assert_eq!(asked, ["http://t/token", scrape, scrape, "http://t/token", scrape]);
    assert_eq!(header(&world, 0, "authorization"), "Basic aWQ6cw==");
    assert_eq!(header(&world, 1, "authorization"), "Bearer one");
    assert_eq!(header(&world, 4, "authorization"), "Bearer two");
    // Without a token there is no scrape.
    give(Answer::Status(401));
    world.scrape(9).await;
    assert_eq!(world.values(&of("up")).last().unwrap(), "0");
}

#[tokio::test]
async fn the_way_of_a_request_is_the_jobs() {
    let more = "  follow_redirects: false\n  enable_http2: false\n  proxy_url: 'http://p:1'\n  no_proxy: x\n  tls_config: {insecure_skip_verify: true, server_name: s, ca_file: token}\n";
    let world = self::world(more);
    world.scrape(0).await;
    let requests = world.targets.requests.lock().unwrap();
    let options = &requests[0].options;
    assert!(options.keep_redirects && options.http1_only && options.insecure_skip_verify);
    assert_eq!(options.proxy_url.as_deref(), Some("http://p:1"));
    assert_eq!(options.no_proxy, "x,localhost,127.0.0.0/8,::1");
    assert_eq!(
        (options.tls_server_name.as_str(), options.ca.as_deref()),
        ("s", Some("from-file"))
    );
}

#[tokio::test]
async fn a_target_may_have_times_of_its_own() {
    let text = "scrape_configs:\n- job_name: j\n  scrape_interval: 15s\n  static_configs:\n  - targets: ['h:1']\n    labels: {__scrape_interval__: 30s, __scrape_timeout__: 7s}\n  - targets: ['h:2']\n";
    let world = World::new(text);
    world.expose("h:1", "a 1\n");
    world.expose("h:2", "a 1\n");
    world.minute(0).await;
    assert_eq!(world.values(&of("up")), ["1", "1"]);
    assert_eq!(world.values(r#"up{instance="h:2", job="j"}"#).len(), 4);
    let requests = world.targets.requests.lock().unwrap();
    let own: Vec<_> = requests.iter().filter(|request| request.url.contains("h:1")).collect();
    assert_eq!(own[0].timeout.as_secs(), 7);
    assert_eq!(own[0].headers["x-prometheus-scrape-timeout-seconds"], "7");
}
