//! What is told of X.509 certificates: when they end, whose they are, by whom.
//!
//! Five fields of each certificate are read, and nothing is verified here: the connection did that.

use crate::Report;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// The certificate of a server, or of one that vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// When it ends, seconds since the epoch.
    pub not_after: i64,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    serial: Vec<u8>,
    dns_names: Vec<String>,
    fingerprint: String,
}

/// An element of DER: its tag and its contents.
type Element<'a> = (u8, &'a [u8]);

/// The first element, and what follows it.
fn element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        if length.is_empty() || length.len() > 4 {
            return None;
        }
        let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        (length, rest)
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    Some(((tag, contents), rest))
}

fn elements(mut bytes: &[u8]) -> impl Iterator<Item = Element<'_>> {
    std::iter::from_fn(move || {
        let (found, rest) = element(bytes)?;
        bytes = rest;
        Some(found)
    })
}

impl Certificate {
    /// Reads a certificate in DER; `None` where it is none.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let ((0x30, outer), _) = element(der)? else { return None };
        let ((0x30, body), _) = element(outer)? else {
            return None;
        };
        let mut fields = elements(body).peekable();
        // The version, which the first one does not have.
        fields.next_if(|(tag, _)| *tag == 0xa0);
        let (0x02, serial) = fields.next()? else { return None };
        let _algorithm = fields.next()?;
        let (_, issuer) = fields.next()?;
        let (_, validity) = fields.next()?;
        let (_, subject) = fields.next()?;
        let _key = fields.next()?;
        let (tag, not_after) = elements(validity).nth(1)?;
        let extensions = fields.find(|(tag, _)| *tag == 0xa3).map(|(_, contents)| contents);
        let unsigned = serial.iter().skip_while(|byte| **byte == 0).copied();
        Some(Self {
            not_after: time(tag, not_after)?,
            subject: subject.to_vec(),
            issuer: issuer.to_vec(),
            serial: unsigned.collect(),
            dns_names: extensions.map(dns_names).unwrap_or_default(),
            fingerprint: hex(&Sha256::digest(der)),
        })
    }
}

/// `UTCTime` or `GeneralizedTime`, in seconds since the epoch.
fn time(tag: u8, text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (year, rest) = match tag {
        0x17 => {
            let year: i64 = text.get(..2)?.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        0x18 => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let part = |at: usize| -> Option<i64> { rest.get(at..at + 2)?.parse().ok() };
    let (month, day) = (part(0)?, part(2)?);
    if !(1..=12).contains(&month) {
        return None;
    }
    Some(days(year, month, day) * 86_400 + part(4)? * 3600 + part(6)? * 60 + part(8)?)
}

/// Days from 1970-01-01 to a date (the proleptic Gregorian calendar, by eras of 400 years).
pub(crate) fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The names of `subjectAltName` (2.5.29.17).
fn dns_names(extensions: &[u8]) -> Vec<String> {
    let list = element(extensions).map_or(&[][..], |((_, list), _)| list);
    let found = elements(list).find_map(|(_, extension)| {
        let mut fields = elements(extension);
        (fields.next()?.1 == [0x55, 0x1d, 0x11]).then_some(())?;
        fields.find(|(tag, _)| *tag == 0x04)
    });
    let Some((_, value)) = found else { return Vec::new() };
    let names = element(value).map_or(&[][..], |((_, names), _)| names);
    let dns = elements(names).filter(|(tag, _)| *tag == 0x82);
    dns.map(|(_, name)| String::from_utf8_lossy(name).into_owned())
        .collect()
}

/// The attributes that `pkix.Name` of Go knows by name, by the last part of 2.5.4.x.
const ATTRIBUTES: [(u8, &str); 9] = [
    (3, "CN"),
    (5, "SERIALNUMBER"),
    (6, "C"),
    (7, "L"),
    (8, "ST"),
    (9, "STREET"),
    (10, "O"),
    (11, "OU"),
    (17, "POSTALCODE"),
];

/// The order in which Go puts them in a name, reversed when it prints: first what is most particular.
const ORDER: [&str; 9] = ["SERIALNUMBER", "CN", "OU", "O", "POSTALCODE", "STREET", "L", "ST", "C"];

/// A name as Go prints it (`pkix.Name.String`).
fn name(bytes: &[u8]) -> String {
    let mut known: Vec<(&str, Vec<String>)> = ORDER.iter().map(|name| (*name, Vec::new())).collect();
    let mut others = Vec::new();
    for (_, set) in elements(bytes) {
        for (_, pair) in elements(set) {
            let mut fields = elements(pair);
            let (Some((_, oid)), Some((tag, value))) = (fields.next(), fields.next()) else {
                continue;
            };
            let text = if tag == 0x1e {
                let units = value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                String::from_utf16_lossy(&units.collect::<Vec<_>>())
            } else {
                String::from_utf8_lossy(value).into_owned()
            };
            let attribute = match oid {
                [0x55, 0x04, last] => ATTRIBUTES.iter().find(|(number, _)| number == last),
                _ => None,
            };
            match attribute {
                Some((_, short)) => {
                    for (name, values) in known.iter_mut().filter(|(name, _)| name == short) {
                        // Of these a name has one, the last.
                        if matches!(*name, "CN" | "SERIALNUMBER") {
                            values.clear();
                        }
                        values.push(text.clone());
                    }
                }
                // One that has no short name is told by its number.
                None => others.push(format!("{}={}", dotted(oid), escaped(&text))),
            }
        }
    }
    let known = known.iter().filter(|(_, values)| !values.is_empty());
    let known = known.map(|(name, values)| {
        let pairs: Vec<String> = values
            .iter()
            .map(|value| format!("{name}={}", escaped(value)))
            .collect();
        pairs.join("+")
    });
    known.chain(others.into_iter().rev()).collect::<Vec<_>>().join(",")
}

fn dotted(oid: &[u8]) -> String {
    let mut numbers = Vec::new();
    let mut number = 0_u64;
    for byte in oid {
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            if numbers.is_empty() {
                let first = (number / 40).min(2);
                numbers.push(first.to_string());
                number -= first * 40;
            }
            numbers.push(number.to_string());
            number = 0;
        }
    }
    numbers.join(".")
}

/// A value with what would be read as something else escaped (RFC 2253, as Go does it).
fn escaped(value: &str) -> String {
    let mut out = String::new();
    let last = value.chars().count().saturating_sub(1);
    for (index, c) in value.chars().enumerate() {
        let special = match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => true,
            ' ' => index == 0 || index == last,
            '#' => index == 0,
            _ => false,
        };
        if special {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// What Go says of a time that never was.
const NEVER: i64 = -62_135_596_800;

/// The most certificates of a chain that are looked at, its authority left out.
const MAX_CHAIN: usize = 8;

/// A connection that is encrypted: what is told of it.
#[derive(Clone, Debug)]
pub struct TlsState {
    /// What the server sent, its own certificate first.
    pub presented: Vec<Certificate>,
    /// The authorities that are trusted; `None` where nothing was verified.
    pub roots: Option<Vec<Certificate>>,
    /// `TLS 1.2` or `TLS 1.3`.
    pub version: &'static str,
    /// As the standards name it.
    pub cipher: String,
}

impl TlsState {
    /// When the last of the chains ends that lead from the server's certificate to an authority: each ends with the
    /// first of its certificates that does.
    fn last_chain_expiry(&self) -> i64 {
        let (Some(roots), Some(leaf)) = (&self.roots, self.presented.first()) else {
            return NEVER;
        };
        // For each certificate, when the best way to it ends. A way takes one more at each step, and no way is better
        // for going in a circle.
        let mut ends: Vec<Option<i64>> = vec![None; self.presented.len()];
        ends[0] = Some(leaf.not_after);
        for _ in 1..self.presented.len().min(MAX_CHAIN) {
            let before = ends.clone();
            for (certificate, so_far) in self.presented.iter().zip(&before) {
                let Some(so_far) = so_far else { continue };
                for (other, end) in self.presented.iter().zip(&mut ends) {
                    if other.subject == certificate.issuer {
                        *end = (*end).max(Some(other.not_after.min(*so_far)));
                    }
                }
            }
        }
        let mut best = NEVER;
        for (certificate, end) in self.presented.iter().zip(ends) {
            let Some(end) = end else { continue };
            for root in roots.iter().filter(|root| root.subject == certificate.issuer) {
                best = best.max(end.min(root.not_after));
            }
        }
        best
    }

    /// Sets the gauges about certificates; `with_chain` and `with_cipher` as the kind of probe has them.
    pub fn tell(&self, report: &mut Report, with_chain: bool, with_cipher: bool) {
        let Some(leaf) = self.presented.first() else { return };
        report.gauge(
            "probe_ssl_earliest_cert_expiry",
            "Returns last SSL chain expiry in unixtime",
        );
        let earliest = self.presented.iter().map(|certificate| certificate.not_after).min();
        report.set("probe_ssl_earliest_cert_expiry", earliest.unwrap_or(NEVER) as f64);
        report.labelled(
            "probe_tls_version_info",
            "Returns the TLS version used or NaN when unknown",
        );
        report.add("probe_tls_version_info", &[("version", self.version)], 1.0);
        if with_cipher {
            report.labelled(
                "probe_tls_cipher_info",
                "Returns the TLS cipher negotiated during handshake",
            );
            report.add("probe_tls_cipher_info", &[("cipher", &self.cipher)], 1.0);
        }
        if with_chain {
            report.gauge(
                "probe_ssl_last_chain_expiry_timestamp_seconds",
                "Returns last SSL chain expiry in timestamp",
            );
            let expiry = self.last_chain_expiry();
            report.set("probe_ssl_last_chain_expiry_timestamp_seconds", expiry as f64);
        }
        report.labelled("probe_ssl_last_chain_info", "Contains SSL leaf certificate information");
        let labels = [
            ("fingerprint_sha256", leaf.fingerprint.as_str()),
            ("issuer", &name(&leaf.issuer)),
            ("serialnumber", &hex(&leaf.serial)),
            ("subject", &name(&leaf.subject)),
            ("subjectalternative", &leaf.dns_names.join(",")),
        ];
        report.add("probe_ssl_last_chain_info", &labels, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_certificates() {
        assert_eq!(time(0x17, b"700101000000Z"), Some(0));
        assert_eq!(time(0x17, b"491231235959Z"), Some(2_524_607_999));
        assert_eq!(time(0x18, b"20500101000000Z"), Some(2_524_608_000));
        assert_eq!(time(0x18, b"00010101000000Z"), Some(NEVER));
        for text in [
            "",
            "Z",
            "70010100000Z",
            "7001010000000",
            "701301000000Z",
            "70010100000\u{e9}Z",
        ] {
            assert_eq!(time(0x17, text.as_bytes()), None, "{text}");
        }
    }

    fn der(tag: u8, value: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(value.len()).unwrap()], value].concat()
    }

    #[test]
    fn names_as_go_prints_them() {
        let attribute = |last: u8, tag: u8, value: &str| {
            let pair = [der(0x06, &[0x55, 0x04, last]), der(tag, value.as_bytes())].concat();
            der(0x31, &der(0x30, &pair))
        };
        let country_first = [
            attribute(6, 0x13, "DE"),
            attribute(10, 0x0c, "A, B"),
            attribute(11, 0x0c, "x"),
            attribute(11, 0x0c, "y"),
            attribute(3, 0x0c, " a#"),
        ]
        .concat();
        assert_eq!(name(&country_first), r"CN=\ a#,OU=x+OU=y,O=A\, B,C=DE");
        let mail = der(
            0x31,
            &der(
                0x30,
                &[
                    der(0x06, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01]),
                    der(0x16, b"a@b"),
                ]
                .concat(),
            ),
        );
        assert_eq!(name(&mail), "1.2.840.113549.1.9.1=a@b");
        assert_eq!(name(b"\x31\x05broken"), "");
    }

    #[test]
    fn chains_end_with_their_first_end() {
        let certificate = |subject: &[u8], issuer: &[u8], not_after| Certificate {
            not_after,
            subject: subject.to_vec(),
            issuer: issuer.to_vec(),
            serial: vec![1],
            dns_names: Vec::new(),
            fingerprint: String::new(),
        };
        let mut state = TlsState {
            presented: vec![certificate(b"leaf", b"middle", 30), certificate(b"middle", b"root", 20)],
            roots: Some(vec![
                certificate(b"root", b"root", 10),
                certificate(b"root", b"root", 25),
            ]),
            version: "TLS 1.3",
            cipher: String::new(),
        };
        assert_eq!(state.last_chain_expiry(), 20);
        // Certificates that vouch for each other end nowhere.
        state.presented = vec![certificate(b"a", b"b", 1), certificate(b"b", b"a", 1)];
        assert_eq!(state.last_chain_expiry(), NEVER);
        // A crowd of certificates that all could vouch for each other is no more work than others.
        let crowd = (0..60).map(|end| certificate(b"x", b"x", 1_000 + end));
        state.presented = [certificate(b"leaf", b"x", 3_000)].into_iter().chain(crowd).collect();
        state.roots = Some(vec![certificate(b"x", b"x", 2_000)]);
        assert_eq!(state.last_chain_expiry(), 2_000);
        state.roots = None;
        assert_eq!(state.last_chain_expiry(), NEVER);
    }

    #[test]
    fn no_bytes_are_a_panic() {
        let deep: Vec<u8> = [0x30, 0x80].repeat(100);
        for bytes in [&[][..], &[0x30], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &deep] {
            assert_eq!(Certificate::read(bytes), None);
        }
    }
}
