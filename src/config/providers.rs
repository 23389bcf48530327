//! `${provider:path:key}` in values (`ConfigTransformer`). What a reference stands for is looked up by the
//! caller: this module reads no file and no environment.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::layers::Settings;

const PREFIX: &str = "config.providers.";

/// A built-in provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// The environment: the key is a variable.
    Environment,
    /// A properties file: the path is the file, the key a property.
    File,
    /// A directory: the path is the directory, the key a file whose text is the value.
    Directory,
}

impl Provider {
    fn from_class(class: &str) -> Option<Self> {
        match class.strip_prefix("org.apache.kafka.common.config.provider.")? {
            "EnvVarConfigProvider" => Some(Self::Environment),
            "FileConfigProvider" => Some(Self::File),
            "DirectoryConfigProvider" => Some(Self::Directory),
            _ => None,
        }
    }
}

/// One `${...}` to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// Who knows it.
    pub provider: Provider,
    /// The part between the two colons; empty if there is only one.
    pub path: &'a str,
    /// The part before the brace.
    pub key: &'a str,
}

/// Finds what a reference stands for: `None` if nothing does, an error if that cannot be told.
pub type Lookup<'a> = dyn Fn(&Reference<'_>) -> Result<Option<String>, String> + 'a;

/// Replaces the references in every value; those that nothing answers stay as they are, as in Kafka. An
/// error names the key whose value is at fault.
pub(super) fn resolve(settings: &mut Settings, lookup: &Lookup<'_>) -> Result<(), (String, String)> {
    let providers = configured(settings)?;
    if providers.is_empty() {
        return Ok(());
    }
    for (key, setting) in settings.iter_mut().filter(|(key, _)| !key.starts_with("config.providers")) {
        setting.value =
            replace(&setting.value, &providers, lookup).map_err(|reason| (key.clone(), reason))?;
    }
    Ok(())
}

struct Configured {
    provider: Provider,
    /// Directories and files outside of which nothing is read; `None` means everywhere.
    allowed_paths: Option<Vec<PathBuf>>,
}

fn configured(settings: &Settings) -> Result<BTreeMap<String, Configured>, (String, String)> {
    let names = settings.get("config.providers").map_or("", |setting| setting.value.as_str());
    let mut providers = BTreeMap::new();
    for name in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let class_key = format!("{PREFIX}{name}.class");
        let class = settings.get(&class_key).map_or("", |setting| setting.value.trim());
        let provider = Provider::from_class(class).ok_or_else(|| {
            (class_key, format!("config provider '{name}' has no class that is known here"))
        })?;
        let pattern_key = format!("{PREFIX}{name}.param.allowlist.pattern");
        if settings.get(&pattern_key).is_some_and(|setting| setting.value.trim() != ".*") {
            // Reading more than the pattern allows would be worse than not starting.
            return Err((pattern_key, "allowlist patterns are not supported".into()));
        }
        let allowed = settings.get(&format!("{PREFIX}{name}.param.allowed.paths"));
        let allowed_paths = allowed
            .map(|paths| paths.value.split(',').map(|path| normalise(Path::new(path.trim()))).collect());
        providers.insert(name.to_owned(), Configured { provider, allowed_paths });
    }
    Ok(providers)
}

fn replace(
    value: &str,
    providers: &BTreeMap<String, Configured>,
    lookup: &Lookup<'_>,
) -> Result<String, String> {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(start) = rest.find("${") {
        let (before, reference) = rest.split_at(start);
        out.push_str(before);
        let Some(end) = reference.find('}') else { break };
        let (whole, inside) = (&reference[..=end], &reference[2..end]);
        let Some((name, target)) = inside.split_once(':') else {
            // Not a reference, but one may start within it.
            out.push_str("${");
            rest = &reference[2..];
            continue;
        };
        let found = match providers.get(name) {
            Some(configured) => look_up(configured, target, lookup)?,
            None => None,
        };
        out.push_str(found.as_deref().unwrap_or(whole));
        rest = &reference[end + 1..];
    }
    // What is left has no complete reference; `before` of an unfinished one is already out.
    let tail = rest.find("${").map_or(rest, |start| &rest[start..]);
    out.push_str(tail);
    Ok(out)
}

fn look_up(configured: &Configured, target: &str, lookup: &Lookup<'_>) -> Result<Option<String>, String> {
    let (path, key) = target.split_once(':').unwrap_or(("", target));
    if let Some(allowed) = &configured.allowed_paths {
        let path = normalise(Path::new(path));
        if !allowed.iter().any(|allowed| path.starts_with(allowed)) {
            return Ok(None);
        }
    }
    lookup(&Reference { provider: configured.provider, path, key })
}

/// Resolves `.` and `..` by the text alone, as `AllowedPaths` does.
fn normalise(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut out, component| {
        match component {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some() => drop(out.pop()),
            Component::ParentDir if out.has_root() => {}
            Component::ParentDir | Component::Prefix(_) | Component::RootDir | Component::Normal(_) => {
                out.push(component);
            }
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::layers::{Origin, Setting};
    use super::*;

    fn resolved(pairs: &[(&str, &str)]) -> Result<String, (String, String)> {
        let mut settings: Settings = pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), Setting { value: (*v).to_owned(), origin: Origin::Override }))
            .collect();
        resolve(&mut settings, &|r| match (r.provider, r.path, r.key) {
            (Provider::Environment, "", "HOME") => Ok(Some("/root".into())),
            (Provider::File, "/etc/secret", "a:b") => Ok(Some("s".into())),
            (Provider::File, "/broken", _) => Err("cannot read /broken".into()),
            _ => Ok(None),
        })?;
        Ok(settings["v"].value.clone())
    }

    const ENV: (&str, &str) =
        ("config.providers.env.class", "org.apache.kafka.common.config.provider.EnvVarConfigProvider");
    const FILE: (&str, &str) =
        ("config.providers.f.class", "org.apache.kafka.common.config.provider.FileConfigProvider");

    #[test]
    fn only_named_providers_replace_anything() {
        assert_eq!(resolved(&[ENV, ("v", "${env:HOME}")]).unwrap(), "${env:HOME}");
        let named = ("config.providers", "env, f");
        for (value, expected) in [
            ("a${env:HOME}b${f:/etc/secret:a:b}c", "a/rootbsc"),
            ("${env:NOPE} ${other:HOME}", "${env:NOPE} ${other:HOME}"),
            ("${HOME} ${${env:HOME}", "${HOME} ${${env:HOME}"),
            ("x${env:HOME", "x${env:HOME"),
            ("$${env:HOME}}", "$/root}"),
        ] {
            assert_eq!(resolved(&[named, ENV, FILE, ("v", value)]).unwrap(), expected);
        }
    }

    #[test]
    fn paths_outside_of_the_allowed_ones_are_not_read() {
        let allowed = ("config.providers.f.param.allowed.paths", "/etc,/opt/x");
        let base = [("config.providers", "f"), FILE, allowed];
        let with = |value| resolved(&[base.as_slice(), &[("v", value)]].concat()).unwrap();
        assert_eq!(with("${f:/etc/../etc/./secret:a:b}"), "${f:/etc/../etc/./secret:a:b}");
        assert_eq!(with("${f:/etc/secret:a:b}"), "s");
        assert_eq!(with("${f:/etc/../broken:k}"), "${f:/etc/../broken:k}");
        assert_eq!(with("${f:/../../broken:k}"), "${f:/../../broken:k}");
    }

    #[test]
    fn what_cannot_be_told_stops_the_start() {
        let broken = resolved(&[("config.providers", "f"), FILE, ("v", "${f:/broken:k}")]);
        assert_eq!(broken, Err(("v".into(), "cannot read /broken".into())));
        assert!(resolved(&[("config.providers", "x"), ("v", "")]).is_err());
        let pattern = ("config.providers.env.param.allowlist.pattern", "A.*");
        assert!(resolved(&[("config.providers", "env"), ENV, pattern, ("v", "")]).is_err());
    }

    proptest! {
        #[test]
        fn no_value_panics_and_one_without_references_stays(value in "[$ {}:a-z]{0,40}") {
            let base = [("config.providers", "env,f"), ENV, FILE];
            let out = resolved(&[base.as_slice(), &[("v", value.as_str())]].concat()).unwrap();
            prop_assert_eq!(out, value);
        }
    }
}
