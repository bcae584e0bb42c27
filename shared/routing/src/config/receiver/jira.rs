//! `jira_configs`.

use super::{Finished, Written, template};
use crate::config::http::HttpConfig;
use crate::config::raw::{Duration, Url};
use crate::config::validate::{Checked, Scope};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// An issue of Jira, created, updated and moved on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Jira {
    send_resolved: bool,
    http_config: Option<HttpConfig>,
    pub api_url: Url,
    pub api_type: String,
    pub project: String,
    pub summary: JiraField,
    pub description: JiraField,
    pub labels: Vec<String>,
    pub priority: String,
    pub issue_type: String,
    pub reopen_transition: String,
    pub resolve_transition: String,
    pub wont_fix_resolution: String,
    pub reopen_duration: Duration,
    pub fields: BTreeMap<String, Value>,
}

/// A field, and whether an existing issue gets it anew.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "WrittenField")]
pub struct JiraField {
    pub template: String,
    pub enable_update: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenField {
    Text(String),
    Full {
        #[serde(default)]
        template: String,
        #[serde(default)]
        enable_update: Option<bool>,
    },
}

impl From<WrittenField> for JiraField {
    fn from(written: WrittenField) -> Self {
        match written {
            WrittenField::Text(template) => Self {
                template,
                enable_update: true,
            },
            WrittenField::Full {
                template,
                enable_update,
            } => Self {
                template,
                enable_update: enable_update.unwrap_or(true),
            },
        }
    }
}

fn field(name: &str) -> JiraField {
    JiraField {
        template: template(name),
        enable_update: true,
    }
}

impl Default for Jira {
    fn default() -> Self {
        Self {
            send_resolved: true,
            http_config: None,
            api_url: Url::default(),
            api_type: "auto".to_owned(),
            project: String::new(),
            summary: field("jira.default.summary"),
            description: field("jira.default.description"),
            labels: Vec::new(),
            priority: template("jira.default.priority"),
            issue_type: String::new(),
            reopen_transition: String::new(),
            resolve_transition: String::new(),
            wont_fix_resolution: String::new(),
            reopen_duration: Duration(0),
            fields: BTreeMap::new(),
        }
    }
}

impl Written for Jira {
    fn finish(mut self, scope: &Scope<'_>) -> Checked<Finished<Self>> {
        if self.project.is_empty() {
            return scope.fail("missing project in jira_config; write project: KEY");
        }
        if self.issue_type.is_empty() {
            return scope.fail("missing issue_type in jira_config; write such as issue_type: Bug");
        }
        if !["auto", "cloud", "datacenter"].contains(&self.api_type.as_str()) {
            return scope.fail("unknown api_type on jira_config, must be auto, cloud or datacenter");
        }
        self.api_url = self.api_url.or(&scope.global.jira_api_url, "");
        if self.api_url.0.is_empty() {
            return scope.fail("no global Jira Cloud URL set; write api_url: https://HOST/rest/api/2/");
        }
        let http = self.http_config.take();
        let send_resolved = self.send_resolved;
        scope.done(self, send_resolved, http, 0)
    }
}
