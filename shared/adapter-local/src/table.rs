//! [`Table`] on the embedded database.

use crate::database::{Batch, ITEMS, Writer, failed};
use parapet_ports::memory::{check_condition, check_transaction};
use parapet_ports::{Clock, Error, Item, Key, Page, SkRange, Table, Write};
use redb::{Database, ReadableDatabase, ReadableTable};
use std::sync::Arc;

/// A page of a query holds at most this many items when the caller sets no limit.
const PAGE_ITEMS: usize = 1000;

/// The table in `state.redb`.
#[derive(Clone)]
pub struct LocalTable {
    database: Arc<Database>,
    writer: Writer,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for LocalTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalTable").finish_non_exhaustive()
    }
}

impl LocalTable {
    pub(crate) fn new(database: Arc<Database>, writer: Writer, clock: Arc<dyn Clock>) -> Self {
        Self {
            database,
            writer,
            clock,
        }
    }
}

fn item(key: Key, (version, expiry, value): (u64, i64, &str)) -> Item {
    Item {
        key,
        value: value.to_owned(),
        version,
        expires_at: (expiry != 0).then_some(expiry),
    }
}

fn is_live(expiry: i64, now_ms: i64) -> bool {
    expiry == 0 || expiry.saturating_mul(1000) > now_ms
}

#[async_trait::async_trait]
impl Table for LocalTable {
    async fn get(&self, key: &Key) -> Result<Option<Item>, Error> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let items = transaction.open_table(ITEMS).map_err(failed)?;
        let found = items.get((key.pk.as_str(), key.sk.as_str())).map_err(failed)?;
        let now_ms = self.clock.now_ms();
        Ok(found
            .filter(|found| is_live(found.value().1, now_ms))
            .map(|found| item(key.clone(), found.value())))
    }

    async fn query_page(&self, pk: &str, range: &SkRange, limit: usize) -> Result<Page, Error> {
        let transaction = self.database.begin_read().map_err(failed)?;
        let items = transaction.open_table(ITEMS).map_err(failed)?;
        let (now_ms, limit) = (self.clock.now_ms(), if limit == 0 { PAGE_ITEMS } else { limit });
        let mut page = Page::default();
        for entry in items.range((pk, range.from.as_str())..).map_err(failed)? {
            let (key, value) = entry.map_err(failed)?;
            let (found_pk, sk) = key.value();
            if found_pk != pk || (!range.to.is_empty() && sk >= range.to.as_str()) {
                break;
            }
            if !is_live(value.value().1, now_ms) {
                continue;
            }
            if page.items.len() == limit {
                page.next = Some(sk.to_owned());
                break;
            }
            page.items.push(item(Key::new(pk, sk), value.value()));
        }
        Ok(page)
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<Vec<u64>, Error> {
        check_transaction(&writes)?;
        let now_ms = self.clock.now_ms();
        self.writer.durable(move |batch| apply(batch, &writes, now_ms)).await
    }
}

fn apply(batch: &mut Batch<'_>, writes: &[Write], now_ms: i64) -> Result<Vec<u64>, Error> {
    let mut expiries = Vec::with_capacity(writes.len());
    for write in writes {
        let key = write.key();
        let found = batch.items.get((key.pk.as_str(), key.sk.as_str())).map_err(failed)?;
        let found = found.map(|found| item(key.clone(), found.value()));
        let live = found
            .as_ref()
            .filter(|item| is_live(item.expires_at.unwrap_or(0), now_ms));
        check_condition(write, live)?;
        expiries.push(found.and_then(|item| item.expires_at));
    }
    let mut versions = Vec::with_capacity(writes.len());
    for (write, old_expiry) in writes.iter().zip(expiries) {
        let Key { pk, sk } = write.key();
        let mut version = 0;
        match write {
            Write::Check { .. } => {}
            Write::Put { value, expires_at, .. } => {
                version = batch.next_sequence();
                let expiry = expires_at.unwrap_or(0);
                batch
                    .items
                    .insert((pk.as_str(), sk.as_str()), (version, expiry, value.as_str()))
                    .map_err(failed)?;
                if let Some(at) = expires_at {
                    batch
                        .expiries
                        .insert((*at, pk.as_str(), sk.as_str()), ())
                        .map_err(failed)?;
                }
            }
            Write::Delete { .. } => {
                batch.items.remove((pk.as_str(), sk.as_str())).map_err(failed)?;
            }
        }
        let new_expiry = if let Write::Put { expires_at, .. } = write {
            *expires_at
        } else {
            None
        };
        if let (Some(old), false) = (
            old_expiry,
            matches!(write, Write::Check { .. }) || new_expiry == old_expiry,
        ) {
            batch.expiries.remove((old, pk.as_str(), sk.as_str())).map_err(failed)?;
        }
        versions.push(version);
    }
    Ok(versions)
}
