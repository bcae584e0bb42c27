//! The flags of the syslog listener.

use chrono_tz::Tz;
use clap::Args;
use std::net::SocketAddr;

#[derive(Clone, Debug, Args)]
pub(crate) struct SyslogFlags {
    /// Where syslog is taken in: RFC 5424 and RFC 3164 over TCP [default: nowhere]
    #[arg(long = "syslog.listen-address", value_name = "ADDRESS:PORT")]
    pub(crate) syslog_listen_address: Option<SocketAddr>,
    /// The zone of syslog's times that say none
    #[arg(long = "syslog.zone", value_name = "ZONE", default_value = "UTC", value_parser = zone)]
    pub(crate) syslog_zone: Tz,
}

fn zone(text: &str) -> Result<Tz, String> {
    text.parse()
        .map_err(|_| "no such time zone; write a name as Europe/Berlin or UTC".to_owned())
}

impl SyslogFlags {
    /// As `/api/v1/status/flags` shows them.
    pub(crate) fn shown(&self) -> [(&'static str, String); 2] {
        let address = self.syslog_listen_address.map(|address| address.to_string());
        [
            ("syslog.listen-address", address.unwrap_or_default()),
            ("syslog.zone", self.syslog_zone.name().to_owned()),
        ]
    }
}
