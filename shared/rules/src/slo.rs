//! Service level objectives: an SLO file expands to the rule file that measures it and alerts on it.
//!
//! Parapet's own notation, Sloth's (`prometheus/v1` and the Kubernetes resource) and OpenSLO's (`v1` and `v1alpha`) are
//! read; [`crate::parse`] takes such a file wherever a rule file stands. What an expansion holds:
//!
//! - the share of events that failed over 5 minutes, 30 minutes and an hour from the queries, and over 6 hours and
//!   longer from what was recorded every 5 minutes: `slo:sli_error:ratio_rate<window>`;
//! - objective, budget, burn rates and what is left of the budget of the period;
//! - alerts where the budget burns too fast over a long and a short window at once: see [`PAIRS`].
//!
//! ```
//! let rules = parapet_rules::slo::expand("slo.yml", "
//! slos:
//! - name: requests
//!   service: checkout
//!   objective: 99.9
//!   error_query: sum(rate(http_requests_total{job=\"checkout\", code=~\"5..\"}[{{.window}}]))
//!   total_query: sum(rate(http_requests_total{job=\"checkout\"}[{{.window}}]))
//! ")?.expect("an SLO file");
//! assert!(rules.contains("record: \"slo:sli_error:ratio_rate5m\""));
//! # Ok::<(), parapet_rules::RulesError>(())
//! ```

mod expand;
mod native;
mod openslo;
mod query;
mod reader;
mod sloth;

pub use expand::{PAIRS, Pair, Severity};

use crate::error::{Fault, RulesError, read_yaml_documents};
use crate::mapping::mapping;
use query::Query;
use reader::Reader;
use std::collections::BTreeMap;

/// One objective, however it was written.
#[derive(Debug)]
struct Slo {
    /// What tells it from every other.
    id: String,
    name: String,
    service: String,
    description: String,
    /// Percent of events that must be good.
    objective: f64,
    /// The time that the objective is for.
    period_ms: i64,
    indicator: Indicator,
    /// On every series and alert.
    labels: BTreeMap<String, String>,
    alerting: Alerting,
    /// Labels and texts as Sloth names them, so that dashboards made for it go on working.
    is_sloths: bool,
}

/// How errors are measured.
#[derive(Debug)]
enum Indicator {
    /// Rates of events.
    Events { errors: Query, total: Query },
    /// Rates of events, the good ones.
    Good { good: Query, total: Query },
    /// The share of errors itself.
    Ratio(Query),
}

#[derive(Debug, Default)]
struct Alerting {
    name: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    page: SeverityAlert,
    ticket: SeverityAlert,
}

#[derive(Debug, Default)]
struct SeverityAlert {
    is_disabled: bool,
    hold: Option<String>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// The notation of a file.
enum Notation {
    Native,
    Sloth,
    SlothResource,
    OpenSlo,
}

mapping! {
    struct Head {
        version: String = "version",
        api_version: String = "apiVersion",
        slos: serde::de::IgnoredAny = "slos",
        groups: serde::de::IgnoredAny = "groups",
    }
}

/// What a file is; `None` for a rule file or anything else.
fn notation(text: &str) -> Option<Notation> {
    // Rule files are many and large: most are told from SLO files without reading them twice.
    if !["slos", "openslo/", "sloth.slok.dev/"]
        .iter()
        .any(|word| text.contains(word))
    {
        return None;
    }
    let head = read_yaml_documents::<Head>(text).ok()?.into_iter().next()?;
    let version = head.api_version.unwrap_or_default();
    if version.starts_with("openslo/") {
        Some(Notation::OpenSlo)
    } else if version.starts_with("sloth.slok.dev/") {
        Some(Notation::SlothResource)
    } else if head.groups.is_some() || head.slos.is_none() {
        None
    } else if head.version.is_some() {
        Some(Notation::Sloth)
    } else {
        Some(Notation::Native)
    }
}

/// The rule file that an SLO file stands for; `None` where the text is no SLO file.
///
/// # Errors
/// Every fault with its place: fields that are not known, objectives outside of 0 to 100, queries that do not parse or
/// say no window, what a notation has and this one cannot do.
pub fn expand(path: &str, text: &str) -> Result<Option<String>, RulesError> {
    let Some(notation) = notation(text) else {
        return Ok(None);
    };
    let mut reader = Reader::default();
    let slos = match notation {
        Notation::Native => native::read(text, &mut reader),
        Notation::Sloth => sloth::read(text, &mut reader),
        Notation::SlothResource => sloth::read_resource(text, &mut reader),
        Notation::OpenSlo => openslo::read(text, &mut reader),
    };
    let fail = |faults: Vec<Fault>| RulesError {
        path: path.to_owned(),
        faults,
    };
    match slos {
        Err(fault) => Err(fail(vec![fault])),
        Ok(_) if !reader.faults.is_empty() => Err(fail(reader.faults)),
        Ok(slos) => Ok(Some(expand::rules(&slos))),
    }
}
