//! What is too large, and what is just not.

use super::{delete, expect_kind, put, sort_keys};
use crate::table::{MAX_TRANSACTION_WRITES, MAX_VALUE_BYTES};
use crate::{Condition, Kind, SkRange, Table, Write};

pub(super) async fn limits_are_refused(table: &dyn Table) {
    let invalid = async |writes: Vec<Write>, promise: &str| {
        expect_kind(table.transact(writes).await, Kind::Invalid, promise);
    };
    let many = (0..=MAX_TRANSACTION_WRITES)
        .map(|n| put("limits", &n.to_string(), "x", Condition::Any))
        .collect();
    invalid(many, "more writes than a transaction takes").await;
    invalid(
        vec![
            put("limits", "a", "x", Condition::Any),
            delete("limits", "a", Condition::Any),
        ],
        "one key twice in a transaction",
    )
    .await;
    let huge = "h".repeat(MAX_VALUE_BYTES + 1);
    invalid(
        vec![
            put("limits", "a", "x", Condition::Any),
            put("limits", "b", &huge, Condition::Any),
        ],
        "a value over the limit",
    )
    .await;
    invalid(vec![put("", "a", "x", Condition::Any)], "an empty partition key").await;
    invalid(vec![put("limits", "", "x", Condition::Any)], "an empty sort key").await;
    invalid(
        vec![put("limits", &"k".repeat(1025), "x", Condition::Any)],
        "a sort key over 1,024 bytes",
    )
    .await;
    invalid(
        vec![put(&"k".repeat(2049), "a", "x", Condition::Any)],
        "a partition key over 2,048 bytes",
    )
    .await;
    let four_mib = "q".repeat(MAX_VALUE_BYTES);
    let large = (0..12)
        .map(|n| put("limits", &n.to_string(), &four_mib, Condition::Any))
        .collect();
    invalid(large, "a transaction over 4 MB").await;
    assert_eq!(
        sort_keys(table, "limits", SkRange::all()).await,
        Vec::<String>::new(),
        "nothing of it is written"
    );
}

pub(super) async fn largest_transaction(table: &dyn Table) {
    let keys: Vec<String> = (0..MAX_TRANSACTION_WRITES).map(|n| format!("{n:03}")).collect();
    let writes = keys
        .iter()
        .map(|sk| put("hundred", sk, sk, Condition::Absent))
        .collect();
    let versions = table.transact(writes).await.expect("a transaction of the most writes");
    assert_eq!(versions.len(), MAX_TRANSACTION_WRITES);
    assert_eq!(sort_keys(table, "hundred", SkRange::all()).await, keys);

    let broken = |n: usize| {
        if n + 1 == MAX_TRANSACTION_WRITES {
            versions[n] ^ 1
        } else {
            versions[n]
        }
    };
    let writes = keys.iter().enumerate();
    let writes = writes
        .map(|(n, sk)| put("hundred", sk, "changed", Condition::Version(broken(n))))
        .collect();
    expect_kind(
        table.transact(writes).await,
        Kind::Conflict,
        "the last condition of a hundred does not hold",
    );
    let items = table.query("hundred", SkRange::all()).await.expect("query");
    assert!(
        items.iter().all(|item| item.value == item.key.sk),
        "nothing of a refused transaction is written"
    );
}
