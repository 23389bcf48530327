//! The first voters of a quorum that can change: `id@host:port:directory`, comma separated (`DynamicVoters`).

use crate::base::id::{DirectoryId, NodeId};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Voter {
    pub(super) id: NodeId,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) directory: DirectoryId,
}

/// Reads the value of `--initial-controllers`.
pub(super) fn parse(text: &str) -> Result<Vec<Voter>, String> {
    let mut voters: Vec<Voter> = Vec::new();
    for item in text.split(',') {
        let voter = parse_one(item.trim())?;
        if voters.iter().any(|other| other.id == voter.id) {
            return Err(format!("Node id {} was specified more than once.", voter.id));
        }
        voters.push(voter);
    }
    voters.sort_by_key(|voter| voter.id);
    Ok(voters)
}

fn parse_one(text: &str) -> Result<Voter, String> {
    let (id, rest) = text.split_once('@').ok_or("No @ found in dynamic voter string.")?;
    let id = id.parse().map(NodeId).map_err(|_| "Failed to parse node id in dynamic voter string.")?;
    if id.0 < 0 {
        return Err("Invalid negative node id in dynamic voter string.".to_owned());
    }
    let (host, rest) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest
                .split_once(']')
                .ok_or("Hostname began with left bracket, but no right bracket was found.")?;
            (host, rest.strip_prefix(':').ok_or("No colon following hostname could be found.")?)
        }
        None => rest.split_once(':').ok_or("No colon following hostname could be found.")?,
    };
    let (port, directory) = rest.split_once(':').ok_or("No colon following port could be found.")?;
    let port = port.parse().map_err(|_| "Failed to parse port in dynamic voter string.")?;
    let directory = directory.parse().map_err(|_| "Failed to parse directory ID in dynamic voter string.")?;
    Ok(Voter { id, host: host.to_owned(), port, directory })
}
