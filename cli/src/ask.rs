//! Questions to the user, who may have answered them beforehand.

use std::io::{BufRead, IsTerminal, Write};

use crate::failure::Failure;
use crate::session::Session;

/// Whether an option has said yes already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consent {
    /// It has.
    Given,
    /// It has to be asked for.
    Needed,
}

impl From<bool> for Consent {
    fn from(yes: bool) -> Self {
        if yes { Self::Given } else { Self::Needed }
    }
}

/// Goes on only with the user's consent.
pub(crate) fn confirm(session: &Session, question: &str, consent: Consent) -> Result<(), Failure> {
    if agrees(session, question, consent)? { Ok(()) } else { Err(Failure::Declined) }
}

/// Whether the user agrees. Where nobody can be asked it is an error, so that a script never waits and never guesses.
pub(crate) fn agrees(session: &Session, question: &str, consent: Consent) -> Result<bool, Failure> {
    if consent == Consent::Given || session.is_unsafe() {
        return Ok(true);
    }
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(Failure::Unconfirmed { question: question.into() });
    }
    let mut screen = std::io::stderr();
    write!(screen, "{question} [y/N] ")?;
    screen.flush()?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
