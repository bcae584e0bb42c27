//! Entries from the table into files.
//!
//! What goes into a file is written down first (the plan), then the file is written, then the entries are removed, then
//! the plan. Whoever finds a plan carries it out: where all of its entries are still there, the file is written, again
//! perhaps, under the same name and with the same content; where one is gone, the file was written before.

use crate::Notifier;
use crate::store::{STATE_PK, encode, ledger_pk, read};
use futures::TryStreamExt as _;
use object_store::{ObjectStoreExt as _, PutMode, PutOptions, path::Path};
use parapet_ledger::{Entry, Row};
use parapet_ports::table::MAX_TRANSACTION_WRITES;
use parapet_ports::{Condition, Error, Item, Key, Kind, Ports, SkRange, Write};
use parapet_store::day::{DAY_MS, Day};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Items of one plan, each of up to the inline limit.
const PLAN_ITEMS: usize = 200;

const HOUR_MS: i64 = 3_600_000;

/// Which entries go into files next, by sort key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Plan {
    entries: Vec<String>,
}

/// Where the files of a tenant are.
pub(super) fn folder(tenant: &str) -> String {
    format!("ledger/tenant={tenant}")
}

/// Entries, and where their body lies if not in the item.
type Waiting = (Vec<Entry>, Option<String>);

/// The entries of an item; `None` where its body is gone.
pub(super) async fn entries(ports: &Ports, item: &Item) -> Result<Option<Waiting>, Error> {
    match read(ports, item).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == Kind::Conflict => Ok(None),
        Err(error) => Err(error),
    }
}

impl Notifier {
    /// Writes what has waited long enough into files, and once an hour removes files past the retention.
    pub(crate) async fn keep_ledger(&self, at_ms: i64) -> Result<(), Error> {
        while let Some((plan, version)) = self.plan().await? {
            self.carry_out(plan).await?;
            let key = Key::new(STATE_PK, "ledger-plan");
            match self.ports.table.delete(key, Condition::Version(version)).await {
                Err(error) if error.kind() != Kind::Conflict => return Err(error),
                _ => {}
            }
        }
        if at_ms.rem_euclid(HOUR_MS) < 60_000 {
            self.forget_ledger().await?;
        }
        Ok(())
    }

    /// The plan that stands, or a new one where there is enough to do.
    async fn plan(&self) -> Result<Option<(Plan, u64)>, Error> {
        let key = Key::new(STATE_PK, "ledger-plan");
        if let Some(item) = self.ports.table.get(&key).await? {
            return Ok(Some((read(&self.ports, &item).await?.0, item.version)));
        }
        let page = self
            .ports
            .table
            .query_page(&ledger_pk(&self.settings.tenant), &SkRange::all(), PLAN_ITEMS)
            .await?;
        let entries: Vec<String> = page.items.into_iter().map(|item| item.key.sk).collect();
        let due_ms = self.ports.clock.now_ms() - self.settings.ledger_flush_ms;
        let oldest_ms = entries.first().and_then(|sk| sk.split('/').next()?.parse::<i64>().ok());
        if oldest_ms.is_none_or(|oldest_ms| oldest_ms > due_ms && entries.len() < PLAN_ITEMS) {
            return Ok(None);
        }
        let plan = Plan { entries };
        match self.ports.table.put(key, encode(&plan)?, None, Condition::Absent).await {
            Ok(version) => Ok(Some((plan, version))),
            // Somebody else makes one, and carries it out.
            Err(error) if error.kind() == Kind::Conflict => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The entries that wait under a key; `None` where they do no longer.
    async fn waiting(&self, key: &Key) -> Result<Option<Waiting>, Error> {
        match self.ports.table.get(key).await? {
            Some(item) => entries(&self.ports, &item).await,
            None => Ok(None),
        }
    }

    async fn carry_out(&self, plan: Plan) -> Result<(), Error> {
        let pk = ledger_pk(&self.settings.tenant);
        let keys: Vec<Key> = plan
            .entries
            .iter()
            .map(|sk| Key::new(pk.as_str(), sk.as_str()))
            .collect();
        let found = self.several(keys.iter().map(|key| self.waiting(key)).collect()).await;
        let found = found.into_iter().collect::<Result<Vec<_>, _>>()?;
        if found.iter().all(Option::is_some) {
            let mut days: BTreeMap<Day, Vec<Row>> = BTreeMap::new();
            for row in found
                .iter()
                .flatten()
                .flat_map(|(entries, _)| entries)
                .flat_map(Entry::rows)
            {
                days.entry(Day::of_ms(row.at_ms)).or_default().push(row);
            }
            for (day, rows) in days {
                self.write_ledger(day, rows).await?;
            }
        }
        // Bodies before their items: who dies in between finds the item without its body, and takes it for written.
        for body in found.into_iter().flatten().filter_map(|(_, body)| body) {
            self.store().forget(&body).await;
        }
        for part in keys.chunks(MAX_TRANSACTION_WRITES) {
            let deletes = part.iter().map(|key| Write::Delete {
                key: key.clone(),
                condition: Condition::Any,
            });
            self.ports.table.transact(deletes.collect()).await?;
        }
        Ok(())
    }

    /// One file, named by the decisions in it.
    async fn write_ledger(&self, day: Day, rows: Vec<Row>) -> Result<(), Error> {
        let mut ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
        ids.sort_unstable();
        let mut hash = Sha256::new();
        ids.iter().for_each(|id| hash.update(id.as_bytes()));
        let name = crate::store::hex(&hash.finalize()[..16]);
        let path = Path::from(format!("{}/dt={day}/{name}.parquet", folder(&self.settings.tenant)));
        let bytes = parapet_ledger::encode(rows)
            .map_err(|error| Error::new(Kind::Internal, "the ledger cannot be written").with_source(error))?;
        let options = PutOptions {
            mode: PutMode::Create,
            ..PutOptions::default()
        };
        match self.ports.objects.put_opts(&path, bytes.into(), options).await {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn forget_ledger(&self) -> Result<(), Error> {
        let before_ms = self.ports.clock.now_ms() - self.settings.ledger_retention_days.saturating_mul(DAY_MS);
        let folder = Path::from(folder(&self.settings.tenant));
        for prefix in self
            .ports
            .objects
            .list_with_delimiter(Some(&folder))
            .await?
            .common_prefixes
        {
            let day = prefix.filename().and_then(|name| Day::parse(name.strip_prefix("dt=")?));
            if day.is_none_or(|day| day.last_ms() >= before_ms) {
                continue;
            }
            let objects: Vec<_> = self.ports.objects.list(Some(&prefix)).try_collect().await?;
            for object in objects {
                self.ports.objects.delete(&object.location).await?;
            }
        }
        Ok(())
    }
}
