//! [`mapping!`]: YAML mappings that know which of their fields nobody knows.

use parapet_model::quote;

/// Defines a structure that a YAML mapping is read into: each field optional and known by one name or several, and
/// beside them the keys that are none of the fields, with their places.
macro_rules! mapping {
    ($(#[$meta:meta])* struct $name:ident { $($field:ident: $type:ty = $($key:literal)|+,)* }) => {
        $(#[$meta])*
        #[allow(dead_code)] // Some fields are known only so as not to be complained about.
        #[derive(Default)]
        pub(crate) struct $name {
            $(pub(crate) $field: Option<$type>,)*
            pub(crate) unknown: Vec<serde_saphyr::Spanned<String>>,
        }

        #[allow(dead_code)]
        impl $name {
            pub(crate) const FIELDS: &'static [&'static str] = &[$($($key),+),*];
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields;
                impl<'de> serde::de::Visitor<'de> for Fields {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("a mapping")
                    }

                    fn visit_unit<E: serde::de::Error>(self) -> Result<$name, E> {
                        Ok($name::default())
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let mut fields = $name::default();
                        while let Some(key) = map.next_key::<serde_saphyr::Spanned<String>>()? {
                            match key.value.as_str() {
                                $($($key)|+ => fields.$field = map.next_value()?,)*
                                _ => {
                                    map.next_value::<serde::de::IgnoredAny>()?;
                                    fields.unknown.push(key);
                                }
                            }
                        }
                        Ok(fields)
                    }
                }
                deserializer.deserialize_map(Fields)
            }
        }
    };
}
pub(crate) use mapping;

/// Prometheus' words for a field that is not known, and what was probably meant.
pub(crate) fn unknown_field(name: &str, known: &[&str]) -> String {
    let nearest = known.iter().map(|field| (distance(name, field), *field)).min();
    let hint = match nearest {
        Some((distance, field)) if distance <= 1 + name.len() / 3 => format!("did you mean {}?", quote(field)),
        _ => format!("fields here are {}", known.join(", ")),
    };
    format!("field {name} not found; {hint}")
}

/// Levenshtein's distance.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in right.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(a != *b)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[right.len()]
}
