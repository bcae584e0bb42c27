//! Every key family of the table, in one place.
//!
//! | family | partition key | sort key | value |
//! |---|---|---|---|
//! | manifest | `manifest#<tenant>#<day>` | `<level>/<file name>` | a live file of the day, or a tombstone |
//! | days | `days#<tenant>` | `<day>` | empty: the tenant has (or had) files of that day |
//! | rollups | `rollups#<tenant>` | `<day>/<resolution>` | a rollup of the day |
//! | retained | `retained#<tenant>` | `<day>` | which retention of single series was applied to which files |
//! | tenants | `tenants` | `<tenant>` | empty: the tenant has (or had) data |
//! | logs | `logs-manifest#…`, `logs-days#…`, `logs-tenants`, `logs-batch#…` | | the same of log lines |
//! | log metrics | `log-metrics#<tenant>` | `<shard>` | running sums of what metrics are made of lines |
//! | log metrics' minute | `log-metrics-minute#<tenant>` | `-` | the last minute of which those sums were sent, ms |
//! | pieces of objects | `object-piece#<tenant>#<batch>` | `-` | the byte at which a piece of a dropped object ends; expires |
//! | dropped objects | `dropped-object#<tenant>` | `<key>@<version>` | empty: its lines are taken in; where no notification tells of objects |
//! | batches | `batch#<tenant>#<id>` | `-` | empty: the batch is stored; or where the records stand that it is being stored from; expires |
//! | deletions | `deletions` | `<due, ms>#<name>` | objects to delete when due |
//! | scrape state | `scrape-state#<tenant>` | `<interval, ms>/<shards>/<shard>` | what the last scrapes of a shard's targets saw |
//! | rule state | `rule-state#<tenant>` | `<group>` | a rule group's state |
//! | rule summaries | `rule-summary#<tenant>` | `<group>` | when a rule group was last evaluated, what it recorded, what it cost |
//! | alert groups | `alert-group#<tenant>` | `<group>` | a notification group's state |
//! | deliveries | `delivery#<tenant>` | `<dedup key>` | claim and outcome of a delivery |
//! | silences | `silence#<tenant>` | `<silence id>` | a silence |
//! | delta streams | `delta#<tenant>` | `<group>` | totals of delta streams that OTLP pushed; expires |
//! | pushed groups | `push-group#<tenant>` | hash of the group's labels | metrics that were pushed as to a Pushgateway |
//! | acknowledgements | `alert-acknowledgement` | `<group>` | an acknowledgement of a notification group; expires |
//!
//! A tenant's name has no `#` ([`crate::tenant::check`]). A day is `YYYY-MM-DD`, UTC.

use crate::Dataset;
use parapet_ports::Key;

/// What the families of a kind of data begin with.
fn prefix(dataset: Dataset) -> &'static str {
    match dataset {
        Dataset::Metrics => "",
        Dataset::Logs => "logs-",
    }
}

/// Partition key of the live files of one tenant and day.
#[must_use]
pub fn manifest(dataset: Dataset, tenant: &str, day: &str) -> String {
    format!("{}manifest#{tenant}#{day}", prefix(dataset))
}

/// Sort key of a file in its manifest. Levels sort as numbers, so that a reader going through the manifest in
/// order meets a merge's output after its inputs: it may see both, never neither.
#[must_use]
pub fn manifest_file(level: u8, name: &str) -> String {
    format!("{level:02}/{name}")
}

/// Partition key of the days that a tenant has files of.
#[must_use]
pub fn days(dataset: Dataset, tenant: &str) -> String {
    format!("{}days#{tenant}", prefix(dataset))
}

/// Partition key of the rollups of a tenant's days.
#[must_use]
pub fn rollups(tenant: &str) -> String {
    format!("rollups#{tenant}")
}

/// Partition key of the days of a tenant to which a retention of single series was applied.
#[must_use]
pub fn retained(tenant: &str) -> String {
    format!("retained#{tenant}")
}

/// Partition key of all tenants.
#[must_use]
pub fn tenants(dataset: Dataset) -> &'static str {
    match dataset {
        Dataset::Metrics => "tenants",
        Dataset::Logs => "logs-tenants",
    }
}

/// The mark of a batch.
#[must_use]
pub fn batch(dataset: Dataset, tenant: &str, id: &str) -> Key {
    Key::new(format!("{}batch#{tenant}#{id}", prefix(dataset)), "-")
}

/// Partition key of the running sums of metrics that are made of log lines.
#[must_use]
pub fn log_metrics(tenant: &str) -> String {
    format!("log-metrics#{tenant}")
}

/// The last minute of which those sums were sent.
#[must_use]
pub fn log_metrics_minute(tenant: &str) -> Key {
    Key::new(format!("log-metrics-minute#{tenant}"), "-")
}

/// Where a piece of an object ends that begins at a byte: a batch is of the same lines however often it is made.
#[must_use]
pub fn object_piece(tenant: &str, batch: &str) -> Key {
    Key::new(format!("object-piece#{tenant}#{batch}"), "-")
}

/// The mark that the lines of an object, in one version of it, are on their way. A long name is told by its hash.
#[must_use]
pub fn dropped_object(tenant: &str, key: &str, version: &str) -> Key {
    let mut sk = format!("{key}@{version}");
    if sk.len() > parapet_ports::table::MAX_SK_BYTES {
        sk = format!("{:032x}", xxhash_rust::xxh3::xxh3_128(sk.as_bytes()));
    }
    Key::new(format!("dropped-object#{tenant}"), sk)
}

/// Partition key of objects that wait for their deletion.
pub const DELETIONS: &str = "deletions";

/// Sort key of a deletion that is due at `due_ms`. `name` tells deletions of one moment apart.
#[must_use]
pub fn deletion(due_ms: i64, name: &str) -> String {
    format!("{:015}#{name}", due_ms.max(0))
}

/// What the last scrapes of a shard's targets saw: series sets, health, errors.
#[must_use]
pub fn scrape_state(tenant: &str, shard: &str) -> Key {
    Key::new(format!("scrape-state#{tenant}"), shard)
}

/// The state of a rule group; `group` is `<file>;<name>`.
#[must_use]
pub fn rule_state(tenant: &str, group: &str) -> Key {
    Key::new(format!("rule-state#{tenant}"), group)
}

/// The summary of a rule group's last evaluation: small, where its state may be large.
#[must_use]
pub fn rule_summary(tenant: &str, group: &str) -> Key {
    Key::new(format!("rule-summary#{tenant}"), group)
}

/// The state of a notification group.
#[must_use]
pub fn alert_group(tenant: &str, group: &str) -> Key {
    Key::new(format!("alert-group#{tenant}"), group)
}

/// Claim and outcome of one delivery.
#[must_use]
pub fn delivery(tenant: &str, dedup_key: &str) -> Key {
    Key::new(format!("delivery#{tenant}"), dedup_key)
}

/// A silence.
#[must_use]
pub fn silence(tenant: &str, id: &str) -> Key {
    Key::new(format!("silence#{tenant}"), id)
}

/// The totals of a group of delta streams.
#[must_use]
pub fn delta_streams(tenant: &str, group: &str) -> Key {
    Key::new(format!("delta#{tenant}"), group)
}

/// Partition key of the groups that were pushed as to a Pushgateway.
#[must_use]
pub fn push_groups(tenant: &str) -> String {
    format!("push-group#{tenant}")
}
