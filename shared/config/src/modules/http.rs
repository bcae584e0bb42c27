//! `http` of a module.

use super::{Addresses, addresses, client, regex};
use crate::discovery::texts;
use crate::error::Fault;
use crate::fields::Fields;
use crate::http_client::{self, Secrets, pairs};
use crate::yaml::Node;
use parapet_http_client::HttpClient;
use parapet_model::quote;
use regex::Regex;

/// How an answer has to be compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Their names in HTTP.
pub enum Compression {
    Identity,
    Gzip,
    Deflate,
}

/// A rule for a header of an answer.
#[derive(Clone, Debug)]
#[allow(missing_docs)] // The fields of blackbox_exporter.
pub struct HeaderRule {
    pub header: String,
    pub regexp: Regex,
    pub allow_missing: bool,
}

/// `http`
#[derive(Clone, Debug)]
#[allow(missing_docs)] // The fields of blackbox_exporter.
pub struct HttpProbe {
    pub addresses: Addresses,
    pub valid_status_codes: Vec<u64>,
    pub valid_http_versions: Vec<String>,
    pub fail_if_ssl: bool,
    pub fail_if_not_ssl: bool,
    pub method: String,
    pub headers: Vec<(String, String)>,
    pub fail_if_body_matches: Vec<Regex>,
    pub fail_if_body_not_matches: Vec<Regex>,
    pub fail_if_header_matches: Vec<HeaderRule>,
    pub fail_if_header_not_matches: Vec<HeaderRule>,
    pub body: String,
    /// The path of the file that is sent; empty for none.
    pub body_file: String,
    /// `None` where nothing is asked.
    pub compression: Option<Compression>,
    /// Bytes, after decompression; 0 for none.
    pub body_size_limit_bytes: u64,
    pub client: HttpClient,
}

pub(super) fn read(node: &Node, secrets: &mut Secrets<'_>) -> Result<HttpProbe, Fault> {
    let own = [
        "valid_status_codes",
        "valid_http_versions",
        "preferred_ip_protocol",
        "ip_protocol_fallback",
        "no_follow_redirects",
        "fail_if_ssl",
        "fail_if_not_ssl",
        "method",
        "headers",
        "fail_if_body_matches_regexp",
        "fail_if_body_not_matches_regexp",
        "fail_if_header_matches",
        "fail_if_header_not_matches",
        "body",
        "body_file",
        "compression",
        "body_size_limit",
        "skip_resolve_phase_with_proxy",
        "enable_http3",
    ];
    let unsupported = ["fail_if_body_json_matches_cel", "fail_if_body_json_not_matches_cel"];
    let known = [&own[..], &http_client::FIELDS].concat();
    let fields = Fields::read(node, "http", &known, &unsupported)?;
    let flag = |name: &str| -> Result<bool, Fault> { Ok(fields.boolean(name)?.unwrap_or(false)) };
    let text = |name: &str| -> Result<String, Fault> { Ok(fields.text(name)?.unwrap_or_default().to_owned()) };
    let refuse = |name: &str, what: String| Err(Fault::new(fields.position(name), what));
    if flag("enable_http3")? {
        return refuse(
            "enable_http3",
            "enable_http3 is not supported yet; remove it".to_owned(),
        );
    }
    let mut client = client(&fields, secrets)?;
    if let Some(not) = fields.boolean("no_follow_redirects")? {
        client.transport.follow_redirects = !not;
    }
    let (body, body_file) = (text("body")?, text("body_file")?);
    if !body.is_empty() && !body_file.is_empty() {
        let what = "setting body and body_file both are not allowed";
        return refuse("body_file", what.to_owned());
    }
    let mut valid_status_codes = Vec::new();
    for code in fields.list("valid_status_codes")? {
        let number = code.text()?.parse();
        let what = || format!("{} is not a status code", quote(code.text().unwrap_or_default()));
        valid_status_codes.push(number.map_err(|_| Fault::new(code.at, what()))?);
    }
    let valid_http_versions = texts(fields.list("valid_http_versions")?)?;
    if valid_http_versions.iter().any(|version| version == "HTTP/3.0") {
        let what = "HTTP/3 cannot be used as a valid HTTP version when enable_http3 is false";
        return refuse("valid_http_versions", what.to_owned());
    }
    let mut headers = Vec::new();
    if let Some(node) = fields.get("headers") {
        for (key, value) in pairs(node, "headers")? {
            headers.push((key.text()?.to_owned(), value.text()?.to_owned()));
        }
    }
    let written = text("compression")?;
    let compression = match written.to_ascii_lowercase().as_str() {
        "" => None,
        "identity" => Some(Compression::Identity),
        "gzip" => Some(Compression::Gzip),
        "deflate" => Some(Compression::Deflate),
        _ => {
            let what = format!(
                "compression {} is not supported; write gzip, deflate or identity",
                quote(&written)
            );
            return refuse("compression", what);
        }
    };
    let accepted = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("accept-encoding"));
    if let Some((name, value)) = accepted.filter(|(_, value)| compression.is_some() && !accepts(&written, value)) {
        let what = format!(r#"invalid configuration "{name}: {value}", "compression: {written}""#);
        return refuse("compression", what);
    }
    let regexes = |name: &str| -> Result<Vec<Regex>, Fault> { fields.list(name)?.iter().map(regex).collect() };
    let method = text("method")?;
    Ok(HttpProbe {
        addresses: addresses(&fields)?,
        valid_status_codes,
        valid_http_versions,
        fail_if_ssl: flag("fail_if_ssl")?,
        fail_if_not_ssl: flag("fail_if_not_ssl")?,
        method: if method.is_empty() { "GET".to_owned() } else { method },
        headers,
        fail_if_body_matches: regexes("fail_if_body_matches_regexp")?,
        fail_if_body_not_matches: regexes("fail_if_body_not_matches_regexp")?,
        fail_if_header_matches: header_rules(&fields, "fail_if_header_matches")?,
        fail_if_header_not_matches: header_rules(&fields, "fail_if_header_not_matches")?,
        body,
        body_file: if body_file.is_empty() {
            body_file
        } else {
            secrets.path(&body_file)
        },
        compression,
        body_size_limit_bytes: fields
            .size_bytes("body_size_limit")?
            .unwrap_or_default()
            .max(0)
            .unsigned_abs(),
        client,
    })
}

fn header_rules(fields: &Fields<'_>, name: &str) -> Result<Vec<HeaderRule>, Fault> {
    let mut rules = Vec::new();
    for node in fields.list(name)? {
        let fields = Fields::read(node, name, &["header", "regexp", "allow_missing"], &[])?;
        let header = fields.text("header")?.unwrap_or_default();
        if header.is_empty() {
            let what = "header name must be set for HTTP header matchers";
            return Err(Fault::new(fields.position("header"), what));
        }
        let regexp = match fields.get("regexp") {
            Some(node) if !node.is_empty() => regex(node)?,
            _ => {
                let what = "regexp must be set for HTTP header matchers";
                return Err(Fault::new(fields.position("regexp"), what));
            }
        };
        rules.push(HeaderRule {
            header: header.to_owned(),
            regexp,
            allow_missing: fields.boolean("allow_missing")?.unwrap_or(false),
        });
    }
    Ok(rules)
}

/// Whether `Accept-Encoding` asks for an encoding at all: the entry with the highest quality that means it decides.
fn accepts(encoding: &str, header: &str) -> bool {
    let mut entries: Vec<(&str, f64)> = header
        .split(',')
        .map(|entry| match entry.rsplit_once(';') {
            Some((name, quality)) => {
                let quality = quality.trim();
                let quality = quality.strip_prefix("q=").unwrap_or(quality);
                (name.trim(), quality.parse().unwrap_or_default())
            }
            None => (entry.trim(), 1.0),
        })
        .collect();
    entries.sort_by(|a, b| b.1.total_cmp(&a.1));
    let meant = entries.iter().find(|(name, _)| *name == encoding || *name == "*");
    meant.is_some_and(|(_, quality)| *quality > 0.0)
}
