//! One rule, checked.

use parapet_model::{NameValidation, anchored_regex, quote};
use regex::Regex;

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Sets the target label to the replacement where the value matches.
    Replace,
    /// Drops label sets whose value does not match.
    Keep,
    /// Drops label sets whose value matches.
    Drop,
    /// Drops label sets whose value is not the target label's.
    KeepEqual,
    /// Drops label sets whose value is the target label's.
    DropEqual,
    /// Sets the target label to a hash of the value, modulo the modulus.
    HashMod,
    /// Copies labels whose name matches to the name that the replacement gives.
    LabelMap,
    /// Removes labels whose name matches.
    LabelDrop,
    /// Removes labels whose name does not match.
    LabelKeep,
    /// Sets the target label to the value in lower case.
    Lowercase,
    /// Sets the target label to the value in upper case.
    Uppercase,
}

impl Action {
    const ALL: [Self; 11] = [
        Self::Replace,
        Self::Keep,
        Self::Drop,
        Self::KeepEqual,
        Self::DropEqual,
        Self::HashMod,
        Self::LabelMap,
        Self::LabelDrop,
        Self::LabelKeep,
        Self::Lowercase,
        Self::Uppercase,
    ];

    /// Its name in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::KeepEqual => "keepequal",
            Self::DropEqual => "dropequal",
            Self::HashMod => "hashmod",
            Self::LabelMap => "labelmap",
            Self::LabelDrop => "labeldrop",
            Self::LabelKeep => "labelkeep",
            Self::Lowercase => "lowercase",
            Self::Uppercase => "uppercase",
        }
    }

    fn parse(name: &str) -> Result<Self, String> {
        if name.is_empty() {
            return Err("relabel action cannot be empty".to_owned());
        }
        let lower = name.to_ascii_lowercase();
        let known = Self::ALL.into_iter().find(|action| action.as_str() == lower);
        known.ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|action| action.as_str()).collect();
            format!(
                "unknown relabel action {}; write one of {}",
                quote(name),
                names.join(", ")
            )
        })
    }
}

/// Whether a text with references to groups, as `a_${1}`, can become a label name.
fn is_template(names: NameValidation, text: &str) -> bool {
    match names {
        NameValidation::Utf8 => !text.is_empty(),
        // Prometheus' `relabelTargetLegacy`.
        NameValidation::Legacy => {
            anchored_regex(r"(?:(?:[a-zA-Z_]|\$(?:\{\w+\}|\w+))+\w*)+").is_ok_and(|pattern| pattern.is_match(text))
        }
    }
}

/// A rule as it is written; the default is Prometheus' for what is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// The labels whose values are joined to the rule's value.
    pub source_labels: Vec<String>,
    /// What stands between them.
    pub separator: String,
    /// What the value (for the `label…` actions a label's name) must match, from its first to its last character.
    pub regex: String,
    /// Of `hashmod`; 0 is none.
    pub modulus: u64,
    /// The label that is set or compared.
    pub target_label: String,
    /// What it is set to, with references to the groups of the expression.
    pub replacement: String,
    /// The name of an [`Action`], in any case.
    pub action: String,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            source_labels: Vec::new(),
            separator: ";".to_owned(),
            regex: "(.*)".to_owned(),
            modulus: 0,
            target_label: String::new(),
            replacement: "$1".to_owned(),
            action: "replace".to_owned(),
        }
    }
}

/// Why a rule is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RuleError {
    /// The name of the field that is wrong; of the action's where several are.
    pub field: &'static str,
    /// What is wrong, in Prometheus' words.
    pub reason: String,
}

/// A rule that was checked.
#[derive(Clone, Debug)]
pub struct Rule {
    fields: Fields,
    action: Action,
    regex: Regex,
    names: NameValidation,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        (&self.fields, self.names) == (&other.fields, other.names)
    }
}

impl Rule {
    /// Checks a rule. Source: `relabel.Config.Validate`.
    ///
    /// # Errors
    /// [`RuleError`] with the field and the reason.
    pub fn new(fields: Fields, names: NameValidation) -> Result<Self, RuleError> {
        let wrong = |field, reason| Err(RuleError { field, reason });
        let action = Action::parse(&fields.action).map_err(|reason| RuleError {
            field: "action",
            reason,
        })?;
        let regex = anchored_regex(&fields.regex).map_err(|error| RuleError {
            field: "regex",
            reason: format!("{} is not a regular expression: {}", quote(&fields.regex), error.reason),
        })?;
        let name = action.as_str();
        if action == Action::HashMod && fields.modulus == 0 {
            let reason = "relabel configuration for hashmod requires non-zero modulus".to_owned();
            return wrong("modulus", reason);
        }
        let has_target = matches!(
            action,
            Action::Replace
                | Action::HashMod
                | Action::Lowercase
                | Action::Uppercase
                | Action::KeepEqual
                | Action::DropEqual
        );
        if has_target && fields.target_label.is_empty() {
            return wrong(
                "action",
                format!("relabel configuration for {name} action requires 'target_label' value"),
            );
        }
        let is_target = match action {
            Action::Replace if fields.target_label.contains('$') => is_template(names, &fields.target_label),
            _ => names.is_label_name(&fields.target_label),
        };
        if has_target && !is_target {
            let target = quote(&fields.target_label);
            return wrong(
                "target_label",
                format!("{target} is invalid 'target_label' for {name} action"),
            );
        }
        if action == Action::LabelMap && !is_template(names, &fields.replacement) {
            let replacement = quote(&fields.replacement);
            return wrong(
                "replacement",
                format!("{replacement} is invalid 'replacement' for {name} action"),
            );
        }
        let default = Fields::default();
        let takes_none = matches!(
            action,
            Action::Lowercase | Action::Uppercase | Action::KeepEqual | Action::DropEqual
        );
        if takes_none && fields.replacement != default.replacement {
            return wrong("replacement", format!("'replacement' can not be set for {name} action"));
        }
        let plain = (fields.modulus, &fields.separator, &fields.replacement)
            == (default.modulus, &default.separator, &default.replacement);
        if matches!(action, Action::KeepEqual | Action::DropEqual) && !(plain && fields.regex == default.regex) {
            let only = "action requires only 'source_labels' and `target_label`, and no other fields";
            return wrong("action", format!("{name} {only}"));
        }
        let bare = plain && fields.source_labels.is_empty() && fields.target_label.is_empty();
        if matches!(action, Action::LabelDrop | Action::LabelKeep) && !bare {
            return wrong(
                "action",
                format!("{name} action requires only 'regex', and no other fields"),
            );
        }
        Ok(Self {
            fields,
            action,
            regex,
            names,
        })
    }

    /// The rule as it was written.
    #[must_use]
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// What it does.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    pub(crate) fn regex(&self) -> &Regex {
        &self.regex
    }

    pub(crate) fn names(&self) -> NameValidation {
        self.names
    }
}
