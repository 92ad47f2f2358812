//! The libvirt document: read, edit, render.

/// Why a document is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// It is not XML.
    #[error("{why}")]
    Malformed {
        /// What is wrong, with line and column.
        why: String,
    },
}
