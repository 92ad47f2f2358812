//! A VM's document is changed only after its difference was shown, and an edit is never lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::bench::{Bench, Finished};
use crate::server::Script;

const BEFORE: &str = "<domain>\n  <name>web1</name>\n  <vcpu>1</vcpu>\n</domain>";
const AFTER: &str = "<domain>\n  <name>web1</name>\n  <vcpu>2</vcpu>\n</domain>\n";
const DIFFERENCE: &str = "-  <vcpu>1</vcpu>\n+  <vcpu>2</vcpu>\n";

fn script(state: &str) -> Script {
    let vm = serde_json::json!([{ "name": "web1", "state": state, "xml": BEFORE }]);
    Script::default().answer("GET /vm/web1", "200 OK", vm.to_string())
}

fn bench(address: std::net::SocketAddr) -> Bench {
    let bench = Bench::to(address);
    fs::write(bench.path().join("new.xml"), AFTER).unwrap();
    // An editor that doubles the processors.
    let editor = bench.path().join("editor");
    fs::write(&editor, "#!/bin/sh\nsed -i 's/>1</>2</' \"$1\"\n").unwrap();
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).unwrap();
    bench
}

fn edit(bench: &Bench, words: &str, editor: &str) -> Finished {
    let editor = bench.path().join(editor);
    bench.command(words).env("EDITOR", editor).output().unwrap().into()
}

/// The files that an editor was given and that are still there.
fn left_behind(bench: &Bench) -> Vec<String> {
    let names =
        fs::read_dir(bench.path()).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("pvc-web1-")).collect()
}

#[test]
fn a_file_replaces_the_document_once_the_difference_is_agreed() {
    let put = "PUT /vm/web1?restart=false";
    let server = script("start").done(put, "Changed.").serve();
    let bench = bench(server.address);
    let refused = bench.run("vm modify web1 new.xml");
    assert!(refused.code == 1 && refused.out.contains(DIFFERENCE), "{refused:?}");
    let finished = bench.run("vm modify web1 new.xml --confirm-diff");
    assert!(finished.code == 0 && finished.out.contains(DIFFERENCE), "{finished:?}");
    assert!(finished.out.ends_with("Changed.\n"), "{finished:?}");
    assert_eq!(finished.err, "It runs as before until it is restarted: pvc vm restart web1\n");
    let body = format!("{put}\n{{\"xml\":{}}}", serde_json::Value::String(AFTER.into()));
    assert_eq!(server.asked(), ["GET /vm/web1", "GET /vm/web1", &body]);
}

#[test]
fn a_restart_needs_its_own_consent_and_a_vm_that_runs() {
    let restart = "PUT /vm/web1?restart=true";
    let server = script("start").done(restart, "Changed.").serve();
    let running = bench(server.address);
    let refused = running.run("vm modify web1 new.xml -d -r");
    assert!(refused.code == 1 && refused.err.contains("Restart VM \"web1\" now"), "{refused:?}");
    assert_eq!(running.run("vm modify web1 new.xml -d -c -r").code, 0);
    assert_eq!(running.run("vm modify web1 new.xml -y -r").code, 0);
    let server = script("stop").done("PUT /vm/web1?restart=false", "Changed.").serve();
    let stopped = bench(server.address);
    let finished = stopped.run("vm modify web1 new.xml -d -r");
    assert_eq!((finished.code, finished.err.as_str()), (0, ""));
}

#[test]
fn the_same_document_is_no_change() {
    let server = script("start").serve();
    let bench = bench(server.address);
    fs::write(bench.path().join("new.xml"), format!("{BEFORE}\n\n")).unwrap();
    let out = bench.run("vm modify web1 new.xml").done();
    assert_eq!(out, "Nothing is different, so nothing was changed.\n");
    assert_eq!(server.asked(), ["GET /vm/web1"]);
}

#[test]
fn the_users_editor_changes_the_document() {
    let server = script("stop").done("PUT /vm/web1?restart=false", "Changed.").serve();
    let bench = bench(server.address);
    let finished = edit(&bench, "vm modify web1 -e -y", "editor");
    assert!(finished.code == 0 && finished.out.contains(DIFFERENCE), "{finished:?}");
    assert_eq!(left_behind(&bench), Vec::<String>::new());
}

#[test]
fn an_edit_that_is_refused_is_kept() {
    let refusal = r#"{"message": "The VM's XML is refused: too many vCPUs."}"#;
    let server = script("stop").answer("PUT /vm/web1?restart=false", "400 BAD REQUEST", refusal).serve();
    let bench = bench(server.address);
    let finished = edit(&bench, "vm modify web1 -e -y", "editor");
    assert_eq!(finished.code, 1);
    assert!(finished.err.contains("too many vCPUs.\nYour edit is kept in "), "{finished:?}");
    let [kept] = left_behind(&bench).try_into().unwrap();
    assert!(fs::read_to_string(bench.path().join(&kept)).unwrap().contains("<vcpu>2</vcpu>"));
    let mode = fs::metadata(bench.path().join(&kept)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn an_editor_that_fails_changes_nothing() {
    let server = script("stop").serve();
    let bench = bench(server.address);
    let error = edit(&bench, "vm modify web1 -e -y", "no-such-editor").failed();
    assert!(error.contains("cannot be started") && error.contains("EDITOR"), "{error}");
    fs::write(bench.path().join("editor"), "#!/bin/sh\nexit 3\n").unwrap();
    let error = edit(&bench, "vm modify web1 -e -y", "editor").failed();
    assert!(error.contains("ended with exit status: 3. Nothing was changed."), "{error}");
    assert_eq!(left_behind(&bench), Vec::<String>::new());
}
