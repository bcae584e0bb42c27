//! The search: query strings over stored lines, with what they have in common.

mod alert;
mod answer;
mod context;
mod histogram;
mod need;
mod pattern;
mod summary;

pub(super) use context::context;
pub(super) use pattern::patterns;

use super::ask::{Fault, Search, ask};
use super::loki::{parameters, query::now_ns};
use crate::error::{ApiError, ErrorType};
use crate::handler::Api;
use crate::params::Form;
use crate::request::Call;
use axum::extract::State;
use axum::response::Response;
use histogram::Histogram;
use http::StatusCode;
use parapet_logs::filter::{FieldTest, Filter};
use parapet_logs::logql::{Direction, parse_selector};
use parapet_logs::{LogRecord, parse_query};
use parapet_model::{Labels, MatchOp, Matcher};
use parapet_store::logs::{Columns, LogQuery, Order};
use std::ops::ControlFlow;
use std::sync::Arc;
use summary::Summary;

/// How many values of a field are told, where nothing is said.
const TOP_VALUES: usize = 10;
/// Into how many pieces the range is cut, where nothing is said.
const BUCKETS: usize = 60;
/// What `around` a time means, nanoseconds.
const BEFORE_NS: i64 = 15 * 60 * 1_000_000_000;
const AFTER_NS: i64 = 5 * 60 * 1_000_000_000;

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        let kind = match fault.status {
            StatusCode::BAD_REQUEST => ErrorType::BadData,
            StatusCode::GATEWAY_TIMEOUT => ErrorType::Timeout,
            StatusCode::SERVICE_UNAVAILABLE => ErrorType::Unavailable,
            _ => ErrorType::Internal,
        };
        Self::new(kind, fault.reason)
    }
}

/// Which lines are meant, and within which time.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) filter: Filter,
    pub(super) matchers: Vec<Matcher>,
    pub(super) start_ns: i64,
    pub(super) end_ns: i64,
    pub(super) order: Order,
}

impl Wanted {
    /// `query`, `selector`, `trace_id`; `start`, `end`, `since`, or `around`; `direction`.
    pub(super) fn of(form: &Form, now_ns: i64) -> Result<Self, Fault> {
        let (start_ns, end_ns) = match form.get("around") {
            Some(text) => {
                let at_ns = parameters::parse_time(text)
                    .ok_or_else(|| Fault::bad("around is no time; write seconds since 1970, or RFC 3339"))?;
                (at_ns.saturating_sub(BEFORE_NS), at_ns.saturating_add(AFTER_NS))
            }
            None => parameters::range(form, now_ns)?,
        };
        let mut filter =
            parse_query(form.get("query").unwrap_or_default()).map_err(|error| Fault::bad(error.to_string()))?;
        if let Some(trace_id) = form.get("trace_id") {
            let name = "trace_id".to_owned();
            let test = FieldTest::Equal(trace_id.to_owned());
            filter = Filter::And(vec![filter, Filter::Field { name, test }]);
        }
        let matchers = match form.get("selector") {
            Some(text) => parse_selector(text).map_err(|error| Fault::bad(format!("selector: {error}")))?,
            None => Vec::new(),
        };
        let order = match parameters::direction(form)? {
            Direction::Backward => Order::NewestFirst,
            Direction::Forward => Order::OldestFirst,
        };
        Ok(Self {
            filter,
            matchers,
            start_ns,
            end_ns,
            order,
        })
    }

    /// What is read of the store: at least `columns`, and what the filter looks at.
    pub(super) fn reading(&self, columns: Columns) -> LogQuery {
        LogQuery {
            start_ns: self.start_ns,
            end_ns: self.end_ns,
            matchers: self.matchers.clone(),
            levels: need::levels(&self.filter),
            need: self.filter.need(),
            fields: need::fields(&self.filter),
            columns: need::columns(&self.filter, columns),
            order: self.order,
        }
    }

    /// The first lines, up to a limit.
    pub(super) fn lines(&self, search: &mut Search, limit: usize) -> Result<Vec<LogRecord>, Fault> {
        let mut records = Vec::new();
        if limit == 0 {
            return Ok(records);
        }
        search.each(&self.reading(Columns::ALL), |record| {
            if self.filter.matches(record) {
                records.push(record.clone());
            }
            Ok(if records.len() < limit {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        })?;
        Ok(records)
    }
}

/// The labels of an alert, as a selector of equal matchers.
fn alert_labels(text: &str) -> Result<Labels, Fault> {
    let fault = |reason: String| Fault::bad(format!("alert: {reason}; write its labels, as {{service=\"web\"}}"));
    let matchers = parse_selector(text).map_err(|error| fault(error.to_string()))?;
    if let Some(other) = matchers.iter().find(|matcher| matcher.op != MatchOp::Equal) {
        return Err(fault(format!("{other} is no label")));
    }
    Ok(Labels::from_pairs(
        matchers.into_iter().map(|matcher| (matcher.name, matcher.value)),
    ))
}

/// `/api/v1/logs/search`
pub(super) async fn search(State(api): State<Arc<Api>>, call: Call) -> Result<Response, ApiError> {
    let form = &call.form;
    let mut wanted = Wanted::of(form, now_ns(&api))?;
    if let Some(labels) = form.get("alert") {
        let streams = &api.log_reader;
        let streams = streams
            .streams(&call.tenant, wanted.start_ns, wanted.end_ns, &[])
            .await?;
        wanted
            .matchers
            .extend(alert::matchers(&alert_labels(labels)?, &streams)?);
    }
    let limit = parameters::count(form, "limit", 100)?.min(parameters::MAX_ENTRIES);
    let step_ns = match form.get("step") {
        Some(_) => Some(parameters::step(form, wanted.start_ns, wanted.end_ns)?),
        None => None,
    };
    let buckets = parameters::positive(form, "buckets", BUCKETS)?;
    let top_limit = parameters::positive(form, "top_limit", TOP_VALUES)?;
    let top: Vec<String> = form.all("top").to_vec();
    let patterns = parameters::positive_or_none(form, "patterns")?;
    let with_histogram = !matches!(form.get("histogram"), Some("false" | "0"));
    let (answer, cost) = ask(&api, &call.tenant, move |search| {
        let records = wanted.lines(search, limit)?;
        let is_whole = !with_histogram && top.is_empty() && patterns.is_none();
        let summary = if is_whole {
            None
        } else {
            let histogram = Histogram::new(wanted.start_ns, wanted.end_ns, step_ns, buckets)?;
            Some(Summary::read(search, &wanted, histogram, &top, patterns.is_some())?)
        };
        Ok((records, summary))
    })
    .await?;
    let (records, summary) = answer;
    Ok(answer::found(&records, summary.as_ref(), top_limit, patterns, &cost))
}
