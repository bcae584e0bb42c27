//! What every [`Table`] must do.

use crate::{Condition, Error, Key, Kind, SkRange, Table, Write};

mod concurrency;
mod limits;
mod reading;

/// Long past for any clock: the suite never waits for an expiry.
const LONG_AGO_SECONDS: i64 = 1_000_000_000;
/// The year 2100.
const FAR_FUTURE_SECONDS: i64 = 4_102_444_800;

/// Asserts every promise of [`Table`] on an empty table whose clock stands somewhere between 2002 and 2099.
///
/// # Panics
/// When the table breaks a promise; the message says which.
pub async fn table_contract(table: &dyn Table) {
    Box::pin(reads_see_writes(table)).await;
    Box::pin(conditions_hold(table)).await;
    Box::pin(transactions_are_all_or_nothing(table)).await;
    Box::pin(checks_write_nothing(table)).await;
    Box::pin(reading::keys_are_in_byte_order(table)).await;
    Box::pin(reading::ranges_and_pages(table)).await;
    Box::pin(reading::large_partitions(table)).await;
    Box::pin(expired_items_are_absent(table)).await;
    Box::pin(limits::limits_are_refused(table)).await;
    Box::pin(limits::largest_transaction(table)).await;
    Box::pin(concurrency::concurrent_increments(table)).await;
    Box::pin(concurrency::concurrent_transfers(table)).await;
}

fn put(pk: &str, sk: &str, value: &str, condition: Condition) -> Write {
    Write::Put {
        key: Key::new(pk, sk),
        value: value.to_owned(),
        expires_at: None,
        condition,
    }
}

fn delete(pk: &str, sk: &str, condition: Condition) -> Write {
    Write::Delete {
        key: Key::new(pk, sk),
        condition,
    }
}

fn check(pk: &str, sk: &str, condition: Condition) -> Write {
    Write::Check {
        key: Key::new(pk, sk),
        condition,
    }
}

async fn value(table: &dyn Table, pk: &str, sk: &str) -> Option<String> {
    let item = table.get(&Key::new(pk, sk)).await.expect("get");
    item.map(|item| item.value)
}

async fn sort_keys(table: &dyn Table, pk: &str, range: SkRange) -> Vec<String> {
    let items = table.query(pk, range).await.expect("query");
    items.into_iter().map(|item| item.key.sk).collect()
}

#[track_caller]
fn expect_kind<T: std::fmt::Debug>(result: Result<T, Error>, kind: Kind, promise: &str) {
    match result {
        Ok(value) => panic!("{promise}: expected {kind}, got {value:?}"),
        Err(error) => assert_eq!(error.kind(), kind, "{promise}: {}", error.chain()),
    }
}

async fn reads_see_writes(table: &dyn Table) {
    let key = Key::new("reads", "a");
    assert_eq!(
        table.get(&key).await.expect("get"),
        None,
        "an item that was never written"
    );

    let first = table
        .put(key.clone(), "one".into(), None, Condition::Any)
        .await
        .expect("put");
    let item = table
        .get(&key)
        .await
        .expect("get")
        .expect("a get sees the put answered before it");
    assert_eq!((item.key.clone(), item.value.as_str()), (key.clone(), "one"));
    assert_eq!(item.version, first, "put answers the version that get shows");
    assert_ne!(first, 0, "0 stands for a write without a version");
    assert_eq!(item.expires_at, None);

    let second = table
        .put(key.clone(), "one".into(), None, Condition::Any)
        .await
        .expect("put");
    assert_ne!(
        first, second,
        "the version changes with every write, of the same value too"
    );

    let queried = table.query("reads", SkRange::all()).await.expect("query");
    assert_eq!(queried.len(), 1);
    assert_eq!(queried[0].version, second, "a query sees the put answered before it");

    table
        .put(key.clone(), String::new(), Some(FAR_FUTURE_SECONDS), Condition::Any)
        .await
        .expect("put of an empty value");
    let item = table.get(&key).await.expect("get").expect("an empty value is a value");
    assert_eq!((item.value.as_str(), item.expires_at), ("", Some(FAR_FUTURE_SECONDS)));

    let text = "{\"quote\":\"\\\"\",\"unicode\":\"żółw 🦜 \u{10fffd}\",\"line\":\"a\nb\"}";
    table
        .put(key.clone(), text.into(), None, Condition::Any)
        .await
        .expect("put of unicode");
    assert_eq!(
        value(table, "reads", "a").await.as_deref(),
        Some(text),
        "a value comes back byte for byte"
    );
    let item = table.get(&key).await.expect("get").expect("item");
    assert_eq!(
        item.expires_at, None,
        "a put replaces the whole item, its expiry included"
    );

    table.delete(key.clone(), Condition::Any).await.expect("delete");
    assert_eq!(
        table.get(&key).await.expect("get"),
        None,
        "a get sees the delete answered before it"
    );
    table
        .delete(key, Condition::Any)
        .await
        .expect("a delete of what is not there");
}

async fn conditions_hold(table: &dyn Table) {
    let key = Key::new("conditions", "a");
    let put = async |value: &str, condition| table.put(key.clone(), value.into(), None, condition).await;

    expect_kind(
        put("x", Condition::Version(7)).await,
        Kind::Conflict,
        "a put at a version needs an item",
    );
    expect_kind(
        table.delete(key.clone(), Condition::Version(7)).await,
        Kind::Conflict,
        "so does a delete",
    );
    assert_eq!(
        value(table, "conditions", "a").await,
        None,
        "a refused put writes nothing"
    );

    let first = put("one", Condition::Absent).await.expect("a put where nothing stands");
    expect_kind(
        put("two", Condition::Absent).await,
        Kind::Conflict,
        "a put where something stands",
    );
    expect_kind(
        put("two", Condition::Version(first ^ 1)).await,
        Kind::Conflict,
        "a put at another version",
    );
    assert_eq!(
        value(table, "conditions", "a").await.as_deref(),
        Some("one"),
        "a refused put writes nothing"
    );

    let second = put("two", Condition::Version(first))
        .await
        .expect("a put at the item's version");
    expect_kind(
        put("three", Condition::Version(first)).await,
        Kind::Conflict,
        "a put at an old version",
    );
    expect_kind(
        table.delete(key.clone(), Condition::Version(first)).await,
        Kind::Conflict,
        "a delete at an old version",
    );
    expect_kind(
        table.delete(key.clone(), Condition::Absent).await,
        Kind::Conflict,
        "a delete where something stands",
    );
    assert_eq!(
        value(table, "conditions", "a").await.as_deref(),
        Some("two"),
        "a refused delete removes nothing"
    );

    table
        .delete(key.clone(), Condition::Version(second))
        .await
        .expect("a delete at the item's version");
    put("again", Condition::Absent).await.expect("a put after a delete");
}

async fn transactions_are_all_or_nothing(table: &dyn Table) {
    assert_eq!(
        table.transact(Vec::new()).await.expect("an empty transaction"),
        Vec::<u64>::new()
    );

    let versions = table
        .transact(vec![
            put("all", "a", "1", Condition::Absent),
            delete("all", "nothing", Condition::Any),
            put("other", "b", "2", Condition::Any),
        ])
        .await
        .expect("a transaction over two partitions");
    assert_eq!(versions.len(), 3, "one version per write");
    assert_eq!(versions[1], 0, "0 for a write that is no put");
    let item = table.get(&Key::new("other", "b")).await.expect("get").expect("item");
    assert_eq!(item.version, versions[2], "versions are in order of the writes");

    let refused = table
        .transact(vec![
            put("all", "a", "changed", Condition::Version(versions[0])),
            put("all", "new", "x", Condition::Absent),
            delete("other", "b", Condition::Version(versions[2] ^ 1)),
        ])
        .await;
    expect_kind(refused, Kind::Conflict, "one condition of three does not hold");
    assert_eq!(
        value(table, "all", "a").await.as_deref(),
        Some("1"),
        "nothing of a refused transaction is written"
    );
    assert_eq!(
        value(table, "all", "new").await,
        None,
        "nothing of a refused transaction is written"
    );
    assert_eq!(
        value(table, "other", "b").await.as_deref(),
        Some("2"),
        "nothing of a refused transaction is removed"
    );

    table
        .transact(vec![
            put("all", "a", "3", Condition::Version(versions[0])),
            put("all", "new", "4", Condition::Absent),
            delete("other", "b", Condition::Version(versions[2])),
        ])
        .await
        .expect("every condition holds");
    assert_eq!(value(table, "all", "a").await.as_deref(), Some("3"));
    assert_eq!(value(table, "all", "new").await.as_deref(), Some("4"));
    assert_eq!(value(table, "other", "b").await, None);
}

async fn checks_write_nothing(table: &dyn Table) {
    let version = table
        .put(Key::new("check", "a"), "1".into(), None, Condition::Any)
        .await
        .expect("put");
    let versions = table
        .transact(vec![
            check("check", "a", Condition::Version(version)),
            check("check", "nothing", Condition::Absent),
            check("check", "whatever", Condition::Any),
            put("check", "b", "2", Condition::Absent),
        ])
        .await
        .expect("checks that hold");
    assert_eq!(versions[..3], [0, 0, 0]);
    let item = table.get(&Key::new("check", "a")).await.expect("get").expect("item");
    assert_eq!(item.version, version, "a check does not change the item");

    for broken in [
        check("check", "a", Condition::Version(version ^ 1)),
        check("check", "a", Condition::Absent),
        check("check", "nothing", Condition::Version(version)),
    ] {
        let refused = table
            .transact(vec![put("check", "c", "3", Condition::Any), broken.clone()])
            .await;
        expect_kind(
            refused,
            Kind::Conflict,
            "a check that does not hold refuses the transaction",
        );
        assert_eq!(value(table, "check", "c").await, None);
        expect_kind(table.transact(vec![broken]).await, Kind::Conflict, "a check alone");
    }
    table
        .transact(vec![check("check", "a", Condition::Version(version))])
        .await
        .expect("a check alone that holds");
    table
        .transact(vec![check("check", "a", Condition::Any)])
        .await
        .expect("a check of nothing");
}

async fn expired_items_are_absent(table: &dyn Table) {
    let key = Key::new("expiry", "old");
    let write = async |value: &str, at, condition| table.put(key.clone(), value.into(), at, condition).await;
    let version = write("x", Some(LONG_AGO_SECONDS), Condition::Any).await.expect("put");
    table
        .put(
            Key::new("expiry", "new"),
            "y".into(),
            Some(FAR_FUTURE_SECONDS),
            Condition::Any,
        )
        .await
        .expect("put");

    assert_eq!(
        table.get(&key).await.expect("get"),
        None,
        "get does not return an expired item"
    );
    assert_eq!(
        sort_keys(table, "expiry", SkRange::all()).await,
        ["new"],
        "query does not return an expired item"
    );
    let refused = write("z", None, Condition::Version(version)).await;
    expect_kind(
        refused,
        Kind::Conflict,
        "an expired item is absent to a version condition",
    );
    table
        .transact(vec![check("expiry", "old", Condition::Absent)])
        .await
        .expect("an expired item is absent to a check");
    write("z", Some(LONG_AGO_SECONDS), Condition::Absent)
        .await
        .expect("an expired item is absent to a put");
    write("w", Some(FAR_FUTURE_SECONDS), Condition::Absent)
        .await
        .expect("again");
    assert_eq!(value(table, "expiry", "old").await.as_deref(), Some("w"));
    expect_kind(
        write("v", None, Condition::Absent).await,
        Kind::Conflict,
        "an item that has not expired is there",
    );
}
