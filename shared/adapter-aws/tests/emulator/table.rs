use super::resources::Resources;
use parapet_ports::contract::table_contract;

#[tokio::test]
async fn dynamodb_keeps_the_contract() {
    let Some(resources) = Resources::make().await else {
        return;
    };
    table_contract(&*resources.aws.table).await;
    resources.remove().await;
}

#[tokio::test]
async fn a_missing_table_is_a_fault_of_set_up() {
    let Some(mut resources) = Resources::make().await else {
        return;
    };
    let table = std::mem::replace(&mut resources.settings.table, "parapet-test-nothing".into());
    let other = resources.reconnect().await;
    let error = other.table.get(&parapet_ports::Key::new("a", "b")).await.unwrap_err();
    assert_eq!(error.kind(), parapet_ports::Kind::Internal, "{}", error.chain());
    assert!(
        error.chain().starts_with("DynamoDB GetItem failed: "),
        "{}",
        error.chain()
    );
    resources.settings.table = table;
    resources.remove().await;
}
