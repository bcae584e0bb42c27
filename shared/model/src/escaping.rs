//! Names outside the classic character set, and how they are written for whoever knows no other.

use crate::{is_legacy_label_name, is_legacy_metric_name};

/// Which names are valid (`ValidationScheme` of Prometheus).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NameValidation {
    /// Any text that is not empty.
    #[default]
    Utf8,
    /// Letters, digits, underscores and in metric names colons; no digit first.
    Legacy,
}

impl NameValidation {
    /// Whether a metric may have this name.
    #[must_use]
    pub fn is_metric_name(self, name: &str) -> bool {
        match self {
            Self::Utf8 => !name.is_empty(),
            Self::Legacy => is_legacy_metric_name(name),
        }
    }

    /// Whether a label may have this name.
    #[must_use]
    pub fn is_label_name(self, name: &str) -> bool {
        match self {
            Self::Utf8 => !name.is_empty(),
            Self::Legacy => is_legacy_label_name(name),
        }
    }
}

/// How names outside the classic character set are written (`EscapingScheme` of Prometheus): what a scraper asks of
/// its targets, and what it is given by `/federate`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EscapingScheme {
    /// As they are.
    #[default]
    AllowUtf8,
    /// Other characters as underscores.
    Underscores,
    /// Dots as `_dot_`, underscores doubled, other characters as two underscores.
    Dots,
    /// `U__` before, underscores doubled, other characters as their code in hexadecimal between underscores.
    Values,
}

impl EscapingScheme {
    /// Every scheme.
    pub const ALL: [Self; 4] = [Self::AllowUtf8, Self::Underscores, Self::Dots, Self::Values];

    /// Its name in the configuration and in the `Accept` and `Content-Type` headers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }

    /// The scheme that `word` names; `None` for any other word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.as_str() == word)
    }

    /// Writes a metric's or a label's name (`EscapeName` of Prometheus). What is no valid name either way, as the
    /// empty one, is not made valid.
    #[must_use]
    pub fn escape(self, name: &str) -> String {
        let kept = match self {
            Self::AllowUtf8 => true,
            // A legacy name has underscores that are doubled.
            Self::Dots => name.is_empty(),
            Self::Underscores | Self::Values => name.is_empty() || is_legacy_metric_name(name),
        };
        if kept {
            return name.to_owned();
        }
        let mut out = String::with_capacity(name.len() + 8);
        if self == Self::Values {
            out.push_str("U__");
        }
        for (at, c) in name.char_indices() {
            let legacy = c.is_ascii_alphabetic() || matches!(c, '_' | ':') || (c.is_ascii_digit() && at > 0);
            match (self, c) {
                (Self::Dots | Self::Values, '_') => out.push_str("__"),
                (Self::Dots, '.') => out.push_str("_dot_"),
                _ if legacy => out.push(c),
                (Self::Dots, _) => out.push_str("__"),
                (Self::Values, _) => out.push_str(&format!("_{:x}_", u32::from(c))),
                _ => out.push('_'),
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cases of `TestEscapeName` of Prometheus' model.
    #[test]
    fn escapes_as_prometheus_does() {
        for (name, underscores, dots, values) in [
            ("", "", "", ""),
            (
                "no:escaping_required",
                "no:escaping_required",
                "no:escaping__required",
                "no:escaping_required",
            ),
            (
                "mysystem.prod.west.cpu.load",
                "mysystem_prod_west_cpu_load",
                "mysystem_dot_prod_dot_west_dot_cpu_dot_load",
                "U__mysystem_2e_prod_2e_west_2e_cpu_2e_load",
            ),
            (
                "mysystem.prod.west.cpu.load_total",
                "mysystem_prod_west_cpu_load_total",
                "mysystem_dot_prod_dot_west_dot_cpu_dot_load__total",
                "U__mysystem_2e_prod_2e_west_2e_cpu_2e_load__total",
            ),
            (
                "http.status:sum",
                "http_status:sum",
                "http_dot_status:sum",
                "U__http_2e_status:sum",
            ),
            (
                "label with 😱",
                "label_with__",
                "label__with____",
                "U__label_20_with_20__1f631_",
            ),
            ("花火", "__", "____", "U___82b1__706b_"),
            ("1a", "_a", "__a", "U___31_a"),
        ] {
            assert_eq!(EscapingScheme::AllowUtf8.escape(name), name);
            assert_eq!(EscapingScheme::Underscores.escape(name), underscores);
            assert_eq!(EscapingScheme::Dots.escape(name), dots);
            assert_eq!(EscapingScheme::Values.escape(name), values);
        }
        for scheme in EscapingScheme::ALL {
            assert_eq!(EscapingScheme::from_word(scheme.as_str()), Some(scheme));
        }
    }
}
