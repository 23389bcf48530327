use proptest::prelude::*;

use super::*;

const CODECS: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
const MIB: usize = 1 << 20;

fn decompressed(codec: Codec, input: &[u8], budget: usize) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    decompress(codec, input, budget, &mut out)?;
    Ok(out)
}

/// Decompresses what must fail, and checks that the failure took no more memory than `memory_max`.
fn refused(codec: Codec, input: &[u8], budget: usize, memory_max: usize) -> Error {
    let mut out = Vec::new();
    let error = decompress(codec, input, budget, &mut out).unwrap_err();
    assert!(out.capacity() <= memory_max, "{codec} took {} bytes", out.capacity());
    error
}

/// Text of several blocks of each codec.
fn text(len: usize) -> Vec<u8> {
    (0..len / 8).flat_map(|n| format!("{n:08}").into_bytes()).collect()
}

#[test]
fn every_codec_and_level_round_trips() {
    let text = text(300_000);
    let levels = [
        Compression::Gzip(1),
        Compression::Gzip(9),
        Compression::Lz4(17),
        Compression::Zstd(-5),
        Compression::Zstd(19),
    ];
    for compression in CODECS.into_iter().map(Compression::from).chain(levels) {
        for input in [&b""[..], b"x", &text] {
            let compressed = compress(compression, input).unwrap();
            assert_eq!(
                decompressed(compression.codec(), &compressed, input.len()).unwrap(),
                input,
                "{compression:?}"
            );
        }
    }
}

#[test]
fn levels_reach_the_codec() {
    let text = text(100_000);
    let len = |compression| compress(compression, &text).unwrap().len();
    assert!(len(Compression::Gzip(9)) < len(Compression::Gzip(1)));
    assert!(len(Compression::Zstd(19)) < len(Compression::Zstd(-50)));
    assert_eq!(compress(Compression::Gzip(-1), &text), compress(Compression::Gzip(6), &text));
}

#[test]
fn the_budget_is_exact() {
    for codec in CODECS {
        for len in [1, 70_000, 200_000] {
            let compressed = compress(codec.into(), &text(len * 8)).unwrap();
            assert!(decompressed(codec, &compressed, len * 8).is_ok(), "{codec} {len}");
            let error = decompressed(codec, &compressed, len * 8 - 1).unwrap_err();
            assert_eq!(error, Error::OverBudget { budget: len * 8 - 1 }, "{codec} {len}");
        }
    }
}

#[test]
fn a_stream_that_is_cut_anywhere_is_refused() {
    let text = text(100_000);
    for codec in CODECS.into_iter().skip(1) {
        let compressed = compress(codec.into(), &text).unwrap();
        let near_the_end = compressed.len() - 40..compressed.len();
        for cut in (0..40).chain(near_the_end).chain((40..compressed.len()).step_by(997)) {
            // Between two xerial blocks nothing tells that more should follow.
            match decompressed(codec, &compressed[..cut], MIB) {
                Ok(out) => {
                    assert!(codec == Codec::Snappy && out.len().is_multiple_of(32 * 1024), "{codec} {cut}")
                }
                Err(Error::Corrupt { .. }) => {}
                Err(error) => panic!("{codec} {cut}: {error}"),
            }
        }
    }
}

#[test]
fn bytes_after_the_stream_are_refused() {
    for codec in CODECS.into_iter().skip(1) {
        let mut compressed = compress(codec.into(), b"records").unwrap();
        compressed.push(0);
        assert!(matches!(decompressed(codec, &compressed, MIB), Err(Error::Corrupt { .. })), "{codec}");
    }
}

#[test]
fn gzip_members_and_zstd_frames_may_follow_each_other() {
    for codec in [Codec::Gzip, Codec::Zstd] {
        let parts = [&b"one,"[..], b"", b"", b"two", b""];
        let compressed: Vec<u8> =
            parts.iter().flat_map(|part| compress(codec.into(), part).unwrap()).collect();
        assert_eq!(decompressed(codec, &compressed, MIB).unwrap(), b"one,two");
    }
}

#[test]
fn raw_snappy_is_read_beside_xerial() {
    let text = text(100_000);
    let raw = snap::raw::Encoder::new().compress_vec(&text).unwrap();
    assert_eq!(decompressed(Codec::Snappy, &raw, text.len()).unwrap(), text);
}

#[test]
fn a_snappy_block_that_claims_4_gib_gets_no_memory() {
    // A varint of 2^32 - 1, then next to nothing (H10 in the xerial framing, H11 raw).
    let raw = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x00];
    let mut xerial = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01\0\0\0\x07".to_vec();
    xerial.extend(raw);
    for input in [&raw[..], &xerial] {
        assert!(matches!(refused(Codec::Snappy, input, usize::MAX, 0), Error::Corrupt { .. }));
    }
    // A negative block length.
    let mut xerial = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
    xerial.extend([0xff; 8]);
    assert!(matches!(refused(Codec::Snappy, &xerial, MIB, 0), Error::Corrupt { .. }));
}

#[test]
fn bombs_stop_at_the_budget() {
    // H12 to H14: 64 MiB of zeros in 2 KiB to 256 KiB.
    let zeros = vec![0; 64 * MIB];
    for codec in CODECS.into_iter().skip(1) {
        let bomb = compress(codec.into(), &zeros).unwrap();
        assert!(bomb.len() < 4 * MIB, "{codec} {}", bomb.len());
        let error = refused(codec, &bomb, 4 * MIB, 9 * MIB);
        assert_eq!(error, Error::OverBudget { budget: 4 * MIB }, "{codec}");
    }
}

#[test]
fn lz4_blocks_of_4_mib_cost_what_they_hold() {
    let mut frame = lz4_frame(0x60, 0x70, b"");
    let block = lz4_flex::block::compress(b"records");
    put_block(&mut frame, block.len(), &block);
    frame.extend([0; 4]);
    let mut out = Vec::new();
    decompress(Codec::Lz4, &frame, usize::MAX, &mut out).unwrap();
    assert_eq!(out, b"records");
    assert!(out.capacity() <= 4096);
    // But one that does hold 4 MiB is read whole.
    let mut frame = lz4_frame(0x60, 0x70, b"");
    let block = lz4_flex::block::compress(&vec![7; 4 * MIB]);
    put_block(&mut frame, block.len(), &block);
    frame.extend([0; 4]);
    assert_eq!(decompressed(Codec::Lz4, &frame, usize::MAX).unwrap(), vec![7; 4 * MIB]);
}

fn lz4_frame(flags: u8, size: u8, content_size: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x04, 0x22, 0x4d, 0x18, flags, size];
    frame.extend(content_size);
    let checksum = twox_hash::xxhash32::Hasher::oneshot(0, &frame[4..]);
    frame.push(checksum.to_be_bytes()[2]);
    frame
}

fn put_u32_le(frame: &mut Vec<u8>, value: u32) {
    frame.extend(value.swap_bytes().to_be_bytes());
}

fn put_block(frame: &mut Vec<u8>, word: usize, block: &[u8]) {
    put_u32_le(frame, u32::try_from(word).unwrap());
    frame.extend(block);
}

#[test]
fn lz4_checks_every_checksum_that_a_frame_has() {
    let xxh32 = |bytes: &[u8]| twox_hash::xxhash32::Hasher::oneshot(0, bytes);
    // Block checksum, content size and content checksum; one stored block.
    let mut good = lz4_frame(0x7c, 0x40, &[4, 0, 0, 0, 0, 0, 0, 0]);
    put_block(&mut good, 0x8000_0004, b"data");
    put_u32_le(&mut good, xxh32(b"data"));
    put_u32_le(&mut good, 0);
    put_u32_le(&mut good, xxh32(b"data"));
    assert_eq!(decompressed(Codec::Lz4, &good, MIB).unwrap(), b"data");
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            assert!(decompressed(Codec::Lz4, &bad, MIB).is_err(), "byte {at} bit {bit}");
        }
    }
}

#[test]
fn lz4_content_has_the_announced_size() {
    for (size, good) in [(4, true), (5, false)] {
        let mut frame = lz4_frame(0x68, 0x40, &[size, 0, 0, 0, 0, 0, 0, 0]);
        put_block(&mut frame, 0x8000_0004, b"data");
        put_u32_le(&mut frame, 0);
        assert_eq!(decompressed(Codec::Lz4, &frame, MIB).is_ok(), good);
    }
}

#[test]
fn lz4_frames_that_kafka_cannot_read_are_refused() {
    let end = [0; 4];
    // Linked blocks, a dictionary, another version, block sizes that do not exist.
    for (flags, size) in [(0x40, 0x40), (0x61, 0x40), (0xa0, 0x40), (0x60, 0x30), (0x60, 0xc0), (0x60, 0x41)]
    {
        let mut frame = lz4_frame(flags, size, b"");
        frame.extend(end);
        assert!(
            matches!(decompressed(Codec::Lz4, &frame, MIB), Err(Error::Corrupt { .. })),
            "{flags:x} {size:x}"
        );
    }
    // A stored block that is longer than the frame's blocks may be.
    let mut frame = lz4_frame(0x60, 0x40, b"");
    put_block(&mut frame, 0x8001_0001, &[0; 65537]);
    frame.extend(end);
    assert!(matches!(decompressed(Codec::Lz4, &frame, MIB), Err(Error::Corrupt { .. })));
}

#[test]
fn numbers_above_four_are_no_codecs() {
    for id in 5..8 {
        assert_eq!(Codec::from_id(id), Err(Error::UnknownCodec(id)));
    }
    for codec in CODECS {
        assert_eq!(Codec::from_id(codec.id()), Ok(codec));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn arbitrary_bytes_never_panic(
        mut input in proptest::collection::vec(any::<u8>(), 0..200),
        prefix in 0..5usize,
        codec in 0..5usize,
    ) {
        let prefixes: [&[u8]; 5] = [
            b"", b"\x1f\x8b\x08\0\0\0\0\0\0\xff", b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01",
            b"\x04\x22\x4d\x18\x60\x40\x82", b"\x28\xb5\x2f\xfd",
        ];
        input.splice(0..0, prefixes[prefix].iter().copied());
        let mut out = Vec::new();
        let _ = decompress(CODECS[codec], &input, 100_000, &mut out);
        prop_assert!(out.len() <= 100_000);
    }

    #[test]
    fn a_flipped_bit_never_panics_nor_passes_the_budget(
        codec in 1..5usize, at in any::<proptest::sample::Index>(), bit in 0..8u8,
    ) {
        let mut compressed = compress(CODECS[codec].into(), &text(40_000)).unwrap();
        let at = at.index(compressed.len());
        compressed[at] ^= 1 << bit;
        let mut out = Vec::new();
        let _ = decompress(CODECS[codec], &compressed, 50_000, &mut out);
        prop_assert!(out.len() <= 50_000);
    }
}
