//! The table: small items under a partition key and a sort key, each with a version.

use crate::{Error, Kind};

/// Where an item stands. Items of one `pk` are read in order of `sk` (bytes of UTF-8).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

impl Key {
    /// A key.
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Self {
        Self {
            pk: pk.into(),
            sk: sk.into(),
        }
    }
}

/// A stored item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where it stands.
    pub key: Key,
    /// What it holds: JSON text as a rule, at most [`MAX_VALUE_BYTES`].
    pub value: String,
    /// Changes with every write; never the same twice for one key while the item lives.
    pub version: u64,
    /// Seconds since the Unix epoch after which it may vanish; `None` for never.
    pub expires_at: Option<i64>,
}

/// What must hold for a write to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Any,
    /// No item stands there.
    Absent,
    /// The item that stands there has this version.
    Version(u64),
}

/// One write of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Writes an item.
    Put {
        /// Where.
        key: Key,
        /// What.
        value: String,
        /// When it may vanish, seconds since the Unix epoch.
        expires_at: Option<i64>,
        /// What must hold.
        condition: Condition,
    },
    /// Removes an item; removing what is not there is no error under [`Condition::Any`].
    Delete {
        /// Where.
        key: Key,
        /// What must hold.
        condition: Condition,
    },
    /// Writes nothing, but the condition must hold.
    Check {
        /// Where.
        key: Key,
        /// What must hold.
        condition: Condition,
    },
}

impl Write {
    /// The key it writes.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete { key, .. } | Self::Check { key, .. } => key,
        }
    }
}

/// The sort keys to read: `from <= sk < to`; an empty `to` has no upper end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SkRange {
    /// First sort key.
    pub from: String,
    /// Sort key after the last; empty for none.
    pub to: String,
}

impl SkRange {
    /// Every sort key.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// The sort keys that start with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &str) -> Self {
        Self {
            from: prefix.to_owned(),
            to: format!("{prefix}\u{10ffff}"),
        }
    }
}

/// A page of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The items in order of sort key.
    pub items: Vec<Item>,
    /// Where the next page begins (`from` of the next range); `None` at the end.
    pub next: Option<String>,
}

/// Most writes in one transaction: what DynamoDB allows.
pub const MAX_TRANSACTION_WRITES: usize = 100;

/// The largest value of one item: DynamoDB's 400 KB for a whole item, less room for its keys.
pub const MAX_VALUE_BYTES: usize = 384 * 1024;

/// The most bytes of all values and keys of one transaction: DynamoDB's 4 MB, less room for names.
pub const MAX_TRANSACTION_BYTES: usize = 4_000_000;

/// The longest partition key, in bytes: what DynamoDB allows.
pub const MAX_PK_BYTES: usize = 2048;

/// The longest sort key, in bytes: what DynamoDB allows.
pub const MAX_SK_BYTES: usize = 1024;

/// Refuses a transaction that no table could take: every adapter calls it first, so that all have the same limits.
///
/// # Errors
/// [`Kind::Invalid`] for too many writes, one key twice, an empty or overlong key, a value over [`MAX_VALUE_BYTES`]
/// or more than [`MAX_TRANSACTION_BYTES`] together.
pub fn check_transaction(writes: &[Write]) -> Result<(), Error> {
    let invalid = |text: String| Err(Error::new(Kind::Invalid, text));
    if writes.len() > MAX_TRANSACTION_WRITES {
        let limit = format!("is over the limit of {MAX_TRANSACTION_WRITES}");
        return invalid(format!("a transaction of {} writes {limit}", writes.len()));
    }
    let mut total = 0;
    for write in writes {
        let Key { pk, sk } = write.key();
        if pk.is_empty() || sk.is_empty() {
            return invalid(format!("the key `{pk}`/`{sk}` has an empty part"));
        }
        if pk.len() > MAX_PK_BYTES || sk.len() > MAX_SK_BYTES {
            let limits = format!("is over the limit of {MAX_PK_BYTES} and {MAX_SK_BYTES} bytes");
            return invalid(format!("a key of {} and {} bytes {limits}", pk.len(), sk.len()));
        }
        let value_bytes = match write {
            Write::Put { value, .. } => value.len(),
            Write::Delete { .. } | Write::Check { .. } => 0,
        };
        if value_bytes > MAX_VALUE_BYTES {
            let limit = format!("is over the limit of {MAX_VALUE_BYTES}");
            return invalid(format!("the value of {pk}/{sk} of {value_bytes} bytes {limit}"));
        }
        total += value_bytes + pk.len() + sk.len();
    }
    if total > MAX_TRANSACTION_BYTES {
        let limit = format!("is over the limit of {MAX_TRANSACTION_BYTES}");
        return invalid(format!("a transaction of {total} bytes {limit}"));
    }
    let mut keys: Vec<&Key> = writes.iter().map(Write::key).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => invalid(format!(
            "the key {}/{} stands twice in one transaction",
            pair[0].pk, pair[0].sk
        )),
        None => Ok(()),
    }
}

/// A table of versioned items.
///
/// # Contract
/// - `get` and `query` see every write that was answered before they were called.
/// - A write whose condition does not hold is [`crate::Kind::Conflict`], and nothing is written.
/// - `transact` writes all or nothing; at most [`MAX_TRANSACTION_WRITES`] writes, each key once.
/// - An item past `expires_at` (the clock's second is `expires_at` or later) may still take room or not; to `get`,
///   `query` and conditions it is absent.
/// - What [`check_transaction`] refuses is refused, and nothing is written.
#[async_trait::async_trait]
pub trait Table: Send + Sync + std::fmt::Debug {
    /// The item at `key`.
    async fn get(&self, key: &Key) -> Result<Option<Item>, Error>;

    /// One page of the items of `pk` in a range of sort keys; at most `limit` items (0: as many as a page holds).
    async fn query_page(&self, pk: &str, range: &SkRange, limit: usize) -> Result<Page, Error>;

    /// Writes all or nothing. For [`Write::Put`] the new versions are returned in order (0 for other writes).
    async fn transact(&self, writes: Vec<Write>) -> Result<Vec<u64>, Error>;

    /// Writes one item and gives its new version.
    async fn put(&self, key: Key, value: String, expires_at: Option<i64>, condition: Condition) -> Result<u64, Error> {
        let versions = self
            .transact(vec![Write::Put {
                key,
                value,
                expires_at,
                condition,
            }])
            .await?;
        Ok(versions.first().copied().unwrap_or_default())
    }

    /// Removes one item.
    async fn delete(&self, key: Key, condition: Condition) -> Result<(), Error> {
        self.transact(vec![Write::Delete { key, condition }]).await.map(|_| ())
    }

    /// Every item of `pk` in a range of sort keys, all pages.
    async fn query(&self, pk: &str, range: SkRange) -> Result<Vec<Item>, Error> {
        let (mut range, mut items) = (range, Vec::new());
        loop {
            let page = self.query_page(pk, &range, 0).await?;
            items.extend(page.items);
            match page.next {
                Some(next) => range.from = next,
                None => return Ok(items),
            }
        }
    }
}
