//! Signed requests to AWS as drafts of a notification, and what an error says.

use crate::answer::{Answer, Verdict, shown, with_details};
use crate::exchange::{Draft, Exchange, RenderError};
use parapet_http_client::aws::{AwsPost, sign};
use parapet_routing::Secret;

pub(crate) use parapet_http_client::aws::AwsCredentials;

/// A signed request of the query protocol.
pub(crate) fn query(
    credentials: &AwsCredentials,
    service: &str,
    region: &str,
    url: String,
    body: String,
    exchange: &Exchange<'_>,
) -> Result<Draft, RenderError> {
    let content_type = "application/x-www-form-urlencoded";
    let post = AwsPost {
        service,
        region,
        url: &url,
        content_type,
        target: None,
        body: body.as_bytes(),
    };
    let headers = sign(credentials, &post, exchange.context.now_ms)
        .ok_or_else(|| RenderError::Invalid("api_url is not a URL".to_owned()))?;
    Ok(Draft {
        method: "POST",
        url: Secret::new(url),
        content_type,
        headers,
        body: body.into_bytes(),
    })
}

/// What services say with status 400 (SNS and SES: the query protocol) where they only want to be left alone.
const THROTTLED: [&str; 4] = [
    "Throttling",
    "ThrottlingException",
    "RequestThrottled",
    "TooManyRequestsException",
];

/// What an answer of the query protocol means: an XML document with `Code` and `Message` where it is an error.
pub(crate) fn verdict(answer: &Answer, now_ms: i64) -> Verdict {
    let body = String::from_utf8_lossy(&answer.body);
    let element = |name: &str| {
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        rest.split_once("</").map(|(text, _)| text)
    };
    let details = match (element("Code"), element("Message")) {
        (Some(code), Some(message)) => shown(format!("{code}: {message}").as_bytes()),
        _ => shown(&answer.body),
    };
    let throttled = element("Code").is_some_and(|code| THROTTLED.contains(&code));
    match with_details(answer, &details, now_ms) {
        Verdict::Permanent { error } if throttled => Verdict::Retry { error, after_ms: None },
        verdict => verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_errors() {
        let answer = |status, code: &str| {
            Answer {
            status,
            body: format!("<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>m</Message></Error></ErrorResponse>").into_bytes(),
            ..Answer::default()
        }
        };
        let error = "unexpected status code 400: MessageRejected: m".to_owned();
        assert_eq!(
            verdict(&answer(400, "MessageRejected"), 0),
            Verdict::Permanent { error }
        );
        let error = "unexpected status code 400: Throttling: m".to_owned();
        assert_eq!(
            verdict(&answer(400, "Throttling"), 0),
            Verdict::Retry { error, after_ms: None }
        );
        assert_eq!(verdict(&answer(200, ""), 0), Verdict::Sent);
    }
}
