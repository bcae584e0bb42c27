//! The section `otlp`.

use crate::error::Fault;
use crate::fields::Fields;
use crate::yaml::Node;
use parapet_model::{NameValidation, quote};
use parapet_otlp::{Promotion, Settings};
use std::collections::BTreeSet;

/// Reads the section; Prometheus' defaults where there is none.
pub(crate) fn read(node: Option<&Node>, validation: NameValidation) -> Result<Settings, Fault> {
    let mut settings = Settings::default();
    let Some(node) = node else { return Ok(settings) };
    let names = [
        "translation_strategy",
        "promote_resource_attributes",
        "promote_all_resource_attributes",
        "ignore_resource_attributes",
        "keep_identifying_resource_attributes",
        "convert_histograms_to_nhcb",
        "promote_scope_metadata",
        "label_name_underscore_sanitization",
        "label_name_preserve_multiple_underscores",
    ];
    let fields = Fields::read(node, "otlp", &names, &[])?;
    if let Some(strategy) = fields.text("translation_strategy")? {
        (settings.allow_utf8, settings.add_suffixes) = match strategy {
            "" | "UnderscoreEscapingWithSuffixes" => (false, true),
            "UnderscoreEscapingWithoutSuffixes" => (false, false),
            "NoUTF8EscapingWithSuffixes" => (true, true),
            "NoTranslation" => (true, false),
            other => {
                return Err(Fault::new(
                    fields.position("translation_strategy"),
                    format!(
                        "unsupported OTLP translation strategy {}; write UnderscoreEscapingWithSuffixes, \
                         UnderscoreEscapingWithoutSuffixes, NoUTF8EscapingWithSuffixes or NoTranslation",
                        quote(other)
                    ),
                ));
            }
        };
        if settings.allow_utf8 && validation == NameValidation::Legacy {
            return Err(Fault::new(
                fields.position("translation_strategy"),
                format!(
                    "OTLP translation strategy {} is not allowed when UTF8 is disabled",
                    quote(strategy)
                ),
            ));
        }
    }
    let all = fields.boolean("promote_all_resource_attributes")?.unwrap_or_default();
    let promoted = attributes(&fields, "promote_resource_attributes", "promoted")?;
    let ignored = attributes(&fields, "ignore_resource_attributes", "ignored")?;
    settings.promotion = match (all, promoted.is_empty(), ignored.is_empty()) {
        (true, false, _) => {
            return Err(Fault::new(
                fields.position("promote_resource_attributes"),
                "'promote_all_resource_attributes' and 'promote_resource_attributes' cannot be configured simultaneously",
            ));
        }
        (false, _, false) => {
            return Err(Fault::new(
                fields.position("ignore_resource_attributes"),
                "'ignore_resource_attributes' cannot be configured unless 'promote_all_resource_attributes' is true",
            ));
        }
        (true, true, _) => Promotion::AllBut(ignored),
        (false, _, true) => Promotion::Only(promoted),
    };
    let set = |field: &mut bool, name: &str| -> Result<(), Fault> {
        *field = fields.boolean(name)?.unwrap_or(*field);
        Ok(())
    };
    set(
        &mut settings.keep_identifying_resource_attributes,
        "keep_identifying_resource_attributes",
    )?;
    set(&mut settings.convert_histograms_to_nhcb, "convert_histograms_to_nhcb")?;
    set(&mut settings.promote_scope_metadata, "promote_scope_metadata")?;
    set(&mut settings.sanitize_underscores, "label_name_underscore_sanitization")?;
    set(
        &mut settings.preserve_underscores,
        "label_name_preserve_multiple_underscores",
    )?;
    Ok(settings)
}

fn attributes(fields: &Fields<'_>, name: &str, what: &str) -> Result<BTreeSet<String>, Fault> {
    let mut names = BTreeSet::new();
    for node in fields.list(name)? {
        let attribute = node.text()?.trim();
        let fault = match attribute {
            "" => format!("empty {what} OTel resource attribute"),
            known if names.contains(known) => {
                format!("duplicated {what} OTel resource attribute {}", quote(known))
            }
            fresh => {
                names.insert(fresh.to_owned());
                continue;
            }
        };
        return Err(Fault::new(node.at, format!("invalid '{name}': {fault}")));
    }
    Ok(names)
}
