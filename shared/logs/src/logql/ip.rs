//! `ip("…")`: addresses, ranges of them (`10.0.0.1-10.0.0.9`) and networks (`10.0.0.0/8`).

use std::net::IpAddr;

/// A set of addresses, as its first and its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IpRange {
    first: IpAddr,
    last: IpAddr,
}

impl IpRange {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let fault = || {
            format!(
                "ip: invalid pattern {}; write an address, a range such as 10.0.0.1-10.0.0.9, or a network such as 10.0.0.0/8",
                parapet_model::quote(text)
            )
        };
        let address = |text: &str| text.trim().parse::<IpAddr>().map_err(|_| fault());
        if let Some((network, bits)) = text.split_once('/') {
            let (network, bits) = (address(network)?, bits.parse::<u32>().map_err(|_| fault())?);
            let (first, last) = match network {
                IpAddr::V4(v4) if bits <= 32 => {
                    let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                    let first = v4.to_bits() & mask;
                    (IpAddr::V4(first.into()), IpAddr::V4((first | !mask).into()))
                }
                IpAddr::V6(v6) if bits <= 128 => {
                    let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
                    let first = v6.to_bits() & mask;
                    (IpAddr::V6(first.into()), IpAddr::V6((first | !mask).into()))
                }
                _ => return Err(fault()),
            };
            return Ok(Self { first, last });
        }
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (address(first)?, address(last)?),
            None => (address(text)?, address(text)?),
        };
        if first.is_ipv4() != last.is_ipv4() || first > last {
            return Err(fault());
        }
        Ok(Self { first, last })
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && (self.first..=self.last).contains(&address)
    }

    /// Whether an address of the set stands somewhere in a line.
    pub(super) fn in_line(&self, line: &str) -> bool {
        let v4 = self.first.is_ipv4();
        line.split(|c: char| !(c.is_ascii_hexdigit() && (!v4 || c.is_ascii_digit()) || c == '.' || (c == ':' && !v4)))
            .map(|word| word.trim_end_matches('.'))
            .filter(|word| word.len() >= 2 && word.contains(if v4 { '.' } else { ':' }))
            .any(|word| word.parse().is_ok_and(|address| self.contains(address)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_lines() {
        for (pattern, line, want) in [
            ("10.0.0.0/8", "from 10.1.2.3:80", true),
            ("10.0.0.0/8", "from 11.1.2.3", false),
            ("192.168.4.5-192.168.4.20", "x 192.168.4.20.", true),
            ("192.168.4.5-192.168.4.20", "x 192.168.4.21", false),
            ("192.168.4.5", "[192.168.4.5]", true),
            ("2001:db8::/32", "at 2001:db8::1 now", true),
            ("::1", "::1", true),
            ("0.0.0.0/0", "no address", false),
        ] {
            assert_eq!(IpRange::parse(pattern).unwrap().in_line(line), want, "{pattern} {line}");
        }
        for pattern in ["", "10.0.0.0/33", "10.0.0.9-10.0.0.1", "x", "10.0.0.1-::1"] {
            assert!(IpRange::parse(pattern).is_err(), "{pattern}");
        }
    }
}
