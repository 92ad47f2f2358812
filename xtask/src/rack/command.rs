//! `lab …`: the commands that make, break and mend a lab by hand.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::lab::daemons::{self, Profile};
use crate::lab::zookeeper;
use crate::rack::ceph::Storage;
use crate::rack::network::{self, Network};
use crate::rack::{Plan, Rack, folder, make, name};
use crate::say;
use crate::test::cluster;
use crate::test::tally::Tally;

/// What `lab` alone prints.
pub const HELP: &str = "\
cargo xtask lab COMMAND

  up [--nodes N] [--coordinators N] [--zookeeper 1|3] [--ceph] [--dev]
                        N machines (3 unless said otherwise), each a PVC node with a libvirt of its own, three
                        networks between them, and a power controller for each; with --ceph a Ceph on them; the
                        first three are coordinators unless said otherwise, and the others hypervisors
  status                what is on, what runs, and what is cut
  exec N CMD...         run a command on machine N, with pvc on its path; \"exec switch CMD...\" on the switch
  kill N                cut its power: links down first, then everything ends; links stay down until it is started
  start N               switch it on, and start of its programs what does not run
  reset N               kill and start
  stop N PROCESS        end one process at once: virtlogd, libvirtd, zookeeper, pvcnoded, pvcworkerd, pvcapid, mon,
                        mgr, osd (the one that the lab began with), osd.NUMBER
  stall N PROCESS       stop its time, until heal
  disk N GIB            give it a disk: a file behind a loop device
  cut N [NETWORK]       pull its cable of one network (upstream, cluster, storage), or all
  drop A B [NETWORK]    machines A and B do not hear each other
  heal                  all cables, pairs and stalled processes are well again; what was ended stays ended
  story storage [SECONDS]
                        on a lab with a Ceph: volumes through uploads, clones and refusals, and a guest that writes a
                        numbered log through moves, kills, a lost OSD and a Ceph that stands still for so long (60 s)
  down                  take it down; nothing stays";

/// Does what the words say.
///
/// # Errors
/// What is wrong with them, or what failed.
pub fn run(words: &[&str], xtask: &Path) -> Result<ExitCode> {
    let rack = || Rack::find(&folder(), xtask);
    match words {
        ["up", rest @ ..] => up(rest, xtask)?,
        ["status"] => say::line(status(&rack()?)?),
        ["exec", "switch", words @ ..] if !words.is_empty() => {
            let mut command = rack()?.switch()?.node.on_network(words[0]);
            return Ok(ended(command.args(&words[1..]).status()?));
        }
        ["exec", machine, words @ ..] if !words.is_empty() => {
            let rack = rack()?;
            let node = rack.node(number(machine)?)?;
            return Ok(ended(daemons::command(&node, rack.profile(), words).status()?));
        }
        ["kill", machine] => {
            let was_on = rack()?.kill(number(machine)?)?;
            say::line(if was_on { "its power is cut" } else { "it was off" });
        }
        ["start", machine] => rack()?.start(number(machine)?)?,
        ["reset", machine] => rack()?.reset(number(machine)?)?,
        ["stop", machine, process] => rack()?.stop(number(machine)?, process)?,
        ["stall", machine, process] => rack()?.stall(number(machine)?, process)?,
        ["disk", machine, gib] => say::line(rack()?.add_disk(number(machine)?, gib.parse()?)?),
        ["cut", machine, network @ ..] if network.len() <= 1 => {
            let (machine, network) = (number(machine)?, one_or_all(network)?);
            rack()?.cut(machine, network)?;
        }
        ["drop", a, b, network @ ..] if network.len() <= 1 => {
            let (pair, network) = (pair(a, b)?, one_or_all(network)?);
            rack()?.drop_pair(pair.0, pair.1, network)?;
        }
        ["heal"] => rack()?.heal()?,
        ["story", "storage"] => return story(&rack()?, 60),
        ["story", "storage", seconds] => return story(&rack()?, seconds.parse()?),
        ["down"] => say::line(format!("{} processes ended", make::down(&folder())?)),
        _ => {
            say::complaint(HELP);
            return Ok(ExitCode::from(2));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Plays the story of the storage, and tells how it went.
fn story(rack: &Rack, seconds: u64) -> Result<ExitCode> {
    if !rack.has_ceph() {
        bail!("this lab has no Ceph; take it down, and begin with `cargo xtask lab up --ceph`");
    }
    let mut tally = Tally::default();
    cluster::story(rack, Duration::from_secs(seconds), &mut tally);
    say::line(tally.report());
    Ok(if tally.failed() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The lab that the words after `up` ask for, in whatever order they come.
fn planned(words: &[&str]) -> Result<Plan> {
    let (mut nodes, mut coordinators, mut servers) = (3, None, None);
    let (mut profile, mut storage) = (Profile::Release, Storage::None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || {
            let text = words.next().with_context(|| format!("{word} needs a number"))?;
            text.parse::<u8>().with_context(|| format!("{word} needs a number, and \"{text}\" is none"))
        };
        match *word {
            "--nodes" => nodes = value()?,
            "--coordinators" => coordinators = Some(value()?),
            "--zookeeper" => servers = Some(value()?),
            "--dev" => profile = Profile::Dev,
            "--ceph" => storage = Storage::Ceph,
            other => bail!("{other} is not known here\n{HELP}"),
        }
    }
    let usual = Plan::of(nodes, folder(), profile);
    let coordinators = coordinators.unwrap_or(usual.coordinators);
    Ok(Plan { coordinators, servers: servers.unwrap_or(usual.servers), storage, ..usual })
}

fn up(words: &[&str], xtask: &Path) -> Result<()> {
    let plan = planned(words)?;
    let begin = std::time::Instant::now();
    let rack = make::up(&plan, xtask)?;
    say::line(format!("      in all {}\n\n{}", say::seconds(begin.elapsed()), status(&rack)?));
    say::line(format!(
        "API    http://{}:{}/api/v1 on the switch; token {}\n
Try next:
  cargo xtask lab exec 1 pvc node list
  cargo xtask lab exec switch ping -c 3 {}
  cargo xtask lab kill 3; cargo xtask lab exec 1 pvc cluster status
  cargo xtask lab down",
        Network::Upstream.address(1),
        crate::rack::API_PORT,
        rack.token(),
        Network::Upstream.address(1)
    ));
    Ok(())
}

/// A table of the machines, and what is cut.
fn status(rack: &Rack) -> Result<String> {
    let heads = ["node", "upstream", "controller", "power", "runs", "does not run", "ZooKeeper"];
    let mut rows = vec![heads.map(str::to_owned).to_vec()];
    for number in rack.numbers() {
        let mut row = vec![
            name(number),
            Network::Upstream.address(number).to_string(),
            network::controller(number).to_string(),
        ];
        if let Some(node) = rack.machine(number) {
            let serves = rack.server_numbers().contains(&number);
            let due = rack.programs(number).into_iter();
            let (runs, rests): (Vec<String>, Vec<String>) =
                due.partition(|program| node.runs(&rack.kept_name(number, program)));
            let role = if serves { zookeeper::role(&node).ok().flatten() } else { None };
            let shown = |program: &String| match node.is_stalled(&rack.kept_name(number, program)) {
                true => format!("{program} (stalled)"),
                false => program.clone(),
            };
            let runs: Vec<String> = runs.iter().map(shown).collect();
            row.extend(["on".into(), runs.join(" "), rests.join(" "), role.unwrap_or_default()]);
        } else {
            row.push("off".into());
        }
        rows.push(row);
    }
    let cuts = rack.switch()?.cuts()?;
    let cables =
        cuts.cables.iter().map(|(number, network)| format!("cut: {} {}\n", name(*number), network.name()));
    let pairs = cuts
        .pairs
        .iter()
        .map(|(a, b, network)| format!("dropped: {} {} {}\n", name(*a), name(*b), network.name()));
    Ok(say::table(&rows) + &cables.chain(pairs).collect::<String>())
}

/// A machine by its number or its name. There is none without a number, nor one of the number 0.
fn number(word: &str) -> Result<u8> {
    let digits = word.strip_prefix("pvc").unwrap_or(word);
    let number = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    number.filter(|number| *number > 0).with_context(|| format!("\"{word}\" is no number of a machine"))
}

/// Two machines, which are not the same.
fn pair(a: &str, b: &str) -> Result<(u8, u8)> {
    let (a, b) = (number(a)?, number(b)?);
    if a == b {
        bail!("a machine always hears itself");
    }
    Ok((a, b))
}

/// The network that is named, or all of them where none is.
fn one_or_all(words: &[&str]) -> Result<Option<Network>> {
    let names = || Network::ALL.map(Network::name).join(", ");
    let of_name =
        |word: &&str| Network::named(word).with_context(|| format!("\"{word}\" is none of {}", names()));
    words.first().map(of_name).transpose()
}

/// The code that another program ended with; one that a signal ended has failed.
fn ended(status: std::process::ExitStatus) -> ExitCode {
    ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

#[cfg(test)]
mod tests;
