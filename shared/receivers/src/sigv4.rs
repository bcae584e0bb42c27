//! Signatures of requests to AWS (Signature Version 4), for a POST without a query.

use crate::exchange::{AwsCredentials, hex};
use crate::go_time;
use hmac::{Hmac, KeyInit as _, Mac as _};
use parapet_routing::Secret;
use sha2::{Digest as _, Sha256};

/// The headers that sign a request; `None` where `url` is no URL.
#[must_use]
pub fn sign(
    credentials: &AwsCredentials,
    region: &str,
    service: &str,
    url: &str,
    content_type: &str,
    body: &[u8],
    now_ms: i64,
) -> Option<Vec<(String, Secret)>> {
    let (_, rest) = url.split_once("://")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    // 2026-01-02T03:04:05Z without what separates.
    let time: String = go_time::format(now_ms - now_ms.rem_euclid(1000)).replace(['-', ':'], "");
    let date = &time[..8];
    let mut headers = vec![
        ("content-type", content_type),
        ("host", host),
        ("x-amz-date", time.as_str()),
    ];
    if let Some(token) = &credentials.session_token {
        headers.push(("x-amz-security-token", token.expose()));
    }
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = headers
        .iter()
        .map(|(name, value)| format!("{name}:{value}\n"))
        .collect();
    let canonical = format!("POST\n{path}\n\n{lines}\n{names}\n{}", hex(&Sha256::digest(body)));
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
    let mut signed = vec![
        ("X-Amz-Date".to_owned(), Secret::new(time.clone())),
        ("Authorization".to_owned(), Secret::new(authorization)),
    ];
    if let Some(token) = &credentials.session_token {
        signed.push(("X-Amz-Security-Token".to_owned(), token.clone()));
    }
    Some(signed)
}

fn hmac(key: &[u8], text: &str) -> Option<Vec<u8>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(text.as_bytes());
    Some(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_aws_documents() {
        // "post-x-www-form-urlencoded" of the AWS Signature Version 4 test suite.
        let credentials = AwsCredentials {
            access_key: "AKIDEXAMPLE".to_owned(),
            secret_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session_token: None,
            region: String::new(),
        };
        let content_type = "application/x-www-form-urlencoded";
        let url = "https://example.amazonaws.com/";
        let signed = sign(
            &credentials,
            "us-east-1",
            "service",
            url,
            content_type,
            b"Param1=value1",
            1_440_938_160_000,
        );
        let signed = signed.unwrap();
        assert_eq!(signed[0].1.expose(), "20150830T123600Z");
        assert!(
            signed[1]
                .1
                .expose()
                .ends_with("Signature=ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
            "{}",
            signed[1].1.expose()
        );
    }
}
