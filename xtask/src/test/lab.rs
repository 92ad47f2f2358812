//! The lab suite: a whole PVC in namespaces, driven through its command line, fed with nonsense, and disturbed.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use crate::command::{output, wait_for};
use crate::http::{self, Answer};
use crate::lab::daemons::{self, Profile};
use crate::lab::guest::Guest;
use crate::lab::patience::{self, Outcome};
use crate::lab::process::Process;
use crate::test::tally::Tally;
use crate::tree;
use crate::up::{self, Options, Preparation, Store, Up};

mod bare;
mod disturb;
mod drive;
mod linked;
mod refuse;
mod storage;
mod stores;
mod volumes;

/// How long a guest may take to boot or a daemon to notice; emulated guests on a busy machine are slow.
const PATIENCE: Duration = Duration::from_secs(180);

/// What is to happen at once takes less than a second, as the scenarios record it. On a busy machine it takes longer, and
/// still less than the pauses of those that try again and again come to.
const AT_ONCE_MAX: Duration = Duration::from_secs(60);

/// What the command line says instead of an empty list.
const EMPTY: [&str; 2] = ["There are no VMs yet", "There is no VM that matches"];

/// Runs the suite.
pub fn run(tally: &mut Tally, xtask: &Path) {
    tally.check("no program needs a library of Ceph's to start", || {
        linked::with_nothing_of_cephs(Profile::Dev)
    });
    tally.check("a guest counts aloud in a node with libvirt alone", || bare::guest_counts(xtask));
    one_life(tally, xtask, Store::Sqlite, |lab, tally| {
        drive::checks(lab, tally);
        refuse::checks(lab, tally);
        volumes::checks(lab, tally);
        storage::checks(lab, tally);
        disturb::checks(lab, tally);
    });
    one_life(tally, xtask, Store::ZooKeeper, stores::checks);
}

/// Brings a PVC up, does something with it, and takes it down, whatever happened in between.
fn one_life(tally: &mut Tally, xtask: &Path, store: Store, work: impl FnOnce(&Lab, &mut Tally)) {
    let folder = tree::target().join(format!("lab-{store:?}").to_lowercase());
    let mut lab = None;
    tally.check(&format!("up on {store:?} boots a guest that counts aloud its nonce"), || {
        up::down(&folder)?;
        let options = Options {
            preparation: Preparation::Done,
            profile: Profile::Dev,
            store,
            folder: folder.clone(),
            listen: free_address()?,
        };
        lab = Some(Lab { up: up::up(&options, xtask)?, options, xtask: xtask.into() });
        Ok(())
    });
    if let Some(lab) = lab {
        work(&lab, tally);
    } else {
        tally.failed_one(&format!("the other checks on {store:?}"), "they could not be run");
    }
    tally.check(&format!("down on {store:?} leaves no process, namespace or mount"), || {
        down_leaves_nothing(&folder)
    });
}

fn down_leaves_nothing(folder: &Path) -> Result<()> {
    up::down(folder)?;
    wait_for("everything to have ended", PATIENCE, || crate::test::cluster::nothing_left(folder))
}

/// An address that nobody listens on. It is used some seconds later, so that none is taken which the kernel gives to
/// whoever connects meanwhile.
fn free_address() -> Result<String> {
    let begin = u16::try_from(std::process::id() % 8_000)? + 20_000;
    let free = (begin..begin + 1_000).map(|port| format!("127.0.0.1:{port}"));
    free.into_iter().find(|address| TcpListener::bind(address).is_ok()).context("no port is free")
}

/// The one thing that was asked for: the contract puts it into a list.
fn first(answer: Value) -> Value {
    match answer {
        Value::Array(mut list) if list.len() == 1 => list.remove(0),
        other => other,
    }
}

/// A PVC that is up, with the questions that the checks ask of it.
struct Lab {
    up: Up,
    options: Options,
    xtask: PathBuf,
}

impl Lab {
    /// What `pvc` says; it must end well.
    fn pvc(&self, words: &[&str]) -> Result<String> {
        patience::said(words, |words| Ok(daemons::pvc(&self.up.node, self.up.profile, words)))
    }

    /// What `pvc` says as JSON.
    fn pvc_json(&self, words: &[&str]) -> Result<Value> {
        let said = self.pvc(&[words, &["-f", "json"]].concat())?;
        serde_json::from_str(&said).with_context(|| format!("no JSON: {said}"))
    }

    /// `pvc` must refuse with this code, and name this on its error output.
    fn pvc_refuses(&self, words: &[&str], code: i32, names: &str) -> Result<()> {
        let command = |words: &[&str]| Ok(daemons::pvc(&self.up.node, self.up.profile, words));
        let ended = patience::ended(Outcome::Refused, words, command)?;
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        let what = words.join(" ");
        ensure!(
            ended.status.code() == Some(code),
            "`pvc {what}` ended with {}, not {code}: {said}",
            ended.status
        );
        ensure!(said.contains(names), "`pvc {what}` does not name \"{names}\" but says: {said}");
        Ok(())
    }

    /// One request to the API with its right token, whatever it answers.
    fn asked(&self, method: &str, path: &str, form: &str) -> Result<Answer> {
        http::Connection::open(&self.up.address, &self.up.token)?.request(method, path, form)
    }

    /// The same, asked again while the API says that its store is late.
    fn api(&self, method: &str, path: &str, form: &str) -> Result<Answer> {
        patience::answer(|| self.asked(method, path, form))
    }

    /// The API must answer so, and name this.
    fn api_answers(&self, method: &str, path: &str, form: &str, status: u16, names: &str) -> Result<()> {
        let answer = self.api(method, path, form)?;
        ensure!(answer.status == status, "it answers {}, not {status}: {}", answer.status, answer.body);
        ensure!(answer.body.contains(names), "it does not name \"{names}\": {}", answer.body);
        Ok(())
    }

    /// The names of the VMs that `pvc vm list` tells with these words.
    fn names(&self, words: &[&str]) -> Result<Vec<String>> {
        let words = [&["vm", "list", "-f", "raw"], words].concat();
        let command = |words: &[&str]| Ok(daemons::pvc(&self.up.node, self.up.profile, words));
        let ended = patience::ended(Outcome::Done, &words, command)?;
        // An empty list is an answer of 404 in the contract.
        let why = String::from_utf8_lossy(&ended.stderr).into_owned();
        ensure!(
            ended.status.success() || EMPTY.iter().any(|empty| why.contains(empty)),
            "the list fails: {why}"
        );
        let mut names: Vec<String> =
            String::from_utf8_lossy(&ended.stdout).lines().map(str::to_owned).collect();
        names.sort();
        Ok(names)
    }

    /// Everything that the API tells of a VM.
    fn vm(&self, name: &str) -> Result<Value> {
        let answer = self.api("GET", &format!("/api/v1/vm/{name}"), "")?;
        ensure!(answer.status == 200, "the VM {name}: {} {}", answer.status, answer.body);
        Ok(first(answer.json()?))
    }

    /// Everything that the API tells of the node.
    fn node(&self) -> Result<Value> {
        let answer = self.api("GET", &format!("/api/v1/node/{}", self.up.node.name), "")?;
        ensure!(answer.status == 200, "the node: {} {}", answer.status, answer.body);
        Ok(first(answer.json()?))
    }

    fn state(&self, name: &str) -> Result<String> {
        Ok(self.vm(name)?["state"].as_str().context("a VM has a state")?.to_owned())
    }

    fn wait_for_state(&self, name: &str, state: &str) -> Result<()> {
        wait_for(&format!("{name} to be in state {state}"), PATIENCE, || {
            let now = self.state(name)?;
            ensure!(now == state, "it is in state {now}");
            Ok(())
        })
    }

    /// The QEMU process of a guest.
    fn guest(&self, name: &str) -> Result<Process> {
        let mark = format!("guest={name},");
        for process in self.up.node.processes()? {
            let words = fs::read(format!("/proc/{}/cmdline", process.pid)).unwrap_or_default();
            let words = String::from_utf8_lossy(&words).into_owned();
            if words.contains("qemu-system") && words.contains(&mark) {
                return Ok(process);
            }
        }
        bail!("no QEMU runs {name}")
    }

    fn wait_for_guest(&self, name: &str) -> Result<Process> {
        wait_for(&format!("the guest {name} to run"), PATIENCE, || self.guest(name))
    }

    fn wait_for_no_guest(&self, name: &str) -> Result<()> {
        wait_for(&format!("the guest {name} to be gone"), PATIENCE, || match self.guest(name) {
            Ok(process) => bail!("process {} still runs it", process.pid),
            Err(_) => Ok(()),
        })
    }

    /// The whole console of a guest, as its node keeps it.
    fn console(&self, name: &str) -> String {
        let path = self.up.node.path(&format!("/var/log/libvirt/qemu/{name}-console.log"));
        String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
    }

    /// Waits until the console holds the text more often than `times`.
    fn wait_for_console(&self, name: &str, text: &str, times: usize) -> Result<()> {
        wait_for(&format!("\"{text}\" on the console of {name}"), PATIENCE, || {
            let console = self.console(name);
            let found = console.matches(text).count();
            ensure!(
                found > times,
                "{found} times so far; it ends with:\n{}",
                crate::command::tail(&console, 5)
            );
            Ok(())
        })
    }

    /// Waits until the guest counts on from here.
    fn wait_for_counting(&self, name: &str, nonce: &str) -> Result<()> {
        let mark = format!("hello {nonce} ");
        let so_far = self.console(name).matches(&mark).count();
        self.wait_for_console(name, &mark, so_far + 1)
    }

    /// What libvirt in the node says.
    fn virsh(&self, words: &[&str]) -> Result<String> {
        output(self.up.node.inside("virsh").args(["-q", "-c", "qemu:///system"]).args(words))
    }

    /// The file, as seen from inside the node too, of a domain's document.
    fn file(&self, name: &str, text: &str) -> Result<String> {
        let path = self.up.node.folder.join(name);
        fs::write(&path, text)?;
        Ok(path.to_str().context("the path is no text")?.to_owned())
    }

    /// The document of another VM with the small guest.
    fn document(&self, name: &str, uuid: &str, nonce: &str) -> Result<String> {
        Ok(Guest::ensure(&tree::target().join("guest"))?.domain_xml(name, uuid, nonce))
    }

    /// What a daemon wrote to its log.
    fn log(&self, daemon: &str) -> String {
        let path = self.up.node.path(&format!("/var/log/pvc/{daemon}.log"));
        String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
    }

    /// Waits until a daemon's log has told more of this than it had.
    fn wait_for_log(&self, daemon: &str, text: &str, times: usize) -> Result<()> {
        wait_for(&format!("\"{text}\" in the log of {daemon}"), PATIENCE, || {
            let found = self.log(daemon).matches(text).count();
            ensure!(
                found > times,
                "{found} times so far; it ends with:\n{}",
                crate::command::tail(&self.log(daemon), 5)
            );
            Ok(())
        })
    }

    /// Starts those of PVC's daemons that do not run.
    fn start_daemons(&self) -> Result<()> {
        daemons::start(&self.up.node, self.up.profile)
    }
}
