//! A Prometheus on loopback, started here or elsewhere.

use anyhow::Context as _;
use parapet_function_kit::ReqwestHttp;
use parapet_model::BatchSeries;
use parapet_ports::{Http as _, HttpRequest};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The HTTP API of a Prometheus.
#[derive(Debug)]
pub struct Peer {
    http: ReqwestHttp,
    url: String,
}

impl Peer {
    /// At `url`, without a slash at its end.
    pub fn new(url: String) -> anyhow::Result<Self> {
        let http = ReqwestHttp::new()?;
        Ok(Self { http, url })
    }

    /// Remote-writes series in one request.
    pub async fn write(&self, batch: &[BatchSeries]) -> anyhow::Result<()> {
        let mut headers = http::HeaderMap::new();
        for (name, value) in [
            (
                "content-type",
                "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            ),
            ("content-encoding", "snappy"),
            ("x-prometheus-remote-write-version", "2.0.0"),
        ] {
            headers.insert(name, http::HeaderValue::from_static(value));
        }
        let body = parapet_remote_write::snappy_encode(&parapet_remote_write::encode_v2(batch))?;
        self.call(http::Method::POST, "api/v1/write", headers, body)
            .await
            .map(|_| ())
    }

    /// The body of a good answer.
    pub async fn call(
        &self,
        method: http::Method,
        path: &str,
        headers: http::HeaderMap,
        body: Vec<u8>,
    ) -> anyhow::Result<bytes::Bytes> {
        let request = HttpRequest {
            method,
            url: format!("{}/{path}", self.url),
            headers,
            body: body.into(),
            timeout: Duration::from_secs(600),
            body_limit_bytes: 0,
            memory: None,
            options: parapet_ports::HttpOptions::default(),
        };
        let response = self.http.call(request).await?;
        anyhow::ensure!(
            response.status.is_success(),
            "the peer answers {}: {}",
            response.status,
            String::from_utf8_lossy(&response.body)
        );
        Ok(response.body)
    }
}

/// A Prometheus that was started here, and ends with this.
#[derive(Debug)]
pub struct Prometheus {
    /// Its API.
    pub peer: Peer,
    child: Child,
}

impl Prometheus {
    /// Starts `command` (the program, perhaps behind `taskset`) on data and a configuration in `directory`, and waits
    /// until it is ready.
    pub async fn start(
        command: &[String],
        directory: &Path,
        configuration: &str,
        flags: &[&str],
    ) -> anyhow::Result<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let file = directory.join("prometheus.yml");
        std::fs::write(&file, configuration)?;
        let log = std::fs::File::create(directory.join("prometheus.log"))?;
        let (program, before) = command.split_first().context("no program is given")?;
        let child = Command::new(program)
            .args(before)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(flags)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .with_context(|| format!("{program} does not start"))?;
        let peer = Peer::new(format!("http://127.0.0.1:{port}"))?;
        let started = Self { peer, child };
        for _ in 0..300 {
            if started.get("-/ready").await.is_ok() {
                return Ok(started);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        anyhow::bail!("{program} is not ready after 30 s")
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The answer to a GET.
    pub async fn get(&self, path: &str) -> anyhow::Result<bytes::Bytes> {
        let headers = http::HeaderMap::new();
        self.peer.call(http::Method::GET, path, headers, Vec::new()).await
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
