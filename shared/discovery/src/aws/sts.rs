//! A role that is assumed: temporary credentials for it.

use super::{Call, xml};

/// Temporary credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Assumed {
    /// The key's name.
    pub access_key: String,
    /// The key.
    pub secret_key: parapet_http_client::Secret,
    /// Sent with every request.
    pub session_token: parapet_http_client::Secret,
}

impl std::fmt::Debug for Assumed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "credentials of {}", self.access_key)
    }
}

/// For how long a role is assumed, seconds.
pub const DURATION_SECONDS: i64 = 900;

/// The call.
#[must_use]
pub fn assume_role(role_arn: &str, external_id: &str) -> Call {
    let mut parameters = vec![
        ("RoleArn".to_owned(), role_arn.to_owned()),
        ("RoleSessionName".to_owned(), "parapet-discovery".to_owned()),
        ("DurationSeconds".to_owned(), DURATION_SECONDS.to_string()),
    ];
    if !external_id.is_empty() {
        parameters.push(("ExternalId".to_owned(), external_id.to_owned()));
    }
    Call::query("sts", "AssumeRole", "2011-06-15", parameters)
}

/// The credentials of an answer.
///
/// # Errors
/// Where the answer has none.
pub fn assumed(body: &[u8]) -> Result<Assumed, String> {
    let text = std::str::from_utf8(body).map_err(|error| format!("AssumeRole: {error}"))?;
    let document = xml::parse(text).map_err(|error| format!("AssumeRole: {error}"))?;
    let found = document
        .descendants()
        .find(|node| node.tag_name().name() == "Credentials");
    let field = |name: &str| found.and_then(|node| xml::text(node, name));
    match (field("AccessKeyId"), field("SecretAccessKey"), field("SessionToken")) {
        (Some(access_key), Some(secret), Some(token)) => Ok(Assumed {
            access_key,
            secret_key: parapet_http_client::Secret::new(secret),
            session_token: parapet_http_client::Secret::new(token),
        }),
        _ => Err("AssumeRole: the answer holds no credentials".to_owned()),
    }
}
