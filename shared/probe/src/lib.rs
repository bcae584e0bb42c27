//! Probes without the network: the messages, what answers mean, and the metrics that tell it, by the names and with the
//! values of blackbox_exporter.
//!
//! ```text
//! a module ─► what is sent (dns::question, echo::request, grpc::check) ─► the edge
//! an answer ─► rules (http, dns), certificates, statuses ─► Report ─► the text format
//! ```
//!
//! ```
//! let mut report = parapet_probe::Report::default();
//! report.gauge("probe_success", "Displays whether or not the probe was a success");
//! report.set("probe_success", 1.0);
//! assert!(report.render().ends_with("probe_success 1\n"));
//! ```
//!
//! Contract: no panic on any bytes of an answer.
#![warn(missing_docs)]

pub mod certificate;
pub mod dns;
pub mod echo;
pub mod grpc;
pub mod http;
mod report;

pub use report::Report;

/// What `probe_ip_addr_hash` is of an address (FNV-1a, 32 bits).
#[must_use]
pub fn address_hash(address: std::net::IpAddr) -> f64 {
    let bytes: Vec<u8> = match address {
        std::net::IpAddr::V4(address) => address.octets().into(),
        std::net::IpAddr::V6(address) => address.octets().into(),
    };
    let hash = bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    });
    f64::from(hash)
}

#[cfg(test)]
mod tests {
    #[test]
    fn hashes_as_go() {
        // fnv.New32a over 127.0.0.1.
        assert_eq!(super::address_hash("127.0.0.1".parse().unwrap()), 3_668_918_509.0);
    }
}
