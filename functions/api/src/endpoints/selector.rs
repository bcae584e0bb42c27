//! `match[]`: series selectors without times.

use crate::error::ApiError;
use crate::params::Form;
use parapet_model::Matcher;
use parapet_promql::parse_selector;

/// Reads selectors (`ParseMetricSelectors` of Prometheus).
///
/// # Errors
/// Prometheus' text, for a person.
pub(crate) fn parse_selectors(selectors: &[String]) -> Result<Vec<Vec<Matcher>>, String> {
    let sets = selectors.iter().map(|text| parse_selector(text));
    sets.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

/// Reads every `match[]`; none may select everything (`parseMatchersParam` of Prometheus).
///
/// # Errors
/// What [`parse_selectors`] says.
pub(crate) fn parse_matchers(selectors: &[String]) -> Result<Vec<Vec<Matcher>>, String> {
    let sets = parse_selectors(selectors)?;
    if sets
        .iter()
        .any(|matchers| matchers.iter().all(|matcher| matcher.matches("")))
    {
        return Err("match[] must contain at least one non-empty matcher".to_owned());
    }
    Ok(sets)
}

/// The matcher sets of a request.
pub(crate) fn matchers_of(form: &Form) -> Result<Vec<Vec<Matcher>>, ApiError> {
    parse_matchers(form.all("match[]")).map_err(ApiError::bad_data)
}
