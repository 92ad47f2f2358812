//! Pools, volumes and snapshots at the command line: the right request, the API's words, consent, and lists in each format.

use serde_json::Value;

use crate::bench::Bench;
use crate::server::{Script, recorded};

const CEPH: &str = "/storage/ceph";

#[test]
fn what_destroys_nothing_is_asked_for_at_once() {
    let asks = [
        (
            "storage pool add vms 128",
            "POST /pool?pool=vms&pgs=128&replcfg=copies%3D3%2Cmincopies%3D2&tier=default",
        ),
        (
            "storage pool add fast 64 -t nvme --replcfg copies=2,mincopies=1",
            "POST /pool?pool=fast&pgs=64&replcfg=copies%3D2%2Cmincopies%3D1&tier=nvme",
        ),
        ("storage volume add vms web_sda 10G", "POST /volume?pool=vms&volume=web_sda&size=10G"),
        ("storage volume add vms web_sda 10G -f", "POST /volume?pool=vms&volume=web_sda&size=10G&force=true"),
        ("storage volume clone vms web_sda db_sda", "POST /volume/vms/web_sda/clone?new_volume=db_sda"),
        (
            "storage volume clone vms a b --snapshot s -f",
            "POST /volume/vms/a/clone?new_volume=b&snapshot=s&force=true",
        ),
        ("storage volume snapshot add vms a s", "POST /snapshot?pool=vms&volume=a&snapshot=s"),
        ("storage volume snapshot rename vms a s t", "PUT /snapshot/vms/a/s?new_name=t"),
    ];
    for (words, question) in asks {
        let question = question.replacen(" /", &format!(" {CEPH}/"), 1);
        let server = Script::default().done(&question, "So be it.").serve();
        assert_eq!(Bench::to(server.address).run(words).done(), "So be it.\n", "{words}");
        assert_eq!(server.asked(), [question]);
    }
}

#[test]
fn what_destroys_or_stops_something_needs_consent() {
    let asks = [
        ("storage pool remove vms", "DELETE /pool/vms?yes-i-really-mean-it=yes", "LOSE ALL VOLUMES"),
        ("storage pool set-pgs vms 256", "PUT /pool/vms?pgs=256", "256 placement groups"),
        ("storage volume remove vms a", "DELETE /volume/vms/a", "LOSE ALL"),
        ("storage volume resize vms a 20G -f", "PUT /volume/vms/a?new_size=20G&force=true", "to 20G"),
        ("storage volume rename vms a b", "PUT /volume/vms/a?new_name=b", "to \"b\""),
        ("storage volume snapshot remove vms a s", "DELETE /snapshot/vms/a/s", "vms/a@s"),
        ("storage volume snapshot rollback vms a s", "POST /snapshot/vms/a/s/rollback", "LOSE ALL"),
    ];
    for (words, question, warning) in asks {
        let question = question.replacen(" /", &format!(" {CEPH}/"), 1);
        let server = Script::default().done(&question, "Gone.").serve();
        let bench = Bench::to(server.address);
        let refused = bench.run(words).failed();
        assert!(refused.contains("--yes") && refused.contains(warning), "{refused}");
        assert_eq!(bench.run(&format!("{words} -y")).done(), "Gone.\n", "{words}");
        assert_eq!(bench.run(&format!("-u {words}")).done(), "Gone.\n", "{words}");
        assert_eq!(server.asked(), [question.clone(), question]);
    }
}

#[test]
fn the_storages_own_words_are_printed() {
    let script = Script::default().recorded("GET /storage/ceph/status", "storage_status.json");
    let server = script.recorded("GET /storage/ceph/utilization", "storage_utilization.json").serve();
    let bench = Bench::to(server.address);
    assert_eq!(bench.run("storage status").done(), include_str!("../../golden/storage-status.txt"));
    assert_eq!(bench.run("storage util").done(), include_str!("../../golden/storage-util.txt"));
}

#[test]
fn lists_are_printed_in_each_format() {
    let lists = [
        ("storage pool list", "pool", "storage_pool.json", "vms\n"),
        ("storage volume list", "volume", "storage_volume.json", "vms/vm0001_sda\nvms/vm0002_sda\n"),
        ("storage volume snapshot list", "snapshot", "storage_snapshot.json", "vms/vm0001_sda@snap1\n"),
    ];
    for (words, path, file, raw) in lists {
        let server = Script::default().recorded(&format!("GET {CEPH}/{path}"), file).serve();
        let bench = Bench::to(server.address);
        assert!(bench.run(words).done().contains("vms"), "{words}");
        assert_eq!(bench.run(&format!("{words} -f raw")).done(), raw);
        for format in ["json", "json-pretty"] {
            let printed: Value =
                serde_json::from_str(&bench.run(&format!("{words} -f {format}")).done()).unwrap();
            assert_eq!(printed, serde_json::from_str::<Value>(&recorded(file)).unwrap(), "{words}");
        }
    }
}

#[test]
fn lists_are_limited_by_the_parameters_of_the_contract() {
    let volumes = "GET /storage/ceph/volume?limit=%5Ea&pool=vms";
    let snapshots = "GET /storage/ceph/snapshot?pool=vms&volume=a&limit=s";
    let script = Script::default().recorded(volumes, "storage_volume.json");
    let server = script.recorded(snapshots, "storage_snapshot.json").serve();
    let bench = Bench::to(server.address);
    bench.run("storage volume list ^a -p vms -f raw").done();
    bench.run("storage volume snapshot list s -p vms -o a -f raw").done();
    assert_eq!(server.asked(), [volumes, snapshots]);
}

#[test]
fn nothing_to_list_is_a_failure_that_tells_what_to_do() {
    let none = r#"{"message": "Volume not found."}"#;
    let script = Script::default().answer("GET /storage/ceph/volume", "404 Not Found", none);
    let script = script.answer("GET /storage/ceph/volume?limit=x", "404 Not Found", none);
    let server =
        script.answer("GET /storage/ceph/pool", "404 Not Found", r#"{"message": "Pool not found."}"#).serve();
    let bench = Bench::to(server.address);
    assert!(bench.run("storage volume list").failed().contains("pvc storage volume add"));
    assert!(bench.run("storage volume list x").failed().contains("no volume that matches"));
    assert!(bench.run("storage pool list").failed().contains("pvc storage pool add"));
}

#[test]
fn a_refusal_is_printed_and_ends_with_one() {
    let question = "POST /storage/ceph/volume?pool=vms&volume=a&size=0";
    let refusal = r#"{"message": {"size": "A size is greater than zero."}}"#;
    let server = Script::default().answer(question, "400 Bad Request", refusal).serve();
    let refused = Bench::to(server.address).run("storage volume add vms a 0").failed();
    assert_eq!(refused, "error: size: A size is greater than zero.\n");
}

#[test]
fn a_file_is_sent_as_it_is_with_its_size() {
    let question = "POST /storage/ceph/volume/vms/a/upload?image_format=qcow2&file_size=12";
    let server = Script::default().done(question, "Uploaded.").serve();
    let bench = Bench::to(server.address);
    std::fs::write(bench.path().join("disk.img"), "twelve bytes").unwrap();
    assert_eq!(bench.run("storage volume upload vms a disk.img -f qcow2").done(), "Uploaded.\n");
    let request = &server.requests()[0];
    assert!(request.contains("name=\"file\"") && request.contains("\r\n\r\ntwelve bytes\r\n--"), "{request}");
}

#[test]
fn a_file_that_is_not_there_is_no_file_or_is_empty_is_not_sent() {
    let server = Script::default().serve();
    let bench = Bench::to(server.address);
    std::fs::write(bench.path().join("empty"), "").unwrap();
    for (file, word) in [("absent", "cannot be read"), (".", "no file"), ("empty", "is empty")] {
        let refused = bench.run(&format!("storage volume upload vms a {file}")).failed();
        assert!(refused.contains(word), "{refused}");
    }
    assert_eq!(server.asked(), Vec::<String>::new());
}

const ACCEPTED: &str = r#"{"task_id": "1a2b3c4d", "task_name": "osd.add", "run_on": "hv1"}"#;

#[test]
fn what_changes_osds_needs_consent_and_is_watched_to_its_end() {
    let asks = [
        ("storage osd add hv1 /dev/sdb", "POST /osd?node=hv1&device=%2Fdev%2Fsdb&weight=1.0", "LOSE ALL"),
        (
            "storage osd add hv1 detect:INTEL:800G:0 -w 2 -c 2 -r 0.05",
            "POST /osd?node=hv1&device=detect%3AINTEL%3A800G%3A0&weight=2&ext_db_ratio=0.05&osd_count=2",
            "LOSE ALL",
        ),
        (
            "storage osd replace 3 /dev/sdd -o /dev/sdc -w 1 -s 60G",
            "POST /osd/3?new_device=%2Fdev%2Fsdd&old_device=%2Fdev%2Fsdc&weight=1&ext_db_size=60G&yes-i-really-mean-it=yes",
            "LOSE ALL",
        ),
        ("storage osd refresh 3 /dev/sdd", "PUT /osd/3?device=%2Fdev%2Fsdd", "Take in OSD 3"),
        ("storage osd remove 3 -f", "DELETE /osd/3?force=true&yes-i-really-mean-it=yes", "LOSE ALL"),
        ("storage osd create-db-vg hv1 /dev/sdx", "POST /osddb?node=hv1&device=%2Fdev%2Fsdx", "LOSE ALL"),
        ("storage create-db-vg hv1 /dev/sdx", "POST /osddb?node=hv1&device=%2Fdev%2Fsdx", "LOSE ALL"),
    ];
    for (words, question, warning) in asks {
        let question = question.replacen(" /", &format!(" {CEPH}/"), 1);
        let script = Script::default().answer(&question, "202 Accepted", ACCEPTED);
        let running = r#"{"state": "RUNNING", "current": 1, "total": 3, "status": "Preparing"}"#;
        let ended = r#"{"state": "SUCCESS", "current": 3, "total": 3, "status": "It is so."}"#;
        let script = script.answer("GET /tasks/1a2b3c4d", "200 OK", running);
        let server = script.answer("GET /tasks/1a2b3c4d", "200 OK", ended).serve();
        let bench = Bench::to(server.address);
        let refused = bench.run(words).failed();
        assert!(refused.contains("--yes") && refused.contains(warning), "{refused}");
        assert_eq!(bench.run(&format!("{words} -y")).done(), "It is so.\n", "{words}");
        let told = bench.run(&format!("{words} -y --no-wait")).done();
        assert!(
            told.contains("1a2b3c4d") && told.contains("hv1") && told.contains("pvc cluster task"),
            "{told}"
        );
    }
}

#[test]
fn a_task_that_fails_is_a_failure_of_the_command() {
    let question = "DELETE /storage/ceph/osd/3?yes-i-really-mean-it=yes";
    let failed = r#"{"state": "FAILURE", "current": 1, "total": 3, "status": "Data would be lost."}"#;
    let script = Script::default().answer(question, "202 Accepted", ACCEPTED);
    let server = script.answer("GET /tasks/1a2b3c4d", "200 OK", failed).serve();
    let error = Bench::to(server.address).run("storage osd remove 3 -y").failed();
    assert_eq!(error, "error: Task 1a2b3c4d has failed: Data would be lost.\n");
}

#[test]
fn osds_are_listed_put_in_and_out_and_their_properties_set() {
    let script = Script::default()
        .recorded("GET /storage/ceph/osd", "storage_osd.json")
        .done("POST /storage/ceph/osd/3/state?state=in", "In.")
        .done("POST /storage/ceph/osd/3/state?state=out", "Out.")
        .done("POST /storage/ceph/option?option=noout&action=set", "Set.")
        .done("POST /storage/ceph/option?option=noout&action=unset", "Unset.");
    let server = script.serve();
    let bench = Bench::to(server.address);
    assert_eq!(bench.run("storage osd list -f raw").done(), "0\n1\n");
    assert!(bench.run("storage osd list").done().contains("/dev/sdb"));
    assert_eq!(bench.run("storage osd in 3").done(), "In.\n");
    assert_eq!(bench.run("storage osd out 3").done(), "Out.\n");
    assert_eq!(bench.run("storage osd set noout").done(), "Set.\n");
    assert_eq!(bench.run("storage osd unset noout").done(), "Unset.\n");
}
