//! What others may read of the notifier's state.

use crate::store::{GROUP_PK, StoredGroup, read};
use parapet_ports::{Error, Kind, Ports, SkRange};
use parapet_routing::Group;

/// Every alert group that has alerts, in order of labels and receiver, as Alertmanager lists them.
///
/// # Errors
/// Those of the ports.
pub async fn read_groups(ports: &Ports) -> Result<Vec<Group>, Error> {
    let mut groups = Vec::new();
    for item in ports.table.query(GROUP_PK, SkRange::all()).await? {
        match read::<StoredGroup>(ports, &item).await {
            Ok((stored, _)) if !stored.group.alerts.is_empty() => groups.push(stored.group),
            Ok(_) => {}
            // Replaced while we read.
            Err(error) if error.kind() == Kind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    groups.sort_by(|a, b| (&a.labels, &a.receiver).cmp(&(&b.labels, &b.receiver)));
    Ok(groups)
}
