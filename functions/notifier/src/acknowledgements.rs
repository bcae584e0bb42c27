//! Acknowledgements in the table: one a group, under the group's own identity.

use crate::Notifier;
use crate::store::{ACKNOWLEDGEMENT_PK, GROUP_PK, encode, read, read_group};
use parapet_ports::{Condition, Error, Key, Ports, SkRange};
use parapet_routing::{Acknowledgement, Group};

/// How long an acknowledgement without an end of its own is remembered at most, seconds: the group that it is about
/// ends it long before.
const REMEMBERED_SECONDS: i64 = 90 * 24 * 3600;

/// An acknowledgement and its identity: that of its group.
pub type IdentifiedAcknowledgement = (String, Acknowledgement);

/// Acknowledges every group that fires and that `wants` chooses, in place of what was said of it before. `said` has the
/// words, and when they begin and end.
///
/// # Errors
/// Those of the ports.
pub async fn acknowledge(
    ports: &Ports,
    said: &Acknowledgement,
    wants: impl Fn(&Group) -> bool,
) -> Result<Vec<IdentifiedAcknowledgement>, Error> {
    let now_ms = ports.clock.now_ms();
    let mut made = Vec::new();
    for (id, group) in groups(ports).await? {
        if !group.is_firing(now_ms) || !wants(&group) {
            continue;
        }
        let acknowledgement = Acknowledgement {
            receiver: group.receiver,
            group_key: group.key,
            group_labels: group.labels,
            ..said.clone()
        };
        put(ports, &id, &acknowledgement, Condition::Any).await?;
        made.push((id, acknowledgement));
    }
    Ok(made)
}

/// The acknowledgements that hold, of groups that fire, in order of receiver and labels.
///
/// # Errors
/// Those of the ports.
pub async fn read_acknowledgements(ports: &Ports) -> Result<Vec<IdentifiedAcknowledgement>, Error> {
    let now_ms = ports.clock.now_ms();
    let mut all = Vec::new();
    for item in ports.table.query(ACKNOWLEDGEMENT_PK, SkRange::all()).await? {
        let (acknowledgement, _): (Acknowledgement, _) = read(ports, &item).await?;
        if acknowledgement.holds(now_ms) {
            all.push((item.key.sk, acknowledgement));
        }
    }
    if !all.is_empty() {
        // Between a group's end and its next flush, which forgets the acknowledgement.
        let firing = groups(ports).await?;
        all.retain(|(id, _)| {
            firing
                .iter()
                .any(|(other, group)| other == id && group.is_firing(now_ms))
        });
    }
    all.sort_by(|(_, a), (_, b)| (&a.receiver, &a.group_labels).cmp(&(&b.receiver, &b.group_labels)));
    Ok(all)
}

/// Ends an acknowledgement now; whether there was one that held.
///
/// # Errors
/// Those of the ports; [`Kind::Conflict`] where it was changed meanwhile.
pub async fn end_acknowledgement(ports: &Ports, id: &str) -> Result<bool, Error> {
    let Some(item) = ports.table.get(&Key::new(ACKNOWLEDGEMENT_PK, id)).await? else {
        return Ok(false);
    };
    let (mut acknowledgement, _): (Acknowledgement, _) = read(ports, &item).await?;
    let now_ms = ports.clock.now_ms();
    if !acknowledgement.holds(now_ms) {
        return Ok(false);
    }
    acknowledgement.ends_at_ms = Some(now_ms);
    put(ports, id, &acknowledgement, Condition::Version(item.version)).await?;
    Ok(true)
}

async fn put(ports: &Ports, id: &str, acknowledgement: &Acknowledgement, condition: Condition) -> Result<(), Error> {
    let expires_at = match acknowledgement.ends_at_ms {
        Some(ends_at_ms) => ends_at_ms / 1000 + 1,
        None => acknowledgement.created_at_ms / 1000 + REMEMBERED_SECONDS,
    };
    let (key, value) = (Key::new(ACKNOWLEDGEMENT_PK, id), encode(acknowledgement)?);
    ports
        .table
        .put(key, value, Some(expires_at), condition)
        .await
        .map(|_| ())
}

async fn groups(ports: &Ports) -> Result<Vec<(String, Group)>, Error> {
    let mut groups = Vec::new();
    for item in ports.table.query(GROUP_PK, SkRange::all()).await? {
        if let Some(group) = read_group(ports, &item).await? {
            groups.push((item.key.sk, group));
        }
    }
    Ok(groups)
}

impl Notifier {
    /// What was said of a group, whether it still holds or not.
    pub(crate) async fn acknowledgement(&self, group_id: &str) -> Result<Option<Acknowledgement>, Error> {
        match self.ports.table.get(&Key::new(ACKNOWLEDGEMENT_PK, group_id)).await? {
            Some(item) => Ok(Some(read(&self.ports, &item).await?.0)),
            None => Ok(None),
        }
    }
}
