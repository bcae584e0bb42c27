//! Alerting rules (`AlertingRule.Eval` and `sendAlerts` of Prometheus).

use super::{Evaluation, RESOLVED_RETENTION_MS, ask};
use crate::expr::RuleExpr;
use crate::file::{TEMPLATE_HEAD, template_name};
use crate::group::{Alerting, Rule};
use crate::state::{ActiveAlert, AlertState, RuleState};
use parapet_gotemplate::{Dialect, Environment, QuerySample, TemplateSet, Value as TemplateValue, expand};
use parapet_model::{Alert, BatchSeries, Labels, LabelsBuilder, METRIC_NAME, MetricType, Sample, Value};
use parapet_promql::VectorSample;
use std::collections::BTreeMap;

const ALERT_NAME: &str = "alertname";
const ALERT_STATE: &str = "alertstate";

impl Evaluation<'_, '_> {
    /// Moves the rule's alerts on and gives the series `ALERTS` and `ALERTS_FOR_STATE`.
    pub(super) fn alerting_rule(
        &mut self,
        rule: &Rule,
        alerting: &Alerting,
        state: &mut RuleState,
    ) -> Result<Vec<BatchSeries>, String> {
        let found = self.found(rule, alerting)?;
        let mut active: BTreeMap<Labels, ActiveAlert> = std::mem::take(&mut state.alerts)
            .into_iter()
            .map(|alert| (alert.labels.clone(), alert))
            .collect();
        if self.outage_ms > 0 {
            for alert in active.values_mut().filter(|alert| alert.state == AlertState::Pending) {
                self.restore(alerting, alert);
            }
        }
        for (labels, fresh) in &found {
            match active.get_mut(labels) {
                Some(alert) if alert.state != AlertState::Inactive => {
                    alert.value = fresh.value;
                    alert.annotations = fresh.annotations.clone();
                }
                _ => {
                    active.insert(labels.clone(), fresh.clone());
                }
            }
        }
        let mut series = Vec::with_capacity(active.len() * 2);
        let mut held = 0;
        active.retain(|labels, alert| {
            let (is_kept, is_held) = self.advance(alerting, alert, found.contains_key(labels));
            if is_held {
                held += 1;
                series.extend(self.state_series(rule, alert));
            }
            is_kept
        });
        if self.group.limit > 0 && held > self.group.limit {
            return Err(format!("exceeded limit of {} with {held} alerts", self.group.limit));
        }
        state.alerts = active.into_values().collect();
        Ok(series)
    }

    /// The alerts that the expression gives, all as if pending from now.
    fn found(&mut self, rule: &Rule, alerting: &Alerting) -> Result<BTreeMap<Labels, ActiveAlert>, String> {
        let samples = self.ask(&rule.expr)?;
        if samples.is_empty() {
            // As nearly always: no templates are needed.
            return Ok(BTreeMap::new());
        }
        let name = template_name(&rule.name);
        let compile = |texts: &mut dyn Iterator<Item = (&str, &str)>| -> Vec<(String, Text)> {
            texts
                .map(|(label, text)| (label.to_owned(), Text::new(&name, text)))
                .collect()
        };
        let labels = compile(&mut rule.labels.iter());
        let annotations = compile(
            &mut alerting
                .annotations
                .iter()
                .map(|(name, text)| (name.as_str(), text.as_str())),
        );
        let has_templates = labels
            .iter()
            .chain(&annotations)
            .any(|(_, text)| !matches!(text, Text::Plain(_)));
        let mut alerts = BTreeMap::new();
        for sample in samples {
            let data = if has_templates {
                self.template_data(&sample)
            } else {
                TemplateValue::Nil
            };
            let mut builder = LabelsBuilder::from(&sample.labels);
            builder.remove(METRIC_NAME);
            for (label, text) in &labels {
                builder.set(label.as_str(), self.expanded(&name, text, &data));
            }
            builder.set(ALERT_NAME, rule.name.as_str());
            let annotations = Labels::from_pairs(
                annotations
                    .iter()
                    .map(|(label, text)| (label.as_str(), self.expanded(&name, text, &data))),
            );
            let labels = builder.build();
            let alert = ActiveAlert {
                labels: labels.clone(),
                annotations,
                state: AlertState::Pending,
                value: match sample.value {
                    Value::Float(value) => value,
                    Value::Histogram(_) => 0.0,
                },
                active_at_ms: self.at_ms,
                ..ActiveAlert::default()
            };
            if alerts.insert(labels, alert).is_some() {
                return Err("vector contains metrics with the same labelset after applying alert labels".to_owned());
            }
        }
        Ok(alerts)
    }

    fn template_data(&self, sample: &VectorSample) -> TemplateValue {
        TemplateValue::record(
            "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }",
            vec![
                ("Labels", TemplateValue::from(&sample.labels)),
                ("ExternalLabels", TemplateValue::from(&self.context.external_labels)),
                ("ExternalURL", TemplateValue::from(self.context.external_url.as_str())),
                ("Value", template_value(&sample.value)),
            ],
        )
    }

    /// A template that fails says so in its place: better a poor description than no alert.
    fn expanded(&mut self, name: &str, text: &Text, data: &TemplateValue) -> String {
        let set = match text {
            Text::Plain(text) => return text.clone(),
            Text::Template(set) => set,
            Text::Broken(text) => {
                // Files are checked when read, so this is a text that was never checked; say what is wrong with it.
                let error = expand(Dialect::Prometheus, name, text, data, &mut Environment::default()).err();
                return error.map_or_else(String::new, |error| format!("<error expanding template: {error}>"));
            }
        };
        let (query, at_ms, recorded) = (&mut *self.query, self.at_ms, self.recorded.series());
        let mut run = |text: &str| {
            let expr = parapet_promql::parse(text).map_err(|error| error.to_string())?;
            let samples = ask(query, &RuleExpr::PromQl(expr), at_ms, recorded)?;
            let samples = samples.into_iter().map(|sample| QuerySample {
                value: template_value(&sample.value),
                labels: sample.labels,
            });
            Ok(samples.collect())
        };
        let mut environment = Environment {
            now_ms: at_ms,
            external_url: &self.context.external_url,
            query: Some(&mut run),
            ..Environment::default()
        };
        match set.execute(name, data, &mut environment) {
            Ok(text) => text,
            Err(error) => format!("<error expanding template: error executing template {name}: {error}>"),
        }
    }

    /// After an outage a pending alert cannot know whether its expression held all along
    /// (`Group.RestoreForState` of Prometheus).
    fn restore(&self, alerting: &Alerting, alert: &mut ActiveAlert) {
        let grace_ms = self.context.for_grace_period_ms;
        if self.outage_ms > self.context.outage_tolerance_ms || alerting.for_ms < grace_ms {
            alert.active_at_ms = self.at_ms;
            return;
        }
        let down_at_ms = self.at_ms - self.outage_ms;
        let remaining_ms = alerting.for_ms - (down_at_ms - alert.active_at_ms);
        if remaining_ms < grace_ms {
            alert.active_at_ms = self.at_ms + grace_ms - alerting.for_ms;
        } else {
            alert.active_at_ms += self.outage_ms;
        }
    }

    /// Moves one alert on; answers whether it stays in the state, and whether it is pending or firing.
    fn advance(&self, alerting: &Alerting, alert: &mut ActiveAlert, is_found: bool) -> (bool, bool) {
        let at_ms = self.at_ms;
        if is_found {
            alert.keep_firing_since_ms = None;
        } else {
            let mut keeps_firing = false;
            if alert.state == AlertState::Firing && alerting.keep_firing_for_ms > 0 {
                let since_ms = *alert.keep_firing_since_ms.get_or_insert(at_ms);
                keeps_firing = at_ms - since_ms < alerting.keep_firing_for_ms;
            }
            let is_forgotten = alert.state == AlertState::Pending
                || alert
                    .resolved_at_ms
                    .is_some_and(|resolved_at_ms| at_ms - resolved_at_ms > RESOLVED_RETENTION_MS);
            if !keeps_firing {
                if alert.state != AlertState::Inactive {
                    alert.state = AlertState::Inactive;
                    alert.resolved_at_ms = Some(at_ms);
                }
                return (!is_forgotten, false);
            }
        }
        if alert.state == AlertState::Pending && at_ms - alert.active_at_ms >= alerting.for_ms {
            alert.state = AlertState::Firing;
            alert.fired_at_ms = Some(at_ms);
        }
        // `for` may have been made longer.
        if alert.state == AlertState::Firing && at_ms - alert.active_at_ms < alerting.for_ms {
            alert.state = AlertState::Pending;
            alert.fired_at_ms = None;
            alert.last_sent_at_ms = None;
            alert.keep_firing_since_ms = None;
        }
        (true, true)
    }

    fn state_series(&self, rule: &Rule, alert: &ActiveAlert) -> [BatchSeries; 2] {
        let series = |metric: &str, state: Option<AlertState>, value: f64| {
            let mut builder = LabelsBuilder::from(&rule.labels);
            for (name, value) in &alert.labels {
                builder.set(name, value);
            }
            builder.set(METRIC_NAME, metric);
            builder.set(ALERT_NAME, rule.name.as_str());
            if let Some(state) = state {
                builder.set(ALERT_STATE, state.as_str());
            }
            BatchSeries {
                labels: builder.build(),
                kind: MetricType::Gauge,
                samples: vec![Sample::float(self.query_at_ms, value)],
                exemplars: Vec::new(),
            }
        };
        let since_seconds = alert.active_at_ms.div_euclid(1000) as f64;
        [
            series("ALERTS", Some(alert.state), 1.0),
            series("ALERTS_FOR_STATE", None, since_seconds),
        ]
    }

    /// Chooses the alerts to send now, and notes that they are sent.
    pub(super) fn send(&mut self, rule: &Rule, state: &mut RuleState) {
        if self.context.is_catching_up {
            return;
        }
        let mut link = None;
        for alert in &mut state.alerts {
            if !self.needs_sending(alert) {
                continue;
            }
            alert.last_sent_at_ms = Some(self.at_ms);
            // Two evaluations or sendings may fail before the alert is taken for resolved.
            let step_ms = self.interval_ms.max(self.context.resend_delay_ms);
            alert.valid_until_ms = Some(self.at_ms + 4 * step_ms);
            let message = self.message(alert, link.get_or_insert_with(|| self.link(rule)));
            self.alerts.push(message);
        }
    }

    /// Where the expression is shown (`TableLinkForExpression` of Prometheus); one over logs is answered where Loki's
    /// are.
    fn link(&self, rule: &Rule) -> String {
        let base = self.context.external_url.trim_end_matches('/');
        let expr = query_escape(&rule.expr.to_string());
        match rule.expr {
            RuleExpr::PromQl(_) => format!("{base}/graph?g0.expr={expr}&g0.tab=1"),
            RuleExpr::LogQl(_) => format!("{base}/loki/api/v1/query_range?query={expr}"),
        }
    }

    fn needs_sending(&self, alert: &ActiveAlert) -> bool {
        let Some(last_sent_at_ms) = alert.last_sent_at_ms else {
            return alert.state != AlertState::Pending;
        };
        alert.state != AlertState::Pending
            && (alert
                .resolved_at_ms
                .is_some_and(|resolved_at_ms| resolved_at_ms > last_sent_at_ms)
                || last_sent_at_ms + self.context.resend_delay_ms < self.at_ms)
    }

    pub(super) fn message(&self, alert: &ActiveAlert, link: &str) -> Alert {
        let mut builder = LabelsBuilder::from(&alert.labels);
        for (name, value) in &self.context.external_labels {
            if builder.get(name).is_none_or(str::is_empty) {
                builder.set(name, value);
            }
        }
        Alert {
            labels: builder.build(),
            annotations: alert.annotations.clone(),
            starts_at_ms: alert.fired_at_ms.unwrap_or(alert.active_at_ms),
            ends_at_ms: alert.resolved_at_ms.or(alert.valid_until_ms).unwrap_or(self.at_ms),
            updated_at_ms: self.at_ms,
            generator_url: link.to_owned(),
        }
    }
}

/// A label or an annotation, parsed once for all samples.
enum Text {
    Plain(String),
    Template(Box<TemplateSet>),
    Broken(String),
}

impl Text {
    fn new(name: &str, text: &str) -> Self {
        if !text.contains("{{") {
            return Self::Plain(text.to_owned());
        }
        let whole = format!("{TEMPLATE_HEAD}{text}");
        let mut set = TemplateSet::new(Dialect::Prometheus);
        match set.parse(name, &whole) {
            Ok(()) => Self::Template(Box::new(set)),
            Err(_) => Self::Broken(whole),
        }
    }
}

fn template_value(value: &Value) -> TemplateValue {
    match value {
        Value::Float(value) => TemplateValue::Float(*value),
        Value::Histogram(histogram) => {
            let number = parapet_model::format_float;
            TemplateValue::from(format!(
                "{{count:{}, sum:{}}}",
                number(histogram.count),
                number(histogram.sum)
            ))
        }
    }
}

/// `url.QueryEscape` of Go.
fn query_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            byte if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => out.push(byte as char),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
