//! `patterns`: what the messages that a query selects have in common.

use super::{Wanted, answer};
use crate::endpoints::logs::ask::ask;
use crate::endpoints::logs::loki::{parameters, query::now_ns};
use crate::endpoints::logs::mining::{Mined, mine};
use crate::error::ApiError;
use crate::handler::Api;
use crate::request::Call;
use axum::extract::State;
use axum::response::Response;
use parapet_store::logs::Columns;
use std::ops::ControlFlow;
use std::sync::Arc;

/// `/api/v1/logs/patterns`
pub(in super::super) async fn patterns(State(api): State<Arc<Api>>, call: Call) -> Result<Response, ApiError> {
    let wanted = Wanted::of(&call.form, now_ns(&api))?;
    let limit = parameters::positive(&call.form, "limit", 50)?;
    let step_ns = parameters::step(&call.form, wanted.start_ns, wanted.end_ns)?;
    let (patterns, cost) = ask(&api, &call.tenant, move |search| {
        let columns = Columns {
            message: true,
            raw: true,
            ..Columns::NONE
        };
        let mut mined = Mined::default();
        search.each(&wanted.reading(columns), |record| {
            if wanted.filter.matches(record) {
                let slot = record.timestamp_ns.div_euclid(step_ns) * step_ns;
                mine(&mut mined, slot, &record.message())?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(mined.patterns())
    })
    .await?;
    Ok(answer::patterns(&patterns, limit, &cost))
}
