//! `/api/v2/alerts/groups`.

use super::alerts::receivers;
use super::filter::{Filter, status};
use super::model::{Name, ShownAlert, ShownGroup};
use super::{Answer, Query, configuration, ok};
use crate::handler::Api;
use axum::extract::{Request, State};
use parapet_notifier::{Suppressor, read_groups};
use std::sync::Arc;

pub(super) async fn groups(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let query = Query::of(&request);
    let (filter, muted) = (Filter::of(&query, api.settings.grammar)?, query.flag("muted")?);
    let config = configuration(&api).await?;
    let now_ms = api.ports.clock.now_ms();
    let suppressor = Suppressor::read(&api.ports, &config).await?;
    let routes = config.route.walk();
    let mut shown = Vec::new();
    for group in read_groups(&api.ports).await? {
        let of_group = routes
            .iter()
            .find(|route| route.key == group.route_key && route.options.receiver == group.receiver);
        let Some(route) = of_group.filter(|_| filter.wants_receiver(&config, &group.receiver)) else {
            continue;
        };
        let muted_by: Vec<String> = config
            .muted_by_time(route, now_ms)
            .into_iter()
            .map(str::to_owned)
            .collect();
        if !muted && !muted_by.is_empty() {
            continue;
        }
        let found = suppressor.of(group.alerts.values().map(|held| &held.alert.labels));
        let mut alerts = Vec::new();
        for ((fingerprint, held), suppression) in group.alerts.iter().zip(found) {
            let wanted = held.alert.ends_at_ms >= now_ms
                && filter.wants_labels(&held.alert.labels)
                && filter.wants_state(&suppression);
            if wanted {
                let receivers = receivers(&config, &held.alert.labels);
                let status = status(&suppression, &muted_by);
                alerts.push(ShownAlert::of(fingerprint.to_string(), held, receivers, status));
            }
        }
        if !alerts.is_empty() {
            shown.push(ShownGroup {
                alerts,
                labels: group.labels,
                receiver: Name { name: group.receiver },
                route_labels: route.options.labels.clone(),
            });
        }
    }
    ok(&shown)
}
