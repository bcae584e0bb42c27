//! From the file as written to a configuration that can be used.

use super::raw;
use super::{Config, Receiver, Reference, SecretSource, fault};
use crate::route::{Route, RouteOptions};
use crate::{ConfigError, Grammar, InhibitRule, Matcher, Matchers, TimeInterval};
use parapet_model::{MatchOp, is_legacy_label_name, quote};
use serde_saphyr::{Location, Spanned};
use std::collections::{BTreeMap, BTreeSet};

const DEFAULT_RESOLVE_TIMEOUT_MS: i64 = 5 * 60_000;

pub(super) type Checked<T> = Result<T, ConfigError>;

/// A place in the file, and what is known everywhere in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope<'a> {
    path: &'a str,
    pub(super) place: Location,
    pub(super) global: &'a raw::Global,
    grammar: Grammar,
}

impl Scope<'_> {
    /// The same at another place.
    pub(super) fn at(&self, place: Location) -> Self {
        Self { place, ..*self }
    }

    pub(super) fn fail<T>(&self, message: impl Into<String>) -> Checked<T> {
        Err(fault::at(self.path, Some(self.place), message.into(), false))
    }

    fn fail_file<T>(&self, message: impl Into<String>) -> Checked<T> {
        Err(fault::at(self.path, None, message.into(), false))
    }

    /// Refuses what Alertmanager has and this version does not carry out.
    pub(super) fn unsupported<T>(&self, what: &str) -> Checked<T> {
        let message = format!("{what} is not supported yet; remove it");
        Err(fault::at(self.path, Some(self.place), message, true))
    }

    /// A file that holds a secret; relative to the configuration's own directory.
    pub(super) fn file(&self, path: &str) -> SecretSource {
        SecretSource::Kept(Reference::File(beside(self.path, path)))
    }

    /// What was written of a value and of the file that holds it: one at most.
    pub(super) fn one_of(&self, name: &str, value: SecretSource, file: &str) -> Checked<Option<SecretSource>> {
        match (value.is_empty(), file.is_empty()) {
            (true, true) => Ok(None),
            (false, true) => Ok(Some(value)),
            (true, false) => Ok(Some(self.file(file))),
            (false, false) => {
                let short = name.rsplit(' ').next().unwrap_or(name);
                self.fail(format!(
                    "at most one of {name} & {short}_file must be configured; remove one"
                ))
            }
        }
    }

    /// As [`Self::one_of`], and one there must be.
    pub(super) fn exactly_one_of(&self, name: &str, value: SecretSource, file: &str) -> Checked<SecretSource> {
        match self.one_of(name, value, file)? {
            Some(source) => Ok(source),
            None => {
                let what = if name.ends_with("url") { "URL" } else { "VALUE" };
                self.fail(format!(
                    "one of {name} or {name}_file must be configured; write {name}: {what}"
                ))
            }
        }
    }

    /// What was written of a value and of the file that holds it; the file where both are.
    pub(super) fn file_or(&self, value: SecretSource, file: &str) -> Option<SecretSource> {
        if file.is_empty() {
            Some(value).filter(|value| !value.is_empty())
        } else {
            Some(self.file(file))
        }
    }

    /// What `global` gives; that only one of both is written was checked.
    pub(super) fn global_secret(&self, value: &Option<SecretSource>, file: &Option<String>) -> Option<SecretSource> {
        self.file_or(value.clone().unwrap_or_default(), file.as_deref().unwrap_or_default())
    }

    /// As [`Self::global_secret`] for a URL.
    pub(super) fn global_url(&self, value: &Option<raw::Url>, file: &Option<String>) -> Option<SecretSource> {
        self.global_secret(&value.clone().map(|url| url.0), file)
    }

    fn global_pairs(&self) -> Checked<()> {
        let global = self.global;
        let text = |value: &Option<SecretSource>| value.clone();
        let url = |url: &Option<raw::Url>| url.clone().map(|url| url.0);
        macro_rules! pair {
            ($of:ident, $name:ident, $file:ident) => {
                (stringify!($name), $of(&global.$name), &global.$file)
            };
        }
        for (name, value, file) in [
            pair!(text, slack_app_token, slack_app_token_file),
            pair!(url, slack_api_url, slack_api_url_file),
            pair!(text, opsgenie_api_key, opsgenie_api_key_file),
            pair!(text, victorops_api_key, victorops_api_key_file),
            pair!(text, telegram_bot_token, telegram_bot_token_file),
            pair!(text, smtp_auth_password, smtp_auth_password_file),
            pair!(text, rocketchat_token, rocketchat_token_file),
            pair!(text, rocketchat_token_id, rocketchat_token_id_file),
            pair!(text, smtp_auth_secret, smtp_auth_secret_file),
            pair!(text, wechat_api_secret, wechat_api_secret_file),
            pair!(url, mattermost_webhook_url, mattermost_webhook_url_file),
        ] {
            self.one_of(name, value.unwrap_or_default(), file.as_deref().unwrap_or_default())?;
        }
        self.slack_global()
    }
}

/// A path as it is meant in a file: relative ones begin in the file's directory.
pub(super) fn beside(file: &str, path: &str) -> String {
    match file.rsplit_once('/') {
        Some((directory, _)) if !path.starts_with('/') => format!("{directory}/{path}"),
        _ => path.to_owned(),
    }
}

pub(super) fn validate(grammar: Grammar, path: &str, raw: raw::Config) -> Checked<Config> {
    let (global_place, global) = match raw.global {
        Some(written) => (written.referenced, written.value.unwrap_or_default()),
        None => (Location::UNKNOWN, raw::Global::default()),
    };
    let check = Scope {
        path,
        place: global_place,
        global: &global,
        grammar,
    };
    check.global_pairs()?;
    let mut receivers: Vec<Receiver> = Vec::new();
    for receiver in raw.receivers.unwrap_or_default() {
        let place = receiver.referenced;
        let receiver = check.at(place).receiver(receiver.value)?;
        if receivers.iter().any(|other| other.name == receiver.name) {
            let name = quote(&receiver.name);
            return check.at(place).fail(format!(
                "notification config name {name} is not unique; rename or remove one"
            ));
        }
        receivers.push(receiver);
    }
    let names: BTreeSet<&str> = receivers.iter().map(|receiver| receiver.name.as_str()).collect();
    let Some(root) = raw.route else {
        return check.fail_file("no routes provided; write a route with a receiver");
    };
    let place = root.referenced;
    if root.value.receiver.as_ref().is_none_or(|name| name.value.is_empty()) {
        return check
            .at(place)
            .fail("root route must specify a default receiver; write receiver: NAME");
    }
    if let Some(proceed) = root.value.proceed.as_ref().filter(|proceed| proceed.value) {
        return check
            .at(proceed.referenced)
            .fail("cannot have continue in root route; remove it");
    }
    let interval_names = interval_names_of(&root.value);
    for (kind, intervals) in [
        ("mute", &root.value.mute_time_intervals),
        ("active", &root.value.active_time_intervals),
    ] {
        if let Some(first) = intervals.iter().flatten().next() {
            let message = format!("root route must not have any {kind} time intervals; move them to a child route");
            return check.at(first.referenced).fail(message);
        }
    }
    let route = check.route(root.value, None, &names)?;
    if !route.matchers.0.is_empty() {
        return check
            .at(place)
            .fail("root route must not have any matchers; move them to a child route");
    }
    let resolve_timeout_ms = global
        .resolve_timeout
        .map_or(DEFAULT_RESOLVE_TIMEOUT_MS, |duration| duration.0);
    let time_intervals = check.time_intervals(raw.mute_time_intervals, "mute time interval", BTreeMap::new())?;
    let time_intervals = check.time_intervals(raw.time_intervals, "time interval", time_intervals)?;
    check.interval_names(&interval_names, &time_intervals)?;
    let inhibit_rules = raw.inhibit_rules.unwrap_or_default().into_iter();
    let inhibit_rules = inhibit_rules
        .map(|rule| check.inhibit_rule(rule))
        .collect::<Checked<_>>()?;
    let templates = raw.templates.unwrap_or_default();
    Ok(Config {
        resolve_timeout_ms,
        templates: templates.iter().map(|pattern| beside(path, pattern)).collect(),
        route,
        inhibit_rules,
        time_intervals,
        receivers,
        grammar,
    })
}

/// The names of time intervals that a route and its children use, each with its place.
fn interval_names_of(route: &raw::Route) -> Vec<Spanned<String>> {
    let own = route
        .mute_time_intervals
        .iter()
        .chain(&route.active_time_intervals)
        .flatten()
        .cloned();
    own.chain(
        route
            .routes
            .iter()
            .flatten()
            .flat_map(|child| interval_names_of(&child.value)),
    )
    .collect()
}

impl Scope<'_> {
    fn time_intervals(
        &self,
        written: Option<Vec<Spanned<raw::NamedIntervals>>>,
        kind: &str,
        mut known: BTreeMap<String, Vec<TimeInterval>>,
    ) -> Checked<BTreeMap<String, Vec<TimeInterval>>> {
        for named in written.unwrap_or_default() {
            let (place, raw) = (named.referenced, named.value);
            let Some(name) = raw.name.filter(|name| !name.is_empty()) else {
                return self.at(place).fail(format!("missing name in {kind}; write name: NAME"));
            };
            if known.contains_key(&name) {
                return self
                    .at(place)
                    .fail(format!("{kind} {} is not unique; rename or remove one", quote(&name)));
            }
            known.insert(name, raw.time_intervals.unwrap_or_default());
        }
        Ok(known)
    }

    fn interval_names(&self, used: &[Spanned<String>], known: &BTreeMap<String, Vec<TimeInterval>>) -> Checked<()> {
        match used.iter().find(|name| !known.contains_key(&name.value)) {
            Some(name) => {
                let message = format!(
                    "undefined time interval {} used in route; define it under time_intervals",
                    quote(&name.value)
                );
                self.at(name.referenced).fail(message)
            }
            None => Ok(()),
        }
    }

    fn route(&self, raw: raw::Route, parent: Option<&Route>, names: &BTreeSet<&str>) -> Checked<Route> {
        let mut options = parent.map_or_else(RouteOptions::default, |parent| parent.options.clone());
        let names_of = |names: Option<Vec<Spanned<String>>>| -> Vec<String> {
            names.unwrap_or_default().into_iter().map(|name| name.value).collect()
        };
        options.mute_time_intervals = names_of(raw.mute_time_intervals);
        options.active_time_intervals = names_of(raw.active_time_intervals);
        if let Some(receiver) = raw.receiver.filter(|receiver| !receiver.value.is_empty()) {
            if !names.contains(receiver.value.as_str()) {
                let name = quote(&receiver.value);
                let message = format!("undefined receiver {name} used in route; define it under receivers");
                return self.at(receiver.referenced).fail(message);
            }
            options.receiver = receiver.value;
        }
        if let Some(group_by) = raw.group_by {
            self.group_by(&group_by, &mut options)?;
        }
        if let Some(wait) = raw.group_wait {
            options.group_wait_ms = wait.0;
        }
        for (name, written, option) in [
            ("group_interval", raw.group_interval, &mut options.group_interval_ms),
            ("repeat_interval", raw.repeat_interval, &mut options.repeat_interval_ms),
        ] {
            match written {
                Some(Spanned {
                    value: raw::Duration(0),
                    referenced,
                    ..
                }) => {
                    return self
                        .at(referenced)
                        .fail(format!("{name} cannot be zero; write a duration such as 5m"));
                }
                Some(duration) => *option = duration.value.0,
                None => {}
            }
        }
        for (name, value) in raw.labels.map(|pairs| pairs.0).unwrap_or_default() {
            if name.value.is_empty() {
                return self
                    .at(name.referenced)
                    .fail("invalid label name \"\" in route labels; write a name");
            }
            options.labels.insert(name.value, value);
        }
        let matchers = self.matchers(raw.equal, raw.match_re, raw.matchers)?;
        let key = match parent {
            Some(parent) => format!("{}/{matchers}", parent.key),
            None => matchers.to_string(),
        };
        let mut route = Route {
            id: key.clone(),
            key,
            matchers,
            options,
            proceed: raw.proceed.is_some_and(|proceed| proceed.value),
            routes: Vec::new(),
        };
        if let Some(parent) = parent {
            route.id = format!("{}/{}/{}", parent.id, route.matchers, parent.routes.len());
        }
        for child in raw.routes.unwrap_or_default() {
            let child = self.route(child.value, Some(&route), names)?;
            route.routes.push(child);
        }
        Ok(route)
    }

    fn group_by(&self, names: &[Spanned<String>], options: &mut RouteOptions) -> Checked<()> {
        let (mut listed, mut all) = (BTreeSet::new(), false);
        for name in names {
            let at = name.referenced;
            if name.value == "..." {
                all = true;
            } else if !self.grammar.is_label_name(&name.value) {
                let name = quote(&name.value);
                let message = format!("invalid label name {name} in group_by list; write a label name");
                return self.at(at).fail(message);
            } else if !listed.insert(name.value.clone()) {
                return self.at(at).fail(format!(
                    "duplicated label {} in group_by; remove one",
                    quote(&name.value)
                ));
            }
        }
        if let Some(first) = names.first().filter(|_| all && !listed.is_empty()) {
            let message = "cannot have wildcard group_by (`...`) and other labels at the same time; write either";
            return self.at(first.referenced).fail(message);
        }
        options.group_by_all = all;
        if !all {
            options.group_by = listed;
        }
        Ok(())
    }

    fn inhibit_rule(&self, raw: raw::InhibitRule) -> Checked<InhibitRule> {
        let equal = raw.equal.unwrap_or_default();
        if let Some(wrong) = equal.iter().find(|name| !self.grammar.is_label_name(&name.value)) {
            let name = quote(&wrong.value);
            let message = format!("invalid label name {name} in equal list; write a label name");
            return self.at(wrong.referenced).fail(message);
        }
        Ok(InhibitRule {
            name: raw.name,
            source: self.matchers(raw.source_match, raw.source_match_re, raw.source_matchers)?,
            target: self.matchers(raw.target_match, raw.target_match_re, raw.target_matchers)?,
            equal: equal.into_iter().map(|name| name.value).collect(),
        })
    }

    /// The three ways of writing matchers, together and in the order of a key.
    fn matchers(
        &self,
        equal: Option<raw::Pairs<Option<String>>>,
        regex: Option<raw::Pairs<Option<String>>>,
        lists: Option<Vec<Spanned<String>>>,
    ) -> Checked<Matchers> {
        let mut matchers = self.old_matchers(equal, MatchOp::Equal)?;
        matchers.extend(self.old_matchers(regex, MatchOp::Regex)?);
        for list in lists.unwrap_or_default() {
            match self.grammar.parse(&list.value) {
                Ok(parsed) => matchers.extend(parsed.0),
                Err(error) => {
                    let message = format!("{error}; write matchers such as severity=\"page\"");
                    return self.at(list.referenced).fail(message);
                }
            }
        }
        let mut matchers = Matchers(matchers);
        matchers.sort();
        Ok(matchers)
    }

    /// `match` and `match_re`.
    fn old_matchers(&self, pairs: Option<raw::Pairs<Option<String>>>, op: MatchOp) -> Checked<Vec<Matcher>> {
        let mut matchers = Vec::new();
        for (name, value) in pairs.map(|pairs| pairs.0).unwrap_or_default() {
            let at = name.referenced;
            if !is_legacy_label_name(&name.value) {
                let message = format!(
                    "invalid label name {}; write it in matchers, in quotes",
                    quote(&name.value)
                );
                return self.at(at).fail(message);
            }
            let value = match (value, op) {
                (Some(value), MatchOp::Regex) => format!("^(?:{value})$"),
                (None, MatchOp::Regex) => {
                    let name = quote(&name.value);
                    return self
                        .at(at)
                        .fail(format!("invalid regexp value for {name}; write a regular expression"));
                }
                (value, _) => value.unwrap_or_default(),
            };
            match Matcher::new(name.value, op, value) {
                Ok(matcher) => matchers.push(matcher),
                Err(error) => return self.at(at).fail(error.to_string()),
            }
        }
        Ok(matchers)
    }
}
