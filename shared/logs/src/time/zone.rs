//! Names of time zones.

use chrono_tz::Tz;

/// Reads the name of a zone of the tz database: `Europe/Berlin`, `UTC`.
///
/// # Errors
/// A name that is not known, with what to write.
pub fn parse_zone(name: &str) -> Result<Tz, String> {
    name.parse().map_err(|_| {
        format!(
            "{} is no time zone; write one of the tz database, such as UTC or Europe/Berlin",
            parapet_model::quote(name)
        )
    })
}

/// The offset of an abbreviation that logs use, seconds east of UTC.
pub(super) fn abbreviation_seconds(name: &str) -> Option<i32> {
    let half_hours = match name {
        "UTC" | "GMT" | "WET" | "Z" | "UT" => 0,
        "BST" | "WEST" | "CET" | "MEZ" => 2,
        "CEST" | "MESZ" | "EET" | "SAST" => 4,
        "EEST" | "MSK" => 6,
        "IST" => 11,
        "JST" | "KST" => 18,
        "AEST" => 20,
        "AEDT" => 22,
        "EDT" => -8,
        "EST" | "CDT" => -10,
        "CST" | "MDT" => -12,
        "MST" | "PDT" => -14,
        "PST" | "AKDT" => -16,
        "AKST" => -18,
        "HST" => -20,
        _ => return None,
    };
    Some(half_hours * 1_800)
}
