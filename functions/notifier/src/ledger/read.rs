//! The ledger, read back: what is in files, and what is not yet.

use super::files::{entries, folder};
use crate::store::ledger_pk;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{ObjectStoreExt as _, path::Path};
use parapet_ledger::{Entry, Row};
use parapet_ports::{Error, Kind, Ports, SkRange};
use parapet_store::day::Day;

/// Files that are read at once.
const CONCURRENCY: usize = 8;

/// Rows that one answer may have.
const MAX_ROWS: usize = 100_000;

/// The rows of a tenant in `from_ms..=to_ms` that `keep` keeps, in no particular order. A row that is being moved into
/// a file may be there twice, with one id.
///
/// # Errors
/// Those of the ports; [`Kind::Corrupt`] for a file that does not read; [`Kind::Invalid`] where there are too many.
pub async fn read_ledger(
    ports: &Ports,
    tenant: &str,
    from_ms: i64,
    to_ms: i64,
    keep: &(dyn Fn(&Row) -> bool + Send + Sync),
) -> Result<Vec<Row>, Error> {
    let is_wanted = |row: &Row| (from_ms..=to_ms).contains(&row.at_ms) && keep(row);
    let mut rows = Vec::new();
    // Before the files: what is moved meanwhile is found in one of the two places.
    for item in ports.table.query(&ledger_pk(tenant), SkRange::all()).await? {
        let found = entries(ports, &item).await?.map(|(entries, _)| entries);
        rows.extend(found.iter().flatten().flat_map(Entry::rows).filter(is_wanted));
    }
    let whole = Path::from(folder(tenant));
    for prefix in ports.objects.list_with_delimiter(Some(&whole)).await?.common_prefixes {
        let day = prefix.filename().and_then(|name| Day::parse(name.strip_prefix("dt=")?));
        if day.is_none_or(|day| day.start_ms() > to_ms || from_ms > day.last_ms()) {
            continue;
        }
        let objects: Vec<_> = ports.objects.list(Some(&prefix)).try_collect().await?;
        let mut files = futures::stream::iter(objects)
            .map(|object| async move {
                let found = ports.objects.get(&object.location).await?.bytes().await?;
                parapet_ledger::decode(found).map_err(|error| {
                    Error::new(Kind::Corrupt, format!("{} does not read", object.location)).with_source(error)
                })
            })
            .buffered(CONCURRENCY);
        while let Some(file) = files.next().await {
            rows.extend(file?.into_iter().filter(is_wanted));
            if rows.len() > MAX_ROWS {
                let message =
                    format!("more than {MAX_ROWS} rows of the ledger match; ask for less time or more labels");
                return Err(Error::new(Kind::Invalid, message));
            }
        }
    }
    Ok(rows)
}
