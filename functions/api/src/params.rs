//! Request parameters: the query string and the form body, read as Prometheus reads them.

mod duration;
mod form;
mod time;

pub(crate) use duration::parse_duration_ns;
pub(crate) use form::Form;
pub(crate) use time::{Time, format_rfc3339};

use crate::error::ApiError;
use parapet_model::quote;

/// A whole number as Go's `strconv.Atoi` reads it, with its error text.
pub(crate) fn parse_integer(text: &str) -> Result<i64, String> {
    text.parse::<i64>().map_err(|error| {
        let reason = match error.kind() {
            std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        format!("strconv.Atoi: parsing {}: {reason}", quote(text))
    })
}

impl Form {
    /// `limit`: 0 for none (`parseLimitParam` of Prometheus).
    pub(crate) fn limit(&self) -> Result<usize, ApiError> {
        let Some(text) = self.get("limit") else { return Ok(0) };
        let limit = parse_integer(text).map_err(|reason| ApiError::invalid_parameter("limit", reason))?;
        usize::try_from(limit).map_err(|_| ApiError::invalid_parameter("limit", "limit must be non-negative"))
    }

    /// A limit where -1 stands for none, of the metadata endpoints.
    pub(crate) fn metadata_limit(&self, name: &str) -> Result<Option<usize>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let limit = parse_integer(text).map_err(|_| ApiError::bad_data(format!("{name} must be a number")))?;
        Ok(usize::try_from(limit).ok())
    }

    /// An optional time.
    pub(crate) fn time_or(&self, name: &str, default: Time) -> Result<Time, ApiError> {
        let Some(text) = self.get(name) else { return Ok(default) };
        Time::parse(text)
            .map_err(|reason| ApiError::invalid_parameter(name, format!("invalid time value for '{name}': {reason}")))
    }

    /// A time that must be given.
    pub(crate) fn time(&self, name: &str) -> Result<Time, ApiError> {
        Time::parse(self.get(name).unwrap_or_default()).map_err(|reason| ApiError::invalid_parameter(name, reason))
    }

    /// The optional `start` and `end` of the endpoints about labels, in milliseconds.
    pub(crate) fn range_ms(&self) -> Result<(i64, i64), ApiError> {
        let start = self.time_or("start", Time::MIN)?;
        let end = self.time_or("end", Time::MAX)?;
        Ok((start.ms(), end.ms()))
    }

    /// An optional duration in milliseconds; `what` begins the error.
    pub(crate) fn timeout_ms(&self) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.get("timeout") else {
            return Ok(None);
        };
        let ns = parse_duration_ns(text).map_err(|reason| ApiError::invalid_parameter("timeout", reason))?;
        Ok(Some(ns / 1_000_000))
    }

    /// `lookback_delta` in milliseconds, `None` for the default.
    pub(crate) fn lookback_delta_ms(&self) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.get("lookback_delta") else {
            return Ok(None);
        };
        let ns = parse_duration_ns(text)
            .map_err(|reason| ApiError::bad_data(format!("error parsing lookback delta duration: {reason}")))?;
        // As in Prometheus, 0 stands for the default.
        Ok(Some(ns / 1_000_000).filter(|ms| *ms > 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(query: &str) -> Form {
        Form::parse(Some(query), None)
    }

    #[test]
    fn limits() {
        assert_eq!(form("").limit().unwrap(), 0);
        assert_eq!(form("limit=7").limit().unwrap(), 7);
        for (query, want) in [
            ("limit=-1", r#"invalid parameter "limit": limit must be non-negative"#),
            (
                "limit=a",
                r#"invalid parameter "limit": strconv.Atoi: parsing "a": invalid syntax"#,
            ),
            (
                "limit=99999999999999999999",
                r#"invalid parameter "limit": strconv.Atoi: parsing "99999999999999999999": value out of range"#,
            ),
        ] {
            assert_eq!(form(query).limit().unwrap_err().message, want);
        }
    }

    #[test]
    fn times_name_their_parameter() {
        assert_eq!(
            form("start=boop").range_ms().unwrap_err().message,
            r#"invalid parameter "start": invalid time value for 'start': cannot parse "boop" to a valid timestamp"#
        );
        assert_eq!(
            form("").time("end").unwrap_err().message,
            r#"invalid parameter "end": cannot parse "" to a valid timestamp"#
        );
    }

    #[test]
    fn lookback_of_zero_is_the_default() {
        assert_eq!(form("lookback_delta=0").lookback_delta_ms().unwrap(), None);
        assert_eq!(form("lookback_delta=1m").lookback_delta_ms().unwrap(), Some(60_000));
        assert!(form("lookback_delta=x").lookback_delta_ms().is_err());
    }
}
