use super::resources::Resources;
use object_store::integration as suite;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt};

/// Runs a function of the suite on a bucket of its own.
macro_rules! object_store_suite {
    ($($name:ident($($argument:expr),*)),* $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                let Some(resources) = Resources::make().await else { return };
                suite::$name(&*resources.aws.objects, $($argument),*).await;
                resources.remove().await;
            }
        )*
    };
}

object_store_suite! {
    put_get_delete_list(),
    put_get_attributes(),
    get_opts(),
    put_opts(true),
    stream_get(),
    list_uses_directories_correctly(),
    list_with_delimiter(),
    list_with_offset_exclusivity(),
    rename_and_copy(),
    copy_if_not_exists(),
    copy_rename_nonexistent_object(),
    multipart_race_condition(true),
    multipart_out_of_order(),
}

#[tokio::test]
async fn get_nonexistent_object() {
    let Some(resources) = Resources::make().await else {
        return;
    };
    let error = suite::get_nonexistent_object(&*resources.aws.objects, None)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    resources.remove().await;
}

#[tokio::test]
async fn a_missing_bucket_is_not_missing_data() {
    let Some(mut resources) = Resources::make().await else {
        return;
    };
    let bucket = std::mem::replace(&mut resources.settings.bucket, "parapet-test-nothing".into());
    let other = resources.reconnect().await;
    let error = other.objects.get(&Path::from("a")).await.unwrap_err();
    assert!(matches!(error, Error::Generic { .. }), "{error}");
    let error = parapet_ports::Error::from(error);
    assert!(error.chain().contains("GetObject failed"), "{}", error.chain());
    resources.settings.bucket = bucket;
    resources.remove().await;
}
