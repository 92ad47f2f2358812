//! The pool of production: a few threads for steps, and a lane of its own for the heartbeat.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use logic::plan::Resource;

use crate::agent::{Inbox, Pool};
use crate::memory::Ended;
use crate::perform::Job;
use crate::sight::Sight;
use crate::wake::Bell;
use crate::world::Fault;

/// How many steps are performed side by side. Each may wait for libvirt up to its deadline.
const STEPPERS: usize = 8;

/// Threads that perform steps.
#[derive(Debug)]
pub struct Threads {
    steps: Sender<Job>,
    heartbeat: Sender<Job>,
}

/// What a thread needs to report the end of a step.
#[derive(Clone, Debug)]
struct Report {
    inbox: Arc<Inbox>,
    sight: Arc<Sight>,
    bells: Bells,
}

/// What wakes the parts of a daemon.
#[derive(Clone, Debug, Default)]
pub struct Bells {
    /// Rung for a look at the guests.
    pub looks: Arc<Bell>,
    /// Rung for looks at the guests that are on their way.
    pub moves: Arc<Bell>,
    /// Rung for a look at the networks.
    pub networks: Arc<Bell>,
    /// Rung for a pass.
    pub passes: Arc<Bell>,
}

impl Threads {
    /// Starts the threads. After each step, the bells are rung for a new look and a new pass.
    pub fn start(inbox: &Arc<Inbox>, sight: &Arc<Sight>, bells: &Bells) -> Self {
        let report = Report { inbox: Arc::clone(inbox), sight: Arc::clone(sight), bells: bells.clone() };
        Self { steps: lane("step", STEPPERS, &report), heartbeat: lane("heartbeat", 1, &report) }
    }
}

impl Pool for Threads {
    fn submit(&self, job: Job) {
        let lane = if job.step.resource == Resource::Heartbeat { &self.heartbeat } else { &self.steps };
        lane.send(job).expect("a lane's threads end only with the process");
    }
}

fn lane(name: &str, threads: usize, report: &Report) -> Sender<Job> {
    let (sender, receiver) = channel::<Job>();
    let receiver = Arc::new(Mutex::new(receiver));
    for number in 0..threads {
        let (receiver, report) = (Arc::clone(&receiver), report.clone());
        let perform = move || {
            while let Some(job) = next(&receiver) {
                report.perform(&job);
            }
        };
        thread::Builder::new()
            .name(format!("{name}-{number}"))
            .spawn(perform)
            .expect("the machine has threads left");
    }
    sender
}

fn next(receiver: &Mutex<Receiver<Job>>) -> Option<Job> {
    receiver.lock().expect("no thread panics while it waits for a step").recv().ok()
}

impl Report {
    fn perform(&self, job: &Job) {
        let began = job.world.clock.now().boot;
        let outcome = survived(|| job.perform());
        let at = job.world.clock.now().boot;
        let (step, took, ticket) = (Arc::clone(&job.step), at - began, self.sight.ticket());
        self.inbox.put(Ended { step, outcome, at, took, ticket });
        match job.step.resource.is_of_networks() {
            true => self.bells.networks.ring(),
            false => {
                self.bells.looks.ring();
                self.bells.moves.ring();
            }
        }
        self.bells.passes.ring();
    }
}

/// A step that panics has failed. Its thread goes on, and so does everything else that the daemon looks after.
fn survived<T>(act: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    // What it has left half done behind a lock fails whoever takes that lock next, and is no secret.
    catch_unwind(AssertUnwindSafe(act)).unwrap_or(Err(Fault::Panicked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_panics_has_failed_and_others_are_as_they_are() {
        assert_eq!(survived(|| Ok(7)).unwrap(), 7);
        assert!(matches!(survived(|| Err::<(), _>(Fault::NoFence)), Err(Fault::NoFence)));
        assert!(matches!(
            survived(|| -> Result<(), Fault> { panic!("as it is meant") }),
            Err(Fault::Panicked)
        ));
    }
}
