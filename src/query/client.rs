//! Requests to the HTTP API of a server.

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use parapet_function_kit::ReqwestHttp;
use parapet_ports::{Http as _, HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// Which server, and how it is asked.
#[derive(Debug, Args)]
pub(crate) struct Connection {
    /// The server, Parapet or Prometheus
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9090", global = true)]
    pub(crate) url: Url,
    #[command(flatten)]
    pub(crate) manner: Manner,
}

/// How a server is asked.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct Manner {
    /// Sent with each request to the server; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", global = true)]
    headers: Vec<String>,
    /// Whose data is asked for: the header X-Scope-OrgID
    #[arg(long, value_name = "TENANT", global = true)]
    tenant: Option<String>,
    /// How long an answer may take
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = timeout, global = true)]
    timeout: Duration,
}

fn timeout(text: &str) -> Result<Duration, String> {
    match parapet_model::parse_duration_ms(text) {
        Ok(ms @ 1..) => Ok(Duration::from_millis(ms.unsigned_abs())),
        _ => Err("write a duration above 0, as 30s or 2m".to_owned()),
    }
}

/// What every answer of the API looks like.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    #[serde(default)]
    data: Value,
    error_type: Option<String>,
    #[serde(default)]
    error: String,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    infos: Vec<String>,
}

pub(crate) struct Client {
    runtime: tokio::runtime::Runtime,
    http: ReqwestHttp,
    /// The flag that names the server, for messages.
    flag: &'static str,
    url: Url,
    headers: http::HeaderMap,
    timeout: Duration,
}

impl Client {
    /// A client of the server at `url`, which the flag `flag` names.
    pub(crate) fn new(flag: &'static str, url: &Url, manner: &Manner) -> anyhow::Result<Self> {
        if !matches!(url.scheme(), "http" | "https") {
            bail!("{flag} {url} is neither http:// nor https://; write for example http://127.0.0.1:9090");
        }
        let mut headers = http::HeaderMap::new();
        let tenant = manner.tenant.iter().map(|tenant| format!("X-Scope-OrgID: {tenant}"));
        for line in manner.headers.iter().cloned().chain(tenant) {
            let refused = || anyhow!("--header {line:?} is no header; write 'Name: value'");
            let (name, value) = line.split_once(':').ok_or_else(refused)?;
            let name: http::HeaderName = name.trim().parse().map_err(|_| refused())?;
            headers.append(name, value.trim().parse().map_err(|_| refused())?);
        }
        Ok(Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            http: ReqwestHttp::new()?,
            flag,
            url: url.clone(),
            headers,
            timeout: manner.timeout,
        })
    }

    /// Asks with a form, which may be as long as it needs. `expression` is shown where it is refused.
    pub(crate) fn ask(
        &self,
        endpoint: &str,
        form: &[(&str, String)],
        expression: Option<&str>,
    ) -> anyhow::Result<Value> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let url = self.endpoint(&["api", "v1", endpoint])?;
        let response = self.send(http::Method::POST, &url, body)?;
        data(&url, &response, expression)
    }

    /// For the endpoints that know no forms: what stands below `/api/v1`.
    pub(crate) fn get(&self, path: &[&str], form: &[(&str, String)]) -> anyhow::Result<Value> {
        let mut url = self.below_v1(path)?;
        url.query_pairs_mut().extend_pairs(form);
        let response = self.send(http::Method::GET, &url, String::new())?;
        data(&url, &response, None)
    }

    /// What stands below `/api/v2`, Alertmanager's: plain JSON. `None` where the server has no such thing.
    pub(crate) fn get_v2(&self, endpoint: &str) -> anyhow::Result<Option<Value>> {
        let url = self.endpoint(&["api", "v2", endpoint])?;
        let response = self.send(http::Method::GET, &url, String::new())?;
        if response.status == http::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        match serde_json::from_slice(&response.body) {
            Ok(value) if response.status.is_success() => Ok(Some(value)),
            _ => bail!("{url} answers {}: {}", response.status, excerpt(&response.body)),
        }
    }

    /// Deletes what stands below `/api/v1`.
    pub(crate) fn delete(&self, path: &[&str]) -> anyhow::Result<Value> {
        let url = self.below_v1(path)?;
        let response = self.send(http::Method::DELETE, &url, String::new())?;
        data(&url, &response, None)
    }

    fn below_v1(&self, path: &[&str]) -> anyhow::Result<Url> {
        let mut url = self.endpoint(&["api", "v1"])?;
        url.path_segments_mut().map_err(|()| self.no_place())?.extend(path);
        Ok(url)
    }

    fn endpoint(&self, path: &[&str]) -> anyhow::Result<Url> {
        let mut url = self.url.clone();
        url.path_segments_mut()
            .map_err(|()| self.no_place())?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }

    fn no_place(&self) -> anyhow::Error {
        anyhow!("{} {} has no place for a path", self.flag, self.url)
    }

    /// Posts to a path of the server; what it answers is the caller's to judge.
    pub(crate) fn post(
        &self,
        path: &[&str],
        content_type: &'static str,
        body: impl Into<bytes::Bytes>,
    ) -> anyhow::Result<HttpResponse> {
        self.exchange(http::Method::POST, &self.endpoint(path)?, content_type, body)
    }

    fn send(&self, method: http::Method, url: &Url, body: String) -> anyhow::Result<HttpResponse> {
        self.exchange(method, url, "application/x-www-form-urlencoded", body)
    }

    fn exchange(
        &self,
        method: http::Method,
        url: &Url,
        content_type: &'static str,
        body: impl Into<bytes::Bytes>,
    ) -> anyhow::Result<HttpResponse> {
        let mut headers = self.headers.clone();
        if method == http::Method::POST {
            let content_type = http::HeaderValue::from_static(content_type);
            headers.insert(http::header::CONTENT_TYPE, content_type);
        }
        let request = HttpRequest {
            method,
            url: url.to_string(),
            headers,
            body: body.into(),
            timeout: self.timeout,
            body_limit_bytes: 0,
            memory: None,
            options: parapet_ports::HttpOptions::default(),
        };
        self.runtime.block_on(self.http.call(request)).with_context(|| {
            format!(
                "{} does not answer; is it running? {} names another server",
                self.url, self.flag
            )
        })
    }
}

/// The data of an answer of the Prometheus API.
fn data(url: &Url, response: &HttpResponse, expression: Option<&str>) -> anyhow::Result<Value> {
    let Ok(envelope) = serde_json::from_slice::<Envelope>(&response.body) else {
        bail!(
            "{url} answers {} and no JSON of the Prometheus API: {}",
            response.status,
            excerpt(&response.body)
        );
    };
    if let Some(kind) = envelope.error_type {
        bail!("{kind}: {}{}", envelope.error, pointer(&envelope.error, expression));
    }
    complain(&envelope.warnings, &envelope.infos);
    Ok(envelope.data)
}

/// The first line, as far as it tells something.
fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line: String = text
        .trim()
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(200)
        .collect();
    if line.is_empty() { "(nothing)".to_owned() } else { line }
}

/// The line of the expression that `1:5: parse error` is about, with a mark under the place.
fn pointer(error: &str, expression: Option<&str>) -> String {
    let find = || {
        let place = error.split("parse error").next()?.trim_end_matches([':', ' ']);
        let place = place.rsplit(' ').next()?;
        let (line, column) = place.split_once(':')?;
        let (line, column): (usize, usize) = (line.parse().ok()?, column.parse().ok()?);
        let text = expression?.lines().nth(line.checked_sub(1)?)?;
        let before = text.get(..column.checked_sub(1)?)?;
        Some(format!("\n\n  {text}\n  {}^", " ".repeat(before.chars().count())))
    };
    find().unwrap_or_default()
}

#[allow(clippy::print_stderr)]
fn complain(warnings: &[String], infos: &[String]) {
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    for info in infos {
        eprintln!("info: {info}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_at_the_fault() {
        let error = "invalid parameter \"query\": 1:5: parse error: unexpected end of input";
        assert_eq!(pointer(error, Some("sum(")), "\n\n  sum(\n      ^");
        assert_eq!(pointer("2:1: parse error: x", Some("a +\n}")), "\n\n  }\n  ^");
        for (error, expression) in [
            ("9:1: parse error: x", Some("a")),
            ("1:9: parse error: x", Some("a")),
            ("query timed out", Some("a")),
            ("1:1: parse error: x", None),
        ] {
            assert_eq!(pointer(error, expression), "", "{error}");
        }
    }

    #[test]
    fn an_endpoint_stands_behind_the_path_of_the_server() {
        let manner = Manner {
            headers: vec!["Authorization: Bearer x".to_owned()],
            tenant: Some("a".to_owned()),
            timeout: Duration::from_secs(1),
        };
        let client = |url: &str| Client::new("--url", &url.parse().unwrap(), &manner);
        let with_path = client("http://host/prometheus/").unwrap();
        assert_eq!(
            with_path.endpoint(&["api", "v1", "query"]).unwrap().as_str(),
            "http://host/prometheus/api/v1/query"
        );
        assert_eq!(with_path.headers.len(), 2);
        assert_eq!(
            client("http://host")
                .unwrap()
                .endpoint(&["label", "a/b", "values"])
                .unwrap()
                .path(),
            "/label/a%2Fb/values"
        );
        assert!(client("file:///x").is_err());
    }
}
