//! `sns_configs`.

use super::{Finished, Written, template};
use crate::config::SecretSource;
use crate::config::http::HttpConfig;
use crate::config::validate::{Checked, Scope};
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// A message of Amazon SNS.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sns {
    send_resolved: bool,
    http_config: Option<HttpConfig>,
    pub api_url: String,
    pub sigv4: SigV4,
    pub topic_arn: String,
    pub phone_number: String,
    pub target_arn: String,
    pub subject: String,
    pub message: String,
    pub attributes: BTreeMap<String, String>,
    /// Of no meaning here: there is one client.
    use_aws_http_client: bool,
}

/// Who signs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SigV4 {
    pub region: String,
    pub access_key: String,
    pub secret_key: SecretSource,
    profile: Option<Spanned<String>>,
    role_arn: Option<Spanned<String>>,
    external_id: String,
    use_fips_sts_endpoint: bool,
    service_name: String,
}

impl Default for Sns {
    fn default() -> Self {
        Self {
            send_resolved: true,
            http_config: None,
            api_url: String::new(),
            sigv4: SigV4::default(),
            topic_arn: String::new(),
            phone_number: String::new(),
            target_arn: String::new(),
            subject: template("sns.default.subject"),
            message: template("sns.default.message"),
            attributes: BTreeMap::new(),
            use_aws_http_client: false,
        }
    }
}

impl Written for Sns {
    fn finish(mut self, scope: &Scope<'_>) -> Checked<Finished<Self>> {
        let given = [&self.target_arn, &self.topic_arn, &self.phone_number];
        if given.iter().filter(|text| !text.is_empty()).count() != 1 {
            return scope.fail("must provide either a Target ARN, Topic ARN, or Phone Number for SNS config");
        }
        if self.sigv4.access_key.is_empty() != self.sigv4.secret_key.is_empty() {
            return scope.fail(
                "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the SigV4 config",
            );
        }
        for (name, written) in [("profile", &self.sigv4.profile), ("role_arn", &self.sigv4.role_arn)] {
            if let Some(written) = written.as_ref().filter(|written| !written.value.is_empty()) {
                return scope.at(written.referenced).unsupported(&format!("sigv4.{name}"));
            }
        }
        let http = self.http_config.take();
        let send_resolved = self.send_resolved;
        scope.done(self, send_resolved, http, 0)
    }
}
