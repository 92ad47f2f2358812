//! What is read of fio's report, as fio 3.33 writes it.

use super::*;

const SIDE: &str = r#"{"io_bytes": 1073741824, "io_kbytes": 1048576, "bw_bytes": 17895697, "bw": 17476, "iops": 4369.066667,
    "runtime": 60000, "total_ios": 262144, "short_ios": 0, "drop_ios": 0,
    "slat_ns": {"min": 0, "max": 0, "mean": 0.000000, "stddev": 0.000000, "N": 0},
    "clat_ns": {"min": 900, "max": 90000, "mean": 1500.5, "stddev": 7.25, "N": 262144,
        "percentile": {"50.000000": 1400, "95.000000": 1900, "99.000000": 2500, "99.900000": 8000}},
    "lat_ns": {"min": 1000, "max": 100000, "mean": 1600.5, "stddev": 7.5, "N": 262144}}"#;

const NOTHING: &str = r#"{"io_bytes": 0, "bw_bytes": 0, "iops": 0.0, "runtime": 0, "total_ios": 0,
    "clat_ns": {"min": 0, "max": 0, "mean": 0.0, "stddev": 0.0, "N": 0},
    "lat_ns": {"min": 0, "max": 0, "mean": 0.0, "stddev": 0.0, "N": 0}}"#;

fn report(error: i32, read: &str, write: &str) -> String {
    format!(
        "fio: a warning\n{{\n\"fio version\": \"fio-3.33\", \"jobs\": [{{\"jobname\": \"x\", \"error\": {error}, \
         \"read\": {read}, \"write\": {write}, \"usr_cpu\": 1.5, \"sys_cpu\": 2.25}}]}}\n"
    )
}

#[test]
fn the_direction_of_the_trial_is_read() {
    let io = read(&report(0, SIDE, NOTHING), Direction::Read).unwrap();
    assert_eq!((io.byte_count, io.piece_count, io.span_ms), (1 << 30, 262_144, 60_000));
    assert_eq!((io.bytes_per_s, io.pieces_per_s), (17_895_697.0, 4_369.066_667));
    assert_eq!((io.user_percent, io.system_percent), (1.5, 2.25));
    let latency = &io.latency;
    assert_eq!((latency.min_ns, latency.mean_ns, latency.max_ns), (1000.0, 1600.5, 100_000.0));
    assert_eq!(latency.percentiles, [(50.0, 1400.0), (95.0, 1900.0), (99.0, 2500.0), (99.9, 8000.0)]);
    assert_eq!(read(&report(0, NOTHING, SIDE), Direction::Write).unwrap().byte_count, 1 << 30);
}

#[test]
fn a_report_of_nothing_is_no_result() {
    let why = |text: &str| read(text, Direction::Read).unwrap_err();
    assert!(why(&report(0, NOTHING, SIDE)).contains("not done one piece"));
    assert!(why(&report(5, SIDE, SIDE)).contains("error 5"));
    assert!(why("").contains("nothing"));
    assert!(why("{\n}").contains("not understood"));
    assert!(why("{\n\"jobs\": []}").contains("no job"));
}
