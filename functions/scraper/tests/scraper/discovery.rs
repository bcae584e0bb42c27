//! Targets that are found.

use crate::world::{Answer, START_MS, World, of};
use parapet_ports::{Error, Files, Kind, SourceFile};
use parapet_scraper::{Scraper, Settings, with_discovered_targets};
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
struct Disk(Mutex<Vec<SourceFile>>);

impl Disk {
    fn write(&self, text: &str) {
        *self.0.lock().unwrap() = vec![SourceFile {
            path: "sd/a.yml".to_owned(),
            text: text.to_owned(),
        }];
    }
}

#[async_trait::async_trait]
impl Files for Disk {
    async fn matching(&self, pattern: &str) -> Result<Vec<SourceFile>, Error> {
        let files = self.0.lock().unwrap().clone();
        if files.iter().any(|file| file.text == "unreadable") {
            return Err(Error::new(Kind::Unavailable, "cannot read sd"));
        }
        let matching = |file: &SourceFile| parapet_ports::matches_pattern(pattern, &file.path);
        Ok(files.into_iter().filter(matching).collect())
    }
}

fn config(section: &str) -> String {
    format!("scrape_configs:\n- job_name: j\n  scrape_interval: 15s\n{section}")
}

fn world(section: &str) -> (World, Arc<Disk>) {
    let (mut world, disk) = (World::new(&config(section)), Arc::new(Disk::default()));
    world.scraper = Scraper::new(world.ports.clone(), Settings::default()).with_files(disk.clone());
    world.expose("h:1", "a 1\n");
    world.expose("h:2", "a 2\n");
    (world, disk)
}

#[tokio::test]
async fn files_are_read_again_when_their_time_comes() {
    let section = "  file_sd_configs: [{files: ['sd/*.yml'], refresh_interval: 2m}]\n";
    let (mut world, disk) = self::world(section);
    disk.write("- targets: ['h:1']\n  labels: {env: prod}\n");
    world.minute(0).await;
    let first = r#"up{env="prod", instance="h:1", job="j"}"#;
    assert_eq!(world.values(first), ["1", "1", "1", "1"]);
    disk.write("- targets: ['h:2']\n");
    world.minute(1).await;
    assert_eq!(world.values(first).len(), 8, "not due yet");
    // Now it is due: the one that left is marked, the other is scraped.
    world.minute(2).await;
    assert_eq!(world.values(first).last().unwrap(), "stale");
    assert_eq!(world.values(r#"up{instance="h:2", job="j"}"#).len(), 4);
    // A process that begins knows what was found before it asks itself.
    world.restart();
    disk.write("unreadable");
    world.scraper = Scraper::new(world.ports.clone(), Settings::default()).with_files(disk.clone());
    world.minute(3).await;
    assert_eq!(world.values(r#"up{instance="h:2", job="j"}"#).len(), 8);
}

#[tokio::test]
async fn a_discovery_that_fails_keeps_what_it_found() {
    let section =
        "  http_sd_configs: [{url: 'http://sd/', refresh_interval: 30s}]\n  static_configs: [{targets: ['h:2']}]\n";
    let (world, _) = self::world(section);
    let answer = |answer| {
        world
            .targets
            .answers
            .lock()
            .unwrap()
            .insert("http://sd/".to_owned(), answer)
    };
    answer(Answer::Text("application/json", r#"[{"targets": ["h:1"]}]"#.to_owned()));
    world.minute(0).await;
    assert_eq!(world.values(&of("up")).len(), 4);
    for (minute, broken) in [
        Answer::Status(500),
        Answer::Text("text/html", "[]".to_owned()),
        Answer::Text("application/json", "[nul".to_owned()),
        Answer::Error("connection refused"),
    ]
    .into_iter()
    .enumerate()
    {
        answer(broken);
        world.minute(1 + minute as i64).await;
        assert_eq!(world.values(&of("up")).len(), 4 * (minute + 2));
    }
    // An answer without targets is one.
    answer(Answer::Text("application/json; charset=utf-8", "[]".to_owned()));
    world.minute(5).await;
    assert_eq!(world.values(&of("up")).last().unwrap(), "stale");
    let requests = world.targets.requests.lock().unwrap();
    let asked = requests.iter().find(|request| request.url == "http://sd/").unwrap();
    assert_eq!(asked.headers["x-prometheus-refresh-interval-seconds"], "30");
    assert_eq!(asked.headers["accept"], "application/json");
}

#[tokio::test]
async fn consul_and_kubernetes_are_asked_with_their_credentials() {
    let section = "  consul_sd_configs: [{server: 'c:8500', token: t0k, allow_stale: false}]\n";
    let (world, _) = self::world(section);
    let say = |url: &str, text: &str| {
        let answer = Answer::Text("application/json", text.to_owned());
        world.targets.answers.lock().unwrap().insert(url.to_owned(), answer);
    };
    say("http://c:8500/v1/catalog/services?", r#"{"web": []}"#);
    say(
        "http://c:8500/v1/health/service/web?",
        r#"[{"Node": {"Address": "h"}, "Service": {"Port": 1}, "Checks": []}]"#,
    );
    world.minute(0).await;
    assert_eq!(world.values(&of("up")), ["1"; 4]);
    assert_eq!(
        world.targets.requests.lock().unwrap()[0].headers["x-consul-token"],
        "t0k"
    );

    let section = "  kubernetes_sd_configs: [{role: node, api_server: 'https://k', authorization: {credentials: k8s}}]\n  relabel_configs: [{source_labels: [__meta_kubernetes_node_name], target_label: node}]\n";
    let (world, _) = self::world(section);
    let page = |name: &str, next: &str| {
        let status = r#"{"addresses": [{"type": "InternalIP", "address": "h"}], "daemonEndpoints": {"kubeletEndpoint": {"Port": 1}}}"#;
        format!(
            r#"{{"metadata": {{"continue": "{next}"}}, "items": [{{"metadata": {{"name": "{name}"}}, "status": {status}}}]}}"#
        )
    };
    let say = |url: &str, text: String| {
        let answer = Answer::Text("application/json", text);
        world.targets.answers.lock().unwrap().insert(url.to_owned(), answer);
    };
    say("https://k/api/v1/nodes?limit=500", page("n1", "more"));
    say("https://k/api/v1/nodes?continue=more&limit=500", page("n2", ""));
    world.minute(0).await;
    for node in ["n1", "n2"] {
        assert_eq!(
            world.values(&format!(r#"up{{instance="{node}", job="j", node="{node}"}}"#)),
            ["1"; 4]
        );
    }
    let requests = world.targets.requests.lock().unwrap();
    assert_eq!(requests[0].headers["authorization"], "Bearer k8s");
}

#[tokio::test]
async fn whoever_shows_targets_sees_those_that_were_found() {
    let section = "  file_sd_configs: [{files: ['sd/a.yml']}]\n  relabel_configs: [{source_labels: [__address__], regex: 'h:2', action: drop}]\n";
    let (world, disk) = self::world(section);
    disk.write("- targets: ['h:1', 'h:2', 'http://no']\n");
    world.minute(0).await;
    world.memory.clock.set_ms(START_MS + 60_000);
    let written = parapet_config::parse("prometheus.yml", &config(section)).unwrap();
    let shown = with_discovered_targets(&world.ports, &written).await.unwrap();
    let job = &shown.jobs[0];
    assert_eq!(job.targets.len(), 1);
    assert_eq!(
        job.targets[0].discovered_labels.get("__meta_filepath"),
        Some("sd/a.yml")
    );
    assert_eq!((job.dropped_targets.len(), job.faulty_targets.len()), (1, 1));
}
