//! Items as DynamoDB's attributes.

use aws_sdk_dynamodb::types::AttributeValue;
use parapet_ports::{Error, Item, Key, Kind};
use std::collections::HashMap;

pub(super) type Attributes = HashMap<String, AttributeValue>;

pub(super) fn key_attributes(key: &Key) -> Attributes {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(key.pk.clone())),
        ("sk".to_owned(), AttributeValue::S(key.sk.clone())),
    ])
}

pub(super) fn item_attributes(key: &Key, value: &str, version: u64, expires_at: Option<i64>) -> Attributes {
    let mut attributes = key_attributes(key);
    attributes.insert("v".to_owned(), AttributeValue::S(value.to_owned()));
    attributes.insert("ver".to_owned(), AttributeValue::N(version.to_string()));
    if let Some(at) = expires_at {
        attributes.insert("expires_at".to_owned(), AttributeValue::N(at.to_string()));
    }
    attributes
}

fn text<'a>(attributes: &'a Attributes, name: &str) -> Result<&'a str, Error> {
    let text = attributes.get(name).and_then(|value| value.as_s().ok());
    text.map(String::as_str).ok_or_else(|| corrupt(attributes, name))
}

fn corrupt(attributes: &Attributes, name: &str) -> Error {
    let key = |name: &str| match attributes.get(name) {
        Some(AttributeValue::S(text)) => text.clone(),
        _ => "?".to_owned(),
    };
    Error::new(
        Kind::Corrupt,
        format!("the item {}/{} has no readable `{name}`", key("pk"), key("sk")),
    )
}

pub(super) fn read_version(attributes: &Attributes) -> Option<u64> {
    attributes.get("ver")?.as_n().ok()?.parse().ok()
}

pub(super) fn read_sort_key(attributes: &Attributes) -> Result<&str, Error> {
    text(attributes, "sk")
}

pub(super) fn read_item(attributes: &Attributes) -> Result<Item, Error> {
    let expires_at = match attributes.get("expires_at") {
        None | Some(AttributeValue::Null(_)) => None,
        Some(value) => {
            let at = value.as_n().ok().and_then(|number| number.parse().ok());
            Some(at.ok_or_else(|| corrupt(attributes, "expires_at"))?)
        }
    };
    Ok(Item {
        key: Key::new(text(attributes, "pk")?, text(attributes, "sk")?),
        value: text(attributes, "v")?.to_owned(),
        version: read_version(attributes).ok_or_else(|| corrupt(attributes, "ver"))?,
        expires_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_back() {
        for expires_at in [None, Some(1_760_000_000)] {
            let item = Item {
                key: Key::new("a", "b"),
                value: String::new(),
                version: u64::MAX >> 1,
                expires_at,
            };
            let attributes = item_attributes(&item.key, &item.value, item.version, expires_at);
            assert_eq!(read_item(&attributes).unwrap(), item);
        }
    }

    #[test]
    fn foreign_items_are_corrupt() {
        let key = Key::new("a", "b");
        for (name, value) in [
            ("v", AttributeValue::N("1".into())),
            ("ver", AttributeValue::S("1".into())),
            ("ver", AttributeValue::N("1.5".into())),
            ("expires_at", AttributeValue::S("soon".into())),
        ] {
            let mut attributes = item_attributes(&key, "x", 1, None);
            attributes.insert(name.to_owned(), value);
            let error = read_item(&attributes).unwrap_err();
            assert_eq!(error.kind(), Kind::Corrupt);
            assert_eq!(error.to_string(), format!("the item a/b has no readable `{name}`"));
        }
    }
}
