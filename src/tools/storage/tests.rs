//! `reference.txt` was recorded from Apache Kafka 4.3.1's own tool: `> words`, what it prints, and its exit code.
//!
//! Left out of it: the usage that stands before an argument error, and the order of directories, which Kafka leaves
//! to a hash map.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use super::super::Stop;

const PROPERTIES: &str = "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n\
    listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\n\
    listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT\n";

/// One line of words in `dir`, which the properties files and the reference call `d`.
fn run(line: &str, dir: &Path) -> String {
    let here = dir.display().to_string();
    let words = line.split_whitespace().map(|word| match word {
        "static.properties" | "dynamic.properties" => format!("{here}/{word}"),
        _ => word.to_owned(),
    });
    let mut out = Vec::new();
    let outcome = super::run(&words.collect::<Vec<_>>(), &mut out);
    let mut said = String::from_utf8(out).unwrap();
    match outcome {
        Ok(code) => said.push_str(if code == ExitCode::SUCCESS { "exit 0\n" } else { "exit 1\n" }),
        Err(Stop::Failed(why)) => {
            let why = why.rsplit_once("error: ").map_or(why.as_str(), |(_, last)| last);
            said.push_str(&format!("stderr: {why}\nexit 1\n"));
        }
        Err(Stop::Output(why)) => panic!("{why}"),
    }
    said.replace(&format!("{here}/d"), "d")
}

#[test]
fn it_says_what_apache_kafkas_tool_says() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path();
    let data = dir.join("d").display().to_string();
    let of_static =
        format!("{PROPERTIES}controller.quorum.voters=1@127.0.0.1:9093\nlog.dirs={data}/a,{data}/b\n");
    fs::write(dir.join("static.properties"), of_static).unwrap();
    let of_dynamic =
        format!("{PROPERTIES}controller.quorum.bootstrap.servers=127.0.0.1:9093\nlog.dirs={data}/e\n");
    fs::write(dir.join("dynamic.properties"), of_dynamic).unwrap();
    for case in include_str!("reference.txt").split("> ").skip(1) {
        let (line, expected) = case.split_once('\n').unwrap();
        match line.strip_prefix("rm ") {
            Some(folder) => fs::remove_dir_all(dir.join(folder)).unwrap(),
            None => assert_eq!(run(line, dir), expected, "{line}"),
        }
    }
}
