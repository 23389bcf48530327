//! The walk itself: no allocation, recursion only as deep as the schema, every count checked first.

use super::program::{Op, Program, Tag};
use super::{DECODED_BYTES_MAX, ELEMENTS_MAX, Error, STRING_BYTES_MAX, Shape, UNKNOWN_TAGS_MAX};
use crate::base::reader::{ReadError, Reader};

/// What the allocator adds to each array, at most.
const ALLOCATION_BYTES: usize = 32;
/// A tree leaf of the decoder's map of unknown tagged fields; leaves are at worst half full, so that
/// charging one for each field covers the tree above them too.
const UNKNOWN_TAG_BYTES: usize = 448;
const TAGS: &str = "tagged fields";

/// Walks `body` by `program`.
pub(super) fn walk(program: &Program, body: &[u8]) -> Result<Shape, Error> {
    let mut walk = Walk { reader: Reader::new(body), elements: 0, decoded_bytes: program.decoded_bytes };
    walk.program(program)?;
    Ok(Shape {
        body_bytes: body.len() - walk.reader.remaining(),
        elements: walk.elements,
        decoded_bytes: walk.decoded_bytes,
    })
}

struct Walk<'a> {
    reader: Reader<'a>,
    elements: usize,
    decoded_bytes: usize,
}

impl<'a> Walk<'a> {
    fn program(&mut self, program: &Program) -> Result<(), Error> {
        program.ops.iter().try_for_each(|op| self.op(op))
    }

    fn op(&mut self, op: &Op) -> Result<(), Error> {
        match op {
            Op::Fixed { field, bytes } => self.skip(field, *bytes),
            Op::String { field, compact, nullable } => {
                let length = if *compact { self.varint_length(field) } else { self.i16_length(field) }?;
                self.string(field, required(field, length, *nullable)?)
            }
            Op::Bytes { field, compact, nullable } => {
                let length = if *compact { self.varint_length(field) } else { self.i32_length(field) }?;
                self.skip(field, required(field, length, *nullable)?.unwrap_or(0))
            }
            Op::Array { field, compact, nullable, element } => {
                let count = if *compact { self.varint_length(field) } else { self.i32_length(field) }?;
                self.array(field, required(field, count, *nullable)?.unwrap_or(0), element)
            }
            Op::NullableStruct { field, body } => match self.reader.i8().map_err(at(field))? {
                1 => self.program(body),
                -1 => Ok(()),
                other => Err(Error::BadLength { field, length: other.into() }),
            },
            Op::Tags { known } => self.tags(known),
        }
    }

    /// The decoder allocates exactly for the count, so it is charged before the elements are seen.
    fn array(&mut self, field: &'static str, count: usize, element: &Program) -> Result<(), Error> {
        if count == 0 {
            return Ok(());
        }
        let remaining = self.reader.remaining();
        if count > remaining / element.wire_bytes_min.max(1) {
            return Err(Error::PastEnd { field, count, remaining });
        }
        self.elements += count;
        if self.elements > ELEMENTS_MAX {
            return Err(Error::TooManyElements { field });
        }
        self.charge(field, count * element.decoded_bytes + ALLOCATION_BYTES)?;
        if let Some(bytes) = element.fixed_bytes() {
            return self.skip(field, count * bytes);
        }
        (0..count).try_for_each(|_| self.program(element))
    }

    fn tags(&mut self, known: &[Tag]) -> Result<(), Error> {
        let count = self.uvarint(TAGS)?;
        if count > known.len() + UNKNOWN_TAGS_MAX {
            return Err(Error::TooManyTags { count });
        }
        let mut unknown = 0;
        for _ in 0..count {
            let number = self.reader.uvarint().map_err(at(TAGS))?;
            let size = self.uvarint(TAGS)?;
            if let Some(tag) = known.iter().find(|t| t.tag == number) {
                self.known_tag(tag, size)?;
                continue;
            }
            unknown += 1;
            if unknown > UNKNOWN_TAGS_MAX {
                return Err(Error::TooManyTags { count });
            }
            self.skip(TAGS, size)?;
            self.charge(TAGS, UNKNOWN_TAG_BYTES)?;
        }
        Ok(())
    }

    /// Kafka and the decoder ignore the size of a field that they know; holding the field to it leaves
    /// no request that two readers understand differently.
    fn known_tag(&mut self, tag: &Tag, size: usize) -> Result<(), Error> {
        let Tag { field, tag, ref body } = *tag;
        let body = body.as_ref().ok_or(Error::TagVersion { field, tag })?;
        let value = self.take(field, size)?;
        let outer = std::mem::replace(&mut self.reader, Reader::new(value));
        self.program(body)?;
        let left = std::mem::replace(&mut self.reader, outer).remaining();
        if left == 0 { Ok(()) } else { Err(Error::TagSize { field, tag, left }) }
    }

    fn string(&mut self, field: &'static str, length: Option<usize>) -> Result<(), Error> {
        let bytes = length.unwrap_or(0);
        if bytes > STRING_BYTES_MAX {
            return Err(Error::StringTooLong { field, bytes });
        }
        let text = self.take(field, bytes)?;
        std::str::from_utf8(text).map(drop).map_err(|_| Error::NotUtf8 { field })
    }

    fn skip(&mut self, field: &'static str, bytes: usize) -> Result<(), Error> {
        self.take(field, bytes).map(drop)
    }

    fn take(&mut self, field: &'static str, bytes: usize) -> Result<&'a [u8], Error> {
        let remaining = self.reader.remaining();
        self.reader.take(bytes).map_err(|_| Error::PastEnd { field, count: bytes, remaining })
    }

    fn charge(&mut self, field: &'static str, bytes: usize) -> Result<(), Error> {
        self.decoded_bytes = self.decoded_bytes.saturating_add(bytes);
        if self.decoded_bytes > DECODED_BYTES_MAX { Err(Error::TooBig { field }) } else { Ok(()) }
    }

    fn uvarint(&mut self, field: &'static str) -> Result<usize, Error> {
        let value = self.reader.uvarint().map_err(at(field))?;
        Ok(usize::try_from(value).unwrap_or(usize::MAX))
    }

    /// Zero means null, so that the length is one less.
    fn varint_length(&mut self, field: &'static str) -> Result<Option<usize>, Error> {
        Ok(self.uvarint(field)?.checked_sub(1))
    }

    fn i16_length(&mut self, field: &'static str) -> Result<Option<usize>, Error> {
        signed_length(field, self.reader.i16().map_err(at(field))?.into())
    }

    fn i32_length(&mut self, field: &'static str) -> Result<Option<usize>, Error> {
        signed_length(field, self.reader.i32().map_err(at(field))?)
    }
}

fn signed_length(field: &'static str, length: i32) -> Result<Option<usize>, Error> {
    match length {
        -1 => Ok(None),
        length => usize::try_from(length).map(Some).map_err(|_| Error::BadLength { field, length }),
    }
}

fn required(field: &'static str, length: Option<usize>, nullable: bool) -> Result<Option<usize>, Error> {
    if length.is_none() && !nullable { Err(Error::Null { field }) } else { Ok(length) }
}

fn at(field: &'static str) -> impl Fn(ReadError) -> Error {
    move |error| Error::Read { field, error }
}
