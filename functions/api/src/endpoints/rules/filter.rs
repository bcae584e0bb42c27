//! Which rules a request asks for, and which page of them.

use crate::endpoints::selector::matchers_of;
use crate::error::ApiError;
use crate::params::Form;
use parapet_model::{Matcher, quote};
use parapet_rules::{Rule, RuleGroup};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// What the request chose.
#[derive(Debug)]
pub(super) struct Filter<'a> {
    names: &'a [String],
    groups: &'a [String],
    files: &'a [String],
    matchers: Vec<Vec<Matcher>>,
    alerting: bool,
    recording: bool,
    pub(super) with_alerts: bool,
}

impl<'a> Filter<'a> {
    pub(super) fn of(form: &'a Form) -> Result<Self, ApiError> {
        let matchers = matchers_of(form)?;
        let kind = form.query_get("type").unwrap_or_default().to_lowercase();
        if !matches!(kind.as_str(), "" | "alert" | "record") {
            let reason = format!("not supported value {}", quote(&kind));
            return Err(ApiError::invalid_parameter("type", reason));
        }
        Ok(Self {
            names: form.all("rule_name[]"),
            groups: form.all("rule_group[]"),
            files: form.all("file[]"),
            matchers,
            alerting: kind != "record",
            recording: kind != "alert",
            with_alerts: !exclude_alerts(form)?,
        })
    }

    pub(super) fn takes_group(&self, group: &RuleGroup) -> bool {
        one_of(self.groups, &group.name) && one_of(self.files, &group.file)
    }

    pub(super) fn takes_rule(&self, rule: &Rule) -> bool {
        let matches = |set: &Vec<Matcher>| set.iter().all(|matcher| matcher.matches_labels(&rule.labels));
        one_of(self.names, &rule.name)
            && (if rule.is_alerting() {
                self.alerting
            } else {
                self.recording
            })
            && (self.matchers.is_empty() || self.matchers.iter().any(matches))
    }
}

/// An empty list asks for all.
fn one_of(wanted: &[String], name: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|one| one == name)
}

fn exclude_alerts(form: &Form) -> Result<bool, ApiError> {
    let text = form.query_get("exclude_alerts").unwrap_or_default().to_lowercase();
    match text.as_str() {
        "" | "0" | "f" | "false" => Ok(false),
        "1" | "t" | "true" => Ok(true),
        _ => Err(ApiError::invalid_parameter(
            "exclude_alerts",
            format!(
                "error converting exclude_alerts: strconv.ParseBool: parsing {}: invalid syntax",
                quote(&text)
            ),
        )),
    }
}

/// How many groups to show, and from which on; all without a limit.
#[derive(Debug)]
pub(super) struct Page<'a> {
    limit: Option<usize>,
    from: Option<&'a str>,
}

impl<'a> Page<'a> {
    pub(super) fn of(form: &'a Form) -> Result<Self, ApiError> {
        let from = form.query_get("group_next_token");
        let Some(text) = form.query_get("group_limit") else {
            return match from {
                None => Ok(Self { limit: None, from }),
                Some(_) => Err(ApiError::invalid_parameter(
                    "group_next_token",
                    "group_limit needs to be present in order to paginate over the groups",
                )),
            };
        };
        let number = text.parse::<i32>().map_err(|error| {
            let reason = match error.kind() {
                std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => "value out of range",
                _ => "invalid syntax",
            };
            ApiError::invalid_parameter(
                "group_limit",
                format!(
                    "group_limit needs to be a valid number: strconv.ParseInt: parsing {}: {reason}",
                    quote(text)
                ),
            )
        })?;
        match usize::try_from(number) {
            Ok(limit) if limit > 0 => Ok(Self {
                limit: Some(limit),
                from,
            }),
            _ => Err(ApiError::invalid_parameter(
                "group_limit",
                "group_limit needs to be greater than 0",
            )),
        }
    }

    /// The groups of this page and the token of the next. `all` are the tokens of every group, chosen or not: the
    /// page may begin at a group that another filter leaves out.
    pub(super) fn cut<T>(
        &self,
        all: impl Iterator<Item = String>,
        chosen: impl Iterator<Item = T>,
        token: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), ApiError> {
        let Some(limit) = self.limit else {
            return Ok((chosen.collect(), None));
        };
        let all: Vec<String> = all.collect();
        let place = |token: &str| all.iter().position(|one| one == token);
        let from = match self.from {
            None => 0,
            Some(token) => place(token).ok_or_else(|| {
                ApiError::invalid_parameter(
                    "group_next_token",
                    format!("invalid group_next_token '{token}'. were rule groups changed?"),
                )
            })?,
        };
        let mut rest = chosen.skip_while(|one| place(&token(one)).is_some_and(|at| at < from));
        let page: Vec<T> = rest.by_ref().take(limit).collect();
        let next = rest.next().map(|one| token(&one));
        Ok((page, next))
    }
}

/// What names a group in `group_next_token` (`getRuleGroupNextToken` of Prometheus).
pub(super) fn token(group: &RuleGroup) -> String {
    let mut token = String::new();
    for byte in Sha256::digest(group.key()) {
        let _ = write!(token, "{byte:02x}");
    }
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_begin_where_the_last_ended() {
        let cut = |query: &str| {
            let form = Form::parse(Some(query), None);
            let all = || ["a", "b", "c", "d"].into_iter().map(str::to_owned);
            let page = Page::of(&form)?;
            page.cut(all(), all().filter(|name| name != "b"), String::clone)
        };
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(cut("").unwrap(), (names(&["a", "c", "d"]), None));
        assert_eq!(
            cut("group_limit=2").unwrap(),
            (names(&["a", "c"]), Some("d".to_owned()))
        );
        assert_eq!(cut("group_limit=3").unwrap(), (names(&["a", "c", "d"]), None));
        assert_eq!(cut("group_limit=1&group_next_token=d").unwrap(), (names(&["d"]), None));
        assert_eq!(
            cut("group_limit=1&group_next_token=b").unwrap(),
            (names(&["c"]), Some("d".to_owned()))
        );
        for (query, want) in [
            (
                "group_limit=1&group_next_token=x",
                r#"invalid parameter "group_next_token": invalid group_next_token 'x'. were rule groups changed?"#,
            ),
            (
                "group_next_token=x",
                "invalid parameter \"group_next_token\": \
                 group_limit needs to be present in order to paginate over the groups",
            ),
            (
                "group_limit=0",
                r#"invalid parameter "group_limit": group_limit needs to be greater than 0"#,
            ),
            (
                "group_limit=x",
                "invalid parameter \"group_limit\": group_limit needs to be a valid number: \
                 strconv.ParseInt: parsing \"x\": invalid syntax",
            ),
        ] {
            assert_eq!(cut(query).unwrap_err().message, want);
        }
    }

    #[test]
    fn booleans_as_go_reads_them() {
        let excluded = |query: &str| exclude_alerts(&Form::parse(Some(query), None));
        assert_eq!(excluded(""), Ok(false));
        assert_eq!(excluded("exclude_alerts=T"), Ok(true));
        assert_eq!(excluded("exclude_alerts=false"), Ok(false));
        assert!(excluded("exclude_alerts=yes").is_err());
    }
}
