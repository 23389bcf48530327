//! `format`: gives the log directories of a node their identity, and the first one what a new cluster begins with
//! (`Formatter`).

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::releases::{FEATURES, Feature, KRAFT_VERSION, Release};
use super::voters::{self, Voter};
use super::{Stop, scram};
use crate::base::clock::Clock;
use crate::base::id::DirectoryId;
use crate::base::random::Random;
use crate::config::broker::Config;
use crate::log::disk::{Disk as _, StdDisk};
use crate::log::meta_properties::{self, MetaProperties};
use crate::meta::features::METADATA_VERSION;
use crate::raft;
use crate::tools::options::Options;
use crate::wire::kraft::control::{KRaftVersionFeature, KRaftVoter, KRaftVoters, VoterEndpoint};
use crate::wire::kraft::{FeatureLevelRecord, Record};

/// What is to be written.
struct Plan {
    properties: MetaProperties,
    release: Release,
    records: Vec<Record>,
    /// Who votes at first; none unless the quorum can change and they are known.
    voters: Option<Vec<Voter>>,
}

/// Formats what `config` names.
pub(super) fn run(options: &Options, config: &Config, out: &mut dyn Write) -> Result<(), Stop> {
    let random = Random::system();
    let features = given_features(options.values("--feature")).map_err(Stop::Failed)?;
    let named = options.value("--release-version").map(|text| Release::parse(text, false));
    let named = named.transpose().map_err(Stop::Failed)?;
    let voters = first_voters(options, config, &random).map_err(Stop::Failed)?;
    let release = release(named, &features).map_err(Stop::Failed)?;
    let is_dynamic = config.quorum.voters.is_empty();
    let mut records = feature_records(release, features, is_dynamic).map_err(Stop::Failed)?;
    let credentials = scram::records(options.values("--add-scram"), release, &random);
    records.extend(credentials.map_err(Stop::Failed)?);
    let properties = MetaProperties {
        version: meta_properties::VERSION,
        cluster_id: options.value("--cluster-id").map(str::to_owned),
        node_id: Some(config.node_id),
        directory_id: None,
    };
    let plan = Plan { properties, release, records, voters };
    plan.run(options.has("--ignore-formatted"), config, &random, out)
}

fn given_features<'a>(given: impl Iterator<Item = &'a str>) -> Result<BTreeMap<String, i16>, String> {
    let mut features = BTreeMap::new();
    for text in given {
        let wrong = |why: String| format!("Can't parse feature=level string {text}: {why}");
        let (name, level) = text.split_once('=').ok_or_else(|| wrong("equals sign not found.".to_owned()))?;
        let (name, level) = (name.trim(), level.trim());
        let level = level.parse().map_err(|_| wrong(format!("unable to parse {level} as a short.")))?;
        features.insert(name.to_owned(), level);
    }
    Ok(features)
}

fn release(named: Option<Release>, features: &BTreeMap<String, i16>) -> Result<Release, String> {
    match (features.get(METADATA_VERSION), named) {
        (Some(_), Some(_)) => Err(format!(
            "Use --release-version instead of --feature {METADATA_VERSION}=X to avoid ambiguity."
        )),
        (Some(level), None) => {
            let release = Release::of_level(*level)?;
            let unstable = || format!("{METADATA_VERSION} {} is not yet stable.", release.name);
            release.is_stable().then_some(release).ok_or_else(unstable)
        }
        (None, named) => Ok(named.unwrap_or(Release::LATEST)),
    }
}

/// What the cluster's features begin with; `kraft.version` is checked here, and told by the voters.
fn feature_records(
    release: Release,
    mut given: BTreeMap<String, i16>,
    is_dynamic: bool,
) -> Result<Vec<Record>, String> {
    given.remove(METADATA_VERSION);
    if let Some(unknown) = given.keys().find(|name| Feature::find(name).is_none()) {
        let mut known: Vec<_> = FEATURES.iter().map(|feature| feature.name).collect();
        known.sort_unstable();
        let known = known.join(", ");
        return Err(format!("Unsupported feature: {unknown}. Supported features are: {known}"));
    }
    check_kraft_version(given.get(KRAFT_VERSION).copied(), is_dynamic)?;
    let mut levels = BTreeMap::new();
    for feature in &FEATURES {
        let name = feature.name;
        let level = given.get(name).copied().unwrap_or_else(|| feature.default_level(release));
        if !(0..=feature.level_max).contains(&level) {
            return Err(format!("No feature:{name} with feature level {level}"));
        }
        if let Some(needed) = feature.needs(level).filter(|needed| release.level < *needed) {
            return Err(format!(
                "{name} could not be set to {level} because it depends on {METADATA_VERSION} level {needed}"
            ));
        }
        if level > 0 && name != KRAFT_VERSION {
            levels.insert(name, level);
        }
    }
    let record = |(name, feature_level): (&str, i16)| {
        Record::from(FeatureLevelRecord { name: name.into(), feature_level })
    };
    Ok(std::iter::once((METADATA_VERSION, release.level)).chain(levels).map(record).collect())
}

fn check_kraft_version(given: Option<i16>, is_dynamic: bool) -> Result<(), String> {
    let flags = "--standalone, --initial-controllers, or --no-initial-controllers";
    match (given, is_dynamic) {
        (Some(0), true) => Err(format!(
            "Cannot set {KRAFT_VERSION} to 0 if controller.quorum.voters is empty and one of the flags {flags} is \
             used. For dynamic controllers support, try removing the --feature flag for {KRAFT_VERSION}."
        )),
        (Some(level), false) if level != 0 => Err(format!(
            "Cannot set {KRAFT_VERSION} to {level} unless controller.quorum.voters is empty and one of the flags \
             {flags} is used. For dynamic controllers support, try using one of {flags} and removing \
             controller.quorum.voters."
        )),
        (Some(_) | None, _) => Ok(()),
    }
}

fn first_voters(options: &Options, config: &Config, random: &Random) -> Result<Option<Vec<Voter>>, String> {
    let (named, is_standalone) = (options.value("--initial-controllers"), options.has("--standalone"));
    if !config.quorum.voters.is_empty() {
        if named.is_some() || is_standalone {
            return Err("You cannot specify controller.quorum.voters and format the node with \
                --initial-controllers or --standalone. If you want to use dynamic quorum, please remove \
                controller.quorum.voters and specify controller.quorum.bootstrap.servers instead."
                .to_owned());
        }
        return Ok(None);
    }
    match named {
        Some(text) => voters::parse(text).map(Some),
        None if is_standalone => this_node(config, random).map(|voter| Some(vec![voter])),
        None if !options.has("--no-initial-controllers") && config.roles.controller => Err(
            "Because controller.quorum.voters is not set on this controller, you must specify one of the \
                 following: --standalone, --initial-controllers, or --no-initial-controllers."
                .to_owned(),
        ),
        None => Ok(None),
    }
}

fn this_node(config: &Config, random: &Random) -> Result<Voter, String> {
    if !config.roles.controller {
        return Err("You can only use --standalone on a controller.".to_owned());
    }
    let listener = config.advertised_controller_listeners.first().ok_or("No controller listeners found.")?;
    Ok(Voter {
        id: config.node_id,
        host: listener.host.clone().unwrap_or_else(|| "localhost".to_owned()),
        port: listener.port,
        directory: DirectoryId(random.uuid()),
    })
}

impl Plan {
    fn run(
        &self,
        ignores_formatted: bool,
        config: &Config,
        random: &Random,
        out: &mut dyn Write,
    ) -> Result<(), Stop> {
        let (mut formatted, mut empty) = (Vec::new(), Vec::new());
        let mut unreadable = Vec::new();
        for directory in super::directories(config) {
            let is_missing = !directory.exists();
            match MetaProperties::read(&StdDisk, &directory) {
                Ok(Some(properties)) => formatted.push((directory, properties)),
                Ok(None) if is_missing || directory.is_dir() => empty.push(directory),
                Ok(None) | Err(_) => unreadable.push(directory),
            }
        }
        let owners = formatted.iter().map(|(directory, properties)| (directory.as_path(), properties));
        let cluster_id = self.properties.cluster_id.as_deref();
        meta_properties::verify(owners, cluster_id, config.node_id)
            .map_err(|why| Stop::Failed(why.to_string()))?;
        if let Some((first, _)) = formatted.first().filter(|_| !ignores_formatted) {
            return Err(Stop::Failed(format!(
                "Log directory {} is already formatted. Use --ignore-formatted to ignore this directory and \
                 format the others.",
                first.display()
            )));
        }
        for directory in &unreadable {
            let directory = directory.display();
            writeln!(out, "I/O error trying to read log directory {directory}. Ignoring...")?;
        }
        if empty.is_empty() {
            if formatted.is_empty() {
                return Err(Stop::Failed("No available log directories to format.".to_owned()));
            }
            writeln!(out, "All of the log directories are already formatted.")?;
            return Ok(());
        }
        self.describe(out)?;
        for directory in empty {
            self.format(&directory, config, random, out)?;
        }
        Ok(())
    }

    /// The records as Kafka's classes show themselves.
    fn describe(&self, out: &mut dyn Write) -> Result<(), Stop> {
        let shown: Vec<_> =
            self.records.iter().map(|r| format!("ApiMessageAndVersion({} at version 0)", shown(r))).collect();
        let (records, level) = (shown.join(", "), self.release.level);
        writeln!(
            out,
            "Bootstrap metadata: BootstrapMetadata(records=[{records}], metadataVersionLevel={level}, \
             source=format command)"
        )?;
        Ok(())
    }

    fn format(
        &self,
        directory: &PathBuf,
        config: &Config,
        random: &Random,
        out: &mut dyn Write,
    ) -> Result<(), Stop> {
        let voters = self.voters.as_ref().filter(|_| *directory == config.logs.metadata_dir);
        let own = voters.and_then(|voters| voters.iter().find(|voter| voter.id == config.node_id));
        let kind = match (voters, own) {
            _ if *directory != config.logs.metadata_dir => "data directory",
            (None, _) => "metadata directory",
            (Some(_), None) => "dynamic metadata directory",
            (Some(_), Some(_)) => "dynamic metadata voter directory",
        };
        let (shown, release) = (directory.display(), self.release.name);
        writeln!(out, "Formatting {kind} {shown} with {METADATA_VERSION} {release}.")?;
        let directory_id = own.map_or_else(|| DirectoryId(random.uuid()), |voter| voter.directory);
        let listener = config.controller_listener_names.first().map(String::as_str).unwrap_or_default();
        let voters = voters.map(|voters| voters_record(voters, listener));
        self.write(directory, directory_id, voters)
            .map_err(|why| Stop::Failed(format!("Error while writing meta.properties file {shown}: {why}")))
    }

    /// `meta.properties` comes last: without it the directory counts as empty.
    fn write(&self, directory: &Path, id: DirectoryId, voters: Option<KRaftVoters>) -> anyhow::Result<()> {
        let now_ms = Clock::system().now_ms();
        StdDisk.create_dir_all(directory)?;
        raft::write_bootstrap(&StdDisk, directory, &self.records, now_ms)?;
        if let Some(voters) = voters {
            raft::write_first_voters(&StdDisk, directory, voters, now_ms)?;
        }
        let properties = MetaProperties { directory_id: Some(id), ..self.properties.clone() };
        properties.write(&StdDisk, directory)?;
        Ok(())
    }
}

fn voters_record(voters: &[Voter], listener: &str) -> KRaftVoters {
    let voter = |voter: &Voter| KRaftVoter {
        voter_id: voter.id.0,
        voter_directory_id: voter.directory.0,
        endpoints: vec![VoterEndpoint {
            name: listener.into(),
            host: voter.host.as_str().into(),
            port: voter.port,
        }],
        k_raft_version_feature: KRaftVersionFeature { min_supported_version: 0, max_supported_version: 1 },
    };
    KRaftVoters { version: 0, voters: voters.iter().map(voter).collect() }
}

fn shown(record: &Record) -> String {
    #[expect(clippy::wildcard_enum_match_arm, reason = "format makes records of two types")]
    match record {
        Record::FeatureLevel(feature) => {
            format!("FeatureLevelRecord(name='{}', featureLevel={})", feature.name, feature.feature_level)
        }
        Record::UserScramCredential(credential) => {
            let (name, mechanism) = (&credential.name, credential.mechanism);
            let iterations = credential.iterations;
            let bytes =
                |bytes: &[u8]| format!("{:?}", bytes.iter().map(|b| b.cast_signed()).collect::<Vec<_>>());
            let (salt, stored) = (bytes(&credential.salt), bytes(&credential.stored_key));
            let server = bytes(&credential.server_key);
            format!(
                "UserScramCredentialRecord(name='{name}', mechanism={mechanism}, salt={salt}, storedKey={stored}, \
                 serverKey={server}, iterations={iterations})"
            )
        }
        other => format!("{other:?}"),
    }
}
