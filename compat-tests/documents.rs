//! Documents that are written from tables must say what the tables say.
//!
//! `WRITE_DOCUMENTS=1 cargo test --test documents` writes them anew.

use std::path::Path;
use std::{env, fs};

use barnabas::config;

fn compare(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name);
    if env::var_os("WRITE_DOCUMENTS").is_some() {
        fs::write(&path, expected).expect("docs can be written");
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == expected, "docs/{name} is not what the tables say; see the head of this test");
}

#[test]
fn configuration() {
    compare("configuration.md", &config::document::configuration());
}
