//! Why a step is taken for a VM's volumes.

use std::fmt;

use serde::Serialize;

use super::Reason;

/// The reasons of [`crate::vm::volumes`]; each is named in logs with `volumes-` before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the text of each is its sentence, in Display below")]
pub enum VolumesReason {
    Asked,
    Noted,
    Stale,
    Barred,
    SecretDue,
}

impl fmt::Display for VolumesReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Asked => "its volumes must be there and in nobody's hands before it is started",
            Self::Noted => "it runs, and who it is at the storage is noted for the case that it crashes",
            Self::Stale => {
                "locks on its volumes are of the dead: of its own former guest, or of a node that is fenced"
            }
            Self::Barred => "its volumes cannot be used now",
            Self::SecretDue => "the hypervisor must have the key to the guests' volumes",
        })
    }
}

impl VolumesReason {
    /// The reason's name, as it stands in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Asked => "volumes-asked",
            Self::Noted => "volumes-noted",
            Self::Stale => "volumes-stale",
            Self::Barred => "volumes-barred",
            Self::SecretDue => "volumes-secret-due",
        }
    }
}

impl From<VolumesReason> for Reason {
    fn from(reason: VolumesReason) -> Self {
        Self::Volumes(reason)
    }
}
