//! Tests of starting processes.

use super::*;

#[test]
fn a_program_is_run_with_its_arguments_as_they_are() {
    let done = run("printf", &["%s", "a b; $(c)"], Duration::from_secs(60)).unwrap();
    assert_eq!((done.code, done.output.as_str()), (Some(0), "a b; $(c)"));
}

#[test]
fn a_program_that_takes_too_long_is_ended() {
    let error = run("sleep", &["60"], Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.to_string(), "sleep did not finish within 50 ms and was ended");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    assert!(
        run("no-such-program", &[], Duration::from_secs(1))
            .unwrap_err()
            .to_string()
            .contains("no-such-program")
    );
}

#[test]
fn a_program_that_is_not_wanted_any_more_is_ended() {
    let began = Instant::now();
    let mut asked = 0;
    let mut is_wanted = || {
        asked += 1;
        asked < 3
    };
    let error = run_while("sleep", &["60"], Duration::from_secs(60), &mut is_wanted).unwrap_err();
    assert_eq!(error.to_string(), "sleep was ended, as was asked");
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_program_that_is_ended_gently_has_time_to_clear_up() {
    let folder = tempfile::tempdir().unwrap();
    let (begun, ended) = (folder.path().join("begun"), folder.path().join("ended"));
    let script = format!(
        "trap 'touch {}; exit' TERM; touch {}; while :; do sleep 0.05; done",
        ended.display(),
        begun.display()
    );
    let mut is_wanted = || !begun.exists();
    let error = run_gently("sh", &["-c", &script], Duration::from_secs(60), &mut is_wanted).unwrap_err();
    assert_eq!(error.to_string(), "sh was ended, as was asked");
    assert!(ended.exists());
}
