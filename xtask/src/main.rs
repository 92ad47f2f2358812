//! The developers' commands: `cargo xtask COMMAND`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};

use xtask::lab::daemons::Profile;
use xtask::lab::{forward, node};
use xtask::rack::{Rack, command, controller};
use xtask::{bench, packages, say, simulate, test, up};

const HELP: &str = "\
cargo xtask COMMAND

  up [--dev]            bring up a PVC of one node on this machine, and see a guest run in it; with --dev the
                        programs are built quickly, with checks
  down                  take it down again; nothing stays
  exec -- CMD...        run a command inside the node that is up, with pvc on its path
  sim swarm --seeds N [--first SEED]
                        run random schedules through the simulator
  sim replay SEED       play one seed again, with its story; sim shrink SEED makes a failing one shorter
  sim scenarios [--bless]
                        run the recorded scenarios
  sim mutations [NAME]  take each guard away in turn; whoever guards it must notice
  test [SUITE]          run every test, or one suite: lints, pure, sim, contracts, lab, cluster
  lab up|down|...       several machines with networks between them, to be broken and mended; lab alone tells how
  bench store|api|handover|migrate|drain|footprint|storage
                        measure; the last line is JSON. Those on several nodes take --dev and numbers, such as
                        handover --planned 50 --killed 20, migrate --runs 50 --downtime 300, drain --guests 12 --runs 5,
                        footprint --guests 20 --minutes 10, storage --turns 20 --volumes 20 --uploads 5 --mib 512;
                        broken off, they go on after the last run
  packages              install the Debian packages that all this needs";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(code) => code,
        Err(error) => {
            say::complaint(format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<ExitCode> {
    let own = std::env::current_exe().context("cannot find this program")?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["up"] => up::tell(&up::up(&up::Options::usual(Profile::Release), &own)?)?,
        ["up", "--dev"] => up::tell(&up::up(&up::Options::usual(Profile::Dev), &own)?)?,
        ["down"] => say::line(up::down(&up::folder())?),
        ["exec", "--", command @ ..] if !command.is_empty() => {
            return Ok(code(up::exec(&up::folder(), command)?));
        }
        ["sim", "mutations", rest @ ..] => return simulate::mutations(rest),
        ["sim", rest @ ..] => return Ok(code(simulate::run(rest)?)),
        ["test", rest @ ..] => return test::run(rest, &own),
        ["lab", rest @ ..] => return command::run(rest, &own),
        ["bench", rest @ ..] => bench::run(rest, &own)?,
        ["packages"] => say::line(packages::install()?),
        // How a node is made: these run in processes of their own.
        ["node-boot", name, folder] => node::boot_here(name, Path::new(folder))?,
        ["node-first", name, folder] => node::first_here(name, Path::new(folder))?,
        ["lab-chassis", folder, number, rest @ ..] => {
            controller::chassis(Path::new(folder), number.parse()?, rest, &own)?;
        }
        ["lab-programs", folder, number] => {
            Rack::find(Path::new(folder), &own)?.start_programs(number.parse()?)?;
        }
        ["forward", pid, listen, inside] => forward::carry(pid.parse()?, listen, inside)?,
        // How a measurement is taken: these run inside its node.
        ["load", address, token, path, connections, seconds] => {
            let span = Duration::from_secs(seconds.parse()?);
            told(&bench::load::requests(address, token, path, connections.parse()?, span)?)?;
        }
        ["time", times, command @ ..] if !command.is_empty() => {
            told(&bench::load::command(times.parse()?, command)?)?
        }
        ["storage-turn", turn] => {
            let told = bench::storage::turn::take(&serde_json::from_str(turn)?)?;
            say::line(told.to_string());
        }
        ["help" | "-h" | "--help"] => say::line(HELP),
        _ => {
            say::complaint(HELP);
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn told(load: &bench::load::Load) -> Result<()> {
    say::line(serde_json::to_string(load)?);
    Ok(())
}

/// The code that another program ended with; one that a signal ended has failed.
fn code(status: std::process::ExitStatus) -> ExitCode {
    ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
