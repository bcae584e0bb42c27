//! Amazon SNS: `Publish`, signed.

use crate::aws::{self, AwsCredentials};
use crate::exchange::{Draft, Exchange, RenderError};
use parapet_http_client::query::encode;
use parapet_routing::Secret;
use parapet_routing::config::Sns;

const MAX_MESSAGE_BYTES: usize = 256 * 1024;
const MAX_SMS_BYTES: usize = 1600;

pub(crate) fn draft(settings: &Sns, exchange: &Exchange<'_>) -> Result<Draft, RenderError> {
    let invalid = |text: &str| RenderError::Invalid(text.to_owned());
    let credentials = if settings.sigv4.access_key.is_empty() {
        exchange.context.aws.cloned().ok_or_else(|| {
            invalid("no AWS credentials: write sigv4.access_key and sigv4.secret_key, or set AWS_ACCESS_KEY_ID")
        })?
    } else {
        AwsCredentials {
            access_key: settings.sigv4.access_key.clone(),
            secret_key: Secret::new(exchange.secret(&settings.sigv4.secret_key)?),
            session_token: None,
            region: exchange.context.aws.map(|aws| aws.region.clone()).unwrap_or_default(),
            endpoint_url: exchange.context.aws.and_then(|aws| aws.endpoint_url.clone()),
        }
    };
    let region = if settings.sigv4.region.is_empty() {
        &credentials.region
    } else {
        &settings.sigv4.region
    };
    if region.is_empty() {
        return Err(invalid(
            "region not configured in sns.sigv4.region or in default credentials chain",
        ));
    }
    let url = match exchange.text("api_url", &settings.api_url)? {
        url if url.is_empty() => credentials.url("sns", region),
        url => url,
    };
    let body = encode(
        parameters(settings, exchange)?
            .iter()
            .map(|(name, value)| (name.as_str(), value.clone())),
    );
    aws::query(&credentials, "sns", region, url, body, exchange)
}

fn parameters(settings: &Sns, exchange: &Exchange<'_>) -> Result<Vec<(String, String)>, RenderError> {
    let mut out: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, value: String| out.push((name.to_owned(), value));
    add("Action", "Publish".to_owned());
    add("Version", "2010-03-31".to_owned());
    let mut limit = MAX_MESSAGE_BYTES;
    if !settings.topic_arn.is_empty() {
        let topic = exchange.text("topic_arn", &settings.topic_arn)?;
        if topic.ends_with(".fifo") {
            add("MessageDeduplicationId", exchange.key_hash());
            add("MessageGroupId", exchange.key_hash());
        }
        add("TopicArn", topic);
    }
    if !settings.phone_number.is_empty() {
        add("PhoneNumber", exchange.text("phone_number", &settings.phone_number)?);
        limit = MAX_SMS_BYTES;
    }
    if !settings.target_arn.is_empty() {
        add("TargetArn", exchange.text("target_arn", &settings.target_arn)?);
    }
    let mut message = exchange.text("message", &settings.message)?;
    let mut attributes = Vec::new();
    for (name, text) in &settings.attributes {
        attributes.push((exchange.text("attributes", name)?, exchange.text("attributes", text)?));
    }
    if message.len() > limit {
        let end = (0..=limit)
            .rev()
            .find(|at| message.is_char_boundary(*at))
            .unwrap_or_default();
        message.truncate(end);
        attributes.push(("truncated".to_owned(), "true".to_owned()));
    }
    add("Message", message);
    if !settings.subject.is_empty() {
        add("Subject", exchange.text("subject", &settings.subject)?);
    }
    attributes.sort();
    for (index, (name, value)) in attributes.into_iter().enumerate() {
        let entry = |part: &str| format!("MessageAttributes.entry.{}.{part}", index + 1);
        add(&entry("Name"), name);
        add(&entry("Value.DataType"), "String".to_owned());
        add(&entry("Value.StringValue"), value);
    }
    Ok(out)
}
