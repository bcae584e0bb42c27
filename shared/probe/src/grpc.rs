//! The health check of gRPC (`grpc.health.v1.Health/Check`).

use crate::Report;

/// Where it is asked.
pub const PATH: &str = "/grpc.health.v1.Health/Check";

/// The states that a service may be in, by number.
const STATES: [&str; 4] = ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"];

/// `UNAVAILABLE`: the server cannot be reached.
pub const UNAVAILABLE: u32 = 14;
/// `DEADLINE_EXCEEDED`
pub const DEADLINE_EXCEEDED: u32 = 4;

/// Registers the gauges that every probe of gRPC has.
pub fn register(report: &mut Report) {
    report.labelled("probe_grpc_duration_seconds", "Duration of gRPC request by phase");
    report.add("probe_grpc_duration_seconds", &[("phase", "resolve")], 0.0);
    report.gauge("probe_grpc_ssl", "Indicates if SSL was used for the connection");
    report.gauge("probe_grpc_status_code", "Response gRPC status code");
    report.labelled("probe_grpc_healthcheck_response", "Response HealthCheck response");
}

/// The message that asks for a service, as it is sent: not compressed, its length before it.
#[must_use]
pub fn check(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            message.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        message.push(length as u8);
        message.extend(service.as_bytes());
    }
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend(message);
    framed
}

/// The number of the state that an answer tells; `None` where it is no answer.
#[must_use]
pub fn state(body: &[u8]) -> Option<u64> {
    let (&[compressed, a, b, c, d], rest) = body.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    if compressed != 0 {
        return None;
    }
    let mut message = rest.get(..length)?;
    let mut state = 0;
    while !message.is_empty() {
        let key = varint(&mut message)?;
        match key & 7 {
            0 => {
                let value = varint(&mut message)?;
                if key >> 3 == 1 {
                    state = value;
                }
            }
            1 => message = message.get(8..)?,
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                message = message.get(length..)?;
            }
            5 => message = message.get(4..)?,
            _ => return None,
        }
    }
    Some(state)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// Tells what came of a check: the code of gRPC, and the state where it was told. Whether the service serves.
pub fn tell(report: &mut Report, code: u32, state: Option<u64>) -> bool {
    let state = state.and_then(|number| STATES.get(usize::try_from(number).ok()?));
    for known in STATES {
        let value = f64::from(u8::from(state == Some(&known)));
        report.add("probe_grpc_healthcheck_response", &[("serving_status", known)], value);
    }
    report.set("probe_grpc_status_code", f64::from(code));
    code == 0 && state == Some(&"SERVING")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages() {
        assert_eq!(check(""), [0, 0, 0, 0, 0]);
        assert_eq!(check("ab"), [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        assert_eq!(check(&"a".repeat(200)).len(), 5 + 3 + 200);
        assert_eq!(state(&[0, 0, 0, 0, 2, 8, 1]), Some(1));
        assert_eq!(state(&[0, 0, 0, 0, 0]), Some(0));
        assert_eq!(state(&[0, 0, 0, 0, 5, 0x12, 1, 9, 8, 2]), Some(2));
        for bytes in [
            &[][..],
            &[1, 0, 0, 0, 0],
            &[0, 0, 0, 0, 9, 8],
            &[0, 0, 0, 0, 1, 8],
            &[0, 0, 0, 0, 1, 7],
        ] {
            assert_eq!(state(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn only_serving_is_success() {
        let mut report = Report::default();
        assert!(tell(&mut report, 0, Some(1)));
        assert_eq!(
            report.value("probe_grpc_healthcheck_response", &[("serving_status", "SERVING")]),
            Some(1.0)
        );
        let mut report = Report::default();
        assert!(!tell(&mut report, 0, Some(2)));
        assert!(!tell(&mut Report::default(), 5, None));
        assert!(!tell(&mut Report::default(), 0, Some(u64::MAX)));
    }
}
