//! Waiting for what was asked for: the command asks again and again, so that no request stays open for minutes and a
//! restart of the API in between does no harm.

use std::thread::sleep;
use std::time::{Duration, Instant};

use api::client::Request;
use api::{Node, NodeCoordinatorState, TaskRef, TaskStatus, Vm};

use super::only;
use crate::args::storage::TaskManner;
use crate::failure::Failure;
use crate::print::progress::Progress;
use crate::session::Session;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two questions about the primary role, which moves within a second.
const ROLE_PAUSE: Duration = Duration::from_millis(100);
/// How long the role may take to move at the longest: three times as long as a handover that goes badly.
const ROLE_MAX: Duration = Duration::from_secs(60);
/// How long the API may be away in between.
const ABSENCE_MAX: Duration = Duration::from_secs(60);

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// The VM has stopped.
    Stopped,
    /// The VM has stopped and runs again.
    Restarted,
}

/// Waits for a VM. It ends badly when the VM fails, or when somebody has wished something else meanwhile.
pub(crate) fn vm(session: &Session, domain: &str, until: Until) -> Result<(), Failure> {
    let (passing, goal, text) = match until {
        Until::Stopped => ("shutdown", ["stop", "disable"], format!("VM \"{domain}\" shuts down")),
        Until::Restarted => ("restart", ["start", "start"], format!("VM \"{domain}\" restarts")),
    };
    let mut watch = Watch::new(session, text);
    loop {
        let vm = watch.look(domain)?;
        match vm.state.as_str() {
            state if goal.contains(&state) => return Ok(()),
            state if state == passing => sleep(PAUSE),
            "fail" => {
                return Err(Failure::Other(format!("VM \"{domain}\" has failed: {}", vm.failed_reason)));
            }
            state => {
                return Err(Failure::Other(format!(
                    "VM \"{domain}\" is in state \"{state}\": something else was asked of it meanwhile."
                )));
            }
        }
    }
}

/// Waits until a VM has left its node, and tells where it is. It ends badly when the VM stayed on `from`, or failed.
pub(crate) fn relocated(session: &Session, domain: &str, from: &str) -> Result<String, Failure> {
    let mut watch = Watch::new(session, format!("VM \"{domain}\" leaves node \"{from}\""));
    loop {
        let vm = watch.look(domain)?;
        let (state, node) = (vm.state.as_str(), vm.node.as_str());
        return match state {
            "migrate" | "migrate-live" => {
                sleep(PAUSE);
                continue;
            }
            "fail" => Err(Failure::Other(format!(
                "VM \"{domain}\" has failed on node \"{node}\": {}",
                vm.failed_reason
            ))),
            _ if node == from => Err(Failure::Other(format!(
                "VM \"{domain}\" stayed on node \"{node}\", in state \"{state}\": {}. Ask why with: \
                 pvc vm why {domain}",
                given_up(&vm)
            ))),
            _ => Ok(format!("VM \"{domain}\" is on node \"{node}\" now, in state \"{state}\".")),
        };
    }
}

/// What became of a move of a VM that stayed.
fn given_up(vm: &Vm) -> String {
    match vm.failed_reason.as_str() {
        "" => "the move was given up".into(),
        why => why.to_owned(),
    }
}

/// Waits until a node is emptied or filled, whatever was asked of it last, and tells how it stands then.
pub(crate) fn served(session: &Session, node: &str) -> Result<String, Failure> {
    let progress = Progress::new(&session.screen);
    let mut most = 0;
    loop {
        let found: Node = patiently(|| only(&session.ask(&Request::get(&["node", node]))?))?;
        let left = found.domains_count;
        most = left.max(most);
        match found.domain_state.as_str() {
            "flush" => progress.stage(most - left, most, &format!("VMs have left node \"{node}\"")),
            "unflush" => progress.wait(&format!("VMs come home to node \"{node}\", {left} run there")),
            state => return Ok(format!("Node \"{node}\" is in state \"{state}\" now.")),
        }
        sleep(PAUSE);
    }
}

/// Waits until a node has, or has no longer, the primary role. It ends badly when the role stays where it is.
pub(crate) fn role(session: &Session, node: &str, goal: &str) -> Result<String, Failure> {
    let progress = Progress::new(&session.screen);
    let begin = Instant::now();
    let mut was_moving = false;
    loop {
        let shown: NodeCoordinatorState =
            patiently(|| session.read(&Request::get(&["node", node, "coordinator-state"])))?;
        let state = shown.coordinator_state;
        let is_moving = matches!(state.as_str(), "takeover" | "relinquish");
        if state == goal {
            return Ok(format!("Node \"{node}\" is {goal} now."));
        }
        if (was_moving && !is_moving) || begin.elapsed() > ROLE_MAX {
            return Err(Failure::Other(format!(
                "The primary role stayed where it was: node \"{node}\" is in state \"{state}\". The nodes' logs say why: \
                 pvc node log {node}"
            )));
        }
        was_moving |= is_moving;
        progress.wait(&format!("The primary role moves; node \"{node}\" is in state \"{state}\""));
        sleep(ROLE_PAUSE);
    }
}

/// A VM that is looked at again and again.
struct Watch<'a> {
    session: &'a Session,
    progress: Progress,
    text: String,
    begin: Instant,
    minutes: u64,
}

impl<'a> Watch<'a> {
    fn new(session: &'a Session, text: String) -> Self {
        let progress = Progress::new(&session.screen);
        Self { session, progress, text, begin: Instant::now(), minutes: 0 }
    }

    fn look(&mut self, domain: &str) -> Result<Vm, Failure> {
        self.progress.wait(&self.text);
        // Somebody reads the log of a script that waits for longer than it should.
        let minutes = self.begin.elapsed().as_secs() / 60;
        if minutes > self.minutes {
            self.minutes = minutes;
            self.session.screen.note(&format!("{}: {minutes} min so far.", self.text));
        }
        patiently(|| only(&self.session.ask(&Request::get(&["vm", domain]))?))
    }
}

/// Waits for a task, and tells how it ended.
pub(crate) fn task(session: &Session, id: &str) -> Result<TaskStatus, Failure> {
    let progress = Progress::new(&session.screen);
    loop {
        let task: TaskStatus = patiently(|| session.read(&Request::get(&["tasks", id])))?;
        progress.stage(task.current, task.total, &task.status);
        match task.state.as_str() {
            "SUCCESS" | "FAILURE" => return Ok(task),
            _ => sleep(PAUSE),
        }
    }
}

/// Asks for a task, and waits for it unless told not to. One that fails is a failure of the command.
pub(crate) fn ordered(session: &Session, request: &Request, manner: TaskManner) -> Result<(), Failure> {
    let accepted: TaskRef = session.read(request)?;
    let TaskRef { task_id, run_on, .. } = &accepted;
    if manner.no_wait {
        return session.screen.show(&format!(
            "Task {task_id} does it on node \"{run_on}\". Watch it with: pvc cluster task {task_id}"
        ));
    }
    let ended = task(session, task_id)?;
    match ended.state.as_str() {
        "SUCCESS" => session.screen.show(&ended.status),
        _ => Err(Failure::Other(format!("Task {task_id} has failed: {}", ended.status))),
    }
}

/// Asks again while the API is away for a little while.
fn patiently<T>(ask: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
    let begin = Instant::now();
    loop {
        match ask() {
            Err(Failure::Api(error)) if error.may_pass() && begin.elapsed() < ABSENCE_MAX => sleep(PAUSE),
            outcome => return outcome,
        }
    }
}
