//! Every key of the notifier's items in the table.

use parapet_routing::Group;
use sha2::{Digest as _, Sha256};

/// What there is one of.
pub(crate) const STATE_PK: &str = "notifier";
pub(crate) const SILENCE_PK: &str = "alert-silence";
pub(crate) const SOURCE_PK: &str = "alert-source";
pub(crate) const GROUP_PK: &str = "alert-group";
pub(crate) const DEADLINE_PK: &str = "alert-deadline";
pub(crate) const DELIVERY_PK: &str = "alert-delivery";
pub(crate) const ACKNOWLEDGEMENT_PK: &str = "alert-acknowledgement";

/// Entries of a tenant's ledger that are in no file yet: the sort key is `<ms>/<group or delivery>/<version replaced>`.
pub(crate) fn ledger_pk(tenant: &str) -> String {
    format!("alert-ledger#{tenant}")
}

/// The identity of a group in the table: receiver and group key say all that it depends on, so that it outlives a
/// reload that leaves both alone.
pub(crate) fn group_id(group: &Group) -> String {
    let mut hash = Sha256::new();
    hash.update(group.receiver.as_bytes());
    hash.update([0]);
    hash.update(group.key.as_bytes());
    hex(&hash.finalize()[..16])
}

/// The identity of a delivery: one for all tries of one notification.
pub(crate) fn dedup_key(group_id: &str, integration: &str, flush_id: i64) -> String {
    format!("{group_id}/{integration}/{flush_id}")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

pub(crate) fn deadline_sk(deadline_ms: i64, group_id: &str) -> String {
    format!("{:016}/{group_id}", deadline_ms.max(0))
}

/// The deadline and the group of an index item's sort key.
pub(crate) fn parse_deadline_sk(sk: &str) -> Option<(i64, &str)> {
    let (deadline, group) = sk.split_once('/')?;
    Some((deadline.parse().ok()?, group))
}
