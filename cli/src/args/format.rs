//! The formats that results are printed in.

use clap::ValueEnum;

/// A table, for commands that list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// A table for people
    #[default]
    Pretty,
    /// One name per line
    Raw,
    /// JSON on one line
    Json,
    /// JSON with indentation
    JsonPretty,
}

/// One thing with everything about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum DetailFormat {
    /// What matters most, for people
    #[default]
    Pretty,
    /// Everything, for people
    Long,
    /// JSON on one line
    Json,
    /// JSON with indentation
    JsonPretty,
}

/// A status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum StatusFormat {
    /// A page for people
    #[default]
    Pretty,
    /// Health and primary coordinator only
    Short,
    /// JSON on one line
    Json,
    /// JSON with indentation
    JsonPretty,
}

/// Something that has no names of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlainFormat {
    /// A table for people
    #[default]
    Pretty,
    /// JSON on one line
    Json,
    /// JSON with indentation
    JsonPretty,
}

/// The connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ConnectionFormat {
    /// A table for people
    #[default]
    Pretty,
    /// One name per line
    Raw,
    /// JSON on one line
    Json,
    /// JSON with indentation
    JsonPretty,
    /// A list of targets as Prometheus reads them from a file
    JsonPrometheus,
}
