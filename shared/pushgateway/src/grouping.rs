//! The labels of a group, as the path of a request has them.

use crate::Refused;
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use parapet_model::{is_legacy_label_name, quote};
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// After a label's name: its value is in base64, for URLs, with or without padding.
const BASE64: &str = "@base64";

const DECODER: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// The labels that name a group; `job` is always among them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grouping(pub(crate) BTreeMap<String, String>);

impl Grouping {
    /// Reads the path after `/metrics/`, as it was sent: `job/<JOB>{/<LABEL>/<VALUE>}`.
    ///
    /// # Errors
    /// A path that names no group, with the reason.
    pub fn from_path(path: &str) -> Result<Self, Refused> {
        let decoded = percent_decode_str(path).decode_utf8();
        let decoded = decoded.map_err(|_| Refused(format!("path {} is not UTF-8", quote(path))))?;
        let mut parts = decoded.split('/');
        let (first, job) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let job = match first.strip_suffix(BASE64) {
            Some("job") => decode(job)
                .map_err(|reason| Refused(format!("invalid base64 encoding in job name {}: {reason}", quote(job))))?,
            None if first == "job" => job.to_owned(),
            _ => {
                return Err(Refused(
                    "a path begins with /metrics/job/ and the job's name".to_owned(),
                ));
            }
        };
        let mut parts: Vec<&str> = parts.collect();
        // A slash at the end is no label.
        if parts == [""] {
            parts.clear();
        }
        if !parts.len().is_multiple_of(2) {
            let labels = format!("/{}", parts.join("/"));
            return Err(Refused(format!(
                "odd number of components in label string {}",
                quote(&labels)
            )));
        }
        let mut labels = BTreeMap::new();
        for pair in parts.chunks_exact(2) {
            let (name, value) = (pair[0], pair[1]);
            let plain = name.strip_suffix(BASE64);
            let label = plain.unwrap_or(name);
            if !is_legacy_label_name(label) || label.starts_with("__") {
                return Err(Refused(format!("improper label name {}", quote(label))));
            }
            let value = match plain {
                None => value.to_owned(),
                Some(_) => decode(value).map_err(|reason| {
                    let value = quote(value);
                    Refused(format!("invalid base64 encoding for label {label}={value}: {reason}"))
                })?,
            };
            labels.insert(label.to_owned(), value);
        }
        if job.is_empty() {
            return Err(Refused("job name is required".to_owned()));
        }
        labels.insert("job".to_owned(), job);
        Ok(Self(labels))
    }

    /// The labels, `job` included.
    #[must_use]
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.0
    }
}

fn decode(text: &str) -> Result<String, String> {
    let bytes = DECODER
        .decode(text.trim_end_matches('='))
        .map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "it holds no UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let of = |path: &str| {
            Grouping::from_path(path)
                .map(|grouping| {
                    grouping
                        .0
                        .into_iter()
                        .map(|(n, v)| format!("{n}={v}"))
                        .collect::<Vec<_>>()
                        .join(",")
                })
                .map_err(|refused| refused.0)
        };
        for (path, want) in [
            ("job/a", "job=a"),
            ("job/a/", "job=a"),
            ("job/a%20b/instance/x%3A1", "instance=x:1,job=a b"),
            ("job@base64/YS9i/dir@base64/L3Zhci90bXA", "dir=/var/tmp,job=a/b"),
            ("job/a/first@base64/=", "first=,job=a"),
            ("job/a/x@base64/eA==", "job=a,x=x"),
            ("job/a/job/b", "job=a"),
            ("job/a/x//y/z", "job=a,x=,y=z"),
        ] {
            assert_eq!(of(path).as_deref(), Ok(want), "{path}");
        }
        for (path, want) in [
            ("job/", "job name is required"),
            ("job@base64/=", "job name is required"),
            ("instance/a", "a path begins with /metrics/job/"),
            ("job/a/b", "odd number of components in label string \"/b\""),
            ("job/a/1b/c", "improper label name \"1b\""),
            ("job/a/__b/c", "improper label name \"__b\""),
            ("job/a/b@base64/!", "invalid base64 encoding for label b=\"!\""),
            ("job@base64/_w", "it holds no UTF-8"),
            ("job/%ff", "is not UTF-8"),
        ] {
            let got = of(path).unwrap_err();
            assert!(got.contains(want), "{path}: {got}");
        }
    }
}
