//! From the file as written to a configuration that can be used.

use super::raw;
use super::{Config, HttpClient, Integration, IntegrationKind, Receiver, fault};
use crate::route::{Route, RouteOptions};
use crate::{ConfigError, InhibitRule, Matcher, Matchers, TimeInterval};
use parapet_model::{MatchOp, is_legacy_label_name, quote};
use serde_saphyr::{Location, Spanned};
use std::collections::{BTreeMap, BTreeSet};

mod slack;

const DEFAULT_RESOLVE_TIMEOUT_MS: i64 = 5 * 60_000;

/// Where faults are reported.
struct Checker<'a> {
    path: &'a str,
}

type Checked<T> = Result<T, ConfigError>;

impl Checker<'_> {
    fn fail<T>(&self, place: Location, message: impl Into<String>) -> Checked<T> {
        Err(fault::at(self.path, Some(place), message.into(), false))
    }

    fn fail_file<T>(&self, message: impl Into<String>) -> Checked<T> {
        Err(fault::at(self.path, None, message.into(), false))
    }

    fn fail_unsupported<T>(&self, place: Location, what: &str) -> Checked<T> {
        Err(fault::at(
            self.path,
            Some(place),
            format!("{what} is not supported yet; remove it"),
            true,
        ))
    }
}

pub(super) fn validate(path: &str, raw: raw::Config) -> Checked<Config> {
    let check = Checker { path };
    let global = raw.global.unwrap_or_default();
    check.slack_global(&global)?;
    if let Some(first) = raw.templates.iter().flatten().next() {
        return check.fail_unsupported(first.referenced, "templates");
    }
    let global_http = global.http_config.clone().unwrap_or_default();
    let mut receivers: Vec<Receiver> = Vec::new();
    for receiver in raw.receivers.unwrap_or_default() {
        let place = receiver.referenced;
        let receiver = check.receiver(receiver, &global, &global_http)?;
        if receivers.iter().any(|other| other.name == receiver.name) {
            let name = quote(&receiver.name);
            return check.fail(
                place,
                format!("notification config name {name} is not unique; rename or remove one"),
            );
        }
        receivers.push(receiver);
    }
    let names: BTreeSet<&str> = receivers.iter().map(|receiver| receiver.name.as_str()).collect();
    let Some(root) = raw.route else {
        return check.fail_file("no route provided in config; write a route with a receiver");
    };
    let place = root.referenced;
    if root.value.receiver.as_ref().is_none_or(|name| name.value.is_empty()) {
        return check.fail(
            place,
            "root route must specify a default receiver; write receiver: NAME",
        );
    }
    if let Some(proceed) = root.value.proceed.as_ref().filter(|proceed| proceed.value) {
        return check.fail(proceed.referenced, "cannot have continue in root route; remove it");
    }
    let interval_names = interval_names_of(&root.value);
    for (kind, intervals) in [
        ("mute", &root.value.mute_time_intervals),
        ("active", &root.value.active_time_intervals),
    ] {
        if let Some(first) = intervals.iter().flatten().next() {
            let message = format!("root route must not have any {kind} time intervals; move them to a child route");
            return check.fail(first.referenced, message);
        }
    }
    let route = check.route(root.value, None, &names)?;
    if !route.matchers.0.is_empty() {
        return check.fail(
            place,
            "root route must not have any matchers; move them to a child route",
        );
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
    Ok(Config {
        resolve_timeout_ms,
        route,
        inhibit_rules,
        time_intervals,
        receivers,
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

impl Checker<'_> {
    fn time_intervals(
        &self,
        written: Option<Vec<Spanned<raw::NamedIntervals>>>,
        kind: &str,
        mut known: BTreeMap<String, Vec<TimeInterval>>,
    ) -> Checked<BTreeMap<String, Vec<TimeInterval>>> {
        for named in written.unwrap_or_default() {
            let (place, raw) = (named.referenced, named.value);
            let Some(name) = raw.name.filter(|name| !name.is_empty()) else {
                return self.fail(place, format!("missing name in {kind}; write name: NAME"));
            };
            if known.contains_key(&name) {
                return self.fail(
                    place,
                    format!("{kind} {} is not unique; rename or remove one", quote(&name)),
                );
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
                self.fail(name.referenced, message)
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
                return self.fail(receiver.referenced, message);
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
                    return self.fail(
                        referenced,
                        format!("{name} cannot be zero; write a duration such as 5m"),
                    );
                }
                Some(duration) => *option = duration.value.0,
                None => {}
            }
        }
        for (name, value) in raw.labels.map(|pairs| pairs.0).unwrap_or_default() {
            if name.value.is_empty() {
                return self.fail(name.referenced, "invalid label name \"\" in route labels; write a name");
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
            } else if name.value.is_empty() {
                return self.fail(at, "invalid label name \"\" in group_by list; write a label name");
            } else if !listed.insert(name.value.clone()) {
                return self.fail(
                    at,
                    format!("duplicated label {} in group_by; remove one", quote(&name.value)),
                );
            }
        }
        if let Some(first) = names.first().filter(|_| all && !listed.is_empty()) {
            let message = "cannot have wildcard group_by (`...`) and other labels at the same time; write either";
            return self.fail(first.referenced, message);
        }
        options.group_by_all = all;
        if !all {
            options.group_by = listed;
        }
        Ok(())
    }

    fn inhibit_rule(&self, raw: raw::InhibitRule) -> Checked<InhibitRule> {
        let equal = raw.equal.unwrap_or_default();
        if let Some(empty) = equal.iter().find(|name| name.value.is_empty()) {
            return self.fail(
                empty.referenced,
                "invalid label name \"\" in equal list; write a label name",
            );
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
        lists: Option<Vec<raw::MatcherList>>,
    ) -> Checked<Matchers> {
        let mut matchers = self.old_matchers(equal, MatchOp::Equal)?;
        matchers.extend(self.old_matchers(regex, MatchOp::Regex)?);
        matchers.extend(lists.unwrap_or_default().into_iter().flat_map(|list| list.0.0));
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
                return self.fail(at, message);
            }
            let value = match (value, op) {
                (Some(value), MatchOp::Regex) => format!("^(?:{value})$"),
                (None, MatchOp::Regex) => {
                    let name = quote(&name.value);
                    return self.fail(
                        at,
                        format!("invalid regexp value for {name}; write a regular expression"),
                    );
                }
                (value, _) => value.unwrap_or_default(),
            };
            match Matcher::new(name.value, op, value) {
                Ok(matcher) => matchers.push(matcher),
                Err(error) => return self.fail(at, error.to_string()),
            }
        }
        Ok(matchers)
    }

    fn receiver(
        &self,
        raw: Spanned<raw::Receiver>,
        global: &raw::Global,
        global_http: &raw::HttpConfig,
    ) -> Checked<Receiver> {
        let (place, raw) = (raw.referenced, raw.value);
        if raw.name.is_empty() {
            return self.fail(place, "missing name in receiver; write name: NAME");
        }
        let mut labels = BTreeMap::from([("name".to_owned(), raw.name.clone())]);
        for (name, value) in raw.labels.map(|pairs| pairs.0).unwrap_or_default() {
            if name.value == "name" && value != raw.name {
                let (want, got) = (quote(&raw.name), quote(&value));
                let message =
                    format!("receiver label \"name\" must match receiver name {want}, got {got}; remove the label");
                return self.fail(name.referenced, message);
            }
            labels.insert(name.value, value);
        }
        let mut integrations = Vec::new();
        for (index, webhook) in raw.webhook_configs.unwrap_or_default().into_iter().enumerate() {
            integrations.push(self.webhook(index, webhook, global_http)?);
        }
        for (index, slack) in raw.slack_configs.unwrap_or_default().into_iter().enumerate() {
            integrations.push(self.slack(index, slack, global, global_http)?);
        }
        Ok(Receiver {
            name: raw.name,
            labels,
            integrations,
        })
    }

    fn webhook(
        &self,
        index: usize,
        raw: Spanned<Option<raw::Webhook>>,
        global_http: &raw::HttpConfig,
    ) -> Checked<Integration> {
        let place = raw.referenced;
        let Some(raw) = raw.value else {
            return self.fail(place, "missing webhook config; write url: URL");
        };
        let Some(url) = raw.url.filter(|url| !url.value.expose().is_empty()) else {
            return self.fail(place, "one of url or url_file must be configured; write url: URL");
        };
        // A templated URL is only known when it is rendered.
        if !url.value.expose().contains("{{") {
            check_url(url.value.expose()).or_else(|message| self.fail(url.referenced, message))?;
        }
        Ok(Integration {
            key: format!("webhook/{index}"),
            send_resolved: raw.send_resolved.unwrap_or(true),
            http: self.http(raw.http_config.as_ref().unwrap_or(global_http))?,
            timeout_ms: raw.timeout.map_or(0, |timeout| timeout.0),
            kind: IntegrationKind::Webhook(super::Webhook {
                url: url.value,
                max_alerts: raw.max_alerts,
            }),
        })
    }

    fn http(&self, raw: &raw::HttpConfig) -> Checked<HttpClient> {
        for (name, written) in [
            ("follow_redirects", &raw.follow_redirects),
            ("enable_http2", &raw.enable_http2),
        ] {
            if let Some(written) = written.as_ref().filter(|written| !written.value) {
                return self.fail_unsupported(written.referenced, &format!("{name}: false"));
            }
        }
        let mut client = HttpClient::default();
        if let Some(authorization) = &raw.authorization {
            if raw.basic_auth.is_some() || raw.bearer_token.is_some() {
                let message = "at most one of basic_auth, bearer_token & authorization must be configured; remove one";
                return self.fail(authorization.referenced, message);
            }
            let scheme = authorization
                .value
                .scheme
                .clone()
                .unwrap_or_else(|| "Bearer".to_owned());
            if scheme.trim().eq_ignore_ascii_case("basic") {
                let message = "authorization type cannot be set to \"basic\"; write basic_auth instead";
                return self.fail(authorization.referenced, message);
            }
            client.authorization = Some((scheme.trim().to_owned(), authorization.value.credentials.clone()));
        }
        if let Some(token) = &raw.bearer_token {
            if raw.basic_auth.is_some() {
                return self.fail(
                    token.referenced,
                    "at most one of basic_auth & bearer_token must be configured",
                );
            }
            client.authorization = Some(("Bearer".to_owned(), token.value.clone()));
        }
        if let Some(basic) = &raw.basic_auth {
            client.basic_auth = Some((basic.value.username.clone(), basic.value.password.clone()));
        }
        for (name, values) in raw
            .http_headers
            .as_ref()
            .map(|pairs| pairs.0.as_slice())
            .unwrap_or_default()
        {
            let valid = !name.value.is_empty()
                && name
                    .value
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
            if !valid {
                return self.fail(
                    name.referenced,
                    format!("{} is not the name of a header", quote(&name.value)),
                );
            }
            client
                .headers
                .extend(values.values.iter().map(|value| (name.value.clone(), value.clone())));
        }
        Ok(client)
    }
}

/// Whether a text is a URL that can be requested. The message never holds the text: it may hold a token.
pub(super) fn check_url(text: &str) -> Result<(), String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err("not a URL; write http://HOST/PATH or https://HOST/PATH".to_owned());
    };
    if scheme != "http" && scheme != "https" {
        return Err("unsupported scheme for URL; write http:// or https://".to_owned());
    }
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if host.is_empty() || host.starts_with(':') {
        return Err("missing host for URL; write http://HOST/PATH".to_owned());
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("URL with a space in it; write %20".to_owned());
    }
    Ok(())
}
