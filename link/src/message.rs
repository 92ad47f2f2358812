//! The headers of frames: hello, request, data, taken, beat, end, error.

use serde::{Deserialize, Serialize};

/// The versions of this protocol that are spoken here.
pub const VERSIONS: Versions = Versions { oldest: 1, newest: 1 };

/// A range of versions of the protocol, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The oldest that is understood.
    pub oldest: u32,
    /// The newest that is understood.
    pub newest: u32,
}

impl Versions {
    /// The newest version that both understand.
    pub fn common(self, other: Self) -> Option<u32> {
        let newest = self.newest.min(other.newest);
        (newest >= self.oldest && newest >= other.oldest).then_some(newest)
    }
}

/// What a client asks of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase")]
pub enum Request {
    /// A guest's console. The node knows where it is kept.
    Console {
        /// The VM's UUID.
        vm: String,
        /// The VM's name.
        name: String,
        /// How many of the last lines.
        lines: u32,
        /// Whether to go on with what is written from then on.
        follow: bool,
    },
    /// The log of the node's daemon.
    Log {
        /// How many of the last lines.
        lines: u32,
        /// Whether to go on with what is written from then on.
        follow: bool,
    },
    /// The statistics of the node's guests: one message with every keepalive, until the client goes away.
    Statistics,
    /// Takes in what a task brings into a volume: the client sends its bytes.
    Upload {
        /// The task's id. Its record tells the node the rest.
        task: String,
    },
}

impl Request {
    /// Whether the client brings something, and does not only ask.
    pub fn brings(&self) -> bool {
        matches!(self, Self::Upload { .. })
    }
}

/// What a frame is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "lowercase")]
pub enum Header {
    /// The first frame in each direction.
    Hello {
        /// The versions that the sender speaks.
        versions: Versions,
    },
    /// Asks. From the client only.
    Request {
        /// For what.
        request: Request,
    },
    /// A part of the answer, in the body; or, from the client, of what it brings.
    Data,
    /// So much of what is brought was taken: the client sends on. The first says that the node is ready.
    Taken {
        /// How many bytes, from the beginning.
        bytes: u64,
    },
    /// Nothing new, but the node is there.
    Beat,
    /// The answer is complete; or what is brought is, and the node says so too.
    End,
    /// There is no answer, or no more of it.
    Error {
        /// Why, for an operator.
        text: String,
    },
}
