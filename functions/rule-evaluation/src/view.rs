//! What the API shows of rule groups.

use crate::state::{self, StoredState};
use parapet_ports::{Error, Ports, SkRange};
use parapet_store::keys;

/// The state of every rule group of a tenant that was evaluated, in order of file and name.
///
/// # Errors
/// Those of the table and the object store.
pub async fn read_rule_states(ports: &Ports, tenant: &str) -> Result<Vec<StoredState>, Error> {
    let family = keys::rule_state(tenant, "").pk;
    let mut states = Vec::new();
    for item in ports.table.query(&family, SkRange::all()).await? {
        states.push(state::decode(ports, &item).await?);
    }
    Ok(states)
}
