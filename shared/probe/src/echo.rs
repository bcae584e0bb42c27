//! Echo requests of ICMP.

use crate::Report;
use std::net::IpAddr;

const TEXT: &[u8] = b"Prometheus Blackbox Exporter";

/// Registers the gauges that every echo probe has.
pub fn register(report: &mut Report) {
    report.labelled("probe_icmp_duration_seconds", "Duration of icmp request by phase");
    for phase in ["resolve", "setup", "rtt"] {
        report.add("probe_icmp_duration_seconds", &[("phase", phase)], 0.0);
    }
}

/// An echo request; `payload_size` of 0 is the length of the text that every one begins with.
#[must_use]
pub fn request(to: IpAddr, id: u16, sequence: u16, payload_size: usize) -> Vec<u8> {
    let kind = if to.is_ipv4() { 8 } else { 128 };
    let mut message = vec![kind, 0, 0, 0];
    message.extend(id.to_be_bytes());
    message.extend(sequence.to_be_bytes());
    let size = if payload_size == 0 { TEXT.len() } else { payload_size };
    let text = TEXT.iter().chain(std::iter::repeat(&0));
    message.extend(text.take(size));
    if to.is_ipv4() {
        // That of version 6 the kernel computes.
        let sum = checksum(&message).to_be_bytes();
        message[2..4].copy_from_slice(&sum);
    }
    message
}

/// The ones' complement of the sum of 16-bit words (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or_default()])))
        .sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}

/// Whether a message is the reply to a request. `own_id` says that the identifier is ours, not the kernel's.
#[must_use]
pub fn is_reply(request: &[u8], message: &[u8], own_id: bool) -> bool {
    let (Some(kind), Some(id), Some(rest)) = (message.first(), message.get(4..6), message.get(6..)) else {
        return false;
    };
    let reply = if request.first() == Some(&8) { 0 } else { 129 };
    *kind == reply && (!own_id || Some(id) == request.get(4..6)) && Some(rest) == request.get(6..)
}

/// A message and its time to live, from a packet of IPv4 with its header.
#[must_use]
pub fn without_header(packet: &[u8]) -> Option<(&[u8], u8)> {
    let length = usize::from(packet.first()? & 0x0f) * 4;
    Some((packet.get(length..)?, *packet.get(8)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_replies() {
        let to: IpAddr = "127.0.0.1".parse().unwrap();
        let sent = request(to, 7, 9, 0);
        assert_eq!(sent.len(), 8 + TEXT.len());
        assert_eq!(checksum(&sent), 0, "a message with its sum sums to nothing");
        let mut reply = sent.clone();
        reply[0] = 0;
        assert!(is_reply(&sent, &reply, true));
        assert!(!is_reply(&sent, &sent, true), "what was sent is no reply");
        reply[5] = 8;
        assert!(!is_reply(&sent, &reply, true) && is_reply(&sent, &reply, false));
        reply[7] = 0;
        assert!(!is_reply(&sent, &reply, false));
        assert!(!is_reply(&sent, &[], true));
        assert_eq!(request(to, 0, 0, 3).len(), 11);
        let packet = [
            &[0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..],
            &sent,
        ]
        .concat();
        assert_eq!(without_header(&packet), Some((&sent[..], 64)));
        assert_eq!(without_header(&[0x45]), None);
    }
}
