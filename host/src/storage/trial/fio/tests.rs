//! What fio is told.

use logic::storage::benchmark::{BenchmarkId, Trial};
use logic::time::Span;

use super::*;

fn exercise(trial: Trial) -> Exercise {
    Exercise {
        benchmark: BenchmarkId(1),
        volume: "vms/pvcbenchmark".parse().unwrap(),
        trial,
        region_bytes: 1 << 30,
        ramp: Span::seconds(15),
        span: Span::seconds(60),
        begin_by: None,
    }
}

#[test]
fn a_trial_is_asked_for_as_it_is_meant() {
    let target = Target {
        words: vec!["--ioengine=rbd".into()],
        environment: vec!["CEPH_CONF=/etc/ceph/ceph.conf".into()],
        way: Way::Client,
    };
    let words = words(&exercise(Trial::SmallRead), &target).join(" ");
    assert_eq!(
        words,
        "--pdeathsig TERM -- env --default-signal=HUP,INT,TERM CEPH_CONF=/etc/ceph/ceph.conf fio --thread \
         --output-format=json --eta=never --time_based --numjobs=1 --randrepeat=0 --norandommap \
         --percentile_list=50:95:99:99.9 --name=rand_read_4K --rw=randread --bs=4096 --iodepth=64 --size=1073741824 --ramp_time=15000ms --runtime=60000ms --ioengine=rbd"
    );
}

#[test]
fn each_trial_has_its_own_manner() {
    let target = Target { words: Vec::new(), environment: Vec::new(), way: Way::Direct };
    let manner = |trial| {
        let words = words(&exercise(trial), &target);
        let kept = |word: &&String| {
            ["--rw=", "--bs=", "--iodepth="].iter().any(|beginning| word.starts_with(beginning))
        };
        words.iter().filter(kept).cloned().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(manner(Trial::SequentialWrite), "--rw=write --bs=4194304 --iodepth=64");
    assert_eq!(manner(Trial::SequentialRead), "--rw=read --bs=4194304 --iodepth=64");
    assert_eq!(manner(Trial::LargeWrite), "--rw=randwrite --bs=4194304 --iodepth=64");
    assert_eq!(manner(Trial::LargeRead), "--rw=randread --bs=4194304 --iodepth=64");
    assert_eq!(manner(Trial::SmallWrite), "--rw=randwrite --bs=4096 --iodepth=64");
    assert_eq!(manner(Trial::SingleWrite), "--rw=randwrite --bs=4096 --iodepth=1");
    assert_eq!(manner(Trial::SingleRead), "--rw=randread --bs=4096 --iodepth=1");
}
