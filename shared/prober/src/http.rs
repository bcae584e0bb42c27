//! A request, its redirects, and what came of it.

mod body;
mod exchange;

use crate::{Prober, address};
use exchange::{Answer, Hop};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use hyper::body::Body as _;
use parapet_config::modules::{Compression, HttpProbe};
use parapet_probe::{Report, http as rules};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use url::Url;

/// More redirects than these are not followed.
const MAX_REDIRECTS: u32 = 10;

pub(crate) async fn probe(
    prober: &Prober,
    module: &HttpProbe,
    target: &str,
    hostname: &str,
    report: &mut Report,
) -> bool {
    rules::register(report);
    match run(prober, module, target, hostname, report).await {
        Ok(success) => success,
        Err(what) => {
            report.say(what);
            false
        }
    }
}

fn phase(report: &mut Report, name: &str, seconds: f64) {
    report.add("probe_http_duration_seconds", &[("phase", name)], seconds);
}

async fn run(
    prober: &Prober,
    module: &HttpProbe,
    target: &str,
    hostname: &str,
    report: &mut Report,
) -> Result<bool, String> {
    let lower = target.to_ascii_lowercase();
    let target = if lower.starts_with("http://") || lower.starts_with("https://") {
        target.to_owned()
    } else {
        format!("http://{target}")
    };
    let mut url = Url::parse(&target).map_err(|error| format!("Could not parse target URL: {error}"))?;
    let host = bare_host(&url);
    let Some((ip, lookup)) = address::choose(&host, module.addresses, report).await else {
        phase(report, "resolve", 0.0);
        return Ok(false);
    };
    phase(report, "resolve", lookup);
    for name in ["connect", "tls", "processing", "transfer"] {
        phase(report, name, 0.0);
    }
    let own_host = module
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("host"));
    let own_host = own_host
        .map(|(_, value)| value.as_str())
        .or(Some(hostname).filter(|name| !name.is_empty()));
    let mut known = Some(ip);
    let mut host_header = own_host.map_or_else(|| authority(&url), str::to_owned);
    let mut server_name = match (&module.client.transport.tls.server_name, own_host) {
        (name, None) if name.is_empty() => host,
        (name, Some(host)) if name.is_empty() => host.to_owned(),
        (name, _) => name.clone(),
    };
    let mut method = Method::from_bytes(module.method.as_bytes()).map_err(|error| error.to_string())?;
    let mut body = if module.body_file.is_empty() {
        module.body.clone()
    } else {
        let read = prober.secrets.file(&module.body_file).await;
        read.map_err(|error| format!("Error creating request: {}", error.chain()))?
    };
    let mut headers = headers(prober, module, &url).await?;
    let (mut redirects, mut cookies) = (0, BTreeMap::<String, BTreeMap<String, String>>::new());
    loop {
        let ip = match known {
            Some(ip) => ip,
            None => look_up(&url, report).await?,
        };
        let port = url.port_or_known_default().unwrap_or(80);
        let mut sent = headers.clone();
        if let Some(kept) = cookies.get(&host_header).filter(|kept| !kept.is_empty()) {
            let pairs: Vec<String> = kept.iter().map(|(name, value)| format!("{name}={value}")).collect();
            sent.extend(
                HeaderValue::from_str(&pairs.join("; "))
                    .ok()
                    .map(|value| (header::COOKIE, value)),
            );
        }
        let hop = Hop {
            url: &url,
            server: SocketAddr::new(ip, port),
            host: &host_header,
            server_name: &server_name,
            method: method.clone(),
            headers: sent,
            body: body.clone(),
        };
        report.say(format!("Making HTTP request to {url}, host {host_header}"));
        let answer = exchange::exchange(prober, module, hop, report).await;
        let answer = answer.map_err(|what| format!("Error for HTTP request: {what}"))?;
        remember(&answer.head.headers, cookies.entry(host_header.clone()).or_default());
        let location = answer
            .head
            .headers
            .get(header::LOCATION)
            .and_then(|value| value.to_str().ok());
        let location = location.filter(|_| is_redirect(answer.head.status)).map(str::to_owned);
        let Some(location) = location else {
            return finish(module, answer, false, redirects, report).await;
        };
        redirects += 1;
        report.say(format!("Received redirect to {location}"));
        if redirects > MAX_REDIRECTS || !module.client.transport.follow_redirects {
            report.say("Not following redirect");
            return finish(module, answer, true, redirects, report).await;
        }
        let next = url.join(&location);
        let next = next.map_err(|error| format!("Error for HTTP request: failed to parse Location header: {error}"))?;
        if !matches!(next.scheme(), "http" | "https") {
            return Err(format!(
                "Error for HTTP request: unsupported protocol scheme {}",
                next.scheme()
            ));
        }
        if !matches!(answer.head.status.as_u16(), 307 | 308) {
            if !matches!(method, Method::GET | Method::HEAD) {
                method = Method::GET;
            }
            body.clear();
        }
        // What is told in full is another place, whose address is not known yet and whose name is its own.
        if location.contains("://") || location.starts_with("//") {
            if next.host_str() != url.host_str() {
                headers.remove(header::AUTHORIZATION);
            }
            (server_name, host_header, known) = (bare_host(&next), authority(&next), None);
        }
        url = next;
    }
}

/// Judges the last answer. `stopped` is that a redirect was not followed: its body is not read.
async fn finish(
    module: &HttpProbe,
    answer: Answer,
    stopped: bool,
    redirects: u32,
    report: &mut Report,
) -> Result<bool, String> {
    let head = &answer.head;
    let mut success = rules::is_valid_status(module, head.status.as_u16(), report);
    let has_header_rules = !module.fail_if_header_matches.is_empty() || !module.fail_if_header_not_matches.is_empty();
    if success && has_header_rules {
        let values = |name: &str| -> Vec<&[u8]> {
            let found = head.headers.get_all(name).iter();
            found.map(HeaderValue::as_bytes).collect()
        };
        success = rules::are_valid_headers(module, values, report);
        report.set("probe_failed_due_to_regex", f64::from(u8::from(!success)));
    }
    report.set("probe_http_content_length", content_length(&answer) as f64);
    if let Some(at) = head
        .headers
        .get(header::LAST_MODIFIED)
        .and_then(|value| value.to_str().ok())
        .and_then(rules::last_modified)
    {
        report.gauge(
            "probe_http_last_modified_timestamp_seconds",
            "Returns the Last-Modified HTTP response header in unixtime",
        );
        report.set("probe_http_last_modified_timestamp_seconds", at as f64);
    }
    let (version, proto) = match head.version {
        http::Version::HTTP_10 => (1.0, "HTTP/1.0"),
        http::Version::HTTP_2 => (2.0, "HTTP/2.0"),
        _ => (1.1, "HTTP/1.1"),
    };
    report.set("probe_http_version", version);
    report.set("probe_http_status_code", f64::from(head.status.as_u16()));
    report.set("probe_http_redirects", f64::from(redirects));
    if let Some(state) = &answer.tls {
        report.set("probe_http_ssl", 1.0);
        state.tell(report, true, true);
    }
    let is_encrypted = answer.tls.is_some();
    if stopped {
        phase(report, "transfer", answer.began.elapsed().as_secs_f64());
    } else {
        let has_rules = !module.fail_if_body_matches.is_empty() || !module.fail_if_body_not_matches.is_empty();
        let began = answer.began;
        let read = body::read(module, answer.body, success && has_rules).await;
        phase(report, "transfer", began.elapsed().as_secs_f64());
        report.set("probe_http_uncompressed_body_length", read.length as f64);
        // What does not begin as gzip has no body that could be matched.
        let is_body = read.fault.is_none() || read.length > 0 || module.compression != Some(Compression::Gzip);
        if success && has_rules && is_body {
            success = read.fault.is_none() && rules::is_valid_body(module, &read.kept, report);
            report.set("probe_failed_due_to_regex", f64::from(u8::from(!success)));
        }
        if let Some(fault) = read.fault {
            report.say(format!("Failed to read HTTP response body: {fault}"));
            success = false;
        }
    }
    if !module.valid_http_versions.is_empty() && !module.valid_http_versions.iter().any(|version| version == proto) {
        report.say(format!("Invalid HTTP version number {proto}"));
        success = false;
    }
    if is_encrypted && module.fail_if_ssl {
        report.say("Final request was over SSL");
        success = false;
    } else if !is_encrypted && module.fail_if_not_ssl && success {
        report.say("Final request was not over SSL");
        success = false;
    }
    Ok(success)
}

/// As Go tells it: -1 where it is not known.
fn content_length(answer: &Answer) -> i64 {
    let written = answer.head.headers.get(header::CONTENT_LENGTH);
    let written = written.and_then(|value| value.to_str().ok()?.parse().ok());
    let has_none = matches!(answer.head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let ended = answer.head.version == http::Version::HTTP_2 && answer.body.is_end_stream();
    written.unwrap_or(if has_none || ended { 0 } else { -1 })
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// The host of a URL, without the brackets of an address.
fn bare_host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    host.trim_matches(['[', ']']).to_owned()
}

/// What the header `Host` says of a URL.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port()
        .map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

async fn look_up(url: &Url, report: &mut Report) -> Result<IpAddr, String> {
    let host = bare_host(url);
    let started = Instant::now();
    let found = tokio::net::lookup_host((host.as_str(), 0)).await;
    phase(report, "resolve", started.elapsed().as_secs_f64());
    let first = found
        .map_err(|error| format!("Error for HTTP request: {error}"))?
        .next();
    first
        .map(|address| address.ip())
        .ok_or_else(|| format!("Error for HTTP request: {host} has no address"))
}

/// The headers of every request: those of the module, its credentials, who asks.
async fn headers(prober: &Prober, module: &HttpProbe, url: &Url) -> Result<HeaderMap, String> {
    use base64::Engine as _;
    let basic = |name: &str, password: &str| {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
        format!("Basic {pair}")
    };
    let mut headers = HeaderMap::new();
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("Parapet/", env!("CARGO_PKG_VERSION"))),
    );
    let mut set = |name: &str, value: &str| -> Result<(), String> {
        let unusable = || format!("Error creating request: header {name} cannot be sent");
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unusable())?;
        headers.insert(key, HeaderValue::from_str(value).map_err(|_| unusable())?);
        Ok(())
    };
    let client = &module.client;
    let secret = async |source| prober.secret(source).await.map_err(|error| error.chain());
    if !url.username().is_empty() {
        set(
            "authorization",
            &basic(url.username(), url.password().unwrap_or_default()),
        )?;
    }
    if let Some((kind, credentials)) = &client.authorization {
        set(
            "authorization",
            &format!("{kind} {}", secret(credentials).await?.expose()),
        )?;
    }
    if let Some((name, password)) = &client.basic_auth {
        let (name, password) = (secret(name).await?, secret(password).await?);
        set("authorization", &basic(name.expose(), password.expose()))?;
    }
    for (name, value) in &client.headers {
        set(name, secret(value).await?.expose())?;
    }
    for (name, value) in module
        .headers
        .iter()
        .filter(|(name, _)| !name.eq_ignore_ascii_case("host"))
    {
        set(name, value)?;
    }
    Ok(headers)
}

/// Keeps the cookies that an answer sets, as long as the probe lasts.
fn remember(headers: &HeaderMap, known: &mut BTreeMap<String, String>) {
    for value in headers.get_all(header::SET_COOKIE).iter().take(50) {
        let text = value.to_str().unwrap_or_default();
        let pair = text.split(';').next().unwrap_or_default();
        if let Some((name, value)) = pair.split_once('=') {
            known.insert(name.trim().to_owned(), value.trim().to_owned());
        }
    }
}
