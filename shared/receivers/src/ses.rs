//! Amazon SES: `SendRawEmail`, signed by the process' own role, in place of SES' SMTP interface.

use crate::aws;
use crate::email;
use crate::exchange::{Draft, Exchange, RenderError};
use base64::Engine as _;
use parapet_http_client::query::encode;
use parapet_routing::config::Email;

/// SES gives each message a `Message-Id` of its own; this header makes a repeated delivery known as one.
const DEDUP_KEY_HEADER: &str = "X-Parapet-Dedup-Key";

pub(crate) fn draft(settings: &Email, region: &str, exchange: &Exchange<'_>) -> Result<Draft, RenderError> {
    let credentials = exchange.context.aws.ok_or_else(|| {
        let message = "no AWS credentials for SES: set AWS_ACCESS_KEY_ID, or write auth_username and auth_password for \
                       SES' SMTP interface";
        RenderError::Invalid(message.to_owned())
    })?;
    let envelope = email::envelope(settings, exchange)?;
    let message = format!(
        "{DEDUP_KEY_HEADER}: {}\r\n{}",
        exchange.context.dedup_key,
        email::message(settings, exchange)?
    );
    let mut parameters = vec![
        ("Action".to_owned(), "SendRawEmail".to_owned()),
        ("Version".to_owned(), "2010-12-01".to_owned()),
        ("Source".to_owned(), envelope.from),
        (
            "RawMessage.Data".to_owned(),
            base64::engine::general_purpose::STANDARD.encode(message),
        ),
    ];
    for (index, to) in envelope.to.into_iter().enumerate() {
        parameters.push((format!("Destinations.member.{}", index + 1), to));
    }
    let body = encode(parameters.iter().map(|(name, value)| (name.as_str(), value.clone())));
    aws::query(
        credentials,
        "ses",
        region,
        credentials.url("email", region),
        body,
        exchange,
    )
}
