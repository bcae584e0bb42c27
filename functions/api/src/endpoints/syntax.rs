//! `format_query` and `parse_query`: what the parser makes of a query.

use crate::error::ApiError;
use crate::json::{Object, write_string};
use crate::request::Call;
use crate::respond::success;
use axum::response::Response;
use parapet_promql::Expr;

/// Parses the parameter `query`.
pub(crate) fn parse_query(call: &Call) -> Result<Expr, ApiError> {
    parapet_promql::parse(call.form.get("query").unwrap_or_default())
        .map_err(|error| ApiError::invalid_parameter("query", error))
}

/// `/api/v1/format_query`
pub(crate) async fn format(call: Call) -> Result<Response, ApiError> {
    let formatted = parapet_promql::pretty(&parse_query(&call)?);
    Ok(success(|out| write_string(out, &formatted)))
}

/// `/api/v1/parse_query`
pub(crate) async fn parse(call: Call) -> Result<Response, ApiError> {
    let expr = parse_query(&call)?;
    Ok(success(|out| Object::write(out, |object| tree::write(object, &expr))))
}
mod tree;
