//! `/api/v2/receivers`.

use super::filter::matches;
use super::{Answer, Failure, Query, configuration, ok};
use crate::handler::Api;
use axum::extract::{Request, State};
use std::sync::Arc;

pub(super) async fn receivers(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let matchers = Query::of(&request)
        .matchers("receiver_matchers", api.settings.grammar)
        .map_err(|failure| {
            let reason = failure.body.as_str().unwrap_or_default().to_owned();
            Failure::bad(format!("failed to parse receiver_matchers param: {reason}"))
        })?;
    let config = configuration(&api).await?;
    let shown: Vec<serde_json::Value> = config
        .receivers
        .iter()
        .filter(|receiver| matches(&matchers, |name| receiver.labels.get(name).map(String::as_str)))
        .map(|receiver| serde_json::json!({"labels": receiver.labels, "name": receiver.name}))
        .collect();
    ok(&shown)
}
