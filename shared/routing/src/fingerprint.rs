//! The identity of an alert.

use parapet_model::Labels;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The identity of a label set: FNV-1a (64 bit) over each name and value in order of name, each followed by the
/// byte 0xFF (`model.LabelSet.Fingerprint` of prometheus/common). Prints and is stored as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Fingerprint(pub u64);

const OFFSET: u64 = 14_695_981_039_346_656_037;
const PRIME: u64 = 1_099_511_628_211;

impl Fingerprint {
    /// The fingerprint of a label set.
    #[must_use]
    pub fn of(labels: &Labels) -> Self {
        let texts = labels.iter().flat_map(|(name, value)| [name, value]);
        Self::of_bytes(texts.flat_map(|text| text.bytes().chain([0xFF])))
    }

    /// The fingerprint of what is said of a group: which alerts fire and which ended.
    #[must_use]
    pub fn of_alerts(firing: &BTreeSet<Self>, resolved: &BTreeSet<Self>) -> Self {
        let states = [(firing, 1), (resolved, 0)];
        let alerts = states
            .into_iter()
            .flat_map(|(alerts, state)| alerts.iter().map(move |alert| (alert, state)));
        Self::of_bytes(alerts.flat_map(|(alert, state)| alert.0.to_be_bytes().into_iter().chain([state])))
    }

    fn of_bytes(bytes: impl IntoIterator<Item = u8>) -> Self {
        let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(PRIME);
        Self(bytes.into_iter().fold(OFFSET, fold))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = std::num::ParseIntError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_that_of_prometheus() {
        // model.LabelSet{}.Fingerprint() and the value in prometheus/common's own tests.
        assert_eq!(Fingerprint::of(&Labels::empty()).to_string(), "cbf29ce484222325");
        let labels = Labels::from_pairs([
            ("first_name", "electro"),
            ("occupation", "robot"),
            ("manufacturer", "westinghouse"),
        ]);
        assert_eq!(Fingerprint::of(&labels).0, 5_911_716_720_268_894_962);
    }
}
