//! Asks PVC as a patient operator does: again where it says that its store is late, and to the end of what it says takes longer.
//!
//! The API keeps its bounds on any machine, and a busy one may be too slow for them: then it says so and has done nothing,
//! or names the task that goes on. Each time is printed, so that an API that is late without need is seen.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::command::{capture, shown, tail};
use crate::http::Answer;
use crate::say;

/// How long it may go on saying so.
const LIMIT: Duration = Duration::from_secs(90);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(500);

/// What the API says when the store was too slow for it and nothing was written.
const LATE: [&str; 4] = [
    "Try again when the store is back",
    "shown again as soon as it answers",
    "could not be read since the API started",
    "and nothing was written. Try again",
];

/// What it says when the storage was too slow to be measured.
const UNMEASURED: &str = "Try again, or use force";

/// What it says before the id of a task that it does not wait for any longer.
const GOES_ON: &str = "takes longer than is waited for here: task ";

/// What is expected of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// That it is done.
    Done,
    /// That it is refused, for another reason than that the storage is late.
    Refused,
}

/// Has `pvc` do something, and gives how that ended.
///
/// # Errors
/// When it cannot be started.
pub fn ended(
    expected: Outcome,
    words: &[&str],
    command: impl Fn(&[&str]) -> Result<Command>,
) -> Result<Output> {
    let begin = Instant::now();
    loop {
        let ended = capture(&mut command(words)?)?;
        let said =
            [&ended.stdout, &ended.stderr].map(|part| String::from_utf8_lossy(part).into_owned()).concat();
        if let Some(task) = task_named(&said).filter(|_| ended.status.success()) {
            note(&said);
            return capture(&mut command(&["cluster", "task", task])?);
        }
        let is_late = is_late(&said) || expected == Outcome::Done && said.contains(UNMEASURED);
        if ended.status.success() || !is_late || begin.elapsed() > LIMIT {
            return Ok(ended);
        }
        note(&said);
        std::thread::sleep(PAUSE);
    }
}

/// What `pvc` says; it must end well.
///
/// # Errors
/// What it says when it does not.
pub fn said(words: &[&str], command: impl Fn(&[&str]) -> Result<Command>) -> Result<String> {
    let ended = ended(Outcome::Done, words, &command)?;
    if !ended.status.success() {
        let said = [&ended.stdout, &ended.stderr].map(|part| String::from_utf8_lossy(part).into_owned());
        let command = command(words)?;
        bail!("`{}` ended with {}:\n{}", shown(&command), ended.status, tail(said.concat().trim(), 30));
    }
    Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
}

/// The answer to a request.
///
/// # Errors
/// Those of asking.
pub fn answer(mut ask: impl FnMut() -> Result<Answer>) -> Result<Answer> {
    let begin = Instant::now();
    loop {
        let answer = ask()?;
        let is_late = [409, 503].contains(&answer.status) && is_late(&answer.body);
        if !is_late || begin.elapsed() > LIMIT {
            return Ok(answer);
        }
        note(&answer.body);
        std::thread::sleep(PAUSE);
    }
}

fn is_late(said: &str) -> bool {
    LATE.iter().any(|late| said.contains(late))
}

fn task_named(said: &str) -> Option<&str> {
    said.split_once(GOES_ON)?.1.split(' ').next()
}

fn note(said: &str) {
    say::line(format!("          late: {}", said.trim()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::program;

    /// Says each of these in turn, and ends with its code.
    fn teller(turns: &'static [(&str, i32)]) -> impl Fn(&[&str]) -> Result<Command> {
        let turn = std::cell::Cell::new(0);
        move |words| {
            let (said, code) = match words {
                ["cluster", "task", id] => (format!("task {id} has ended"), 0),
                _ => {
                    let (said, code) = turns[turn.get()];
                    turn.set(turn.get() + 1);
                    (said.to_owned(), code)
                }
            };
            let mut command = program("sh");
            command.args(["-c", "echo \"$0\"; exit \"$1\""]).arg(said).arg(code.to_string());
            Ok(command)
        }
    }

    #[test]
    fn what_says_that_the_store_is_late_is_asked_again_and_nothing_else_is() {
        let late = "Nothing was written: it hangs. Try again when the store is back.";
        let turns = Box::leak(Box::new([(late, 1), ("done", 0), ("not reached", 0)]));
        assert_eq!(said(&["vm"], teller(turns)).unwrap(), "done\n");
        let turns = &[("The VM runs.", 1), ("not reached", 0)];
        assert!(said(&["vm"], teller(turns)).unwrap_err().to_string().contains("The VM runs."));
    }

    #[test]
    fn storage_that_is_late_is_a_refusal_where_one_is_expected() {
        let turns =
            &[("How much room there is is not known: it hangs. Try again, or use force.", 1), ("done", 0)];
        assert_eq!(said(&["volume"], teller(turns)).unwrap(), "done\n");
        let refused = ended(Outcome::Refused, &["volume"], teller(turns)).unwrap();
        assert_eq!(refused.status.code(), Some(1));
    }

    #[test]
    fn a_task_that_goes_on_is_waited_for() {
        let turns = &[(
            "This takes longer than is waited for here: task 1a2b3c4d goes on with it on node \"pvc1\".",
            0,
        )];
        assert_eq!(said(&["volume"], teller(turns)).unwrap(), "task 1a2b3c4d has ended\n");
    }

    #[test]
    fn a_late_answer_is_asked_for_again() {
        let mut turns = [(503, "They are shown again as soon as it answers"), (200, "[]")].into_iter();
        let next = || {
            let (status, body) = turns.next().unwrap();
            Ok(Answer { status, body: body.into() })
        };
        assert_eq!(answer(next).unwrap().status, 200);
    }
}
