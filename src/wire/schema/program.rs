//! A schema at one version, flattened to the few operations that a walk needs.

use super::definition::{Definition, Field, Kind};

/// `StrBytes` and `Bytes` of the crate, and the options of them.
const SLICE_BYTES: usize = 32;
/// A `Vec` or an option of one.
const VEC_BYTES: usize = 24;
/// The map of unknown tagged fields that every decoded struct has.
const TAG_MAP_BYTES: usize = 24;

/// What a struct looks like on the wire, at one version.
pub(super) struct Program {
    /// In the order of the wire.
    pub(super) ops: Box<[Op]>,
    /// The fewest bytes that it takes on the wire.
    pub(super) wire_bytes_min: usize,
    /// The bytes of the crate's struct, without what it points to.
    pub(super) decoded_bytes: usize,
}

/// One step of a walk.
pub(super) enum Op {
    /// So many bytes of any value.
    Fixed { field: &'static str, bytes: usize },
    /// A string, its length an `i16` or a varint.
    String { field: &'static str, compact: bool, nullable: bool },
    /// Bytes, their length an `i32` or a varint.
    Bytes { field: &'static str, compact: bool, nullable: bool },
    /// A count, an `i32` or a varint, and that many elements.
    Array { field: &'static str, compact: bool, nullable: bool, element: Program },
    /// A byte that says whether the struct follows.
    NullableStruct { field: &'static str, body: Program },
    /// The section that ends each struct of a flexible version.
    Tags { known: Box<[Tag]> },
}

/// A tagged field that the schema knows.
pub(super) struct Tag {
    /// Its number.
    pub(super) tag: u32,
    /// Its name.
    pub(super) field: &'static str,
    /// `None` when this version must not carry it.
    pub(super) body: Option<Program>,
}

impl Program {
    /// The body of `definition` at `version`.
    pub(super) fn compile(definition: &Definition, version: i16) -> Self {
        let compiler = Compiler { version, flexible: version >= definition.flexible_from };
        compiler.structure(&definition.fields)
    }

    fn of(ops: Vec<Op>, decoded_bytes: usize) -> Self {
        let wire_bytes_min = ops.iter().map(Op::wire_bytes_min).sum();
        Self { ops: ops.into(), wire_bytes_min, decoded_bytes }
    }

    /// The size on the wire if every value has the same.
    pub(super) fn fixed_bytes(&self) -> Option<usize> {
        match &*self.ops {
            [Op::Fixed { bytes, .. }] => Some(*bytes),
            _ => None,
        }
    }
}

impl Op {
    fn wire_bytes_min(&self) -> usize {
        match self {
            Self::Fixed { bytes, .. } => *bytes,
            Self::String { compact: false, .. } => 2,
            Self::Bytes { compact: false, .. } | Self::Array { compact: false, .. } => 4,
            Self::String { .. }
            | Self::Bytes { .. }
            | Self::Array { .. }
            | Self::NullableStruct { .. }
            | Self::Tags { .. } => 1,
        }
    }
}

struct Compiler {
    version: i16,
    flexible: bool,
}

impl Compiler {
    fn structure(&self, fields: &[Field]) -> Program {
        let mut ops = Vec::new();
        for field in fields.iter().filter(|f| f.tag.is_none() && f.versions.contains(&self.version)) {
            self.field(field, &mut ops);
        }
        if self.flexible {
            ops.push(Op::Tags { known: self.tags(fields) });
        }
        Program::of(ops, struct_bytes(fields))
    }

    fn tags(&self, fields: &[Field]) -> Box<[Tag]> {
        let tag = |field: &Field| {
            let body = field.versions.contains(&self.version).then(|| {
                let mut ops = Vec::new();
                self.field(field, &mut ops);
                Program::of(ops, 0)
            });
            Some(Tag { tag: field.tag?, field: field.name, body })
        };
        fields.iter().filter_map(tag).collect()
    }

    fn field(&self, field: &Field, ops: &mut Vec<Op>) {
        let compact = self.flexible;
        let nullable = field.nullable.as_ref().is_some_and(|n| n.contains(&self.version));
        let name = field.name;
        if field.array {
            let element = self.element(field);
            return ops.push(Op::Array { field: name, compact, nullable, element });
        }
        match &field.kind {
            Kind::Fixed(fixed) => push_fixed(ops, name, fixed.len()),
            Kind::String => ops.push(Op::String { field: name, compact, nullable }),
            Kind::Bytes => ops.push(Op::Bytes { field: name, compact, nullable }),
            Kind::Struct(fields) if nullable => {
                ops.push(Op::NullableStruct { field: name, body: self.structure(fields) });
            }
            Kind::Struct(fields) => ops.extend(self.structure(fields).ops),
        }
    }

    /// An element carries no nullability of its own in any of Kafka's requests.
    fn element(&self, field: &Field) -> Program {
        let compact = self.flexible;
        let op = match &field.kind {
            Kind::Struct(fields) => return self.structure(fields),
            Kind::Fixed(fixed) => Op::Fixed { field: field.name, bytes: fixed.len() },
            Kind::String => Op::String { field: field.name, compact, nullable: false },
            Kind::Bytes => Op::Bytes { field: field.name, compact, nullable: false },
        };
        Program::of(vec![op], kind_bytes(&field.kind))
    }
}

/// Neighbours of fixed size become one step.
fn push_fixed(ops: &mut Vec<Op>, field: &'static str, more: usize) {
    if let Some(Op::Fixed { bytes, .. }) = ops.last_mut() {
        *bytes += more;
    } else {
        ops.push(Op::Fixed { field, bytes: more });
    }
}

/// The crate's structs have the fields of all versions, whichever was decoded.
fn struct_bytes(fields: &[Field]) -> usize {
    let fields = fields.iter().map(|f| if f.array { VEC_BYTES } else { kind_bytes(&f.kind) });
    (fields.sum::<usize>() + TAG_MAP_BYTES).next_multiple_of(8)
}

fn kind_bytes(kind: &Kind) -> usize {
    match kind {
        Kind::Fixed(fixed) => fixed.len(),
        Kind::String | Kind::Bytes => SLICE_BYTES,
        Kind::Struct(fields) => struct_bytes(fields),
    }
}
