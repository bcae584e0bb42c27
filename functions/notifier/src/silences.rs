//! Silences in the table.

use crate::Notifier;
use crate::store::{SILENCE_PK, encode, read};
use parapet_ports::{Condition, Error, Item, Key, Kind, Ports, SkRange, Write};
use parapet_routing::{Silence, SilenceError};
use parapet_store::alerts;

/// How long a silence is remembered that is over, seconds (Alertmanager's `--data.retention`).
const REMEMBERED_SECONDS: i64 = 120 * 3600;

/// How often a change is tried anew because somebody else was faster.
const MAX_CONFLICTS: u32 = 8;

/// Why a silence was not set.
#[derive(Debug, thiserror::Error)]
pub enum SetSilenceError {
    /// It cannot be.
    #[error(transparent)]
    Invalid(#[from] SilenceError),
    /// There is none of its id.
    #[error("silence not found")]
    NotFound,
    /// A port failed.
    #[error("the silence could not be stored")]
    Port(#[from] Error),
}

/// Every silence that is remembered, in no particular order.
///
/// # Errors
/// Those of the ports.
pub async fn read_silences(ports: &Ports) -> Result<Vec<Silence>, Error> {
    let mut silences = Vec::new();
    for item in ports.table.query(SILENCE_PK, SkRange::all()).await? {
        silences.push(silence(ports, &item).await?);
    }
    Ok(silences)
}

async fn silence(ports: &Ports, item: &Item) -> Result<Silence, Error> {
    let (silence, _) = read(ports, item).await?;
    Ok(silence)
}

/// The silence of an id, and its version.
async fn find(ports: &Ports, id: &str) -> Result<Option<(Silence, u64)>, Error> {
    match ports.table.get(&Key::new(SILENCE_PK, id)).await? {
        Some(item) => Ok(Some((silence(ports, &item).await?, item.version))),
        None => Ok(None),
    }
}

/// The silence of an id.
///
/// # Errors
/// Those of the ports.
pub async fn read_silence(ports: &Ports, id: &str) -> Result<Option<Silence>, Error> {
    Ok(find(ports, id).await?.map(|(silence, _)| silence))
}

/// Creates, changes or replaces a silence and gives its id. A change and the end of the former one are one
/// transaction: never do both or neither hold.
///
/// # Errors
/// [`SetSilenceError`].
pub async fn set_silence(ports: &Ports, wanted: Silence) -> Result<String, SetSilenceError> {
    let mut conflicts = 0;
    loop {
        let known = match wanted.id.as_str() {
            "" => None,
            id => Some(find(ports, id).await?.ok_or(SetSilenceError::NotFound)?),
        };
        let version = known.as_ref().map(|(_, version)| *version);
        let now_ms = ports.clock.now_ms();
        let mut change = wanted.clone().set(known.map(|(silence, _)| silence), now_ms)?;
        let is_new = change.set.id.is_empty();
        if is_new {
            change.set.id = uuid(ports);
        }
        let id = change.set.id.clone();
        let condition = match version {
            Some(version) if !is_new => Condition::Version(version),
            _ => Condition::Absent,
        };
        let mut writes = vec![put(&change.set, condition)?];
        if let (Some(former), Some(version)) = (&change.expire, version) {
            writes.push(put(former, Condition::Version(version))?);
        }
        match ports.table.transact(writes).await {
            Ok(_) => return Ok(id),
            Err(error) if error.kind() == Kind::Conflict && conflicts < MAX_CONFLICTS => conflicts += 1,
            Err(error) => return Err(error.into()),
        }
    }
}

impl Notifier {
    /// States the alerts about silences that end soon. Each tick states them anew: who dies before the message is sent
    /// is made up for by the next.
    pub(crate) async fn tell_of_ending_silences(&self, at_ms: i64) -> Result<(), Error> {
        let notice_ms = self.settings.silence_notice_ms;
        if notice_ms == 0 {
            return Ok(());
        }
        let silences = read_silences(&self.ports).await?;
        let alerts = silences.iter().filter_map(|silence| silence.notice(notice_ms, at_ms));
        alerts::send(&self.ports, &alerts.collect::<Vec<_>>()).await
    }
}

/// Ends a silence; whether there is one of that id.
///
/// # Errors
/// Those of the ports.
pub async fn expire_silence(ports: &Ports, id: &str) -> Result<bool, Error> {
    let mut conflicts = 0;
    loop {
        let Some((silence, version)) = find(ports, id).await? else {
            return Ok(false);
        };
        let Some(expired) = silence.expired(ports.clock.now_ms()) else {
            return Ok(true);
        };
        match ports
            .table
            .transact(vec![put(&expired, Condition::Version(version))?])
            .await
        {
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == Kind::Conflict && conflicts < MAX_CONFLICTS => conflicts += 1,
            Err(error) => return Err(error),
        }
    }
}

fn put(silence: &Silence, condition: Condition) -> Result<Write, Error> {
    Ok(Write::Put {
        key: Key::new(SILENCE_PK, silence.id.as_str()),
        value: encode(silence)?,
        expires_at: silence.ends_at_ms.map(|ends| ends / 1000 + REMEMBERED_SECONDS),
        condition,
    })
}

/// A random UUID (version 4).
fn uuid(ports: &Ports) -> String {
    let (high, low) = (ports.entropy.next_u64(), ports.entropy.next_u64());
    let high = high & !0xF000 | 0x4000;
    let low = low & !(0b11 << 62) | 0b10 << 62;
    let text = format!("{high:016x}{low:016x}");
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}
