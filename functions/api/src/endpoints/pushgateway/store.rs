//! Groups in the table: JSON, compressed, one item each.

use crate::handler::Api;
use crate::intake::Rejected;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use parapet_ports::{Condition, Error, Item, Key, Kind, SkRange};
use parapet_pushgateway::{Family, Group, Grouping, Refused, check};
use std::collections::BTreeMap;
use std::io::Read as _;

/// The longest value of one item.
const MAX_ITEM_BYTES: usize = 300 * 1024;
/// How often a write that others were quicker with is tried.
const ATTEMPTS: usize = 16;

/// Why groups cannot be read or written now.
fn later(error: Error) -> Rejected {
    tracing::error!(error = %error.chain(), "pushed groups are not at hand");
    Rejected::later(error)
}

fn key(tenant: &str, grouping: &Grouping) -> Key {
    let labels = parapet_model::Labels::from_pairs(
        // Values may be empty, which labels may not.
        grouping
            .labels()
            .iter()
            .map(|(name, value)| (name.clone(), format!("={value}"))),
    );
    Key::new(
        parapet_store::keys::push_groups(tenant),
        format!("{:016x}", labels.series_id()),
    )
}

fn encode(group: &Group) -> Result<String, Rejected> {
    let json = serde_json::to_vec(group).map_err(Rejected::later)?;
    let value = STANDARD.encode(zstd::encode_all(&json[..], 3).map_err(Rejected::later)?);
    if value.len() > MAX_ITEM_BYTES {
        return Err(Rejected::too_large(format!(
            "the group takes {} bytes compressed, over the limit of {MAX_ITEM_BYTES}; push fewer metrics or more groups",
            value.len()
        )));
    }
    Ok(value)
}

fn decode(item: &Item, limit: usize) -> Result<Group, Rejected> {
    let corrupt =
        |error: &dyn std::fmt::Display| Rejected::later(format!("pushed group {} does not read: {error}", item.key.sk));
    let compressed = STANDARD.decode(&item.value).map_err(|error| corrupt(&error))?;
    let decoder = zstd::stream::read::Decoder::new(&compressed[..]).map_err(|error| corrupt(&error))?;
    let mut json = Vec::new();
    let read = decoder.take(limit as u64).read_to_end(&mut json);
    read.map_err(|error| corrupt(&error))?;
    serde_json::from_slice(&json).map_err(|error| corrupt(&error))
}

async fn items(api: &Api, tenant: &str) -> Result<Vec<Item>, Rejected> {
    let groups = parapet_store::keys::push_groups(tenant);
    api.ports.table.query(&groups, SkRange::all()).await.map_err(later)
}

/// Every group of a tenant, in an order that stays.
pub(super) async fn all(api: &Api, tenant: &str) -> Result<Vec<Group>, Rejected> {
    // Groups grow in JSON by no more than their names stand in each sample.
    let limit = 8 * api.settings.max_decompressed_write_bytes;
    let items = items(api, tenant).await?;
    let mut groups = items
        .iter()
        .map(|item| decode(item, limit))
        .collect::<Result<Vec<_>, _>>()?;
    groups.sort_by(|a, b| a.grouping().cmp(b.grouping()));
    Ok(groups)
}

/// Takes a push, or takes note that it was refused.
pub(super) async fn push(
    api: &Api,
    tenant: &str,
    grouping: Grouping,
    families: Result<BTreeMap<String, Family>, Refused>,
    replace: bool,
) -> Result<(), Rejected> {
    // What does not read is refused before it is anybody's group.
    let families = match families {
        Err(refused) if !refused.is_about_times() => return Err(Rejected::bad(refused)),
        other => other,
    };
    let key = key(tenant, &grouping);
    let limit = 8 * api.settings.max_decompressed_write_bytes;
    for _ in 0..ATTEMPTS {
        let (own, others) = if api.settings.push_unchecked {
            (api.ports.table.get(&key).await.map_err(later)?, Vec::new())
        } else {
            let (own, others): (Vec<_>, Vec<_>) =
                items(api, tenant).await?.into_iter().partition(|item| item.key == key);
            (own.into_iter().next(), others)
        };
        if own.is_none() && others.len() >= api.settings.max_push_groups {
            return Err(Rejected(
                StatusCode::TOO_MANY_REQUESTS,
                format!(
                    "there are {} pushed groups already, as many as may be; delete some",
                    others.len()
                ),
            ));
        }
        let before = match &own {
            Some(item) => decode(item, limit)?,
            None => Group::new(grouping.clone()),
        };
        let others = others
            .iter()
            .map(|item| decode(item, limit))
            .collect::<Result<Vec<_>, _>>()?;
        let now_ms = api.ports.clock.now_ms();
        let mut after = before.clone();
        let taken = families.clone().and_then(|families| {
            after.push(families, replace, now_ms);
            if api.settings.push_unchecked {
                Ok(())
            } else {
                check(&after, &others)
            }
        });
        if taken.is_err() {
            after = before;
            after.fail(now_ms);
        }
        let condition = own.map_or(Condition::Absent, |item| Condition::Version(item.version));
        match api.ports.table.put(key.clone(), encode(&after)?, None, condition).await {
            Ok(_) => {
                return taken.map_err(|refused| {
                    Rejected::bad(format!(
                        "pushed metrics are invalid or inconsistent with existing metrics: {refused}"
                    ))
                });
            }
            Err(error) if error.kind() == Kind::Conflict => {}
            Err(error) => return Err(later(error)),
        }
    }
    Err(Rejected::later("too many pushes to this group at one time; push again"))
}

/// Removes a group; one that is not there is removed already.
pub(super) async fn delete(api: &Api, tenant: &str, grouping: &Grouping) -> Result<(), Rejected> {
    let removed = api.ports.table.delete(key(tenant, grouping), Condition::Any).await;
    removed.map_err(later)
}
