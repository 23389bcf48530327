//! The command line of `barnabas dump-log`, with the options of `kafka-dump-log.sh`.

use super::decoder::{Decoder, Plain};
use crate::tools::options::{Error, Options as Words, Spec};

/// What `--help` prints.
pub(super) const USAGE: &str = "\
Usage: barnabas dump-log --files FILE[,FILE]... [option]...

Shows what is in the files of a log, as kafka-dump-log.sh does: segments (.log), indexes (.index, .timeindex,
.txnindex), producer snapshots (.snapshot) and snapshots of the metadata log (.checkpoint).

  --print-data-log            show keys and values, too
  --deep-iteration            go through the records of each batch
  --skip-record-metadata      leave out everything about a record but its key and value
  --max-bytes N               read the first N bytes of each segment only
  --key-decoder-class C       how to show keys and
  --value-decoder-class C     values: org.apache.kafka.tools.api.StringDecoder, IntegerDecoder or LongDecoder
  --offsets-decoder           show the records of __consumer_offsets
  --transaction-log-decoder   show the records of __transaction_state
  --cluster-metadata-decoder  show the records of __cluster_metadata
  --verify-index-only         hold indexes against their segments without showing them
  --index-sanity-check        only look at indexes as a start does
  --max-message-size N        size of the largest batch that an index may point to, 5242880 if not given
";

const FILES: &str = "--files";
const MAX_BYTES: &str = "--max-bytes";
const MAX_MESSAGE_SIZE: &str = "--max-message-size";
const KEY_DECODER: &str = "--key-decoder-class";
const VALUE_DECODER: &str = "--value-decoder-class";
const REMOTE: &str = "--remote-log-metadata-decoder";
const SHARE: &str = "--share-group-state-decoder";

const SPECS: &[Spec] = &[
    Spec::value(&[FILES]),
    Spec::value(&[MAX_BYTES]),
    Spec::value(&[MAX_MESSAGE_SIZE]),
    Spec::value(&[KEY_DECODER]),
    Spec::value(&[VALUE_DECODER]),
    Spec::flag(&["--print-data-log"]),
    Spec::flag(&["--deep-iteration"]),
    Spec::flag(&["--skip-record-metadata"]),
    Spec::flag(&["--verify-index-only"]),
    Spec::flag(&["--index-sanity-check"]),
    Spec::flag(&["--offsets-decoder"]),
    Spec::flag(&["--transaction-log-decoder"]),
    Spec::flag(&["--cluster-metadata-decoder"]),
    Spec::flag(&[REMOTE]),
    Spec::flag(&[SHARE]),
    Spec::flag(&["--help"]),
];

/// What is asked for.
#[derive(Debug)]
pub(super) enum Request {
    /// To print [`USAGE`].
    Help,
    /// To dump files.
    Dump(Options),
}

/// How to dump which files.
#[derive(Debug)]
pub(super) struct Options {
    /// Paths with commas between them.
    pub(super) files: String,
    /// Whether records are gone through.
    pub(super) is_deep: bool,
    /// Whether their keys and values are shown.
    pub(super) shows_content: bool,
    /// Whether everything else about them is not.
    pub(super) skips_record_metadata: bool,
    /// How keys and values are shown.
    pub(super) decoder: Decoder,
    /// How much of a segment is read; none for all of it.
    pub(super) bytes_max: Option<u64>,
    /// The largest batch that an index may point to, in bytes.
    pub(super) message_bytes_max: u64,
    /// Whether indexes are verified and not shown.
    pub(super) verifies_only: bool,
    /// Whether indexes get the check of a start only.
    pub(super) checks_sanity_only: bool,
}

/// Reads the words after the tool's name; the text says what is wrong with them.
pub(super) fn read(words: &[String]) -> Result<Request, String> {
    let given = Words::parse(words, SPECS).map_err(|error| match error {
        Error::Unknown(word) => format!("{} is not a recognized option", word.trim_start_matches('-')),
        Error::MissingValue(name) => format!("Option {} requires an argument", name.trim_start_matches('-')),
        Error::UnexpectedValue(name) => format!("Option {} takes no argument", name.trim_start_matches('-')),
    })?;
    if words.is_empty() || given.has("--help") {
        return Ok(Request::Help);
    }
    for missing in [REMOTE, SHARE] {
        if given.has(missing) {
            return Err(format!("{missing} is not supported: barnabas keeps no such records"));
        }
    }
    let files =
        given.value(FILES).ok_or_else(|| format!("Missing required argument \"[files]\"\n\n{USAGE}"))?;
    let decoder = decoder(&given)?;
    let asks_for_decoder = given.has(KEY_DECODER) || given.has(VALUE_DECODER);
    let shows_content =
        given.has("--print-data-log") || asks_for_decoder || !matches!(decoder, Decoder::Plain { .. });
    let bytes_max = number(&given, MAX_BYTES, i32::MAX)?;
    Ok(Request::Dump(Options {
        files: files.to_owned(),
        is_deep: given.has("--deep-iteration") || shows_content,
        shows_content,
        skips_record_metadata: given.has("--skip-record-metadata"),
        decoder,
        bytes_max: (bytes_max != u64::from(i32::MAX.cast_unsigned())).then_some(bytes_max),
        message_bytes_max: number(&given, MAX_MESSAGE_SIZE, 5 * 1024 * 1024)?,
        verifies_only: given.has("--verify-index-only"),
        checks_sanity_only: given.has("--index-sanity-check"),
    }))
}

fn decoder(given: &Words) -> Result<Decoder, String> {
    if given.has("--offsets-decoder") {
        return Ok(Decoder::Offsets);
    }
    if given.has("--transaction-log-decoder") {
        return Ok(Decoder::Transactions);
    }
    if given.has("--cluster-metadata-decoder") {
        return Ok(Decoder::Metadata);
    }
    let class = |option| match given.value(option).map(|class| (class, class.rsplit('.').next())) {
        None | Some((_, Some("StringDecoder"))) => Ok(Plain::Text),
        Some((_, Some("IntegerDecoder"))) => Ok(Plain::Int),
        Some((_, Some("LongDecoder"))) => Ok(Plain::Long),
        Some((class, _)) => Err(format!("Failed to load decoder class {class}")),
    };
    Ok(Decoder::Plain { key: class(KEY_DECODER)?, value: class(VALUE_DECODER)? })
}

fn number(given: &Words, option: &str, default: i32) -> Result<u64, String> {
    let Some(text) = given.value(option) else { return Ok(u64::try_from(default).unwrap_or(0)) };
    let name = option.trim_start_matches('-');
    let value: i32 = text.parse().map_err(|_| format!("Cannot parse argument '{text}' of option {name}"))?;
    u64::try_from(value).map_err(|_| format!("Invalid size: {value}"))
}
