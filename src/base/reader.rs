//! A cursor over untrusted bytes whose every read is checked.

/// The bytes ended early, or a number in them is not canonical.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Fewer bytes remain than the value needs.
    #[error("bytes end early")]
    Truncated,
    /// A varint runs past the width of its type.
    #[error("varint too long")]
    VarintTooLong,
}

/// Reads big-endian numbers and Kafka's varints from a slice.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from their start.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes that are left.
    pub fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    /// The next `count` bytes.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], ReadError> {
        if count > self.bytes.len() {
            return Err(ReadError::Truncated);
        }
        let (head, tail) = self.bytes.split_at(count);
        self.bytes = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let (head, tail) = self.bytes.split_first_chunk::<N>().ok_or(ReadError::Truncated)?;
        self.bytes = tail;
        Ok(*head)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, ReadError> {
        Ok(self.array::<1>()?[0])
    }

    /// One signed byte.
    pub fn i8(&mut self) -> Result<i8, ReadError> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    /// A big-endian `i16`.
    pub fn i16(&mut self) -> Result<i16, ReadError> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    /// A big-endian `i32`.
    pub fn i32(&mut self) -> Result<i32, ReadError> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// A big-endian `u32`.
    pub fn u32(&mut self) -> Result<u32, ReadError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// A big-endian `i64`.
    pub fn i64(&mut self) -> Result<i64, ReadError> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// An unsigned varint of at most five bytes.
    pub fn uvarint(&mut self) -> Result<u32, ReadError> {
        let mut value = 0u32;
        for shift in (0..).step_by(7).take(5) {
            let byte = self.u8()?;
            if shift == 28 && byte > 0x0f {
                return Err(ReadError::VarintTooLong);
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ReadError::VarintTooLong)
    }

    /// An unsigned varint of at most ten bytes.
    pub fn uvarlong(&mut self) -> Result<u64, ReadError> {
        let mut value = 0u64;
        for shift in (0..).step_by(7).take(10) {
            let byte = self.u8()?;
            if shift == 63 && byte > 1 {
                return Err(ReadError::VarintTooLong);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(ReadError::VarintTooLong)
    }

    /// A zig-zag varint, as in records.
    pub fn varint(&mut self) -> Result<i32, ReadError> {
        let raw = self.uvarint()?;
        Ok((raw >> 1).cast_signed() ^ -((raw & 1).cast_signed()))
    }

    /// A zig-zag varlong, as in records.
    pub fn varlong(&mut self) -> Result<i64, ReadError> {
        let raw = self.uvarlong()?;
        Ok((raw >> 1).cast_signed() ^ -((raw & 1).cast_signed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_at_the_edges_of_their_types() {
        assert_eq!(Reader::new(&[0xfe, 0xff, 0xff, 0xff, 0x0f]).varint(), Ok(i32::MAX));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f]).varint(), Ok(i32::MIN));
        assert_eq!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x1f]).varint(), Err(ReadError::VarintTooLong));
        let min = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Reader::new(&min).varlong(), Ok(i64::MIN));
        assert_eq!(Reader::new(&[0x80]).uvarint(), Err(ReadError::Truncated));
    }

    #[test]
    fn take_never_passes_the_end() {
        let mut reader = Reader::new(&[1, 2, 3]);
        assert_eq!(reader.take(4), Err(ReadError::Truncated));
        assert_eq!(reader.take(2), Ok(&[1, 2][..]));
        assert_eq!(reader.i16(), Err(ReadError::Truncated));
        assert_eq!(reader.remaining(), 1);
    }
}
