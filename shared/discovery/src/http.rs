//! `http_sd_configs`: groups that a server lists in JSON.

use crate::groups;
use parapet_config::TargetGroup;
use parapet_model::quote;

/// Whether the answer is of the type that is asked for: `application/json`, perhaps in UTF-8.
///
/// # Errors
/// Prometheus' words for another one.
pub fn check_content_type(header: &str) -> Result<(), String> {
    let lower = header.trim().to_ascii_lowercase();
    let fits = match lower.split_once(';') {
        None => lower == "application/json",
        Some((media_type, parameter)) => {
            let charset = matches!(parameter.trim_start(), "charset=utf-8" | "charset=\"utf-8\"");
            media_type == "application/json" && charset
        }
    };
    if fits {
        Ok(())
    } else {
        Err(format!("unsupported content type {}", quote(header)))
    }
}

/// The groups of an answer; the URL is the label `__meta_url`.
///
/// # Errors
/// What is wrong with it.
pub fn targets(body: &[u8], url: &str) -> Result<Vec<TargetGroup>, String> {
    let written: Option<Vec<Option<groups::Written>>> =
        serde_json::from_slice(body).map_err(|error| error.to_string())?;
    groups::read(
        written.unwrap_or_default(),
        |index| format!("{url}:{index}"),
        ("__meta_url", url),
    )
}
