//! The store's attributes as S3's headers, and back.

use aws_sdk_s3::types::StorageClass;
use object_store::{Attribute, Attributes, Error};
use std::collections::HashMap;

#[derive(Clone, Debug, Default)]
pub(super) struct ObjectHeaders {
    pub(super) cache_control: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) storage_class: Option<StorageClass>,
    pub(super) metadata: Option<HashMap<String, String>>,
}

impl TryFrom<Attributes> for ObjectHeaders {
    type Error = Error;

    fn try_from(attributes: Attributes) -> Result<Self, Error> {
        let mut headers = Self::default();
        for (attribute, value) in &attributes {
            let value = value.to_string();
            match attribute {
                Attribute::CacheControl => headers.cache_control = Some(value),
                Attribute::ContentDisposition => headers.content_disposition = Some(value),
                Attribute::ContentEncoding => headers.content_encoding = Some(value),
                Attribute::ContentLanguage => headers.content_language = Some(value),
                Attribute::ContentType => headers.content_type = Some(value),
                Attribute::StorageClass => headers.storage_class = Some(StorageClass::from(value.as_str())),
                Attribute::Metadata(name) => {
                    headers.metadata.get_or_insert_default().insert(name.to_string(), value);
                }
                _ => {
                    return Err(Error::NotSupported {
                        source: format!("the attribute {attribute:?} is not known").into(),
                    });
                }
            }
        }
        Ok(headers)
    }
}

impl From<ObjectHeaders> for Attributes {
    fn from(headers: ObjectHeaders) -> Self {
        let storage_class = headers.storage_class.map(|class| class.as_str().to_owned());
        let fixed = [
            (Attribute::CacheControl, headers.cache_control),
            (Attribute::ContentDisposition, headers.content_disposition),
            (Attribute::ContentEncoding, headers.content_encoding),
            (Attribute::ContentLanguage, headers.content_language),
            (Attribute::ContentType, headers.content_type),
            (Attribute::StorageClass, storage_class),
        ];
        let mut attributes = Self::new();
        for (attribute, value) in fixed {
            if let Some(value) = value {
                attributes.insert(attribute, value.into());
            }
        }
        for (name, value) in headers.metadata.unwrap_or_default() {
            attributes.insert(Attribute::Metadata(name.into()), value.into());
        }
        attributes
    }
}
