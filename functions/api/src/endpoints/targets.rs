//! `targets`, `targets/metadata`, `metadata` and `scrape_pools`, from what the scraper keeps of each target.

mod address;
mod reason;
mod state;

use crate::error::ApiError;
use crate::handler::Api;
use crate::json::{Object, write_array, write_integer, write_strings};
use crate::params::format_rfc3339;
use crate::request::Call;
use crate::respond::success;
use axum::extract::State;
use axum::response::Response;
use parapet_exposition::Metadata;
use parapet_model::{Labels, format_duration_ms};
use parapet_promql::parse_selector;
use state::{ActiveTarget, Targets};
use std::collections::BTreeMap;
use std::sync::Arc;

/// `/api/v1/targets`. With `reasons=true`, which Prometheus does not know, also why targets are not scraped.
pub(crate) async fn targets(State(api): State<Arc<Api>>, call: Call) -> Result<Response, ApiError> {
    let pool = call.form.query_get("scrapePool");
    let state = call.form.query_get("state").unwrap_or_default().to_lowercase();
    let show = |kind: &str| matches!(state.as_str(), "" | "any") || state == kind;
    let reasons = call.form.query_get("reasons") == Some("true");
    let all = Targets::read(&api, &call.tenant).await?;
    let wanted = |name: &str| pool.is_none_or(|pool| pool == name);
    let active = all.active().filter(|target| show("active") && wanted(&target.job.name));
    Ok(success(|out| {
        Object::write(out, |object| {
            object.array("activeTargets", active, |out, target| {
                write_active(out, target, &api.settings.external_url);
            });
            let jobs = all.jobs();
            let jobs = jobs.iter().filter(|job| show("dropped") && wanted(&job.name));
            let dropped = jobs
                .clone()
                .flat_map(|job| job.dropped_targets.iter().map(move |labels| (job, labels)));
            object.array("droppedTargets", dropped, |out, (job, labels)| {
                Object::write(out, |object| {
                    object.labels("discoveredLabels", labels);
                    object.string("scrapePool", &job.name);
                    if reasons {
                        object.string("reason", &reason::of_dropped(job, labels));
                    }
                });
            });
            if reasons {
                // What relabelling left no target of.
                let faulty = jobs.flat_map(|job| job.faulty_targets.iter().map(move |fault| (job, fault)));
                object.array("faultyTargets", faulty, |out, (job, (labels, what))| {
                    Object::write(out, |object| {
                        object.labels("discoveredLabels", labels);
                        object.string("scrapePool", &job.name);
                        object.string("reason", what);
                    });
                });
            }
            if show("dropped") {
                object.object("droppedTargetCounts", |counts| {
                    for job in all.jobs() {
                        write_integer(counts.escaped_field(&job.name), i128::from(job.dropped_targets_count));
                    }
                });
            } else {
                object.field("droppedTargetCounts").extend_from_slice(b"null");
            }
        });
    }))
}

fn write_active(out: &mut Vec<u8>, active: ActiveTarget<'_>, external_url: &str) {
    let ActiveTarget { job, target, .. } = active;
    Object::write(out, |object| {
        object.labels("discoveredLabels", &target.discovered_labels);
        object.labels("labels", &target.labels);
        object.string("scrapePool", &job.name);
        object.string("scrapeUrl", &target.url);
        object.string("globalUrl", &address::global_url(&target.url, external_url));
        object.string("lastError", active.last_error());
        object.string("lastScrape", &format_rfc3339(active.last_scrape_ms()));
        object.number("lastScrapeDuration", active.last_scrape_seconds());
        object.string("health", active.health());
        object.string("scrapeInterval", &format_duration_ms(target.interval_ms));
        object.string("scrapeTimeout", &format_duration_ms(target.timeout_ms));
    });
}

/// `/api/v1/scrape_pools`
pub(crate) async fn scrape_pools(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    let config = api.configuration.current(&api.ports).await?;
    let mut pools: Vec<&str> = config.jobs.iter().map(|job| job.name.as_str()).collect();
    pools.sort_unstable();
    Ok(success(|out| {
        Object::write(out, |object| write_strings(object.field("scrapePools"), pools));
    }))
}

/// `/api/v1/targets/metadata`
pub(crate) async fn target_metadata(State(api): State<Arc<Api>>, call: Call) -> Result<Response, ApiError> {
    let limit = call.form.metadata_limit("limit")?;
    let matchers = match call.form.get("match_target") {
        Some(text) => parse_selector(text).map_err(|error| ApiError::invalid_parameter("match_target", error))?,
        None => Vec::new(),
    };
    let metric = call.form.get("metric");
    let all = Targets::read_metadata(&api, &call.tenant).await?;
    let mut entries: Vec<(&Labels, &str, &Metadata)> = Vec::new();
    for (labels, metadata) in &all {
        // As Prometheus: a target that was begun is listed to its end.
        if limit.is_some_and(|limit| entries.len() >= limit) {
            break;
        }
        if matchers.iter().all(|matcher| matcher.matches_labels(labels)) {
            let chosen = metadata
                .iter()
                .filter(|(family, _)| metric.is_none_or(|metric| *family == metric));
            entries.extend(chosen.map(|(family, one)| (labels, family.as_str(), one)));
        }
    }
    Ok(success(|out| {
        write_array(out, entries, |out, (labels, family, one)| {
            Object::write(out, |object| {
                object.labels("target", labels);
                if metric.is_none() {
                    object.string("metric", family);
                }
                write_metadata(object, one);
            });
        });
    }))
}

/// `/api/v1/metadata`
pub(crate) async fn metadata(State(api): State<Arc<Api>>, call: Call) -> Result<Response, ApiError> {
    let limit = call.form.metadata_limit("limit")?;
    let limit_per_metric = call.form.metadata_limit("limit_per_metric")?.filter(|limit| *limit > 0);
    let metric = call.form.get("metric");
    let all = Targets::read_metadata(&api, &call.tenant).await?;
    let mut families: BTreeMap<&str, Vec<&Metadata>> = BTreeMap::new();
    for (family, one) in all.iter().flat_map(|(_, metadata)| metadata) {
        if metric.is_some_and(|metric| metric != family) {
            continue;
        }
        let known = families.entry(family).or_default();
        if limit_per_metric.is_none_or(|limit| known.len() < limit) && !known.contains(&one) {
            known.push(one);
        }
    }
    Ok(success(|out| {
        Object::write(out, |object| {
            for (family, metadata) in families.into_iter().take(limit.unwrap_or(usize::MAX)) {
                write_array(object.escaped_field(family), metadata, |out, one| {
                    Object::write(out, |object| write_metadata(object, one));
                });
            }
        });
    }))
}

fn write_metadata(object: &mut Object<'_>, metadata: &Metadata) {
    object.string("type", metadata.kind.as_str());
    object.string("unit", &metadata.unit);
    object.string("help", &metadata.help);
}
