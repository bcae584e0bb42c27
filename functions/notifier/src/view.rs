//! What others may read of the notifier's state.

use crate::store::{GROUP_PK, read_group};
use parapet_ports::{Error, Ports, SkRange};
use parapet_routing::Group;

/// Every alert group that has alerts, in order of labels and receiver, as Alertmanager lists them.
///
/// # Errors
/// Those of the ports.
pub async fn read_groups(ports: &Ports) -> Result<Vec<Group>, Error> {
    let mut groups = Vec::new();
    for item in ports.table.query(GROUP_PK, SkRange::all()).await? {
        groups.extend(read_group(ports, &item).await?.filter(|group| !group.alerts.is_empty()));
    }
    groups.sort_by(|a, b| (&a.labels, &a.receiver).cmp(&(&b.labels, &b.receiver)));
    Ok(groups)
}
