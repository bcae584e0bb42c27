//! Discovery in services of AWS: the calls, their answers, and the targets of them (`discovery/aws` of Prometheus).
//!
//! A call is one POST, signed by whoever sends it; [`failure`] says what a refusal means.

pub mod cloud_map;
pub mod ec2;
pub mod ecs;
pub mod lightsail;
pub mod sts;
mod xml;

use parapet_http_client::query::encode;
use serde::Deserialize;

/// A call, before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The service's name in signatures and in the names of hosts.
    pub service: &'static str,
    /// What is called, for messages.
    pub operation: &'static str,
    /// The header `Content-Type`.
    pub content_type: &'static str,
    /// The header `X-Amz-Target`, in services that speak JSON.
    pub target: Option<String>,
    /// The body.
    pub body: String,
}

impl Call {
    /// A call of the query protocol, which answers in XML.
    fn query(service: &'static str, operation: &'static str, version: &str, parameters: Vec<(String, String)>) -> Self {
        let own = [("Action", operation.to_owned()), ("Version", version.to_owned())];
        let parameters = parameters.iter().map(|(name, value)| (name.as_str(), value.clone()));
        Self {
            service,
            operation,
            content_type: "application/x-www-form-urlencoded; charset=utf-8",
            target: None,
            body: encode(own.into_iter().chain(parameters)),
        }
    }

    /// A call of the JSON protocol.
    fn json(service: &'static str, prefix: &str, operation: &'static str, body: &serde_json::Value) -> Self {
        Self {
            service,
            operation,
            content_type: "application/x-amz-json-1.1",
            target: Some(format!("{prefix}.{operation}")),
            body: body.to_string(),
        }
    }
}

/// What an answer says that is no success: AWS' code and message, of either protocol.
#[must_use]
pub fn failure(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Json {
        #[serde(rename = "__type")]
        code: String,
        #[serde(alias = "Message", default)]
        message: String,
    }
    if let Ok(json) = serde_json::from_slice::<Json>(body) {
        let code = json.code.rsplit('#').next().unwrap_or_default();
        return Some(format!("{code}: {}", json.message));
    }
    let text = std::str::from_utf8(body).ok()?;
    let document = xml::parse(text).ok()?;
    let find = |name: &str| {
        document
            .descendants()
            .find(|node| node.tag_name().name() == name)?
            .text()
    };
    Some(format!("{}: {}", find("Code")?, find("Message").unwrap_or_default()))
}

/// A pair that AWS' services hang on things.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Tag {
    #[serde(alias = "Key")]
    key: Option<String>,
    #[serde(alias = "Value")]
    value: Option<String>,
}

/// The labels of tags.
fn tag_labels(prefix: &str, tags: &[Tag]) -> impl Iterator<Item = (String, String)> {
    tags.iter().filter_map(move |tag| {
        let (key, value) = (tag.key.as_ref()?, tag.value.as_ref()?);
        Some((format!("{prefix}{}", crate::sanitize(key)), value.clone()))
    })
}

/// `,a,b,`: separators at both ends, so that expressions need not care for the place of a value.
fn listed<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    let values: Vec<&str> = values.into_iter().collect();
    format!(",{},", values.join(","))
}

/// Adds a label for what is there.
fn add(labels: &mut Vec<(String, String)>, name: &str, value: Option<&String>) {
    labels.extend(value.map(|value| (name.to_owned(), value.clone())));
}

fn labels(pairs: &[(String, String)]) -> parapet_model::Labels {
    parapet_model::Labels::from_pairs(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}
