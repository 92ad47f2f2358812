//! Destructive commands ask first, and where nobody can answer they refuse.

use crate::bench::Bench;
use crate::server::Script;

/// Commands that ask, with what they would ask of the API.
const ASKING: [(&str, &str); 7] = [
    ("vm undefine web1", "DELETE /vm/web1?delete_disks=false"),
    ("vm remove web1", "DELETE /vm/web1?delete_disks=true"),
    ("vm rename web1 web2", "POST /vm/web1/rename?new_name=web2"),
    ("vm restart web1", "POST /vm/web1/state?state=restart"),
    ("vm shutdown web1", "POST /vm/web1/state?state=shutdown"),
    ("vm stop web1 --force", "POST /vm/web1/state?state=stop&force=true"),
    ("cluster init -o", "POST /initialize?yes-i-really-mean-it=yes&overwrite=True"),
];

#[test]
fn without_a_terminal_nothing_is_done_unless_it_was_agreed_beforehand() {
    for (words, question) in ASKING {
        let server = Script::default().done(question, "Done so.").serve();
        let bench = Bench::to(server.address);
        let error = bench.run(words).failed();
        assert!(error.contains("the input is not a terminal. Add --yes"), "{words}: {error}");
        let error = bench.run_with_input(words, "y\n").failed();
        assert!(error.contains("the input is not a terminal"), "{words}: {error}");
        assert_eq!(server.asked(), Vec::<String>::new(), "{words}");
        assert_eq!(bench.run(&format!("{words} --yes")).done(), "Done so.\n");
        assert_eq!(bench.run(&format!("-u {words}")).done(), "Done so.\n");
        let output = bench.command(words).env("PVC_UNSAFE", "1").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{words}");
        assert_eq!(server.asked(), [question; 3], "{words}");
    }
}

#[test]
fn at_a_terminal_the_answer_decides() {
    let question = "DELETE /vm/web1?delete_disks=true";
    let server = Script::default().done(question, "Removed.").serve();
    let bench = Bench::to(server.address);
    for no in ["n\n", "\n", "yess\n"] {
        let finished = bench.at_a_terminal("vm remove web1", no);
        assert_eq!(finished.code, 1, "{finished:?}");
        assert!(finished.out.contains("DELETE ITS DISKS? [y/N]"), "{finished:?}");
        assert!(finished.out.contains("Nothing was done."), "{finished:?}");
    }
    assert_eq!(server.asked(), Vec::<String>::new());
    for yes in ["y\n", "Yes\n"] {
        let finished = bench.at_a_terminal("vm remove web1", yes);
        assert!(finished.code == 0 && finished.out.contains("Removed."), "{finished:?}");
    }
    assert_eq!(server.asked(), [question; 2]);
}
