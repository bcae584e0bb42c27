//! `incidentio_configs`.

use super::{Finished, Written};
use crate::config::SecretSource;
use crate::config::http::HttpConfig;
use crate::config::raw::{GoDuration, Url};
use crate::config::validate::{Checked, Scope};
use serde::Deserialize;

/// A JSON document, posted to an alert source of incident.io.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IncidentIo {
    send_resolved: bool,
    http_config: Option<HttpConfig>,
    pub url: Url,
    url_file: String,
    alert_source_token: SecretSource,
    alert_source_token_file: String,
    pub max_alerts: u64,
    timeout: GoDuration,
}

impl Default for IncidentIo {
    fn default() -> Self {
        Self {
            send_resolved: true,
            http_config: None,
            url: Url::default(),
            url_file: String::new(),
            alert_source_token: SecretSource::default(),
            alert_source_token_file: String::new(),
            max_alerts: 0,
            timeout: GoDuration(0),
        }
    }
}

impl Written for IncidentIo {
    fn finish(mut self, scope: &Scope<'_>) -> Checked<Finished<Self>> {
        self.url.0 = scope.exactly_one_of("url", self.url.0, &self.url_file)?;
        let token = scope.one_of(
            "alert_source_token",
            std::mem::take(&mut self.alert_source_token),
            &self.alert_source_token_file,
        )?;
        let own = self.http_config.take();
        if let Some(own) = &own {
            if own.has_authorization() && token.is_some() {
                return scope.fail(
                    "cannot specify alert_source_token or alert_source_token_file when using http_config.authorization; \
                     remove one",
                );
            }
            if !own.has_authorization() && token.is_none() {
                return scope.fail(
                    "at least one of alert_source_token, alert_source_token_file or http_config.authorization must be \
                     configured; write alert_source_token: TOKEN",
                );
            }
        }
        let (send_resolved, timeout_ms) = (self.send_resolved, self.timeout.0);
        let mut finished = scope.done(self, send_resolved, own, timeout_ms)?;
        if let Some(token) = token {
            finished.http.authorization = Some(("Bearer".to_owned(), token));
        }
        Ok(finished)
    }
}
