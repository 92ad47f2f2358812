//! What is wished of VMs and the cluster: the right request, the API's words, and waiting until it is so.

use crate::bench::Bench;
use crate::server::Script;

const DOCUMENT: &str = "<domain type='kvm'>\n  <name>web1</name>\n</domain>\n";
const DEFINE: &str =
    "POST /vm?selector=none&autostart=false&migration_method=none&migration_max_downtime=300";

fn body(document: &str) -> String {
    format!("{{\"xml\":{}}}", serde_json::Value::String(document.into()))
}

/// A VM in this state, as the API shows it.
fn vm(state: &str) -> String {
    format!(r#"[{{"name": "web1", "state": "{state}", "failed_reason": "no disk"}}]"#)
}

#[test]
fn a_vm_is_defined_from_a_file_or_the_input() {
    let options = "POST /vm?node=hv1&limit=hv1%2Chv2&selector=mem&autostart=true&migration_method=live\
                   &migration_max_downtime=50&user_tags=a&user_tags=b&protected_tags=c";
    let server = Script::default().done(DEFINE, "Added.").done(options, "Added too.").serve();
    let bench = Bench::to(server.address);
    std::fs::write(bench.path().join("web1.xml"), DOCUMENT).unwrap();
    assert_eq!(bench.run("vm define web1.xml").done(), "Added.\n");
    assert_eq!(bench.run_with_input("vm define -", DOCUMENT).done(), "Added.\n");
    let words = "vm define web1.xml -t hv1 -l hv1,hv2 -s mem -a -m live -d 50 -g a -g b -G c";
    assert_eq!(bench.run(words).done(), "Added too.\n");
    let expected = [DEFINE, DEFINE, options].map(|question| format!("{question}\n{}", body(DOCUMENT)));
    assert_eq!(server.asked(), expected);
}

#[test]
fn a_document_that_is_not_there_or_empty_is_not_sent() {
    let server = Script::default().serve();
    let bench = Bench::to(server.address);
    let error = bench.run("vm define absent.xml").failed();
    assert_eq!(
        error,
        "error: absent.xml cannot be read.\n  because: No such file or directory (os error 2)\n"
    );
    let error = bench.run("vm define -").failed();
    assert_eq!(error, "error: - is empty. It should hold a libvirt domain document.\n");
    assert_eq!(server.asked(), Vec::<String>::new());
}

#[test]
fn wishes_that_destroy_nothing_are_not_asked_for_twice() {
    let wishes = [
        ("vm start web1", "POST /vm/web1/state?state=start"),
        ("vm start web1 --force", "POST /vm/web1/state?state=start&force=true"),
        ("vm move web1", "POST /vm/web1/node?action=move"),
        ("vm move web1 -t hv2", "POST /vm/web1/node?action=move&node=hv2"),
        ("vm migrate web1 --force -t hv2", "POST /vm/web1/node?action=migrate&node=hv2&force=true"),
        ("vm unmigrate web1", "POST /vm/web1/node?action=unmigrate"),
        ("vm disable web1 -y", "POST /vm/web1/state?state=disable"),
        ("vm tag add web1 x -p", "POST /vm/web1/tags?action=add&tag=x&protected=true"),
        ("vm tag add web1 x", "POST /vm/web1/tags?action=add&tag=x&protected=false"),
        ("vm tag remove web1 x", "POST /vm/web1/tags?action=remove&tag=x"),
        ("vm meta web1 -a -s vms", "POST /vm/web1/meta?selector=vms&autostart=true"),
        ("vm meta web1 --limit= -d 5", "POST /vm/web1/meta?limit=&migration_max_downtime=5"),
        ("cluster init -y", "POST /initialize?yes-i-really-mean-it=yes"),
        ("cluster maintenance on", "POST /status?state=true"),
        ("cluster maintenance off", "POST /status?state=false"),
    ];
    let script =
        wishes.iter().fold(Script::default(), |script, (_, question)| script.done(question, "So be it."));
    let server = script.serve();
    let bench = Bench::to(server.address);
    for (words, question) in wishes {
        assert_eq!(bench.run(words).done(), "So be it.\n", "{words}");
        assert_eq!(server.asked().last().unwrap(), question, "{words}");
    }
}

#[test]
fn a_shutdown_is_waited_for_when_asked() {
    let script = Script::default().done("POST /vm/web1/state?state=shutdown", "Shutting down.");
    let script =
        script.answer("GET /vm/web1", "200 OK", vm("shutdown")).answer("GET /vm/web1", "200 OK", vm("stop"));
    let server = script.serve();
    assert_eq!(Bench::to(server.address).run("vm shutdown web1 -w -y").done(), "Shutting down.\n");
    assert_eq!(server.asked().len(), 3);
}

#[test]
fn a_wait_outlives_an_absence_of_the_api() {
    let away = r#"{"message": "The store is away."}"#;
    let mut script = Script::default().done("POST /vm/web1/state?state=restart", "Restarting.");
    for _ in 0..4 {
        script = script.answer("GET /vm/web1", "503 Service Unavailable", away);
    }
    let script =
        script.answer("GET /vm/web1", "200 OK", vm("restart")).answer("GET /vm/web1", "200 OK", vm("start"));
    let server = script.serve();
    assert_eq!(Bench::to(server.address).run("vm restart web1 -w -y").done(), "Restarting.\n");
    assert_eq!(server.asked().len(), 7);
}

#[test]
fn a_wait_that_ends_badly_says_how() {
    for (state, said) in
        [("fail", "has failed: no disk"), ("start", "something else was asked of it meanwhile")]
    {
        let script = Script::default().done("POST /vm/web1/state?state=shutdown", "Shutting down.");
        let server = script.answer("GET /vm/web1", "200 OK", vm(state)).serve();
        let finished = Bench::to(server.address).run("vm shutdown web1 -w -y");
        assert_eq!((finished.code, finished.out.as_str()), (1, "Shutting down.\n"));
        assert!(finished.err.contains(said), "{}", finished.err);
    }
}

#[test]
fn a_task_is_watched_to_its_end_unless_told_not_to() {
    let task =
        |state: &str| format!(r#"{{"state": "{state}", "current": 1, "total": 2, "status": "Copying"}}"#);
    let script = Script::default().answer("GET /tasks/1a2b3c4d", "200 OK", task("RUNNING"));
    let server = script.answer("GET /tasks/1a2b3c4d", "200 OK", task("SUCCESS")).serve();
    let bench = Bench::to(server.address);
    let line = "1a2b3c4d RUNNING [###############...............] 1/2 Copying\n";
    assert_eq!(bench.run("cluster task 1a2b3c4d --no-wait").done(), line);
    assert_eq!(bench.run("cluster task 1a2b3c4d -f raw").done(), "SUCCESS\n");
    let server = Script::default().answer("GET /tasks/1a2b3c4d", "200 OK", task("FAILURE")).serve();
    let finished = Bench::to(server.address).run("cluster task 1a2b3c4d -f json");
    assert_eq!(finished.code, 1);
    assert_eq!(finished.err, "error: Task 1a2b3c4d has failed: Copying\n");
}
