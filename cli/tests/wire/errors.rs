//! What goes wrong is said in words, on the other output, with the right exit code.

use std::net::TcpListener;
use std::process::Stdio;

use crate::bench::Bench;
use crate::server::Script;

#[test]
fn each_refused_parameter_has_a_line() {
    let body =
        r#"{"message": {"state": "\"up\" is not valid. Valid: start, stop.", "node": "no such node."}}"#;
    let server = Script::default().answer("GET /vm?node=x&state=up", "400 BAD REQUEST", body).serve();
    let error = Bench::to(server.address).run("vm list -t x -s up").failed();
    assert_eq!(error, "error: node: no such node.\nstate: \"up\" is not valid. Valid: start, stop.\n");
}

#[test]
fn a_refusal_is_told_in_the_words_of_the_api() {
    let body = r#"{"message": "VM not found."}"#;
    let server = Script::default().answer("GET /vm/nope", "404 NOT FOUND", body).serve();
    let bench = Bench::to(server.address);
    assert_eq!(bench.run("vm info nope").failed(), "error: VM not found.\n");
    let error = bench.run("-v vm info nope").failed();
    assert!(error.contains("  asked: GET http://127.0.0.1:"), "{error}");
    assert!(error.contains("/api/v1/vm/nope\n  status: 404\n"), "{error}");
}

#[test]
fn an_empty_list_says_what_to_do() {
    let body = r#"{"message": "VM not found."}"#;
    let script =
        Script::default().answer("GET /vm", "404 NOT FOUND", body).answer("GET /node", "404 NOT FOUND", body);
    let server = script.answer("GET /vm?tag=x", "404 NOT FOUND", body).serve();
    let bench = Bench::to(server.address);
    let error = bench.run("vm list -f json").failed();
    assert_eq!(error, "error: There are no VMs yet. Define one with: pvc vm define FILE\n");
    let error = bench.run("vm list -g x").failed();
    assert_eq!(error, "error: There is no VM that matches. All of them: pvc vm list\n");
    assert!(bench.run("node list").failed().contains("There are no nodes yet."));
}

#[test]
fn a_wrong_key_is_told_with_the_remedy() {
    let server =
        Script::default().answer("GET /node", "401 UNAUTHORIZED", r#"{"message": "Unauthorized"}"#).serve();
    let error = Bench::to(server.address).run("node list").failed();
    assert!(
        error.contains("does not accept this connection's key") && error.contains("[[api.token]]"),
        "{error}"
    );
    assert!(!error.contains("secret"), "{error}");
}

#[test]
fn an_api_that_is_not_there_is_told_with_its_address() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = Bench::to(address).run("vm list").failed();
    let expected = format!(
        "error: GET http://{address}/api/v1/vm got no answer: the connection was refused. Look whether"
    );
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn somebody_else_at_the_address_is_not_taken_for_the_api() {
    let server = Script::default().answer("GET /vm", "200 OK", "<html>").serve();
    let error = Bench::to(server.address).run("vm list").failed();
    assert!(error.contains("something that PVC does not say"), "{error}");
}

#[test]
fn an_unknown_connection_is_never_another_one() {
    let server = Script::default().serve();
    let error = Bench::to(server.address).run("-c prod vm remove web1 -y").failed();
    assert!(error.contains("There is no connection \"prod\". There are: local, test."), "{error}");
    assert_eq!(server.asked(), Vec::<String>::new());
}

#[test]
fn wrong_usage_has_its_own_exit_code() {
    let bench = Bench::empty();
    for words in ["vm", "vm list --no-such", "vm meta web1", "vm list -f xml", "nothing"] {
        let finished = bench.run(words);
        assert_eq!((finished.code, finished.out.as_str()), (2, ""), "{words}");
        assert!(
            finished.err.contains("Usage:") || finished.err.contains("--help"),
            "{words}: {}",
            finished.err
        );
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let server = Script::default().recorded("GET /vm", "vm.json").serve();
    let bench = Bench::to(server.address);
    for words in ["vm list -f json-pretty", "vm list", "completion bash"] {
        let mut child = bench.command(words).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let finished = child.wait_with_output().unwrap();
        assert_eq!(
            (finished.status.code(), finished.stderr.as_slice()),
            (Some(0), b"".as_slice()),
            "{words}"
        );
    }
}

#[test]
fn silence_leaves_only_the_exit_code() {
    let body = r#"{"message": "VM not found."}"#;
    let script = Script::default().answer("GET /vm/nope", "404 NOT FOUND", body);
    let server = script.recorded("GET /vm", "vm.json").serve();
    let bench = Bench::to(server.address);
    assert_eq!(bench.run("-s vm list").done(), "");
    let finished = bench.run("-s vm info nope");
    assert_eq!((finished.code, finished.out.as_str(), finished.err.as_str()), (1, "", ""));
}

#[test]
fn version_help_completions_and_manual_need_no_configuration() {
    let bench = Bench::empty();
    assert_eq!(bench.run("--version").done(), format!("pvc {}\n", env!("CARGO_PKG_VERSION")));
    assert!(bench.run("vm define --help").done().contains("Examples:\n  pvc vm define web1.xml"));
    for shell in ["bash", "zsh", "fish"] {
        let script = bench.run(&format!("completion {shell}")).done();
        assert!(script.contains("maintenance") && script.contains("json-pretty"), "{shell}");
    }
    // `help` is completed too, whatever is made only when it is called.
    let topic = "using_subcommand help; and __fish_seen_subcommand_from storage\" -f -a \"volume\"";
    assert!(bench.run("completion fish").done().contains(topic));
    bench.run("man pages").done();
    let names = std::fs::read_dir(bench.path().join("pages")).unwrap();
    let names: Vec<String> = names.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    for name in ["pvc.1", "pvc-vm.1", "pvc-vm-define.1", "pvc-vm-tag-add.1", "pvc-connection-add.1"] {
        assert!(names.iter().any(|page| page == name), "{name} is not among {names:?}");
    }
}
