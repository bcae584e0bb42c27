//! The templates of a notification's texts.

use crate::data::Data;
use crate::exchange::RenderError;
use parapet_gotemplate::notification::{Kv, Notification, NotifiedAlert};
use parapet_gotemplate::{Dialect, Environment, TemplateError, TemplateSet, Time, Value};
use serde_json::Value as Json;

/// What stands for repeated pieces of the HTML of `email.tmpl`.
const EMAIL_PIECES: [(&str, &str); 5] = [
    (
        "@cell@",
        "<td class=\"content-block\" style=\"@base@ vertical-align: top; padding: 0 0 20px;\" valign=\"top\">",
    ),
    ("@row@", "<tr style=\"@base@\">"),
    ("@br@", "<br style=\"@base@\">"),
    ("@base@", "margin: 0; @font@ font-size: 14px;"),
    (
        "@font@",
        "font-family: 'Helvetica Neue', Helvetica, Arial, sans-serif; box-sizing: border-box;",
    ),
];

/// The templates that a configuration can refer to without defining them, as names and texts of files. What they
/// define and give is Alertmanager's.
#[must_use]
pub fn default_templates() -> [(&'static str, String); 2] {
    let email = EMAIL_PIECES
        .iter()
        .fold(include_str!("email.tmpl").to_owned(), |text, (mark, piece)| {
            text.replace(mark, piece)
        });
    [
        ("default.tmpl", include_str!("default.tmpl").to_owned()),
        ("email.tmpl", email),
    ]
}

/// The templates that a configuration can use: its own files over the default ones.
#[derive(Clone, Debug)]
pub struct Templates(TemplateSet);

impl Templates {
    /// The default templates and those of files, given as path and text.
    ///
    /// # Errors
    /// A file that does not parse: its path and what is wrong, with Go's message.
    pub fn parse<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, TemplatesError> {
        let mut set = TemplateSet::new(Dialect::Alertmanager);
        let mut add = |path: &str, text: &str| {
            let name = path.rsplit('/').next().unwrap_or(path);
            set.parse(name, text).map_err(|error| TemplatesError {
                path: path.to_owned(),
                message: error.to_string(),
            })
        };
        for (name, text) in default_templates() {
            add(name, &text)?;
        }
        for (path, text) in files {
            add(path, text)?;
        }
        Ok(Self(set))
    }
}

/// A file of templates that does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct TemplatesError {
    /// The file.
    pub path: String,
    /// Go's message, which names the line.
    pub message: String,
}

/// Executes texts of the configuration on one notification.
#[derive(Debug)]
pub(crate) struct Engine<'a> {
    templates: &'a TemplateSet,
    value: Value,
    external_url: &'a str,
    now_ms: i64,
}

impl<'a> Engine<'a> {
    /// `now_ms` is what templates take for the current time: that of the flush, so that a repetition is the same.
    pub(crate) fn new(templates: &'a Templates, data: &'a Data, now_ms: i64) -> Self {
        Self {
            templates: &templates.0,
            value: notification(data).into_value(),
            external_url: &data.external_url,
            now_ms,
        }
    }

    fn environment(&self) -> Environment<'a> {
        Environment {
            now_ms: self.now_ms,
            external_url: self.external_url,
            ..Environment::default()
        }
    }

    /// Executes one field's text.
    pub(crate) fn text(&self, field: &'static str, text: &str) -> Result<String, RenderError> {
        let done = self.templates.execute_text(text, &self.value, &mut self.environment());
        done.map_err(|error| fault(field, &error))
    }

    /// Executes one field's text as HTML.
    pub(crate) fn html(&self, field: &'static str, text: &str) -> Result<String, RenderError> {
        let done = self.templates.execute_html(text, &self.value, &mut self.environment());
        done.map_err(|error| fault(field, &error))
    }

    /// Executes every text in a structure. A text that comes out as YAML of another kind than text counts as that
    /// (`template.DeepCopyWithTemplate`): `{{ .Alerts | toJson }}` is a list, `{{ len .Alerts }}` a number.
    pub(crate) fn value(&self, field: &'static str, value: &Json) -> Result<Json, RenderError> {
        Ok(match value {
            Json::String(text) => {
                let text = self.text(field, text)?;
                match serde_saphyr::from_str::<Json>(&text) {
                    Ok(Json::String(_)) | Err(_) => Json::String(text),
                    Ok(other) => other,
                }
            }
            Json::Array(items) => Json::Array(
                items
                    .iter()
                    .map(|item| self.value(field, item))
                    .collect::<Result<_, _>>()?,
            ),
            Json::Object(pairs) => {
                let mut out = serde_json::Map::new();
                for (name, value) in pairs {
                    out.insert(self.text(field, name)?, self.value(field, value)?);
                }
                Json::Object(out)
            }
            other => other.clone(),
        })
    }
}

fn fault(field: &'static str, error: &TemplateError) -> RenderError {
    RenderError::Template {
        field,
        message: error.to_string(),
    }
}

fn notification(data: &Data) -> Notification {
    let alerts = data.alerts.iter().map(|alert| NotifiedAlert {
        status: alert.status.to_owned(),
        labels: Kv::from(&alert.labels),
        annotations: Kv::from(&alert.annotations),
        starts_at: Time::from_millis(alert.starts_at_ms),
        ends_at: alert.ended_at_ms.map_or_else(Time::zero, Time::from_millis),
        generator_url: alert.generator_url.clone(),
        fingerprint: alert.fingerprint.clone(),
    });
    Notification {
        receiver: data.receiver.clone(),
        status: data.status.to_owned(),
        alerts: alerts.collect(),
        reason: data.notification_reason.to_owned(),
        group_labels: Kv::from(&data.group_labels),
        common_labels: Kv::from(&data.common_labels),
        common_annotations: Kv::from(&data.common_annotations),
        route_labels: Kv::new(
            data.route_labels
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        ),
        external_url: data.external_url.clone(),
        route_labels_rendered: data.route_labels_rendered,
    }
}
