//! Bodies of requests, decompressed within a limit.

use super::door::Refused;
use crate::handler::Api;
use crate::request::tenant;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
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

/// Reads a request: whose it is, and what `parse` makes of its body, which gets as many bytes as the settings allow.
pub(super) async fn read<T: Send + 'static>(
    api: &Api,
    headers: &HeaderMap,
    sent: Body,
    encoding: Encoding,
    parse: impl FnOnce(&[u8]) -> Result<T, Refused> + Send + 'static,
) -> Result<(String, T), Refused> {
    let tenant = tenant(headers).map_err(|error| Refused::Bad(error.message))?;
    let (limit, max_bytes) = (api.settings.max_write_bytes, api.settings.max_decompressed_write_bytes);
    let body = axum::body::to_bytes(sent, limit).await.map_err(|error| {
        // The body was over the limit, or the connection broke: then nobody reads the answer.
        Refused::TooLarge(format!("request body does not read within {limit} bytes: {error}"))
    })?;
    // Decompressing and decoding of megabytes would hold up other requests.
    let parsed = tokio::task::spawn_blocking(move || parse(&decompress(&body, encoding, max_bytes)?));
    let parsed = parsed.await.map_err(|error| Refused::Internal(error.to_string()))??;
    Ok((tenant, parsed))
}

/// Decompresses a body; what it becomes may have `max_bytes`.
fn decompress(body: &Bytes, encoding: Encoding, max_bytes: usize) -> Result<Bytes, Refused> {
    match encoding {
        Encoding::Identity if body.len() <= max_bytes => Ok(body.clone()),
        Encoding::Identity => Err(too_long(max_bytes)),
        Encoding::Gzip => drain(flate2::read::MultiGzDecoder::new(body.as_ref()), max_bytes, "gzip"),
        // HTTP's deflate is zlib's; some clients send it bare.
        Encoding::Deflate if body.first().is_some_and(|byte| byte & 0x0f == 8) => {
            drain(flate2::read::ZlibDecoder::new(body.as_ref()), max_bytes, "deflate")
        }
        Encoding::Deflate => drain(flate2::read::DeflateDecoder::new(body.as_ref()), max_bytes, "deflate"),
        Encoding::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(body.as_ref())
                .map_err(|error| Refused::Bad(format!("zstd: {error}")))?;
            drain(decoder, max_bytes, "zstd")
        }
        Encoding::Snappy => parapet_remote_write::snappy_decode(body, max_bytes)
            .map(Bytes::from)
            .map_err(|error| match error {
                parapet_remote_write::Error::TooLong { .. } => Refused::TooLarge(error.to_string()),
                error => Refused::Bad(error.to_string()),
            }),
    }
}

fn drain(reader: impl Read, max_bytes: usize, name: &str) -> Result<Bytes, Refused> {
    let mut out = Vec::new();
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    let read = reader.take(limit).read_to_end(&mut out);
    read.map_err(|error| Refused::Bad(format!("the body is no {name}: {error}")))?;
    if out.len() > max_bytes {
        return Err(too_long(max_bytes));
    }
    Ok(out.into())
}

fn too_long(max_bytes: usize) -> Refused {
    Refused::TooLarge(format!("the body has more than {max_bytes} bytes decompressed"))
}

#[cfg(test)]
mod tests {
    use super::*;
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
            assert_eq!(decompress(&body, encoding, 1000).unwrap(), text, "{name}");
            assert!(
                matches!(decompress(&body, encoding, 999), Err(Refused::TooLarge(_))),
                "{name}"
            );
            if encoding != Encoding::Identity {
                let noise = Bytes::from_static(b"\x1f\x8b\xff\xff no such thing");
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
