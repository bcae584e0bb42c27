//! A request's parts that every endpoint needs: its parameters and its tenant.

use crate::error::ApiError;
use crate::handler::Api;
use crate::params::Form;
use axum::extract::{FromRequest, Request};
use http::{HeaderMap, Method, header};
use std::sync::Arc;

/// The header that names the tenant, as in Grafana's own stores.
const TENANT_HEADER: &str = "x-scope-orgid";

/// The parameters and the tenant of one request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) form: Form,
    pub(crate) tenant: String,
}

impl FromRequest<Arc<Api>> for Call {
    type Rejection = ApiError;

    async fn from_request(request: Request, api: &Arc<Api>) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let tenant = tenant(&parts.headers)?;
        let has_form = parts.method == Method::POST && is_form(&parts.headers);
        let body = if has_form {
            let bytes = axum::body::to_bytes(body, api.settings.max_form_bytes).await;
            Some(bytes.map_err(|_| ApiError::bad_data("error parsing form values: http: POST too large"))?)
        } else {
            None
        };
        Ok(Self {
            form: Form::parse(parts.uri.query(), body.as_deref()),
            tenant,
        })
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let media_type = value.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The tenant that a request is for.
pub(crate) fn tenant(headers: &HeaderMap) -> Result<String, ApiError> {
    let Some(value) = headers.get(TENANT_HEADER) else {
        return Ok(parapet_store::tenant::DEFAULT.to_owned());
    };
    let name = String::from_utf8_lossy(value.as_bytes()).into_owned();
    parapet_store::tenant::check(&name).map_err(|error| ApiError::bad_data(error.to_string()))?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn of(value: &str) -> Result<String, ApiError> {
        let mut headers = HeaderMap::new();
        headers.insert(TENANT_HEADER, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        tenant(&headers)
    }

    #[test]
    fn tenants() {
        assert_eq!(tenant(&HeaderMap::new()), Ok("default".to_owned()));
        for name in ["a", "Team-1_x.y", &"x".repeat(150)] {
            assert_eq!(of(name).as_deref(), Ok(name));
        }
        for name in ["", "..", "a/b", "é", &"x".repeat(151)] {
            assert!(of(name).is_err(), "{name:?}");
        }
    }
}
