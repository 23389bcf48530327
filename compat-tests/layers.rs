//! The layer test: a module names only modules of lower layers, and two modules of one layer never
//! name each other. It also keeps tokio, files, sockets, clocks and `async` out of the pure layers.

use std::fs;
use std::path::{Path, PathBuf};

/// Lowest layer first.
const LAYERS: &[&[&str]] = &[
    &["base"],
    &["wire", "config", "metrics", "machine"],
    &["meta"],
    &["group", "txn", "share", "controller", "replication", "security", "quota"],
    &["log", "peer", "purgatory"],
    &["raft", "partition"],
    &["coordinator"],
    &["api"],
    &["net"],
    &["broker"],
    &["tools"],
];

/// Modules of layers 1 to 4 that must stay pure; `base` holds the clock and the random source.
const PURE: &[&str] = &[
    "wire",
    "config",
    "machine",
    "meta",
    "group",
    "txn",
    "share",
    "controller",
    "replication",
    "security",
    "quota",
];

const IMPURE: &[&str] =
    &["tokio::", "std::fs", "std::net", "async fn", "Instant::now", "SystemTime::now", "rand::"];

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a source directory") {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// The modules that `text` names as `crate::module`, and the ones in `use crate::{a, b}` lists.
fn named_modules(text: &str) -> Vec<String> {
    let mut named = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let list = rest.strip_prefix('{').and_then(|r| r.split('}').next());
        for item in list.map_or_else(|| vec![rest], |l| l.split(',').collect()) {
            let name: String =
                item.trim().chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            named.push(name);
        }
    }
    named
}

#[test]
fn modules_name_only_lower_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        let module = relative.components().next().unwrap().as_os_str().to_str().unwrap();
        if module.ends_with(".rs") {
            continue;
        }
        let own = layer_of(module).unwrap_or_else(|| panic!("{module} is in no layer"));
        for named in named_modules(&fs::read_to_string(&file).unwrap()) {
            if let Some(layer) = layer_of(&named)
                && named != module
                && layer >= own
            {
                wrong.push(format!("{} names {named}", relative.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pure_modules_touch_no_outside_world() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for module in PURE.iter().filter(|m| root.join(m).is_dir()) {
        let mut files = Vec::new();
        sources(&root.join(module), &mut files);
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            for word in IMPURE.iter().filter(|word| text.contains(**word)) {
                wrong.push(format!("{} has {word}", file.strip_prefix(&root).unwrap().display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
