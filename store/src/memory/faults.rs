//! What can be ordered to go wrong with the server in memory: outages, elections, clients cut off, commits without an
//! answer.

use logic::time::{BootTime, Span};

use super::Memory;

/// Whether the server can be reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// It answers.
    #[default]
    There,
    /// No call is answered.
    Gone,
}

/// How a commit is to go wrong next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitFault {
    /// It lands, but its caller is not told.
    UnknownLanded,
    /// It does not land, and its caller is not told.
    UnknownLost,
}

/// What becomes of the sessions while a leader is elected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sessions {
    /// The new leader gives each its whole time again.
    Kept,
    /// Their time goes on: those whose time is over by then are lost. None is ever over before its time.
    Lost,
}

/// A leader is being elected: until then no call is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Election {
    pub(super) until: BootTime,
    pub(super) sessions: Sessions,
}

/// The leader dies with the next commit in its hands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LeaderLoss {
    pub(super) span: Span,
    pub(super) commit: CommitFault,
}

impl Memory {
    /// Whether calls are answered, from now on until told otherwise.
    pub fn set_reach(&self, reach: Reach) {
        let mut state = self.lock();
        state.reach = reach;
        let sinks = if reach == Reach::There { state.sinks(None) } else { Vec::new() };
        drop(state);
        sinks.iter().for_each(|sink| sink.doubt());
    }

    /// Whether the calls of one client are answered, from now on until told otherwise. Meanwhile it hears nothing, and
    /// its sessions end when their time is over.
    pub fn set_reach_of(&self, client: &str, reach: Reach) {
        let mut state = self.lock();
        let mended = match reach {
            Reach::Gone => {
                state.cut.insert(client.into());
                false
            }
            Reach::There => state.cut.remove(client),
        };
        let sinks = if mended { state.sinks(Some(client)) } else { Vec::new() };
        drop(state);
        sinks.iter().for_each(|sink| sink.doubt());
    }

    /// From now on for this long a leader is elected: no call is answered, and nobody hears anything.
    pub fn elect(&self, span: Span, sessions: Sessions) {
        let until = self.now() + span;
        self.lock().election = Some(Election { until, sessions });
    }

    /// The leader dies with the next commit in its hands: whether that lands is not told, and an election follows that
    /// takes this long. The sessions live on.
    pub fn lose_leader(&self, span: Span, commit: CommitFault) {
        self.lock().leader_loss = Some(LeaderLoss { span, commit });
    }

    /// The next commit goes wrong like this.
    pub fn fail_next_commit(&self, fault: CommitFault) {
        self.lock().commit_fault = Some(fault);
    }

    /// Ends every fault, and forgets those that were ordered and did not happen.
    pub fn heal(&self) {
        let mut state = self.lock();
        (state.reach, state.commit_fault, state.leader_loss) = (Reach::There, None, None);
        state.cut.clear();
        if let Some(election) = &mut state.election {
            election.until = BootTime::default();
        }
        let sinks = state.sinks(None);
        drop(state);
        sinks.iter().for_each(|sink| sink.doubt());
    }
}
