//! `webhook_configs`.

use super::{Finished, Written};
use crate::config::SecretSource;
use crate::config::http::HttpConfig;
use crate::config::raw::{GoDuration, check_url};
use crate::config::validate::{Checked, Scope};
use serde::Deserialize;
use serde_saphyr::Spanned;

/// A JSON document, posted to a URL.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Webhook {
    send_resolved: bool,
    http_config: Option<HttpConfig>,
    #[serde(rename = "url")]
    written_url: Option<Spanned<SecretSource>>,
    url_file: String,
    /// Where to; may be a template.
    #[serde(skip)]
    pub url: SecretSource,
    pub max_alerts: u64,
    timeout: GoDuration,
    /// In place of the usual document; its texts are templates.
    pub payload: Option<serde_json::Value>,
}

impl Default for Webhook {
    fn default() -> Self {
        Self {
            send_resolved: true,
            http_config: None,
            written_url: None,
            url_file: String::new(),
            url: SecretSource::default(),
            max_alerts: 0,
            timeout: GoDuration(0),
            payload: None,
        }
    }
}

impl Written for Webhook {
    fn finish(mut self, scope: &Scope<'_>) -> Checked<Finished<Self>> {
        let written = self.written_url.take();
        // A templated URL is only known when it is rendered.
        if let Some(written) = &written
            && let Some(text) = written.value.text()
            && !text.is_empty()
            && !text.contains("{{")
        {
            check_url(text).or_else(|message| scope.at(written.referenced).fail(message))?;
        }
        let url = written.map(|written| written.value).unwrap_or_default();
        self.url = scope.exactly_one_of("url", url, &self.url_file)?;
        let http = self.http_config.take();
        let (send_resolved, timeout_ms) = (self.send_resolved, self.timeout.0);
        scope.done(self, send_resolved, http, timeout_ms)
    }
}
