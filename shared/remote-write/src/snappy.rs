//! The snappy block format, which remote write uses.

use crate::Error;

/// How many bytes a block decompresses to, at most `limit`, as it says itself: what [`snappy_decode`] allocates.
///
/// # Errors
/// [`Error::TooLong`], and [`Error::Snappy`] for broken input.
pub fn snappy_length(bytes: &[u8], limit: usize) -> Result<usize, Error> {
    let length = snap::raw::decompress_len(bytes).map_err(|_| Error::Snappy)?;
    if length > limit {
        return Err(Error::TooLong { length, limit });
    }
    // Snappy cannot compress below about one to 22: a short block that claims to be long is a lie, and the
    // buffer for it is not worth allocating.
    if length / 64 > bytes.len() {
        return Err(Error::Snappy);
    }
    Ok(length)
}

/// Decompresses a block whose decompressed length is at most `limit` bytes.
///
/// # Errors
/// Those of [`snappy_length`], before anything is allocated.
pub fn snappy_decode(bytes: &[u8], limit: usize) -> Result<Vec<u8>, Error> {
    snappy_length(bytes, limit)?;
    snap::raw::Decoder::new()
        .decompress_vec(bytes)
        .map_err(|_| Error::Snappy)
}

/// Compresses to a block.
///
/// # Errors
/// [`Error::TooLong`] for input over 4 GiB, which the format cannot hold.
pub fn snappy_encode(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    snap::raw::Encoder::new()
        .compress_vec(bytes)
        .map_err(|_| Error::TooLong {
            length: bytes.len(),
            limit: u32::MAX as usize,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips_within_the_limit() {
        let text = b"up{job=\"node\"} 1\n".repeat(1000);
        let block = snappy_encode(&text).unwrap();
        assert_eq!(snappy_decode(&block, text.len()).unwrap(), text);
        assert_eq!(
            snappy_decode(&block, text.len() - 1),
            Err(Error::TooLong {
                length: text.len(),
                limit: text.len() - 1
            })
        );
        let zeros = snappy_encode(&vec![0; 10_000_000]).unwrap();
        assert_eq!(snappy_decode(&zeros, 10_000_000).unwrap().len(), 10_000_000);
    }

    #[test]
    fn refuses_broken_blocks() {
        assert_eq!(snappy_decode(&[], 10), Err(Error::Snappy));
        assert_eq!(snappy_decode(b"not a block", 1 << 30), Err(Error::Snappy));
        // Claims a gibibyte in five bytes.
        assert_eq!(
            snappy_decode(&[0x80, 0x80, 0x80, 0x80, 0x04], usize::MAX),
            Err(Error::Snappy)
        );
    }
}
