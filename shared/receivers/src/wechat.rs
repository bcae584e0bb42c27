//! WeChat: a token first, then the message.

use crate::answer::{Answer, Verdict, permanent};
use crate::exchange::{Draft, Exchange, RenderError, Want, done};
use parapet_http_client::query::encode;
use parapet_routing::Secret;
use parapet_routing::config::WeChat;
use serde::Serialize;
use serde_json::Value;

/// A token that is no longer good.
const TOKEN_EXPIRED: i64 = 42_001;

#[derive(Debug, Serialize)]
struct Message {
    text: Content,
    #[serde(skip_serializing_if = "String::is_empty")]
    touser: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    toparty: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    totag: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    agentid: String,
    safe: &'static str,
    msgtype: String,
    markdown: Content,
}

#[derive(Debug, Default, Serialize)]
struct Content {
    content: String,
}

pub(crate) fn want(settings: &WeChat, exchange: &Exchange<'_>) -> Result<Want, RenderError> {
    let mut base = exchange.secret(&settings.api_url.0)?;
    if !base.ends_with('/') {
        base.push('/');
    }
    match exchange.answers {
        [] => {
            let secret = exchange.text("api_secret", &exchange.secret(&settings.api_secret)?)?;
            let id = exchange.text("corp_id", &settings.corp_id)?;
            Ok(Want::Call(Draft {
                method: "GET",
                url: Secret::new(format!(
                    "{base}gettoken?{}",
                    encode([("corpsecret", secret), ("corpid", id)])
                )),
                content_type: "",
                headers: Vec::new(),
                body: Vec::new(),
            }))
        }
        [token] => {
            let verdict = exchange.generic(token);
            if verdict != Verdict::Sent {
                return done(verdict);
            }
            let answer: Value = serde_json::from_slice(&token.body).unwrap_or_default();
            match answer["access_token"].as_str().filter(|token| !token.is_empty()) {
                Some(token) => {
                    let url = format!("{base}message/send?{}", encode([("access_token", token.to_owned())]));
                    Draft::json("POST", url, &message(settings, exchange)?).map(Want::Call)
                }
                None => done(permanent(format!("invalid APISecret for CorpID: {}", settings.corp_id))),
            }
        }
        [_, sent, ..] => done(verdict(exchange, sent)),
    }
}

fn message(settings: &WeChat, exchange: &Exchange<'_>) -> Result<Message, RenderError> {
    let content = Content {
        content: exchange.text("message", &settings.message)?,
    };
    let (text, markdown) = if settings.message_type == "markdown" {
        (Content::default(), content)
    } else {
        (content, Content::default())
    };
    Ok(Message {
        text,
        touser: exchange.text("to_user", &settings.to_user)?,
        toparty: exchange.text("to_party", &settings.to_party)?,
        totag: exchange.text("to_tag", &settings.to_tag)?,
        agentid: exchange.text("agent_id", &settings.agent_id)?,
        safe: "0",
        msgtype: settings.message_type.clone(),
        markdown,
    })
}

/// WeChat answers errors with status 200.
fn verdict(exchange: &Exchange<'_>, answer: &Answer) -> Verdict {
    if answer.status != 200 {
        return match exchange.generic(answer) {
            Verdict::Permanent { error } => Verdict::Retry { error, after_ms: None },
            verdict => verdict,
        };
    }
    let Ok(body) = serde_json::from_slice::<Value>(&answer.body) else {
        return Verdict::Retry {
            error: "the answer is not JSON".to_owned(),
            after_ms: None,
        };
    };
    let error = body["errmsg"].as_str().unwrap_or_default().to_owned();
    match body["errcode"].as_i64().unwrap_or_default() {
        0 => Verdict::Sent,
        TOKEN_EXPIRED => Verdict::Retry { error, after_ms: None },
        _ => Verdict::Permanent { error },
    }
}
