//! What is read of processes, and what lies between two samples.

use super::*;

#[test]
fn a_process_is_known_by_its_name_and_its_ticks_are_added() {
    let stat = "812 (ceph-osd) S 1 812 812 0 -1 4194560 9 0 0 0 70 30 5 6 20 0 61 0 99 1 2 3";
    assert_eq!(process(stat), Some((Kind::Osd, 100)));
    let odd = "9 (a (b) c) S 1 812 812 0 -1 4194560 9 0 0 0 70 30 5 6 20 0 61 0 99 1 2 3";
    assert_eq!(process(odd), None);
    assert_eq!(process("9 (ceph-mon) S"), None);
    assert_eq!(process(""), None);
}

#[test]
fn what_came_or_went_in_between_is_left_out() {
    let sample = |daemons: &[((Kind, u32), u64)], moved_bytes| Sample {
        processors: CpuTime::default(),
        daemons: daemons.iter().copied().collect(),
        moved_bytes,
    };
    let before = sample(&[((Kind::Osd, 1), 100), ((Kind::Osd, 2), 100)], Some((10, 20)));
    let after =
        sample(&[((Kind::Osd, 1), 200), ((Kind::Osd, 3), 900), ((Kind::Monitor, 4), 1)], Some((2010, 1020)));
    let figures = after.since(&before, Duration::from_secs(2));
    let osds = figures.osds.unwrap();
    assert_eq!(osds.count, 1);
    assert!((osds.percent - 5000.0 / ticks_per_second()).abs() < 0.01, "{osds:?}");
    assert_eq!(figures.monitors, None);
    assert_eq!((figures.received_bytes_per_s, figures.sent_bytes_per_s), (Some(1000.0), Some(500.0)));
    assert_eq!(sample(&[], None).since(&before, Duration::from_secs(1)).received_bytes_per_s, None);
}

#[test]
fn this_machine_is_sampled() {
    let before = Sample::take();
    let figures = Sample::take().since(&before, Duration::from_secs(1));
    assert!(figures.processor_count > 0 && figures.memory_total_mib > 0, "{figures:?}");
    assert!((0.0..=100.0).contains(&figures.processors_percent), "{figures:?}");
}
