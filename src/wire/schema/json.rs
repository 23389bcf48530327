//! A message as JSON, by its schema alone: as Kafka's generated `*JsonConverter` classes make it and Jackson prints it.
//!
//! What cannot be read says so in the words of Kafka's generated readers, since people search for them.

use std::fmt::{self, Write as _};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use uuid::Uuid;

use super::STRING_BYTES_MAX;
use super::definition::{Definition, Field, Fixed, Kind};
use crate::base::id::uuid_to_text;
use crate::base::java::{double_text, utf8_text};
use crate::base::reader::{ReadError, Reader};

/// Most values in one message: a tree of so many takes some 300 MiB.
const VALUES_MAX: usize = 4_000_000;

/// A JSON value.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A fraction.
    Double(f64),
    /// Text.
    Text(String),
    /// Bytes, which print in base64.
    Bytes(Vec<u8>),
    /// Values in their order.
    Array(Vec<Json>),
    /// Named values in the order of the schema.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// A field of an object.
    pub fn field_mut(&mut self, name: &str) -> Option<&mut Json> {
        let Self::Object(fields) = self else { return None };
        fields.iter_mut().find(|(known, _)| known == name).map(|(_, value)| value)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Double(value) if value.is_finite() => f.write_str(&double_text(*value)),
            Self::Double(value) => write!(f, "\"{}\"", double_text(*value)),
            Self::Text(text) => quote(text, f),
            Self::Bytes(bytes) => write!(f, "\"{}\"", STANDARD.encode(bytes)),
            Self::Array(items) => {
                f.write_char('[')?;
                for (at, item) in items.iter().enumerate() {
                    f.write_str(if at > 0 { "," } else { "" })?;
                    item.fmt(f)?;
                }
                f.write_char(']')
            }
            Self::Object(fields) => {
                f.write_char('{')?;
                for (at, (name, value)) in fields.iter().enumerate() {
                    f.write_str(if at > 0 { "," } else { "" })?;
                    quote(name, f)?;
                    f.write_char(':')?;
                    value.fmt(f)?;
                }
                f.write_char('}')
            }
        }
    }
}

fn quote(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            '\u{8}' => f.write_str("\\b")?,
            '\u{c}' => f.write_str("\\f")?,
            c if c < ' ' => write!(f, "\\u{:04X}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// Why bytes are not the message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes end within a number; Java's exception has no message.
    #[error("null")]
    EndsEarly,
    /// A varint of more than five bytes.
    #[error("Varint is too long")]
    VarintTooLong,
    /// Null where the version allows none.
    #[error("non-nullable field {0} was serialized as null")]
    Null(String),
    /// A string that is longer than Kafka's can be.
    #[error("string field {field} had invalid length {length}")]
    StringTooLong {
        /// Its field.
        field: String,
        /// Its length in bytes.
        length: usize,
    },
    /// A string or bytes that pass the end.
    #[error("Error reading byte array of {length} byte(s): only {remaining} byte(s) available")]
    BytesPastEnd {
        /// What is announced.
        length: usize,
        /// What is there.
        remaining: usize,
    },
    /// An array of more elements than there are bytes.
    #[error(
        "Tried to allocate a collection of size {count}, but there are only {remaining} bytes remaining."
    )]
    ArrayPastEnd {
        /// What is announced.
        count: usize,
        /// What is there.
        remaining: usize,
    },
    /// A tagged field of a later version.
    #[error("Tag {tag} is not valid for version {version}")]
    TagVersion {
        /// Its number.
        tag: u32,
        /// The message's version.
        version: i16,
    },
    /// More than [`VALUES_MAX`].
    #[error("more than {VALUES_MAX} values in one message")]
    TooMany,
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Truncated => Self::EndsEarly,
            ReadError::VarintTooLong => Self::VarintTooLong,
        }
    }
}

/// Takes the message off `reader`, at a version that need not be one of the definition's.
pub(super) fn read(definition: &Definition, version: i16, reader: &mut Reader<'_>) -> Result<Json, Error> {
    let flexible = version >= definition.flexible_from;
    Walk { reader, version, flexible, values_left: VALUES_MAX }.structure(&definition.fields)
}

struct Walk<'r, 'a> {
    reader: &'r mut Reader<'a>,
    version: i16,
    flexible: bool,
    values_left: usize,
}

impl<'a> Walk<'_, 'a> {
    fn structure(&mut self, fields: &[Field]) -> Result<Json, Error> {
        let mut values: Vec<Option<Json>> = Vec::with_capacity(fields.len());
        for field in fields {
            let is_here = field.tag.is_none() && field.versions.contains(&self.version);
            values.push(if is_here { Some(self.field(field)?) } else { None });
        }
        if self.flexible {
            self.tags(fields, &mut values)?;
        }
        let named = fields.iter().zip(values);
        Ok(Json::Object(named.filter_map(|(field, value)| Some((camel_case(field.name), value?))).collect()))
    }

    /// A tagged field that says what it would be without is left out again.
    fn tags(&mut self, fields: &[Field], values: &mut [Option<Json>]) -> Result<(), Error> {
        let count = self.reader.uvarint()?;
        for _ in 0..count {
            let tag = self.reader.uvarint()?;
            let size = usize::try_from(self.reader.uvarint()?).unwrap_or(usize::MAX);
            let Some(at) = fields.iter().position(|field| field.tag == Some(tag)) else {
                self.take(size)?;
                continue;
            };
            if !fields[at].versions.contains(&self.version) {
                return Err(Error::TagVersion { tag, version: self.version });
            }
            let value = self.field(&fields[at])?;
            values[at] = (value.to_string() != fields[at].default).then_some(value);
        }
        Ok(())
    }

    fn field(&mut self, field: &Field) -> Result<Json, Error> {
        if field.array {
            return self.array(field);
        }
        if let Kind::Struct(fields) = &field.kind
            && self.is_nullable(field)
        {
            let is_null =
                if field.tag.is_some() { self.reader.uvarint()? == 0 } else { self.reader.i8()? < 0 };
            return if is_null { Ok(Json::Null) } else { self.structure(fields) };
        }
        self.value(field, &field.kind)
    }

    fn array(&mut self, field: &Field) -> Result<Json, Error> {
        let Some(count) = self.length(false)? else { return self.null(field) };
        let remaining = self.reader.remaining();
        if count > remaining {
            return Err(Error::ArrayPastEnd { count, remaining });
        }
        (0..count).map(|_| self.value(field, &field.kind)).collect::<Result<_, _>>().map(Json::Array)
    }

    fn value(&mut self, field: &Field, kind: &Kind) -> Result<Json, Error> {
        self.values_left = self.values_left.checked_sub(1).ok_or(Error::TooMany)?;
        match kind {
            Kind::Fixed(fixed) => self.fixed(*fixed),
            Kind::String => {
                let Some(length) = self.length(true)? else { return self.null(field) };
                if length > STRING_BYTES_MAX {
                    return Err(Error::StringTooLong { field: camel_case(field.name), length });
                }
                Ok(Json::Text(utf8_text(self.take(length)?)))
            }
            Kind::Bytes => match self.length(false)? {
                None => self.null(field),
                Some(length) => Ok(Json::Bytes(self.take(length)?.to_vec())),
            },
            Kind::Struct(fields) => self.structure(fields),
        }
    }

    fn fixed(&mut self, fixed: Fixed) -> Result<Json, Error> {
        Ok(match fixed {
            Fixed::Bool => Json::Bool(self.reader.u8()? != 0),
            Fixed::Int8 => Json::Integer(self.reader.i8()?.into()),
            Fixed::Int16 => Json::Integer(self.reader.i16()?.into()),
            Fixed::Uint16 => Json::Integer(self.reader.i16()?.cast_unsigned().into()),
            Fixed::Int32 => Json::Integer(self.reader.i32()?.into()),
            Fixed::Int64 => Json::Integer(self.reader.i64()?),
            Fixed::Float64 => Json::Double(f64::from_bits(self.reader.i64()?.cast_unsigned())),
            Fixed::Uuid => {
                let bytes = self.reader.take(fixed.len())?;
                Json::Text(uuid_to_text(Uuid::from_slice(bytes).map_err(|_| Error::EndsEarly)?))
            }
        })
    }

    fn null(&self, field: &Field) -> Result<Json, Error> {
        if self.is_nullable(field) { Ok(Json::Null) } else { Err(Error::Null(camel_case(field.name))) }
    }

    fn is_nullable(&self, field: &Field) -> bool {
        field.nullable.as_ref().is_some_and(|versions| versions.contains(&self.version))
    }

    /// A length or count; none for null, which every negative one is.
    fn length(&mut self, is_string: bool) -> Result<Option<usize>, Error> {
        if self.flexible {
            let length = self.reader.uvarint()?;
            return Ok(length.checked_sub(1).and_then(|length| usize::try_from(length).ok()));
        }
        let length = if is_string { self.reader.i16()?.into() } else { self.reader.i32()? };
        Ok(usize::try_from(length).ok())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let remaining = self.reader.remaining();
        self.reader.take(length).map_err(|_| Error::BytesPastEnd { length, remaining })
    }
}

/// `topic_id` is `topicId` in JSON and in messages.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default();
    words.fold(first.to_owned(), |mut text, word| {
        let mut chars = word.chars();
        text.extend(chars.next().map(|c| c.to_ascii_uppercase()));
        text.push_str(chars.as_str());
        text
    })
}
