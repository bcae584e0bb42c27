//! Order, ranges and pages.

use super::sort_keys;
use crate::table::MAX_VALUE_BYTES;
use crate::{Condition, Key, SkRange, Table};
use futures::future::join_all;

pub(super) async fn keys_are_in_byte_order(table: &dyn Table) {
    // In order of UTF-8 bytes; U+FF61 sorts before U+1F99C there and after it in UTF-16.
    let ordered = [
        " ",
        "#",
        "0",
        "10",
        "2",
        "A",
        "Z",
        "a",
        "a\u{0}",
        "a#b",
        "aa",
        "b",
        "é",
        "ż",
        "\u{ff61}",
        "\u{1f99c}",
    ];
    for sk in ordered.iter().rev() {
        table
            .put(Key::new("order", *sk), (*sk).into(), None, Condition::Absent)
            .await
            .expect("put");
    }
    table
        .put(Key::new("order2", "a"), "x".into(), None, Condition::Any)
        .await
        .expect("put in another partition");
    assert_eq!(
        sort_keys(table, "order", SkRange::all()).await,
        ordered,
        "items come in byte order of sk"
    );
    assert_eq!(
        sort_keys(table, "order", SkRange::prefix("a")).await,
        ["a", "a\u{0}", "a#b", "aa"]
    );
    assert_eq!(sort_keys(table, "nothing", SkRange::all()).await, Vec::<String>::new());
}

pub(super) async fn ranges_and_pages(table: &dyn Table) {
    for n in 0..7 {
        table
            .put(Key::new("pages", format!("k{n}")), n.to_string(), None, Condition::Any)
            .await
            .expect("put");
    }
    let range = |from: &str, to: &str| SkRange {
        from: from.into(),
        to: to.into(),
    };
    assert_eq!(
        sort_keys(table, "pages", range("k2", "k5")).await,
        ["k2", "k3", "k4"],
        "from is in, to is out"
    );
    assert_eq!(
        sort_keys(table, "pages", range("", "k2")).await,
        ["k0", "k1"],
        "an empty from starts at the first"
    );
    assert_eq!(
        sort_keys(table, "pages", range("k5", "")).await,
        ["k5", "k6"],
        "an empty to ends at the last"
    );
    assert_eq!(
        sort_keys(table, "pages", range("k1x", "k2x")).await,
        ["k2"],
        "ends need not be items"
    );
    assert_eq!(
        sort_keys(table, "pages", range("k3", "k3")).await,
        Vec::<String>::new(),
        "an empty range"
    );
    assert_eq!(
        sort_keys(table, "pages", range("k5", "k2")).await,
        Vec::<String>::new(),
        "a range that runs backwards"
    );

    let (mut range, mut seen, mut calls) = (range("k1", "k6"), Vec::new(), 0);
    loop {
        let page = table.query_page("pages", &range, 2).await.expect("query_page");
        assert!(page.items.len() <= 2, "a page has at most limit items");
        seen.extend(page.items.into_iter().map(|item| item.key.sk));
        calls += 1;
        assert!(calls < 10, "paging ends");
        match page.next {
            Some(next) => range.from = next,
            None => break,
        }
    }
    assert_eq!(
        seen,
        ["k1", "k2", "k3", "k4", "k5"],
        "pages together are the range, each item once"
    );
}

pub(super) async fn large_partitions(table: &dyn Table) {
    // 2.4 MB: more than one page of any adapter.
    let value = "v".repeat(60_000);
    let puts = (0..40).map(|n| {
        table.put(
            Key::new("large", format!("{n:02}")),
            value.clone(),
            None,
            Condition::Any,
        )
    });
    for result in join_all(puts).await {
        result.expect("put");
    }
    let items = table.query("large", SkRange::all()).await.expect("query");
    assert_eq!(items.len(), 40, "query reads every page");
    assert!(items.is_sorted_by(|a, b| a.key < b.key) && items.iter().all(|item| item.value.len() == value.len()));

    let largest = "m".repeat(MAX_VALUE_BYTES);
    table
        .put(Key::new("largest", "a"), largest.clone(), None, Condition::Any)
        .await
        .expect("a value at the limit");
    let item = table.get(&Key::new("largest", "a")).await.expect("get").expect("item");
    assert_eq!(item.value.len(), largest.len());
}
