//! Which feature levels belong to which release of Apache Kafka (`MetadataVersion`, `Feature`).

use std::io::Write;

use super::Stop;
use crate::meta::features::{
    ELR_VERSION, GROUP_VERSION, METADATA_VERSION, METADATA_VERSION_LATEST, SHARE_VERSION, STREAMS_VERSION,
    TRANSACTION_VERSION,
};

/// The quorum's own feature, which is no metadata record.
pub(super) const KRAFT_VERSION: &str = "kraft.version";

/// One level of `metadata.version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Release {
    /// The level.
    pub(super) level: i16,
    /// `3.5-IV2`.
    pub(super) name: &'static str,
}

const NAMES: [&str; 25] = [
    "3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2", "3.7-IV0",
    "3.7-IV1", "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0", "4.0-IV1", "4.0-IV2",
    "4.0-IV3", "4.1-IV0", "4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0", "4.4-IV0",
];
/// Level of the first one.
const LEVEL_MIN: i16 = 7;

/// A feature other than `metadata.version`, as Apache Kafka 4.3 knows it.
pub(super) struct Feature {
    /// Its name.
    pub(super) name: &'static str,
    /// Its highest level.
    pub(super) level_max: i16,
    /// From which `metadata.version` on a new cluster has which level.
    defaults: &'static [(i16, i16)],
    /// The `metadata.version` that its levels above 0 need.
    needs: Option<i16>,
}

/// From here on credentials can be in the metadata log (3.5-IV2).
const SCRAM_SINCE: i16 = 11;

/// In the order of `version-mapping`.
pub(super) const FEATURES: [Feature; 6] = [
    Feature { name: KRAFT_VERSION, level_max: 1, defaults: &[(21, 1)], needs: None },
    Feature { name: TRANSACTION_VERSION, level_max: 2, defaults: &[(24, 2)], needs: None },
    Feature { name: GROUP_VERSION, level_max: 1, defaults: &[(22, 1)], needs: None },
    Feature { name: ELR_VERSION, level_max: 1, defaults: &[(26, 1)], needs: Some(23) },
    Feature { name: SHARE_VERSION, level_max: 1, defaults: &[(28, 1)], needs: None },
    Feature { name: STREAMS_VERSION, level_max: 1, defaults: &[(29, 1)], needs: None },
];

impl Release {
    /// The newest that is released.
    pub(super) const LATEST: Self = Self { level: METADATA_VERSION_LATEST, name: "4.3-IV0" };

    fn all() -> impl Iterator<Item = Self> {
        (LEVEL_MIN..).zip(NAMES).map(|(level, name)| Self { level, name })
    }

    /// Whether it is released.
    pub(super) fn is_stable(self) -> bool {
        self.level <= METADATA_VERSION_LATEST
    }

    /// Whether a cluster of it can have credentials.
    pub(super) fn has_scram(self) -> bool {
        self.level >= SCRAM_SINCE
    }

    /// The release with that level.
    pub(super) fn of_level(level: i16) -> Result<Self, String> {
        Self::all().find(|release| release.level == level).ok_or_else(|| {
            let max = METADATA_VERSION_LATEST + 1;
            format!(
                "No MetadataVersion with feature level {level}. Valid feature levels are from {LEVEL_MIN} to {max}."
            )
        })
    }

    /// The release that `text` names: `3.5` is its last level, and what follows a second dot does not count.
    pub(super) fn parse(text: &str, with_unstable: bool) -> Result<Self, String> {
        let known = || Self::all().filter(|release| with_unstable || release.is_stable());
        let mut parts = text.split('.');
        let short: Vec<&str> = parts.by_ref().take(2).collect();
        let short = short.join(".");
        let of_release =
            |release: &Self| release.is_stable() && release.name.split('-').next() == Some(&short);
        let found =
            known().find(|release| release.name == short).or_else(|| known().filter(of_release).last());
        found.ok_or_else(|| {
            let names: Vec<_> = known().map(|release| release.name).collect();
            let names = names.join(", ");
            format!("Unknown {METADATA_VERSION} '{text}'. Supported {METADATA_VERSION} are: {names}")
        })
    }
}

impl Feature {
    /// The feature of that name.
    pub(super) fn find(name: &str) -> Option<&'static Self> {
        const { &FEATURES }.iter().find(|feature| feature.name == name)
    }

    /// Its level in a new cluster of `release`.
    pub(super) fn default_level(&self, release: Release) -> i16 {
        let reached = self.defaults.iter().rev().find(|(since, _)| release.level >= *since);
        reached.map_or(0, |(_, level)| *level)
    }

    /// The `metadata.version` that `level` needs.
    pub(super) fn needs(&self, level: i16) -> Option<i16> {
        self.needs.filter(|_| level > 0)
    }
}

/// `version-mapping`.
pub(super) fn print_mapping(release: Option<&str>, out: &mut dyn Write) -> Result<(), Stop> {
    let text = release.unwrap_or(Release::LATEST.name);
    let release = Release::parse(text, true).map_err(Stop::Failed)?;
    writeln!(out, "{METADATA_VERSION}={} ({text})", release.level)?;
    for feature in &FEATURES {
        writeln!(out, "{}={}", feature.name, feature.default_level(release))?;
    }
    Ok(())
}

/// `feature-dependencies`.
pub(super) fn print_dependencies<'a>(
    features: impl Iterator<Item = &'a str>,
    out: &mut dyn Write,
) -> Result<(), Stop> {
    for text in features {
        let (name, level) = parse_feature(text).map_err(Stop::Failed)?;
        if name == METADATA_VERSION {
            let unknown = |_| Stop::Failed(format!("Unknown {METADATA_VERSION} {level}"));
            let release = Release::of_level(level).map_err(unknown)?;
            writeln!(out, "{name}={level} ({}) has no dependencies.", release.name)?;
            continue;
        }
        let feature = Feature::find(name).ok_or_else(|| Stop::Failed(format!("Unknown feature: {name}")))?;
        if !(0..=feature.level_max).contains(&level) {
            let why = format!("Feature level {level} is not supported for feature {name}");
            return Err(Stop::Failed(why));
        }
        match feature.needs(level).map(Release::of_level) {
            Some(Ok(needed)) => {
                writeln!(out, "{name}={level} requires:")?;
                writeln!(out, "    {METADATA_VERSION}={} ({})", needed.level, needed.name)?;
            }
            Some(Err(_)) | None => writeln!(out, "{name}={level} has no dependencies.")?,
        }
    }
    Ok(())
}

fn parse_feature(text: &str) -> Result<(&str, i16), String> {
    let Some((name, level)) = text.split_once('=') else {
        return Err(format!(
            "Invalid feature format: {text}. Expected format: 'feature=version' (e.g. 'group.version=1')"
        ));
    };
    let (name, level) = (name.trim(), level.trim());
    let number = level.parse().map_err(|_| format!("Invalid version format: {level} for feature {name}"))?;
    Ok((name, number))
}
