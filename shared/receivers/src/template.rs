//! The templates of a notification's texts.

use crate::data::Data;
use crate::request::RenderError;
use parapet_gotemplate::notification::{Kv, Notification, NotifiedAlert};
use parapet_gotemplate::{Dialect, Environment, TemplateError, TemplateSet, Time, Value};
use std::sync::OnceLock;

/// The templates that a configuration can refer to without defining them. Names and output are Alertmanager's.
pub const DEFAULT_TEMPLATES: &str = include_str!("default.tmpl");

/// Executes texts of the configuration on one notification.
#[derive(Debug)]
pub(crate) struct Engine<'a> {
    templates: &'static TemplateSet,
    value: Value,
    external_url: &'a str,
    now_ms: i64,
}

impl<'a> Engine<'a> {
    /// `now_ms` is what templates take for the current time: that of the flush, so that a repetition is the same.
    pub(crate) fn new(data: &'a Data, now_ms: i64) -> Result<Self, RenderError> {
        let templates = default_templates()
            .as_ref()
            .map_err(|error| fault("default templates", error))?;
        let value = notification(data).into_value();
        Ok(Self {
            templates,
            value,
            external_url: &data.external_url,
            now_ms,
        })
    }

    /// Executes one field's text.
    pub(crate) fn text(&self, field: &'static str, text: &str) -> Result<String, RenderError> {
        let mut environment = Environment {
            now_ms: self.now_ms,
            external_url: self.external_url,
            ..Environment::default()
        };
        self.templates
            .execute_text(text, &self.value, &mut environment)
            .map_err(|error| fault(field, &error))
    }
}

fn fault(field: &'static str, error: &TemplateError) -> RenderError {
    RenderError::Template {
        field,
        message: error.to_string(),
    }
}

/// Parsed once per process.
fn default_templates() -> &'static Result<TemplateSet, TemplateError> {
    static TEMPLATES: OnceLock<Result<TemplateSet, TemplateError>> = OnceLock::new();
    TEMPLATES.get_or_init(|| {
        let mut set = TemplateSet::new(Dialect::Alertmanager);
        set.parse("default.tmpl", DEFAULT_TEMPLATES).map(|()| set)
    })
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
