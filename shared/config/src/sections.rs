//! Sections that have little or no effect here: checked as far as their mistakes are plain, and reported.

use crate::error::Fault;
use crate::fields::Fields;
use crate::global::warn_not_used;
use crate::yaml::{Node, Value};
use parapet_model::quote;

/// `alerting`: alerts go to Parapet's own notifier.
pub(crate) fn read_alerting(node: Option<&Node>, warnings: &mut Vec<String>) -> Result<(), Fault> {
    let Some(node) = node else { return Ok(()) };
    let names = ["alert_relabel_configs", "alertmanagers"];
    let fields = Fields::read(node, "alerting", &names, &[])?;
    refuse_null(
        fields.list("alert_relabel_configs")?,
        "empty or null alert relabeling rule",
    )?;
    for manager in fields.list("alertmanagers")? {
        let Value::Mapping(pairs) = &manager.value else {
            let what = "each of alertmanagers must be a mapping of fields";
            return Err(Fault::new(manager.at, what));
        };
        for (key, value) in pairs {
            if matches!(key.text()?, "relabel_configs" | "alert_relabel_configs") {
                refuse_null(
                    value.list("relabel_configs")?,
                    "empty or null Alertmanager target relabeling rule",
                )?;
            }
        }
    }
    for name in names {
        warn_not_used(&fields, "alerting", name, warnings);
    }
    Ok(())
}

fn refuse_null(items: &[Node], what: &str) -> Result<(), Fault> {
    match items.iter().find(|item| matches!(item.value, Value::Null)) {
        Some(item) => Err(Fault::new(item.at, format!("{what}; remove it"))),
        None => Ok(()),
    }
}

/// `storage`: gives `out_of_order_time_window` in milliseconds. How long data is kept is a setting of the host.
pub(crate) fn read_storage(node: Option<&Node>, warnings: &mut Vec<String>) -> Result<i64, Fault> {
    let Some(node) = node else { return Ok(0) };
    let fields = Fields::read(node, "storage", &["tsdb", "exemplars"], &[])?;
    let mut window_ms = 0;
    if let Some(tsdb) = fields.get("tsdb") {
        let not_used = ["stale_series_compaction_threshold", "chunk_encoding", "retention"];
        let names = [&["out_of_order_time_window"][..], &not_used].concat();
        let tsdb = Fields::read(tsdb, "storage.tsdb", &names, &[])?;
        window_ms = tsdb.duration_ms("out_of_order_time_window")?.unwrap_or_default();
        if let Some(encoding) = tsdb.get("chunk_encoding") {
            let encoding = Fields::read(encoding, "storage.tsdb.chunk_encoding", &["floats"], &[])?;
            let floats = encoding.text("floats")?.unwrap_or_default();
            if !matches!(floats, "" | "xor" | "xor2") {
                return Err(Fault::new(
                    encoding.position("floats"),
                    format!(
                        "'storage.tsdb.chunk_encoding.floats' must be 'xor' or 'xor2', or the field must be omitted \
                         entirely, got {}",
                        quote(floats)
                    ),
                ));
            }
        }
        if let Some(retention) = tsdb.get("retention") {
            read_retention(retention)?;
        }
        for name in not_used {
            warn_not_used(&tsdb, "storage.tsdb", name, warnings);
        }
    }
    if let Some(exemplars) = fields.get("exemplars") {
        Fields::read(exemplars, "storage.exemplars", &["max_exemplars"], &[])?;
    }
    warn_not_used(&fields, "storage", "exemplars", warnings);
    Ok(window_ms)
}

fn read_retention(node: &Node) -> Result<(), Fault> {
    let fields = Fields::read(node, "storage.tsdb.retention", &["time", "size", "percentage"], &[])?;
    fields.duration_ms("time")?;
    if let Some(size) = fields.size_bytes("size")?.filter(|size| *size < 0) {
        return Err(Fault::new(
            fields.position("size"),
            format!("'storage.tsdb.retention.size' must be greater than or equal to 0, got {size}"),
        ));
    }
    let percentage = fields.text("percentage")?;
    if percentage.is_some_and(|text| !text.parse::<f64>().is_ok_and(|number| (0.0..=100.0).contains(&number))) {
        return Err(Fault::new(
            fields.position("percentage"),
            format!(
                "'storage.tsdb.retention.percentage' must be in the range [0, 100], got {}",
                percentage.unwrap_or_default()
            ),
        ));
    }
    Ok(())
}
