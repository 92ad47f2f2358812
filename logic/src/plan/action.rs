//! How an action is named in logs.

use super::Action;

impl Action {
    /// The action's name, as it stands in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Action::Record(_) => "record",
            Action::Announce(_) => "announce",
            Action::StartGuest { .. } => "start-guest",
            Action::PressPower { .. } => "press-power",
            Action::StopGuest { .. } => "stop-guest",
            Action::SendGuest { .. } => "send-guest",
            Action::AllowDowntime { .. } => "allow-downtime",
            Action::AbortMove { .. } => "abort-move",
            Action::SwitchToPostCopy { .. } => "switch-to-post-copy",
            Action::MendGuest { .. } => "mend-guest",
            Action::ReleaseGuest { .. } => "release-guest",
            Action::DiscardGuest { .. } => "discard-guest",
            Action::AttachDevice { .. } => "attach-device",
            Action::DetachDevice { .. } => "detach-device",
            Action::Network(change) => change.name(),
            Action::Storage(change) => change.name(),
            Action::Osd(change) => change.name(),
            Action::LookAtVolumes { .. } => "look-at-volumes",
            Action::BreakLocks { .. } => "break-locks",
            Action::FlushLocks { .. } => "flush-locks",
            Action::ResizeDisk { .. } => "resize-disk",
            Action::EnsureSecret => "ensure-secret",
            Action::Fence(change) => change.name(),
        }
    }
}
