//! Walks a request body before the generated decoder sees it.
//!
//! The decoder trusts counts: it allocates for an array before it looks whether the bytes are there, and
//! it stores unknown tagged fields. [`check`] reads the same bytes by the same schema without allocating
//! and refuses what would make the decoder allocate more than [`DECODED_BYTES_MAX`]. What it accepts the
//! decoder reads without an error, to the same byte; an error would be a broken invariant.

mod definition;
pub mod json;
mod program;
pub mod records;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::LazyLock;

use crate::base::reader::ReadError;
use program::Program;

/// Most elements of all arrays of one request together.
pub const ELEMENTS_MAX: usize = 1_000_000;
/// Most memory that the decoded form of one request may take, beside its frame: a metadata request for
/// 200,000 topics or a fetch of 500,000 partitions fits.
pub const DECODED_BYTES_MAX: usize = 64 << 20;
/// Most unknown tagged fields in one section; the clients of today send none.
pub const UNKNOWN_TAGS_MAX: usize = 16;
/// Longest string: `Short.MAX_VALUE` in Kafka's generated readers.
const STRING_BYTES_MAX: usize = 0x7fff;

const TEXTS: [&str; 5] = [
    include_str!("data.txt"),
    include_str!("admin.txt"),
    include_str!("groups.txt"),
    include_str!("security.txt"),
    include_str!("transactions.txt"),
];

/// What decoding a body will take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Bytes that the schema covers. More may follow: Kafka ignores them.
    pub body_bytes: usize,
    /// Elements of all arrays.
    pub elements: usize,
    /// Memory of the decoded form, an upper bound; strings, bytes and records stay in the frame.
    pub decoded_bytes: usize,
}

/// Why a body is not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing is known of this API at this version.
    #[error("no schema for api key {api_key} version {api_version}")]
    NoSchema {
        /// Kafka's API key.
        api_key: i16,
        /// The version asked for.
        api_version: i16,
    },
    /// The bytes end within a value, or a varint is wider than 32 bits.
    #[error("{field}: {error}")]
    Read {
        /// Where.
        field: &'static str,
        /// What the reader met.
        error: ReadError,
    },
    /// A length or count that the bytes cannot hold.
    #[error("{field}: {count} do not fit into the {remaining} bytes that are left")]
    PastEnd {
        /// Where.
        field: &'static str,
        /// The length or count.
        count: usize,
        /// What is left of the body.
        remaining: usize,
    },
    /// Null where the version allows none.
    #[error("{field} must not be null")]
    Null {
        /// Where.
        field: &'static str,
    },
    /// A length below -1, or a presence byte that is neither 1 nor -1.
    #[error("{field}: {length} is no length")]
    BadLength {
        /// Where.
        field: &'static str,
        /// As read.
        length: i32,
    },
    /// A string longer than Kafka's strings can be.
    #[error("{field}: a string of {bytes} bytes")]
    StringTooLong {
        /// Where.
        field: &'static str,
        /// Its length.
        bytes: usize,
    },
    /// Kafka would replace the bad bytes; the decoder has no text for them.
    #[error("{field} is not UTF-8")]
    NotUtf8 {
        /// Where.
        field: &'static str,
    },
    /// More than [`ELEMENTS_MAX`].
    #[error("{field}: more than {ELEMENTS_MAX} array elements in one request")]
    TooManyElements {
        /// Where the limit was passed.
        field: &'static str,
    },
    /// More than [`DECODED_BYTES_MAX`].
    #[error("{field}: the request would take more than {DECODED_BYTES_MAX} bytes of memory")]
    TooBig {
        /// Where the limit was passed.
        field: &'static str,
    },
    /// More than [`UNKNOWN_TAGS_MAX`] in one section.
    #[error("{count} tagged fields in one section")]
    TooManyTags {
        /// As read.
        count: usize,
    },
    /// A tagged field of another version.
    #[error("tagged field {tag} ({field}) is not part of this version")]
    TagVersion {
        /// Its name.
        field: &'static str,
        /// Its number.
        tag: u32,
    },
    /// A tagged field whose size is not that of its value.
    #[error("tagged field {tag} ({field}) has {left} bytes too many")]
    TagSize {
        /// Its name.
        field: &'static str,
        /// Its number.
        tag: u32,
        /// What its value leaves.
        left: usize,
    },
}

/// Walks `body`, which starts after the request header.
pub fn check(api_key: i16, api_version: i16, body: &[u8]) -> Result<Shape, Error> {
    let program = PROGRAMS.get(api_key, api_version).ok_or(Error::NoSchema { api_key, api_version })?;
    walk::walk(program, body)
}

/// Reads the schemas now rather than at the first request.
pub fn prepare() {
    LazyLock::force(&PROGRAMS);
}

static PROGRAMS: LazyLock<Programs> = LazyLock::new(Programs::compile);

/// Indexed by API key, then by version.
struct Programs {
    by_key: Vec<Option<Versions>>,
}

struct Versions {
    min: i16,
    programs: Vec<Program>,
}

impl Programs {
    fn compile() -> Self {
        let mut by_key: Vec<Option<Versions>> = Vec::new();
        for definition in TEXTS.into_iter().flat_map(definition::parse) {
            let index = usize::try_from(definition.key).expect("keys are not negative");
            if by_key.len() <= index {
                by_key.resize_with(index + 1, || None);
            }
            let min = *definition.versions.start();
            let programs = definition.versions.clone().map(|v| Program::compile(&definition, v)).collect();
            let old = by_key[index].replace(Versions { min, programs });
            assert!(old.is_none(), "two definitions of api {index}");
        }
        Self { by_key }
    }

    fn get(&self, api_key: i16, api_version: i16) -> Option<&Program> {
        let versions = self.by_key.get(usize::try_from(api_key).ok()?)?.as_ref()?;
        versions.programs.get(usize::try_from(api_version.checked_sub(versions.min)?).ok()?)
    }
}
