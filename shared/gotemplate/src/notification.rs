//! The data of notification templates: `.Status`, `.Alerts.Firing`, `.GroupLabels.SortedPairs.Values`
//! (`template.Data` of Alertmanager).

use crate::time::Time;
use crate::value::{Object, Value};
use parapet_model::Labels;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A set of names and values (`template.KV`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kv {
    entries: Option<Arc<BTreeMap<Arc<str>, Arc<str>>>>,
}

/// The name that sorts before all others.
const ALERT_NAME: &str = "alertname";

impl Kv {
    /// The nil set: empty, and `null` in JSON.
    #[must_use]
    pub fn nil() -> Self {
        Self::default()
    }

    /// A set of these pairs.
    pub fn new<N: Into<Arc<str>>, V: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let entries = pairs
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        Self {
            entries: Some(Arc::new(entries)),
        }
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<str>> {
        self.entries.as_ref()?.get(name)
    }

    /// The pairs in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.entries.iter().flat_map(|entries| entries.iter())
    }

    /// The pairs in order of name, `alertname` first.
    #[must_use]
    pub fn sorted_pairs(&self) -> Vec<(Arc<str>, Arc<str>)> {
        let mut pairs: Vec<_> = self.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        pairs.sort_by_key(|(name, _)| &**name != ALERT_NAME);
        pairs
    }

    /// A copy without these names.
    #[must_use]
    pub fn remove(&self, names: &[Arc<str>]) -> Self {
        Self::new(
            self.iter()
                .filter(|(name, _)| !names.contains(name))
                .map(|(name, value)| (name.clone(), value.clone())),
        )
    }
}

impl From<&Labels> for Kv {
    fn from(labels: &Labels) -> Self {
        Self::new(labels.iter())
    }
}

fn strings(items: impl IntoIterator<Item = Arc<str>>) -> Value {
    Value::object(Strings(items.into_iter().collect()))
}

fn show_pairs(pairs: &[(Arc<str>, Arc<str>)]) -> String {
    let texts: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    texts.join(", ")
}

fn no_arguments(name: &str, arguments: &[Value], value: impl FnOnce() -> Value) -> Option<Result<Value, String>> {
    Some(if arguments.is_empty() {
        Ok(value())
    } else {
        Err(format!(
            "wrong number of args for {name}: want 0 got {}",
            arguments.len()
        ))
    })
}

impl Object for Kv {
    fn type_name(&self) -> &str {
        "template.KV"
    }

    fn method(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        let pairs = || self.sorted_pairs();
        match name {
            "SortedPairs" => no_arguments(name, arguments, || Value::object(Pairs(pairs()))),
            "Names" => no_arguments(name, arguments, || strings(pairs().into_iter().map(|(name, _)| name))),
            "Values" => no_arguments(name, arguments, || strings(pairs().into_iter().map(|(_, value)| value))),
            "String" => no_arguments(name, arguments, || Value::from(show_pairs(&pairs()))),
            "Remove" => Some(match arguments {
                [names] => match names.strings() {
                    Some(names) => Ok(Value::object(self.remove(&names))),
                    None => Err(format!(
                        "wrong type for value; expected []string; got {}",
                        names.type_name()
                    )),
                },
                _ => Err(format!(
                    "wrong number of args for Remove: want 1 got {}",
                    arguments.len()
                )),
            }),
            _ => None,
        }
    }

    fn entries(&self) -> Option<Vec<(Arc<str>, Value)>> {
        Some(
            self.iter()
                .map(|(name, value)| (name.clone(), Value::String(value.clone())))
                .collect(),
        )
    }

    fn display(&self) -> Option<String> {
        Some(show_pairs(&self.sorted_pairs()))
    }

    fn is_nil(&self) -> bool {
        self.entries.is_none()
    }
}

/// `template.Pairs`
#[derive(Debug)]
struct Pairs(Vec<(Arc<str>, Arc<str>)>);

impl Object for Pairs {
    fn type_name(&self) -> &str {
        "template.Pairs"
    }

    fn method(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        match name {
            "Names" => no_arguments(name, arguments, || strings(self.0.iter().map(|(name, _)| name.clone()))),
            "Values" => no_arguments(name, arguments, || {
                strings(self.0.iter().map(|(_, value)| value.clone()))
            }),
            "String" => no_arguments(name, arguments, || Value::from(show_pairs(&self.0))),
            _ => None,
        }
    }

    fn items(&self) -> Option<Vec<Value>> {
        let pair = |(name, value): &(Arc<str>, Arc<str>)| {
            let fields = vec![
                ("Name", Value::String(name.clone())),
                ("Value", Value::String(value.clone())),
            ];
            Value::record("template.Pair", fields)
        };
        Some(self.0.iter().map(pair).collect())
    }

    fn display(&self) -> Option<String> {
        Some(show_pairs(&self.0))
    }
}

/// `template.Strings`
#[derive(Debug)]
struct Strings(Vec<Arc<str>>);

impl Object for Strings {
    fn type_name(&self) -> &str {
        "template.Strings"
    }

    fn method(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        match (name, arguments) {
            ("Join", [Value::String(separator)]) => Some(Ok(Value::from(self.0.join(separator)))),
            ("Join", _) => Some(Err("wrong arguments for Join: want one text".to_owned())),
            _ => None,
        }
    }

    fn items(&self) -> Option<Vec<Value>> {
        Some(self.0.iter().map(|text| Value::String(text.clone())).collect())
    }
}

/// One alert of a notification (`template.Alert`).
#[derive(Clone, Debug)]
pub struct NotifiedAlert {
    /// `firing` or `resolved`.
    pub status: String,
    /// Its labels.
    pub labels: Kv,
    /// Its annotations.
    pub annotations: Kv,
    /// When it began to fire.
    pub starts_at: Time,
    /// When it ended; Go's zero time while it fires.
    pub ends_at: Time,
    /// A link to its expression.
    pub generator_url: String,
    /// The hash of its labels, 16 hexadecimal digits.
    pub fingerprint: String,
}

impl Object for NotifiedAlert {
    fn type_name(&self) -> &str {
        "template.Alert"
    }

    fn field(&self, name: &str) -> Option<Value> {
        Some(match name {
            "Status" => Value::from(self.status.as_str()),
            "Labels" => Value::object(self.labels.clone()),
            "Annotations" => Value::object(self.annotations.clone()),
            "StartsAt" => Value::Time(self.starts_at),
            "EndsAt" => Value::Time(self.ends_at),
            "GeneratorURL" => Value::from(self.generator_url.as_str()),
            "Fingerprint" => Value::from(self.fingerprint.as_str()),
            _ => return None,
        })
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("status", Value::from(self.status.as_str())),
            ("labels", Value::object(self.labels.clone())),
            ("annotations", Value::object(self.annotations.clone())),
            ("startsAt", Value::Time(self.starts_at)),
            ("endsAt", Value::Time(self.ends_at)),
            ("generatorURL", Value::from(self.generator_url.as_str())),
            ("fingerprint", Value::from(self.fingerprint.as_str())),
        ]
    }
}

/// The alerts of a notification (`template.Alerts`).
#[derive(Clone, Debug, Default)]
struct Alerts(Arc<Vec<Arc<NotifiedAlert>>>);

impl Alerts {
    fn with_status(&self, status: &str) -> Value {
        let chosen = self.0.iter().filter(|alert| alert.status == status);
        Value::typed_list("[]template.Alert", chosen.map(|alert| Value::Object(alert.clone())))
    }
}

impl Object for Alerts {
    fn type_name(&self) -> &str {
        "template.Alerts"
    }

    fn method(&self, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
        match name {
            "Firing" => no_arguments(name, arguments, || self.with_status("firing")),
            "Resolved" => no_arguments(name, arguments, || self.with_status("resolved")),
            _ => None,
        }
    }

    fn items(&self) -> Option<Vec<Value>> {
        Some(self.0.iter().map(|alert| Value::Object(alert.clone())).collect())
    }
}

/// What a notification template sees (`template.Data`).
#[derive(Clone, Debug, Default)]
pub struct Notification {
    /// The receiver's name.
    pub receiver: String,
    /// `firing` while any alert fires, else `resolved`.
    pub status: String,
    /// The alerts.
    pub alerts: Vec<NotifiedAlert>,
    /// Why it is sent: `first notification`, …
    pub reason: String,
    /// The labels that the group was made by.
    pub group_labels: Kv,
    /// Labels that all alerts share.
    pub common_labels: Kv,
    /// Annotations that all alerts share.
    pub common_annotations: Kv,
    /// Labels of the route; their values may be templates, expanded by `routeLabels`.
    pub route_labels: Kv,
    /// The address of this system's web interface.
    pub external_url: String,
    /// Whether `route_labels` are expanded already and are to be taken as they are.
    pub route_labels_rendered: bool,
}

impl Notification {
    /// As the data of a template.
    #[must_use]
    pub fn into_value(self) -> Value {
        let alerts = Alerts(Arc::new(self.alerts.iter().cloned().map(Arc::new).collect()));
        Value::object(Data {
            notification: self,
            alerts,
        })
    }
}

#[derive(Debug)]
struct Data {
    notification: Notification,
    alerts: Alerts,
}

impl Object for Data {
    fn type_name(&self) -> &str {
        "*template.Data"
    }

    fn field(&self, name: &str) -> Option<Value> {
        let data = &self.notification;
        Some(match name {
            "Receiver" => Value::from(data.receiver.as_str()),
            "Status" => Value::from(data.status.as_str()),
            "Alerts" => Value::object(self.alerts.clone()),
            "NotificationReason" => Value::from(data.reason.as_str()),
            "GroupLabels" => Value::object(data.group_labels.clone()),
            "CommonLabels" => Value::object(data.common_labels.clone()),
            "CommonAnnotations" => Value::object(data.common_annotations.clone()),
            "RouteLabels" => Value::object(data.route_labels.clone()),
            "RouteLabelsRendered" => Value::Bool(data.route_labels_rendered),
            "ExternalURL" => Value::from(data.external_url.as_str()),
            _ => return None,
        })
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let field = |name: &str| self.field(name).unwrap_or_default();
        vec![
            ("receiver", field("Receiver")),
            ("status", field("Status")),
            ("alerts", field("Alerts")),
            ("notification_reason", field("NotificationReason")),
            ("groupLabels", field("GroupLabels")),
            ("commonLabels", field("CommonLabels")),
            ("commonAnnotations", field("CommonAnnotations")),
            ("routeLabels", field("RouteLabels")),
            ("externalURL", field("ExternalURL")),
        ]
    }
}
