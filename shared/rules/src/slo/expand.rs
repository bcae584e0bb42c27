//! From objectives to rules.

use super::reader::DAY_MS;
use super::{Indicator, SeverityAlert, Slo};
use parapet_model::{format_duration_ms, quote};
use std::fmt::Write as _;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// The window that longer ones are made of.
const BASE: &str = "5m";
/// Windows that are asked of the queries themselves.
const SHORT_WINDOWS: [&str; 2] = ["30m", "1h"];
/// Windows that are made of what was recorded over [`BASE`].
const LONG_WINDOWS: [&str; 4] = ["6h", "1d", "3d", "7d"];
/// How often what is made of recorded series is evaluated: less often than that, samples would go stale.
const LONG_INTERVAL: &str = "2m";
/// The period that the factors of [`PAIRS`] are for.
const REFERENCE_PERIOD_MS: i64 = 30 * DAY_MS;

/// Who is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Somebody is woken.
    Page,
    /// Somebody looks at it in the morning.
    Ticket,
}

/// Two windows over which the budget burns too fast: the long one says that it matters, the short one that it still
/// goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The long window, milliseconds.
    pub long_ms: i64,
    /// The short window, milliseconds.
    pub short_ms: i64,
    /// How many times as fast as the budget of 30 days would allow. For another period the same share of the budget
    /// counts: the factor is multiplied by the period over 30 days.
    pub factor: f64,
    /// Who is told.
    pub severity: Severity,
}

/// The pairs of windows that are watched: in an hour 2 % of 30 days' budget, in 6 hours 5 % (or 2.5 %, for a ticket),
/// in 3 days 10 %, in 7 days 23 %.
pub const PAIRS: [Pair; 5] = [
    Pair {
        long_ms: HOUR_MS,
        short_ms: 5 * MINUTE_MS,
        factor: 14.4,
        severity: Severity::Page,
    },
    Pair {
        long_ms: 6 * HOUR_MS,
        short_ms: 30 * MINUTE_MS,
        factor: 6.0,
        severity: Severity::Page,
    },
    Pair {
        long_ms: 6 * HOUR_MS,
        short_ms: HOUR_MS,
        factor: 3.0,
        severity: Severity::Ticket,
    },
    Pair {
        long_ms: 3 * DAY_MS,
        short_ms: 6 * HOUR_MS,
        factor: 1.0,
        severity: Severity::Ticket,
    },
    Pair {
        long_ms: 7 * DAY_MS,
        short_ms: 3 * DAY_MS,
        factor: 1.0,
        severity: Severity::Ticket,
    },
];

/// The rule file of objectives.
pub(super) fn rules(slos: &[Slo]) -> String {
    let mut file = RuleText("groups:\n".to_owned());
    for slo in slos {
        let names = Names::of(slo);
        file.indicators(slo, &names);
        file.budget(slo, &names);
        file.alerts(slo, &names);
    }
    if slos.is_empty() {
        return "groups: []\n".to_owned();
    }
    file.0
}

/// What an SLO's labels are called.
struct Names {
    id: &'static str,
    service: &'static str,
    slo: &'static str,
    window: &'static str,
    severity: &'static str,
    info: &'static str,
    /// `{id="…"}`: the SLO's own series.
    own: String,
}

impl Names {
    fn of(slo: &Slo) -> Self {
        let own = |id: &str| format!("{{{id}={}}}", quote(&slo.id));
        if slo.is_sloths {
            Self {
                id: "sloth_id",
                service: "sloth_service",
                slo: "sloth_slo",
                window: "sloth_window",
                severity: "sloth_severity",
                info: "sloth_slo_info",
                own: own("sloth_id"),
            }
        } else {
            Self {
                id: "slo_id",
                service: "slo_service",
                slo: "slo_name",
                window: "slo_window",
                severity: "severity",
                info: "slo_info",
                own: own("slo_id"),
            }
        }
    }

    fn identity<'a>(&self, slo: &'a Slo) -> Vec<(&'a str, &'a str)>
    where
        Self: 'a,
    {
        let mut labels: Vec<(&str, &str)> = slo.labels.iter().map(|(name, value)| (&**name, &**value)).collect();
        labels.extend([
            (self.id, &*slo.id),
            (self.service, &*slo.service),
            (self.slo, &*slo.name),
        ]);
        labels
    }
}

/// The text of a rule file that grows.
struct RuleText(String);

impl RuleText {
    fn group(&mut self, name: &str, interval: Option<&str>) {
        let _ = writeln!(self.0, "- name: {}", quote(name));
        if let Some(interval) = interval {
            let _ = writeln!(self.0, "  interval: {interval}");
        }
        self.0.push_str("  rules:\n");
    }

    fn rule(&mut self, kind: &str, name: &str, expr: &str, fields: &[(&str, &str)]) {
        let _ = writeln!(self.0, "  - {kind}: {}\n    expr: |-", quote(name));
        for line in expr.lines() {
            let _ = writeln!(self.0, "      {line}");
        }
        for (field, value) in fields {
            let _ = writeln!(self.0, "    {field}: {value}");
        }
    }

    fn texts(&mut self, field: &str, texts: &[(&str, &str)]) {
        let mut sorted = std::collections::BTreeMap::new();
        sorted.extend(texts.iter().copied());
        if !sorted.is_empty() {
            let _ = writeln!(self.0, "    {field}:");
        }
        for (name, value) in sorted {
            let _ = writeln!(self.0, "      {}: {}", quote(name), quote(value));
        }
    }

    fn record(&mut self, name: &str, expr: &str, labels: &[(&str, &str)]) {
        self.rule("record", name, expr, &[]);
        self.texts("labels", labels);
    }

    /// The share of errors over every window.
    fn indicators(&mut self, slo: &Slo, names: &Names) {
        let labels = names.identity(slo);
        let with_window = |window: &str, file: &mut Self, expr: &str| {
            let labels: Vec<(&str, &str)> = labels.iter().copied().chain([(names.window, window)]).collect();
            file.record(&format!("slo:sli_error:ratio_rate{window}"), expr, &labels);
        };
        self.group(&format!("slo-{}-short", slo.id), None);
        for window in [BASE].into_iter().chain(SHORT_WINDOWS) {
            let expr = match &slo.indicator {
                // Recorded above, for the long windows, and used here.
                Indicator::Events { .. } | Indicator::Good { .. } if window == BASE => {
                    let (errors, total) = rates(&slo.indicator, BASE);
                    self.record("slo:sli_errors:rate5m", &errors, &labels);
                    self.record("slo:sli_events:rate5m", &total, &labels);
                    format!("slo:sli_errors:rate5m{0}\n/\nslo:sli_events:rate5m{0}", names.own)
                }
                Indicator::Events { .. } | Indicator::Good { .. } => {
                    let (errors, total) = rates(&slo.indicator, window);
                    format!("(\n{errors}\n)\n/\n(\n{total}\n)")
                }
                Indicator::Ratio(ratio) => ratio.over(window),
            };
            with_window(window, self, &expr);
        }
        self.group(&format!("slo-{}-long", slo.id), Some(LONG_INTERVAL));
        let period = canonical(slo.period_ms);
        let mut windows = LONG_WINDOWS.to_vec();
        if !windows.contains(&&*period) {
            windows.push(&period);
        }
        for window in windows {
            let over = |name: &str, function: &str| format!("{function}({name}{}[{window}])", names.own);
            let expr = match &slo.indicator {
                Indicator::Ratio(_) => over("slo:sli_error:ratio_rate5m", "avg_over_time"),
                _ => format!(
                    "{}\n/\n{}",
                    over("slo:sli_errors:rate5m", "sum_over_time"),
                    over("slo:sli_events:rate5m", "sum_over_time")
                ),
            };
            let expr = match &slo.indicator {
                Indicator::Ratio(_) => format!("max without ({}) ({expr})", names.window),
                _ => expr,
            };
            with_window(window, self, &expr);
        }
    }

    /// What the objective allows, and what is left of it.
    fn budget(&mut self, slo: &Slo, names: &Names) {
        let labels = names.identity(slo);
        let own = &names.own;
        let budget = budget(slo);
        self.group(&format!("slo-{}-budget", slo.id), None);
        let objective = format!("vector({})", round(slo.objective / 100.0));
        self.record("slo:objective:ratio", &objective, &labels);
        self.record("slo:error_budget:ratio", &format!("vector({budget})"), &labels);
        let days = format!("vector({})", slo.period_ms / DAY_MS);
        self.record("slo:time_period:days", &days, &labels);
        let burn = |window: &str| {
            format!(
                "max without ({}) (slo:sli_error:ratio_rate{window}{own}) / {budget}",
                names.window
            )
        };
        self.record("slo:current_burn_rate:ratio", &burn(BASE), &labels);
        self.record("slo:period_burn_rate:ratio", &burn(&canonical(slo.period_ms)), &labels);
        let remaining = format!("1 - slo:period_burn_rate:ratio{own}");
        self.record("slo:period_error_budget_remaining:ratio", &remaining, &labels);
        let objective = slo.objective.to_string();
        let info: Vec<(&str, &str)> = labels
            .iter()
            .copied()
            .chain([(
                if slo.is_sloths {
                    "sloth_objective"
                } else {
                    "slo_objective"
                },
                &*objective,
            )])
            .collect();
        self.record(names.info, "vector(1)", &info);
    }

    fn alerts(&mut self, slo: &Slo, names: &Names) {
        let severities = [
            (Severity::Page, "page", &slo.alerting.page),
            (Severity::Ticket, "ticket", &slo.alerting.ticket),
        ];
        if severities.iter().all(|(.., alert)| alert.is_disabled) {
            return;
        }
        self.group(&format!("slo-{}-alerts", slo.id), None);
        for (severity, word, alert) in severities {
            if !alert.is_disabled {
                self.alert(slo, names, severity, word, alert);
            }
        }
    }

    fn alert(&mut self, slo: &Slo, names: &Names, severity: Severity, word: &str, alert: &SeverityAlert) {
        let budget = budget(slo);
        let pairs = PAIRS
            .iter()
            .filter(|pair| pair.severity == severity && pair.long_ms <= slo.period_ms);
        let burns = |window_ms: i64, factor: f64| {
            let series = format!("slo:sli_error:ratio_rate{}{}", canonical(window_ms), names.own);
            format!("max without ({}) ({series}) / {budget} > {factor}", names.window)
        };
        let conditions: Vec<String> = pairs
            .map(|pair| {
                #[allow(clippy::cast_precision_loss)] // Periods are days.
                let factor = round(pair.factor * slo.period_ms as f64 / REFERENCE_PERIOD_MS as f64);
                let (long, short) = (burns(pair.long_ms, factor), burns(pair.short_ms, factor));
                format!("(\n  {long}\nand\n  {short}\n)")
            })
            .collect();
        if conditions.is_empty() {
            return;
        }
        let name = slo.alerting.name.as_deref().unwrap_or("SLOErrorBudgetBurn");
        let hold: Vec<(&str, &str)> = alert.hold.iter().map(|hold| ("for", hold.as_str())).collect();
        self.rule("alert", name, &conditions.join("\nor\n"), &hold);
        let summary = format!(
            "{} of {} burns its error budget too fast",
            plain(&slo.name),
            plain(&slo.service)
        );
        let description = format!(
            "{}The error budget of {} for {} at {} % burns {{{{ $value | humanize }}}} times as fast as it may.",
            if slo.description.is_empty() {
                String::new()
            } else {
                format!("{}: ", plain(&slo.description))
            },
            plain(&slo.service),
            format_duration_ms(slo.period_ms),
            slo.objective
        );
        let merged = |levels: [&std::collections::BTreeMap<String, String>; 2], first: &[(&str, &str)]| {
            let mut all: Vec<(String, String)> =
                first.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            for (name, value) in levels.into_iter().flatten() {
                all.push((name.clone(), value.clone()));
            }
            all
        };
        // The series have these labels too; here they tell the alerts of one SLO from those of another.
        let mut first = names.identity(slo);
        first.push((names.severity, word));
        let labels = merged([&slo.alerting.labels, &alert.labels], &first);
        let annotations = merged(
            [&slo.alerting.annotations, &alert.annotations],
            &[
                ("summary", &summary),
                ("description", &description),
                ("runbook_url", "docs/runbooks/SLOErrorBudgetBurn.md"),
            ],
        );
        for (field, texts) in [("labels", labels), ("annotations", annotations)] {
            let texts: Vec<(&str, &str)> = texts.iter().map(|(name, value)| (&**name, &**value)).collect();
            self.texts(field, &texts);
        }
    }
}

/// The rates of errors and of all events over a window. Where no error was ever counted there is none yet: that is no
/// errors, not no answer.
fn rates(indicator: &Indicator, window: &str) -> (String, String) {
    match indicator {
        Indicator::Events { errors, total } => {
            let (errors, total) = (errors.over(window), total.over(window));
            (format!("({errors})\nor\n0 * ({total})"), total)
        }
        Indicator::Good { good, total } => {
            let (good, total) = (good.over(window), total.over(window));
            (format!("({total})\n-\n(({good}) or 0 * ({total}))"), total)
        }
        Indicator::Ratio(ratio) => (ratio.over(window), "vector(1)".to_owned()),
    }
}

/// The share of events that may fail.
fn budget(slo: &Slo) -> f64 {
    round((100.0 - slo.objective) / 100.0)
}

/// What was written with few digits is computed to few digits.
fn round(value: f64) -> f64 {
    (value * 1e12).round() / 1e12
}

/// A window's name: whole days as days, so that a week is one window however it was written.
fn canonical(window_ms: i64) -> String {
    if window_ms % DAY_MS == 0 {
        format!("{}d", window_ms / DAY_MS)
    } else {
        format_duration_ms(window_ms)
    }
}

/// A text that no template takes for an action.
fn plain(text: &str) -> String {
    text.replace("{{", "{{ \"{{\" }}").trim_end_matches('.').to_owned()
}
