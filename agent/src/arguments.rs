//! What stands behind a daemon's name on its command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::identity;
use crate::start::{Role, read_config, run};

/// Where the configuration is unless said otherwise.
const CONFIG_FILE: &str = "/etc/pvc/pvc.toml";

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Run(PathBuf),
    Help,
    Version,
    Wrong(String),
}

/// The whole of a daemon's `main`: 0 when it stopped as asked, 1 when it could not start, 2 for wrong usage.
pub fn start(role: Role) -> ExitCode {
    let usage = format!("usage: {} [--config FILE]   (default: {CONFIG_FILE})", role.name());
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let (Role::Noded, Some(("identity", words))) =
        (role, words.split_first().map(|(w, rest)| (w.as_str(), rest)))
    {
        return identity(words);
    }
    match parse(&words) {
        Asked::Run(config) => match run(role, &config) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                say(&format!("{}: {error:#}", role.name()));
                ExitCode::FAILURE
            }
        },
        Asked::Help => {
            say(&usage);
            ExitCode::SUCCESS
        }
        Asked::Version => {
            say(&format!("{} {}", role.name(), env!("CARGO_PKG_VERSION")));
            ExitCode::SUCCESS
        }
        Asked::Wrong(why) => {
            say(&format!("{}: {why}\n{usage}", role.name()));
            ExitCode::from(2)
        }
    }
}

/// `pvcnoded identity`: 0 when it is done, 1 when it failed, 2 for wrong usage.
fn identity(words: &[String]) -> ExitCode {
    let (asked, config) = match identity::parse(words) {
        Ok(asked) => asked,
        Err(why) => {
            say(&format!("pvcnoded identity: {why}\n{}", identity::USAGE));
            return ExitCode::from(2);
        }
    };
    if asked == identity::Asked::Help {
        say(identity::USAGE);
        return ExitCode::SUCCESS;
    }
    let config = config.unwrap_or_else(|| CONFIG_FILE.into());
    let root = Path::new(host::identity::pki::ROOT);
    let done = read_config(&config)
        .and_then(|config| identity::perform(&asked, &config, root, &mut std::io::stdout().lock()));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("pvcnoded identity: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn parse(words: &[String]) -> Asked {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match *words {
        [] => Asked::Run(CONFIG_FILE.into()),
        ["--config", file] => Asked::Run(file.into()),
        ["--help" | "-h"] => Asked::Help,
        ["--version" | "-V"] => Asked::Version,
        ["--config"] => Asked::Wrong("--config needs a file".into()),
        [word, ..] => Asked::Wrong(format!("\"{word}\" is not known here")),
    }
}

fn say(text: &str) {
    use std::io::Write as _;
    // A terminal that went away is no reason to fail.
    let _gone = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    //! The command line of the daemons.

    use super::*;

    fn parsed(text: &str) -> Asked {
        parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_configuration_is_the_usual_file_or_the_given_one() {
        assert_eq!(parsed(""), Asked::Run("/etc/pvc/pvc.toml".into()));
        assert_eq!(parsed("--config /tmp/x"), Asked::Run("/tmp/x".into()));
    }

    #[test]
    fn what_is_not_known_is_named() {
        assert_eq!(parsed("--conf x"), Asked::Wrong("\"--conf\" is not known here".into()));
        assert_eq!(parsed("--config"), Asked::Wrong("--config needs a file".into()));
    }
}
