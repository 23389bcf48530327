//! `meta.properties`: which node of which cluster a log directory belongs to (`MetaProperties`,
//! `MetaPropertiesEnsemble`).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::checkpoint;
use super::disk::Disk;
use crate::base::id::{DirectoryId, NodeId};

/// The file's name.
pub const FILE: &str = "meta.properties";

/// The version that is written.
pub const VERSION: u8 = 1;

/// Ids below this are reserved (`DirectoryId.reserved`).
const RESERVED_BELOW: u128 = 100;

/// Why a directory cannot be used by this node.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read.
    #[error(transparent)]
    Read(#[from] checkpoint::Error),
    /// A field is missing or makes no sense.
    #[error("{}: {field} {reason}", file.display())]
    Field {
        /// The file.
        file: PathBuf,
        /// The property.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The directory belongs to another cluster.
    #[error("Invalid cluster.id in: {}. Expected {expected}, but read {found}", file.display())]
    ClusterId {
        /// The file.
        file: PathBuf,
        /// The cluster that the configuration or another directory names.
        expected: String,
        /// The cluster that the file names.
        found: String,
    },
    /// The directory belongs to another node.
    #[error(
        "Stored node id {found} doesn't match previous node id {expected} in {}. If you moved your data, make \
         sure your configured node id matches. If you intend to create a new node, you should remove all data \
         in your data directories.",
        file.display()
    )]
    NodeId {
        /// The file.
        file: PathBuf,
        /// The configured id.
        expected: NodeId,
        /// The id that the file names.
        found: NodeId,
    },
    /// Two directories have one id: one was copied.
    #[error("Duplicate directory ID {id} found. It was the ID of {}, but also of {}", first.display(), second.display())]
    DuplicateDirectoryId {
        /// The id.
        id: DirectoryId,
        /// A directory.
        first: PathBuf,
        /// Another directory.
        second: PathBuf,
    },
}

/// The file's content. Version 0 is from before KRaft.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetaProperties {
    /// 0, or 1 with KRaft.
    pub version: u8,
    /// The cluster, free text.
    pub cluster_id: Option<String>,
    /// The node; `broker.id` in version 0.
    pub node_id: Option<NodeId>,
    /// The directory; given by the first broker of version 3.7 or later that uses it.
    pub directory_id: Option<DirectoryId>,
}

impl MetaProperties {
    /// Reads a directory's file; none if there is none.
    pub fn read(disk: &dyn Disk, dir: &Path) -> Result<Option<Self>, Error> {
        let file = dir.join(FILE);
        let Some(text) = checkpoint::read_text(disk, &file)? else { return Ok(None) };
        Self::parse(&text).map(Some).map_err(|(field, reason)| Error::Field { file, field, reason })
    }

    /// Writes a directory's file, in version 1; all fields must be known.
    pub fn write(&self, disk: &dyn Disk, dir: &Path) -> io::Result<()> {
        checkpoint::write_text(disk, &dir.join(FILE), &self.to_text())
    }

    fn parse(text: &str) -> Result<Self, (&'static str, &'static str)> {
        let mut fields = parse_properties(text);
        let version = fields.remove("version").unwrap_or_else(|| "0".to_owned());
        let (version, node_field) = match version.trim() {
            "0" => (0, "broker.id"),
            "1" => (1, "node.id"),
            _ => return Err(("version", "is unknown")),
        };
        let node_id = match fields.remove(node_field) {
            Some(id) => Some(NodeId(id.parse().map_err(|_| (node_field, "is no number"))?)),
            None => None,
        };
        let cluster_id = fields.remove("cluster.id");
        if node_field == "node.id" {
            node_id.ok_or(("node.id", "is missing"))?;
        }
        // Else a file that was emptied would give the directory to a new cluster.
        cluster_id.as_ref().ok_or(("cluster.id", "is missing"))?;
        let directory_id: Option<DirectoryId> = match fields.remove("directory.id") {
            Some(id) => Some(id.parse().map_err(|_| ("directory.id", "is no uuid"))?),
            None => None,
        };
        if directory_id.is_some_and(|id| is_reserved(id.0)) {
            return Err(("directory.id", "is reserved"));
        }
        Ok(Self { version, cluster_id, node_id, directory_id })
    }

    /// The fields that are set, in the order of their names.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let node = self.node_id.map(|id| id.to_string());
        let (broker, node) = if self.version == 0 { (node, None) } else { (None, node) };
        let fields = [
            ("broker.id", broker),
            ("cluster.id", self.cluster_id.clone()),
            ("directory.id", self.directory_id.map(|id| id.to_string())),
            ("node.id", node),
            ("version", Some(self.version.to_string())),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    fn to_text(&self) -> String {
        let mut out = String::from("#\n");
        let current = Self { version: VERSION, ..self.clone() };
        for (name, value) in current.fields() {
            writeln!(out, "{name}={}", escape(&value)).expect("a String takes all that is written to it");
        }
        out
    }
}

/// Whether an id must not name a directory.
pub fn is_reserved(id: Uuid) -> bool {
    id.as_u128() < RESERVED_BELOW
}

/// Checks that all directories belong to this node and to one cluster, and gives that cluster's id: `cluster_id` if
/// it is known, else the one the files name, none if they name none.
pub fn verify<'a>(
    directories: impl IntoIterator<Item = (&'a Path, &'a MetaProperties)>,
    cluster_id: Option<&str>,
    node_id: NodeId,
) -> Result<Option<String>, Error> {
    let mut expected = cluster_id.map(str::to_owned);
    let mut seen: BTreeMap<Uuid, &Path> = BTreeMap::new();
    for (dir, properties) in directories {
        let file = dir.join(FILE);
        if let Some(found) = &properties.cluster_id {
            let expected = expected.get_or_insert_with(|| found.clone());
            if found != expected {
                return Err(Error::ClusterId { file, expected: expected.clone(), found: found.clone() });
            }
        }
        if let Some(found) = properties.node_id.filter(|id| *id != node_id) {
            return Err(Error::NodeId { file, expected: node_id, found });
        }
        if let Some(id) = properties.directory_id
            && let Some(first) = seen.insert(id.0, dir)
        {
            let (first, second) = (first.to_owned(), dir.to_owned());
            return Err(Error::DuplicateDirectoryId { id, first, second });
        }
    }
    Ok(expected)
}

/// The part of Java's properties syntax that such a file uses: comments, `=` or `:` between name and value, and a
/// backslash before a character that is meant as it stands.
pub(super) fn parse_properties(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim_start);
    lines.filter(|line| !line.is_empty() && !line.starts_with(['#', '!'])).map(split_property).collect()
}

fn split_property(line: &str) -> (String, String) {
    let (mut name, mut value) = (String::new(), String::new());
    let mut in_value = false;
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        let literal = if char == '\\' { chars.next() } else { None };
        if !in_value && literal.is_none() && matches!(char, '=' | ':') {
            in_value = true;
        } else {
            let into = if in_value { &mut value } else { &mut name };
            into.push(literal.unwrap_or(char));
        }
    }
    (name.trim().to_owned(), value.trim_start().to_owned())
}

/// As [`parse_properties`] reads it back; it has no line breaks.
pub(super) fn escape(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for char in value.chars() {
        if matches!(char, '\\' | '=' | ':' | '#' | '!') {
            out.push('\\');
        }
        out.push(char);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const KAFKAS: &str = "#\n#Fri Nov 21 09:05:00 UTC 2025\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\n\
        directory.id=5L6g3nShT-eMCtK--X86sw\nnode.id=3\nversion=1\n";

    fn known() -> MetaProperties {
        MetaProperties {
            version: VERSION,
            cluster_id: Some("MkU3OEVBNTcwNTJENDM2Qg".to_owned()),
            node_id: Some(NodeId(3)),
            directory_id: Some("5L6g3nShT-eMCtK--X86sw".parse().unwrap()),
        }
    }

    #[test]
    fn a_file_of_kafka_is_read_and_ours_is_the_same_but_for_the_date() {
        assert_eq!(MetaProperties::parse(KAFKAS), Ok(known()));
        assert_eq!(known().to_text(), KAFKAS.replace("#Fri Nov 21 09:05:00 UTC 2025\n", ""));
        let odd = MetaProperties { cluster_id: Some(r"a=b:c\d #!".to_owned()), ..known() };
        assert_eq!(MetaProperties::parse(&odd.to_text()), Ok(odd));
    }

    #[test]
    fn a_file_names_its_cluster_and_in_version_1_its_node() {
        let parse = MetaProperties::parse;
        assert_eq!(parse("version=1\nnode.id=3"), Err(("cluster.id", "is missing")));
        assert_eq!(parse("version=1\ncluster.id=x"), Err(("node.id", "is missing")));
        assert_eq!(parse("version=2"), Err(("version", "is unknown")));
        assert_eq!(parse("broker.id : 3\ncluster.id=x").unwrap().node_id, Some(NodeId(3)));
        assert_eq!(parse("broker.id=three"), Err(("broker.id", "is no number")));
        assert_eq!(
            parse("cluster.id=x\ndirectory.id=AAAAAAAAAAAAAAAAAAAAYw"),
            Err(("directory.id", "is reserved"))
        );
        assert_eq!(parse(""), Err(("cluster.id", "is missing")));
        assert_eq!(parse("\0\0\0"), Err(("cluster.id", "is missing")));
    }

    #[test]
    fn directories_must_belong_to_this_node_and_to_one_cluster() {
        let (a, b) = (Path::new("/a"), Path::new("/b"));
        let fresh = MetaProperties::default();
        let cluster = verify([(a, &fresh), (b, &known())], None, NodeId(3)).unwrap();
        assert_eq!(cluster, known().cluster_id);
        assert_eq!(verify([(a, &fresh)], None, NodeId(3)).unwrap(), None);

        let foreign = MetaProperties { cluster_id: Some("other".to_owned()), ..fresh.clone() };
        let error = verify([(a, &known()), (b, &foreign)], None, NodeId(3)).unwrap_err();
        let text =
            "Invalid cluster.id in: /b/meta.properties. Expected MkU3OEVBNTcwNTJENDM2Qg, but read other";
        assert_eq!(error.to_string(), text);
        assert!(verify([(b, &foreign)], Some("mine"), NodeId(3)).is_err());
        let error = verify([(a, &known())], None, NodeId(4)).unwrap_err();
        assert!(
            error.to_string().starts_with("Stored node id 3 doesn't match previous node id 4 in /a/meta")
        );
        let error = verify([(a, &known()), (b, &known())], None, NodeId(3)).unwrap_err();
        assert!(matches!(error, Error::DuplicateDirectoryId { .. }));
    }
}
