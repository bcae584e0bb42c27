//! Compare-and-set loops that run side by side.

use super::value;
use crate::{Condition, Error, Key, Kind, SkRange, Table, Write};
use futures::future::join_all;

/// Whether a compare-and-set loop goes round again.
fn contended(error: &Error) -> bool {
    matches!(error.kind(), Kind::Conflict | Kind::Unavailable)
}

pub(super) async fn concurrent_increments(table: &dyn Table) {
    const WRITERS: u64 = 4;
    const INCREMENTS: u64 = 10;
    let key = Key::new("counter", "n");
    let writer = async || {
        for _ in 0..INCREMENTS {
            loop {
                let (count, condition) = match table.get(&key).await.expect("get") {
                    Some(item) => (
                        item.value.parse::<u64>().expect("a number"),
                        Condition::Version(item.version),
                    ),
                    None => (0, Condition::Absent),
                };
                match table.put(key.clone(), (count + 1).to_string(), None, condition).await {
                    Ok(_) => break,
                    Err(error) => assert!(contended(&error), "{}", error.chain()),
                }
            }
        }
    };
    join_all((0..WRITERS).map(|_| writer())).await;
    let total = value(table, "counter", "n").await;
    assert_eq!(
        total,
        Some((WRITERS * INCREMENTS).to_string()),
        "no increment is lost or doubled"
    );
}

pub(super) async fn concurrent_transfers(table: &dyn Table) {
    let accounts = ["a", "b", "c"];
    for account in accounts {
        table
            .put(Key::new("bank", account), "100".into(), None, Condition::Absent)
            .await
            .expect("put");
    }
    let transfer = async |from: &str, to: &str| {
        for _ in 0..5 {
            loop {
                let (from, to) = (Key::new("bank", from), Key::new("bank", to));
                let debtor = table.get(&from).await.expect("get").expect("item");
                let creditor = table.get(&to).await.expect("get").expect("item");
                let balance = |text: &str| text.parse::<i64>().expect("a number");
                let put = |key, balance: i64, version| Write::Put {
                    key,
                    value: balance.to_string(),
                    expires_at: None,
                    condition: Condition::Version(version),
                };
                let writes = vec![
                    put(from, balance(&debtor.value) - 1, debtor.version),
                    put(to, balance(&creditor.value) + 1, creditor.version),
                ];
                match table.transact(writes).await {
                    Ok(_) => break,
                    Err(error) => assert!(contended(&error), "{}", error.chain()),
                }
            }
        }
    };
    futures::join!(transfer("a", "b"), transfer("b", "a"), transfer("a", "c"));
    let items = table.query("bank", SkRange::all()).await.expect("query");
    let balances: Vec<&str> = items.iter().map(|item| item.value.as_str()).collect();
    assert_eq!(balances, ["95", "100", "105"], "each transfer happened once, whole");
}
