//! Requests to AWS: whose, where to, signed (Signature Version 4).
//!
//! What is needed of AWS beside storage and queues is a POST a service: notifications, secrets, discovery. Signed here
//! they cost a hundred lines; the SDK's smallest client of these takes longer to compile than everything that uses it.

use crate::Secret;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// Who signs requests to AWS, and where they go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsCredentials {
    /// The key's name.
    pub access_key: String,
    /// The key.
    pub secret_key: Secret,
    /// Of temporary credentials.
    pub session_token: Option<Secret>,
    /// The region, unless the configuration names one.
    pub region: String,
    /// One address for every service, as emulators have; `None` for AWS itself.
    pub endpoint_url: Option<String>,
}

impl AwsCredentials {
    /// The URL of a service in a region; `host` is the first part of its name there: `sns`, `email`.
    #[must_use]
    pub fn url(&self, host: &str, region: &str) -> String {
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        match &self.endpoint_url {
            Some(url) => format!("{}/", url.trim_end_matches('/')),
            None => format!("https://{host}.{region}.amazonaws.com{suffix}/"),
        }
    }
}

/// A POST without a query, before it is signed.
#[derive(Clone, Copy, Debug)]
pub struct AwsPost<'a> {
    /// The service's name in signatures: `sns`, `secretsmanager`.
    pub service: &'a str,
    /// The region that it is sent to.
    pub region: &'a str,
    /// The whole URL.
    pub url: &'a str,
    /// The header `Content-Type`, which the caller sends.
    pub content_type: &'a str,
    /// The header `X-Amz-Target`: the operation, in services that speak JSON.
    pub target: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// The headers that a signed request has beside `Content-Type`; `None` where its `url` is no URL.
#[must_use]
pub fn sign(credentials: &AwsCredentials, post: &AwsPost<'_>, now_ms: i64) -> Option<Vec<(String, Secret)>> {
    let (_, rest) = post.url.split_once("://")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    let time = chrono::DateTime::from_timestamp_millis(now_ms)?
        .format("%Y%m%dT%H%M%SZ")
        .to_string();
    let date = time.get(..8)?;
    let mut own = vec![("X-Amz-Date", time.as_str())];
    if let Some(token) = &credentials.session_token {
        own.push(("X-Amz-Security-Token", token.expose()));
    }
    if let Some(target) = post.target {
        own.push(("X-Amz-Target", target));
    }
    // In order of name.
    let mut headers = vec![
        ("content-type".to_owned(), post.content_type),
        ("host".to_owned(), host),
    ];
    headers.extend(own.iter().map(|(name, value)| (name.to_lowercase(), *value)));
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let lines: String = headers
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let canonical = format!("POST\n{path}\n\n{lines}\n{names}\n{}", hex(&Sha256::digest(post.body)));
    let (region, service) = (post.region, post.service);
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
        hex(&Sha256::digest(canonical.as_bytes()))
    );
    let mut key = format!("AWS4{}", credentials.secret_key.expose()).into_bytes();
    for part in [date, region, service, "aws4_request", &to_sign] {
        key = hmac(&key, part)?;
    }
    let (id, signature) = (&credentials.access_key, hex(&key));
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
    own.push(("Authorization", &authorization));
    let own = own.into_iter();
    Some(own.map(|(name, value)| (name.to_owned(), Secret::new(value))).collect())
}

fn hmac(key: &[u8], text: &str) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(text.as_bytes());
    Some(mac.finalize().into_bytes().to_vec())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> AwsCredentials {
        AwsCredentials {
            access_key: "AKIDEXAMPLE".to_owned(),
            secret_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: None,
            region: String::new(),
            endpoint_url: None,
        }
    }

    #[test]
    fn signs_as_aws_documents() {
        // "post-x-www-form-urlencoded" of the AWS Signature Version 4 test suite.
        let post = AwsPost {
            service: "service",
            region: "us-east-1",
            url: "https://example.amazonaws.com/",
            content_type: "application/x-www-form-urlencoded",
            target: None,
            body: b"Param1=value1",
        };
        let signed = sign(&credentials(), &post, 1_440_938_160_000).unwrap();
        assert_eq!(signed[0].1.expose(), "20150830T123600Z");
        assert!(
            signed[1]
                .1
                .expose()
                .ends_with("Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
            "{}",
            signed[1].1.expose()
        );
        // Every header of AWS' own is signed, in order of name.
        let credentials = AwsCredentials {
            session_token: Some(Secret::new("t")),
            ..credentials()
        };
        let post = AwsPost {
            target: Some("AmazonSSM.GetParameter"),
            ..post
        };
        let signed = sign(&credentials, &post, 1_440_938_160_000).unwrap();
        let names: Vec<&str> = signed.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["X-Amz-Date", "X-Amz-Security-Token", "X-Amz-Target", "Authorization"]
        );
        let list = "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target,";
        assert!(signed[3].1.expose().contains(list), "{}", signed[3].1.expose());
    }

    #[test]
    fn knows_where_services_are() {
        let mut credentials = credentials();
        assert_eq!(
            credentials.url("sns", "eu-west-1"),
            "https://sns.eu-west-1.amazonaws.com/"
        );
        assert_eq!(
            credentials.url("sns", "cn-north-1"),
            "https://sns.cn-north-1.amazonaws.com.cn/"
        );
        credentials.endpoint_url = Some("http://127.0.0.1:4566/".to_owned());
        assert_eq!(credentials.url("sns", "eu-west-1"), "http://127.0.0.1:4566/");
    }
}
