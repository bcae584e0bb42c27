//! Jira: looks for the group's issue, creates or updates it, and moves it on.

use crate::answer::Verdict;
use crate::exchange::{Draft, Exchange, RenderError, Want, done, nonsense};
use crate::truncate::characters;
use parapet_routing::config::Jira;
use serde_json::{Map, Value, json};

const MAX_SUMMARY_CHARS: usize = 255;
const MAX_DESCRIPTION_CHARS: usize = 32_767;

/// The issue that a group has already.
struct Existing {
    key: String,
    /// `done`, or something else.
    category: Option<String>,
}

pub(crate) fn want(settings: &Jira, exchange: &Exchange<'_>) -> Result<Want, RenderError> {
    for answer in exchange.answers {
        match exchange.generic(answer) {
            Verdict::Sent => {}
            failed => return done(failed),
        }
    }
    let base = exchange.secret(&settings.api_url.0)?;
    let base = base.trim_end_matches('/');
    let Some(found) = exchange.answers.first() else {
        return search(settings, exchange, base).map(Want::Call);
    };
    let Ok(found) = serde_json::from_slice::<Value>(&found.body) else {
        return done(nonsense("the search did not answer with JSON"));
    };
    let existing = found["issues"][0]["key"].as_str().map(|key| Existing {
        key: key.to_owned(),
        category: found["issues"][0]["fields"]["status"]["statusCategory"]["key"]
            .as_str()
            .map(str::to_owned),
    });
    let draft = match (&existing, &exchange.answers[1..]) {
        // No new issue for what is over already.
        (None, []) if !exchange.firing() => return done(Verdict::Sent),
        (None, []) => Draft::json("POST", format!("{base}/issue"), &issue(settings, exchange, base, true)?)?,
        (Some(Existing { key, .. }), []) => Draft::json(
            "PUT",
            format!("{base}/issue/{key}"),
            &issue(settings, exchange, base, false)?,
        )?,
        (None, _) => return done(Verdict::Sent),
        (Some(existing), [_, moves @ ..]) => {
            let Some(transition) = transition(settings, exchange, existing) else {
                return done(Verdict::Sent);
            };
            let url = format!("{base}/issue/{}/transitions", existing.key);
            match moves {
                [] => Draft {
                    method: "GET",
                    body: Vec::new(),
                    ..Draft::json("GET", url, &())?
                },
                [list] => {
                    let list: Value = serde_json::from_slice(&list.body).unwrap_or_default();
                    let mut all = list["transitions"].as_array().into_iter().flatten();
                    match all.find(|one| one["name"] == *transition) {
                        Some(one) => Draft::json("POST", url, &json!({"transition": {"id": one["id"]}}))?,
                        None => {
                            let error = format!("can't find transition {transition} for issue {}", existing.key);
                            return done(Verdict::Permanent { error });
                        }
                    }
                }
                _ => return done(Verdict::Sent),
            }
        }
    };
    Ok(Want::Call(draft.header("Accept-Language", "en")))
}

/// The transition that brings an issue where it belongs; `None` where it is there, or none is configured.
fn transition<'a>(settings: &'a Jira, exchange: &Exchange<'_>, existing: &Existing) -> Option<&'a str> {
    let is_done = existing.category.as_deref()? == "done";
    let transition = if exchange.firing() {
        &settings.reopen_transition
    } else {
        &settings.resolve_transition
    };
    (is_done == exchange.firing() && !transition.is_empty()).then_some(transition)
}

fn search(settings: &Jira, exchange: &Exchange<'_>, base: &str) -> Result<Draft, RenderError> {
    let mut jql = String::new();
    if !settings.wont_fix_resolution.is_empty() {
        let resolution = parapet_model::quote(&settings.wont_fix_resolution);
        jql.push_str(&format!("(resolution is EMPTY or resolution != {resolution}) and "));
    }
    let reopen_minutes = settings.reopen_duration.0 / 60_000;
    if exchange.firing() && !settings.reopen_transition.is_empty() && reopen_minutes > 0 {
        jql.push_str(&format!(
            "(resolutiondate is EMPTY OR resolutiondate >= -{reopen_minutes}m) and "
        ));
    } else {
        jql.push_str("statusCategory != Done and ");
    }
    let project = parapet_model::quote(&exchange.text("project", &settings.project)?);
    let label = parapet_model::quote(&format!("ALERT{{{}}}", exchange.key_hash()));
    jql.push_str(&format!(
        "project={project} and labels={label} order by status ASC,resolutiondate DESC"
    ));
    let host = base.split_once("://").map_or(base, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    let is_cloud = settings.api_type == "cloud" || settings.api_type == "auto" && host.ends_with("atlassian.net");
    let url = if is_cloud {
        format!("{base}/search/jql").replacen("/rest/api/2/", "/rest/api/3/", 1)
    } else {
        format!("{base}/search")
    };
    let body = json!({"fields": ["status"], "jql": jql, "maxResults": 2});
    Ok(Draft::json("POST", url, &body)?.header("Accept-Language", "en"))
}

fn issue(settings: &Jira, exchange: &Exchange<'_>, base: &str, is_new: bool) -> Result<Value, RenderError> {
    let mut fields = Map::new();
    let summary = exchange.text("summary", &settings.summary.template)?;
    if is_new || settings.summary.enable_update {
        fields.insert(
            "summary".to_owned(),
            Value::from(characters(summary, MAX_SUMMARY_CHARS)),
        );
    }
    let description = exchange.text("description", &settings.description.template)?;
    let description = characters(description, MAX_DESCRIPTION_CHARS);
    if is_new || settings.description.enable_update {
        // Version 3 takes a document, version 2 a text.
        let value = match (base.ends_with("/3"), description.trim()) {
            (true, "") => None,
            (true, document) => Some(
                serde_json::from_str(document)
                    .map_err(|_| RenderError::Invalid("description template: invalid JSON for API v3".to_owned()))?,
            ),
            (false, _) => Some(Value::from(description.as_str())).filter(|_| !description.is_empty()),
        };
        fields.extend(value.map(|value| ("description".to_owned(), value)));
    }
    let kind = exchange.text("issue_type", &settings.issue_type)?;
    fields.insert("issuetype".to_owned(), json!({"name": kind}));
    let mut labels = vec![format!("ALERT{{{}}}", exchange.key_hash())];
    for label in &settings.labels {
        labels.push(exchange.text("labels", label)?);
    }
    labels.sort();
    fields.insert("labels".to_owned(), Value::from(labels));
    let priority = exchange.text("priority", &settings.priority)?;
    if !priority.is_empty() {
        fields.insert("priority".to_owned(), json!({"name": priority}));
    }
    let project = exchange.text("project", &settings.project)?;
    fields.insert("project".to_owned(), json!({"key": project}));
    for (name, value) in &settings.fields {
        fields.insert(name.clone(), exchange.engine.value("fields", value)?);
    }
    Ok(json!({"fields": fields}))
}
