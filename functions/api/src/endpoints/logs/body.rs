//! Bodies of requests, decompressed within a limit.

use super::door::Refused;
use crate::handler::Api;
use crate::intake::{Sent, no_memory, read_body};
use crate::request::tenant;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use parapet_ports::{BodyShare, Kind};
use parapet_remote_write::{Error as SnappyError, snappy_decode, snappy_length};
use std::io::Read;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Identity,
    Gzip,
    Deflate,
    Zstd,
    Snappy,
}

impl Encoding {
    /// What `Content-Encoding` says.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Refused> {
        let value = headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
        Ok(match value.unwrap_or_default() {
            b"" | b"identity" => Self::Identity,
            b"gzip" | b"x-gzip" => Self::Gzip,
            b"deflate" => Self::Deflate,
            b"zstd" => Self::Zstd,
            b"snappy" => Self::Snappy,
            other => {
                let other = String::from_utf8_lossy(other);
                return Err(Refused::UnsupportedMedia(format!(
                    "Content-Encoding {other:?} is not supported; send gzip, deflate, zstd, snappy or none"
                )));
            }
        })
    }
}

/// Reads a request: whose it is, what `parse` makes of its body, which gets as many bytes as the settings allow, and the
/// memory that this takes.
pub(super) async fn read<T: Send + 'static>(
    api: &Api,
    headers: &HeaderMap,
    sent: Body,
    encoding: Encoding,
    parse: impl FnOnce(&[u8], &Sent) -> Result<T, Refused> + Send + 'static,
) -> Result<(String, T, BodyShare), Refused> {
    let tenant = tenant(headers).map_err(|error| Refused::Bad(error.message))?;
    let (memory, max_bytes) = (api.memory.share(), api.settings.max_decompressed_write_bytes);
    let sent = read_body(api, &memory, sent).await?;
    // Decompressing and decoding of megabytes would hold up other requests.
    let parsed = tokio::task::spawn_blocking(move || {
        let bytes = decompress(&sent, encoding, max_bytes)?;
        sent.draw_decoded(bytes.len())?;
        parse(&bytes, &sent)
    });
    let parsed = parsed.await.map_err(|error| Refused::Internal(error.to_string()))??;
    Ok((tenant, parsed, memory))
}

/// Decompresses a body; what it becomes may have `max_bytes`.
fn decompress(sent: &Sent, encoding: Encoding, max_bytes: usize) -> Result<Bytes, Refused> {
    let body = &sent.bytes;
    match encoding {
        Encoding::Identity if body.len() <= max_bytes => Ok(body.clone()),
        Encoding::Identity => Err(too_long(max_bytes)),
        Encoding::Gzip => drain(
            flate2::read::MultiGzDecoder::new(body.as_ref()),
            sent,
            max_bytes,
            "gzip",
        ),
        // HTTP's deflate is zlib's; some clients send it bare.
        Encoding::Deflate if body.first().is_some_and(|byte| byte & 0x0f == 8) => drain(
            flate2::read::ZlibDecoder::new(body.as_ref()),
            sent,
            max_bytes,
            "deflate",
        ),
        Encoding::Deflate => drain(
            flate2::read::DeflateDecoder::new(body.as_ref()),
            sent,
            max_bytes,
            "deflate",
        ),
        Encoding::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(body.as_ref())
                .map_err(|error| Refused::Bad(format!("zstd: {error}")))?;
            drain(decoder, sent, max_bytes, "zstd")
        }
        Encoding::Snappy => {
            let refuse = |error: SnappyError| match error {
                SnappyError::TooLong { .. } => Refused::TooLarge(error.to_string()),
                error => Refused::Bad(error.to_string()),
            };
            sent.draw(snappy_length(body, max_bytes).map_err(refuse)?)?;
            snappy_decode(body, max_bytes).map(Bytes::from).map_err(refuse)
        }
    }
}

fn drain(mut reader: impl Read, sent: &Sent, max_bytes: usize, name: &str) -> Result<Bytes, Refused> {
    let mut out = sent.buffer();
    out.try_fill(&mut reader, max_bytes)
        .map_err(|error| match error.kind() {
            Kind::Invalid => Refused::Bad(format!("the body is no {name}: {error}")),
            _ => no_memory(error).into(),
        })?;
    if out.len() > max_bytes {
        return Err(too_long(max_bytes));
    }
    Ok(out.into_bytes())
}

fn too_long(max_bytes: usize) -> Refused {
    Refused::TooLarge(format!("the body has more than {max_bytes} bytes decompressed"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use parapet_ports::BodyMemory;
    use std::io::Write;

    fn gzip(bytes: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn each_encoding_and_its_limit() {
        let text = vec![b'a'; 1000];
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        zlib.write_all(&text).unwrap();
        let mut bare = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        bare.write_all(&text).unwrap();
        for (name, encoding, body) in [
            ("identity", Encoding::Identity, Bytes::from(text.clone())),
            ("gzip", Encoding::Gzip, gzip(&text)),
            ("zlib", Encoding::Deflate, zlib.finish().unwrap().into()),
            ("deflate", Encoding::Deflate, bare.finish().unwrap().into()),
            (
                "zstd",
                Encoding::Zstd,
                zstd::stream::encode_all(text.as_slice(), 1).unwrap().into(),
            ),
            (
                "snappy",
                Encoding::Snappy,
                parapet_remote_write::snappy_encode(&text).unwrap().into(),
            ),
        ] {
            let memory = BodyMemory::default().share();
            let sent = Sent::new(body, memory.clone());
            assert_eq!(decompress(&sent, encoding, 1000).unwrap(), text, "{name}");
            assert!(
                matches!(decompress(&sent, encoding, 999), Err(Refused::TooLarge(_))),
                "{name}"
            );
            if encoding != Encoding::Identity {
                let noise = Sent::new(Bytes::from_static(b"\x1f\x8b\xff\xff no such thing"), memory);
                assert!(
                    matches!(decompress(&noise, encoding, 999), Err(Refused::Bad(_))),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn names_of_encodings() {
        let of = |name: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
            Encoding::of(&headers)
        };
        assert_eq!(of("gzip").ok(), Some(Encoding::Gzip));
        assert_eq!(Encoding::of(&HeaderMap::new()).ok(), Some(Encoding::Identity));
        assert!(matches!(of("br"), Err(Refused::UnsupportedMedia(_))));
    }
}
