//! What is brought to a node's worker: parts go from the request's body to a thread that sends them on, a few at a time, so
//! that whoever sends is held back by whoever takes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use link::client::{Error, Patience};
use link::message::Request;
use logic::id::{NodeName, TaskId};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::{Dial, Nodes};
use crate::error::ApiError;

/// How many uploads go through this API at once; each has a thread.
pub(super) const BROUGHT_MAX: usize = 16;

/// How many parts wait for a worker that takes slowly.
const PARTS_WAITING_MAX: usize = 4;

/// How long a worker may take for a window of what is brought, and to be ready for it: its storage may be busy.
const WORKER_WAIT: Duration = Duration::from_secs(120);

/// What goes to the thread.
enum Piece {
    Part(Bytes),
    End,
    GivenUp { why: String },
}

/// A place among what is brought at once; it is given back when this is dropped.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "it is held, and not looked at")] OwnedSemaphorePermit);

/// Something on its way to a worker.
#[derive(Debug)]
pub struct Relay {
    pieces: mpsc::Sender<Piece>,
    ended: oneshot::Receiver<Result<(), Error>>,
}

impl std::fmt::Debug for Piece {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Part(_) => "part",
            Self::End => "end",
            Self::GivenUp { .. } => "given up",
        })
    }
}

impl Nodes {
    /// A place among what is brought at once.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] when all are taken.
    pub fn place(&self) -> Result<Place, ApiError> {
        let free = Arc::clone(&self.brought).try_acquire_owned();
        free.map(Place).map_err(|_| ApiError::Unavailable {
            why: format!("{BROUGHT_MAX} uploads go through this API already. Try again when one has ended."),
        })
    }

    /// Begins to bring a task's content to the worker of a node. It is the worker that says whether it takes it.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`] when this machine has no thread left.
    pub fn bring(&self, node: &NodeName, task: TaskId, place: Place) -> Result<Relay, ApiError> {
        let (pieces, received) = mpsc::channel(PARTS_WAITING_MAX);
        let (tell, ended) = oneshot::channel();
        let (dial, node) = (Arc::clone(&self.dial), node.clone());
        let bring = move || {
            // Nobody waits any more where the request has gone.
            drop(tell.send(relay(&*dial, &node, task, received)));
            drop(place);
        };
        std::thread::Builder::new().name("bring".into()).spawn(bring).map_err(|error| {
            ApiError::Unavailable { why: format!("This machine has no thread left to send it on: {error}.") }
        })?;
        Ok(Relay { pieces, ended })
    }
}

fn relay(
    dial: &dyn Dial,
    node: &NodeName,
    task: TaskId,
    mut pieces: mpsc::Receiver<Piece>,
) -> Result<(), Error> {
    let patience = Patience { next: WORKER_WAIT, ..Patience::default() };
    let mut client = dial.dial_worker(node, patience)?;
    let mut bringing = client.bring(&Request::Upload { task: task.to_string() })?;
    loop {
        let why = match pieces.blocking_recv() {
            Some(Piece::Part(part)) => {
                bringing.send(&part)?;
                continue;
            }
            Some(Piece::End) => return bringing.end(),
            Some(Piece::GivenUp { why }) => why,
            None => "the request was abandoned".into(),
        };
        bringing.give_up(&why);
        return Ok(());
    }
}

impl Relay {
    /// Hands over a part. Waits while the worker has not taken enough; false when it takes no more.
    pub async fn send(&self, part: Bytes) -> bool {
        self.pieces.send(Piece::Part(part)).await.is_ok()
    }

    /// Says that the rest does not come.
    pub async fn give_up(self, why: String) {
        drop(self.pieces.send(Piece::GivenUp { why }).await);
    }

    /// Says that this was all. Says whether the worker has all of it, or why not.
    ///
    /// # Errors
    /// The worker's words, or those of the way to it.
    pub async fn end(self) -> Result<(), String> {
        // A thread that takes no more has told why.
        drop(self.pieces.send(Piece::End).await);
        match self.ended.await {
            Ok(outcome) => outcome.map_err(|error| error.to_string()),
            Err(_) => Err("what sends it on has failed".into()),
        }
    }
}
