//! How a field of a flexible Kafka message is written and read (KIP-482).
//!
//! Owns the encodings: compact strings, bytes and arrays, optional ones, tagged fields. Reading is bounded: a
//! count is compared with the bytes that are left before anything is allocated for it.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use crate::base::reader::{ReadError, Reader};

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The bytes end early or hold a number that is not canonical.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A count or length cannot fit in the bytes that are left.
    #[error("{count} elements cannot fit in {remaining} bytes")]
    TooMany {
        /// What the bytes announce.
        count: u32,
        /// What is left.
        remaining: usize,
    },
    /// A field that must have a value is null.
    #[error("a field that is not nullable is null")]
    Null,
    /// A string is not UTF-8.
    #[error("a string is not utf-8")]
    NotUtf8,
    /// A boolean is neither 0 nor 1, or bytes are left in a tagged field.
    #[error("a field holds a value that its type does not have")]
    BadValue,
    /// A version that nobody has defined yet.
    #[error("version {0} is not known")]
    Version(i16),
    /// Bytes are left after the last field.
    #[error("{0} bytes of garbage after the message")]
    Garbage(usize),
}

/// One field, or a structure of fields, of a flexible message.
pub trait Field: Sized {
    /// The fewest bytes that a value takes, at least 1.
    const LEN_MIN: usize;
    /// Appends the value as `version` of the message has it.
    fn write(&self, version: i16, out: &mut Vec<u8>);
    /// Takes the value off `reader`.
    fn read(version: i16, reader: &mut Reader<'_>) -> Result<Self, Malformed>;
}

/// Appends an unsigned varint.
pub fn write_uvarint(mut value: u32, out: &mut Vec<u8>) {
    while value > 0x7f {
        out.push(low_seven_bits(value) | 0x80);
        value >>= 7;
    }
    out.push(low_seven_bits(value));
}

fn low_seven_bits(value: u32) -> u8 {
    u8::try_from(value & 0x7f).expect("seven bits fit in a byte")
}

/// Appends a count the way compact types do: one more than it is, so that 0 can mean null.
fn write_count(count: usize, out: &mut Vec<u8>) {
    let count = u32::try_from(count).expect("a message is smaller than 4 GiB");
    write_uvarint(count + 1, out);
}

/// Reads a compact count of elements of at least `len_min` bytes; none if null.
fn read_count(len_min: usize, reader: &mut Reader<'_>) -> Result<Option<usize>, Malformed> {
    let Some(count) = reader.uvarint()?.checked_sub(1) else { return Ok(None) };
    let remaining = reader.remaining();
    match usize::try_from(count) {
        Ok(fits) if fits.saturating_mul(len_min) <= remaining => Ok(Some(fits)),
        _ => Err(Malformed::TooMany { count, remaining }),
    }
}

macro_rules! integers {
    ($($type:ty: $read:expr;)*) => {$(
        impl Field for $type {
            const LEN_MIN: usize = size_of::<$type>();
            fn write(&self, _: i16, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
            fn read(_: i16, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                let read: fn(&mut Reader<'_>) -> Result<$type, ReadError> = $read;
                Ok(read(reader)?)
            }
        }
    )*};
}

integers! {
    i8: |r| r.i8();
    i16: |r| r.i16();
    u16: |r| r.i16().map(i16::cast_unsigned);
    i32: |r| r.i32();
    i64: |r| r.i64();
    f64: |r| r.i64().map(|bits| f64::from_bits(bits.cast_unsigned()));
}

impl Field for bool {
    const LEN_MIN: usize = 1;
    fn write(&self, _: i16, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn read(_: i16, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(reader.u8()? != 0)
    }
}

impl Field for Uuid {
    const LEN_MIN: usize = 16;
    fn write(&self, _: i16, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
    fn read(_: i16, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Uuid::from_slice(reader.take(16)?).map_err(|_| Malformed::BadValue)
    }
}

/// A type with a count in front, which can therefore be null.
pub trait Counted: Sized {
    /// The fewest bytes that one element takes.
    const ELEMENT_LEN_MIN: usize;
    /// How many elements there are.
    fn count(&self) -> usize;
    /// Appends the elements.
    fn write_elements(&self, version: i16, out: &mut Vec<u8>);
    /// Takes `count` elements off `reader`.
    fn read_elements(count: usize, version: i16, reader: &mut Reader<'_>) -> Result<Self, Malformed>;
}

impl Counted for Arc<str> {
    const ELEMENT_LEN_MIN: usize = 1;
    fn count(&self) -> usize {
        self.len()
    }
    fn write_elements(&self, _: i16, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }
    fn read_elements(count: usize, _: i16, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        std::str::from_utf8(reader.take(count)?).map(Arc::from).map_err(|_| Malformed::NotUtf8)
    }
}

impl Counted for Bytes {
    const ELEMENT_LEN_MIN: usize = 1;
    fn count(&self) -> usize {
        self.len()
    }
    fn write_elements(&self, _: i16, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn read_elements(count: usize, _: i16, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Bytes::copy_from_slice(reader.take(count)?))
    }
}

impl<T: Field> Counted for Vec<T> {
    const ELEMENT_LEN_MIN: usize = T::LEN_MIN;
    fn count(&self) -> usize {
        self.len()
    }
    fn write_elements(&self, version: i16, out: &mut Vec<u8>) {
        for element in self {
            element.write(version, out);
        }
    }
    fn read_elements(count: usize, version: i16, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        (0..count).map(|_| T::read(version, reader)).collect()
    }
}

macro_rules! counted_fields {
    ($([$($generic:tt)*] $type:ty;)*) => {$(
        impl<$($generic)*> Field for $type {
            const LEN_MIN: usize = 1;
            fn write(&self, version: i16, out: &mut Vec<u8>) {
                write_count(self.count(), out);
                self.write_elements(version, out);
            }
            fn read(version: i16, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
                let count = read_count(Self::ELEMENT_LEN_MIN, reader)?.ok_or(Malformed::Null)?;
                Self::read_elements(count, version, reader)
            }
        }
    )*};
}

counted_fields! {
    [] Arc<str>;
    [] Bytes;
    [T: Field] Vec<T>;
}

impl<T: Counted> Field for Option<T> {
    const LEN_MIN: usize = 1;
    fn write(&self, version: i16, out: &mut Vec<u8>) {
        match self {
            None => write_uvarint(0, out),
            Some(value) => {
                write_count(value.count(), out);
                value.write_elements(version, out);
            }
        }
    }
    fn read(version: i16, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = read_count(T::ELEMENT_LEN_MIN, reader)?;
        count.map(|count| T::read_elements(count, version, reader)).transpose()
    }
}

/// A structure in a tagged field that may be null: an unsigned varint tells, 1 if it is there and 0 if not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Nullable<T>(pub Option<T>);

impl<T: Field> Field for Nullable<T> {
    const LEN_MIN: usize = 1;
    fn write(&self, version: i16, out: &mut Vec<u8>) {
        match &self.0 {
            None => write_uvarint(0, out),
            Some(value) => {
                write_uvarint(1, out);
                value.write(version, out);
            }
        }
    }
    fn read(version: i16, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        if reader.uvarint()? == 0 {
            return Ok(Self(None));
        }
        T::read(version, reader).map(|value| Self(Some(value)))
    }
}

/// Appends one tagged field: its tag, its length in bytes, its value.
pub fn write_tagged(tag: u32, value: &impl Field, version: i16, out: &mut Vec<u8>) {
    let mut bytes = Vec::new();
    value.write(version, &mut bytes);
    write_uvarint(tag, out);
    write_uvarint(u32::try_from(bytes.len()).expect("a message is smaller than 4 GiB"), out);
    out.extend_from_slice(&bytes);
}

/// Hands every tagged field to `read`, which says whether it knows the tag; unknown ones are skipped (KIP-482).
pub fn read_tagged(
    reader: &mut Reader<'_>,
    mut read: impl FnMut(u32, &mut Reader<'_>) -> Result<bool, Malformed>,
) -> Result<(), Malformed> {
    let count = reader.uvarint()?;
    for _ in 0..count {
        let tag = reader.uvarint()?;
        let len = reader.uvarint()?;
        let mut value = Reader::new(reader.take(usize::try_from(len).unwrap_or(usize::MAX))?);
        if read(tag, &mut value)? && value.remaining() > 0 {
            return Err(Malformed::BadValue);
        }
    }
    Ok(())
}

/// Defines structures of fields as Kafka's message files do.
///
/// `name: Type [2+] = default` is a field of version 2 and later; fields under `+ tagged` carry their tag in front
/// and are written only when they differ from their default. `lowest_version` is the first version that can hold
/// every field that is set.
macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident {
        $($(#[$field_doc:meta])* $field:ident: $type:ty $([$since:literal +])? $(= $default:expr)?,)*
    } $(+ tagged {
        $($(#[$tag_doc:meta])* $tag:literal $tag_field:ident: $tag_type:ty $([$tag_since:literal +])? $(= $tag_default:expr)?,)*
    })?)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
            $($($(#[$tag_doc])* pub $tag_field: $tag_type,)*)?
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: messages!(@default $($default)?),)*
                    $($($tag_field: messages!(@default $($tag_default)?),)*)?
                }
            }
        }

        impl $name {
            /// The first version that can hold every field that is set.
            #[allow(unused_variables, reason = "some messages have no fields")]
            pub fn lowest_version(&self) -> i16 {
                let default = Self::default();
                #[allow(unused_mut, reason = "most messages have one version")]
                let mut version: i16 = 0;
                $(if messages!(@since $($since)?) > version && self.$field != default.$field {
                    version = messages!(@since $($since)?);
                })*
                $($(if messages!(@since $($tag_since)?) > version && self.$tag_field != default.$tag_field {
                    version = messages!(@since $($tag_since)?);
                })*)?
                version
            }
        }

        impl $crate::wire::field::Field for $name {
            const LEN_MIN: usize = 1;

            #[allow(unused_variables, reason = "some messages have no fields")]
            fn write(&self, version: i16, out: &mut Vec<u8>) {
                $(if version >= messages!(@since $($since)?) {
                    $crate::wire::field::Field::write(&self.$field, version, out);
                })*
                let default = Self::default();
                #[allow(unused_mut, reason = "most messages have no tagged fields")]
                let mut tagged: u32 = 0;
                $($(let $tag_field = version >= messages!(@since $($tag_since)?)
                    && self.$tag_field != default.$tag_field;
                tagged += u32::from($tag_field);)*)?
                $crate::wire::field::write_uvarint(tagged, out);
                $($(if $tag_field {
                    $crate::wire::field::write_tagged($tag, &self.$tag_field, version, out);
                })*)?
            }

            #[allow(unused_variables, unused_mut, reason = "some messages have no fields")]
            fn read(
                version: i16,
                reader: &mut $crate::base::reader::Reader<'_>,
            ) -> Result<Self, $crate::wire::field::Malformed> {
                let mut message = Self::default();
                $(if version >= messages!(@since $($since)?) {
                    message.$field = $crate::wire::field::Field::read(version, reader)?;
                })*
                $crate::wire::field::read_tagged(reader, |tag, value| match tag {
                    $($($tag if version >= messages!(@since $($tag_since)?) => {
                        message.$tag_field = $crate::wire::field::Field::read(version, value)?;
                        Ok(true)
                    })*)?
                    _ => Ok(false),
                })?;
                Ok(message)
            }
        }
    )*};
    (@default) => { Default::default() };
    (@default $default:expr) => { $default };
    (@since) => { 0 };
    (@since $since:literal) => { $since };
}
pub(in crate::wire) use messages;
