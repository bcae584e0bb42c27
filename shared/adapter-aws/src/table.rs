//! The table in DynamoDB.
//!
//! Attributes: `pk` and `sk` (keys), `v` (value), `ver` (version), `expires_at` (seconds, the table's TTL attribute).
//! Reads are strongly consistent. DynamoDB removes an expired item within days, so expiry is decided here by the
//! clock, and in conditions by comparing `expires_at` with it.

mod item;
mod write;

use crate::error::port_error;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use item::{key_attributes, read_item};
use parapet_ports::table::check_transaction;
use parapet_ports::{Clock, Condition, Entropy, Error, Item, Key, Page, SkRange, Table, Write};
use std::sync::Arc;

/// [`Table`] over one DynamoDB table.
pub(crate) struct DynamoTable {
    client: Client,
    name: String,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl std::fmt::Debug for DynamoTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DynamoTable")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl DynamoTable {
    pub(crate) fn new(client: Client, name: String, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            client,
            name,
            clock,
            entropy,
        }
    }

    fn now_seconds(&self) -> i64 {
        self.clock.now_ms().div_euclid(1000)
    }

    /// Versions are random, for a put without condition cannot count up without reading first; 63 bits make two
    /// equal ones on one item not worth a thought. Never 0, which stands for "no version".
    fn new_version(&self) -> u64 {
        (self.entropy.next_u64() >> 1).max(1)
    }
}

#[async_trait::async_trait]
impl Table for DynamoTable {
    async fn get(&self, key: &Key) -> Result<Option<Item>, Error> {
        let request = self.client.get_item().table_name(&self.name).consistent_read(true);
        let found = request.set_key(Some(key_attributes(key))).send().await;
        let found = found.map_err(|error| port_error("DynamoDB GetItem", error))?;
        let item = found.item.as_ref().map(read_item).transpose()?;
        let now = self.now_seconds();
        Ok(item.filter(|item| item.expires_at.is_none_or(|at| at > now)))
    }

    async fn query_page(&self, pk: &str, range: &SkRange, limit: usize) -> Result<Page, Error> {
        let SkRange { from, to } = range;
        if !to.is_empty() && from >= to {
            return Ok(Page::default()); // DynamoDB refuses a BETWEEN that runs backwards.
        }
        let string = |text: &str| AttributeValue::S(text.to_owned());
        let mut request = self.client.query().table_name(&self.name).consistent_read(true);
        request = request.expression_attribute_values(":pk", string(pk));
        if !from.is_empty() {
            request = request.expression_attribute_values(":from", string(from));
        }
        if !to.is_empty() {
            request = request.expression_attribute_values(":to", string(to));
        }
        // One condition on the sort key is all that DynamoDB takes, and BETWEEN includes both ends.
        let condition = match (from.is_empty(), to.is_empty()) {
            (true, true) => "pk = :pk",
            (false, true) => "pk = :pk AND sk >= :from",
            (true, false) => "pk = :pk AND sk < :to",
            (false, false) => "pk = :pk AND sk BETWEEN :from AND :to",
        };
        if limit > 0 {
            request = request.limit(i32::try_from(limit).unwrap_or(i32::MAX));
        }
        let answer = request.key_condition_expression(condition).send().await;
        let answer = answer.map_err(|error| port_error("DynamoDB Query", error))?;

        let now = self.now_seconds();
        let mut page = Page::default();
        for attributes in answer.items() {
            let item = read_item(attributes)?;
            let in_range = to.is_empty() || item.key.sk < *to;
            if in_range && item.expires_at.is_none_or(|at| at > now) {
                page.items.push(item);
            }
        }
        if let Some(last) = answer.last_evaluated_key() {
            // The first sort key after the last one read.
            let next = format!("{}\0", item::read_sort_key(last)?);
            page.next = (to.is_empty() || next < *to).then_some(next);
        }
        Ok(page)
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<Vec<u64>, Error> {
        check_transaction(&writes)?;
        let version = |write: &Write| match write {
            Write::Put { .. } => self.new_version(),
            Write::Delete { .. } | Write::Check { .. } => 0,
        };
        let versions: Vec<u64> = writes.iter().map(version).collect();
        // DynamoDB has no check without a condition, and needs none.
        let idle = |write: &Write| {
            matches!(
                write,
                Write::Check {
                    condition: Condition::Any,
                    ..
                }
            )
        };
        let effective = writes.into_iter().zip(versions.iter().copied());
        let effective: Vec<(Write, u64)> = effective.filter(|(write, _)| !idle(write)).collect();
        Box::pin(self.write(&effective)).await?;
        Ok(versions)
    }
}
