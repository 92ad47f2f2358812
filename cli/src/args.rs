//! The arguments: the tree of commands with its options and help, as the people who use PVC 1.0 know it.
//!
//! A command's options, and the commands below it, are made when it is called (`defer`) and not before: to make the whole tree
//! takes longer than all the rest of most commands. What the parser reads above a structure would then replace the words
//! of each command that has it. So these comments have two slashes.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args as Options, Parser, Subcommand};
use clap_complete::Shell;

mod cluster;
mod connection;
pub(crate) mod disk;
mod format;
mod node;
pub(crate) mod relocation;
pub(crate) mod storage;
mod vm;

pub(crate) use cluster::{ClusterCommand, Maintenance};
pub(crate) use connection::{ConnectionAdd, ConnectionCommand};
pub(crate) use format::{ConnectionFormat, DetailFormat, PlainFormat, StatusFormat, TableFormat};
pub(crate) use node::{NodeCommand, NodeDuty, NodeList, NodePart};
pub(crate) use vm::{TagCommand, VmCommand, VmDefine, VmList, VmMeta, VmModify};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "pvc", version, about = "Run a Parallel Virtual Cluster", arg_required_else_help = true)]
#[command(long_about = "Run a Parallel Virtual Cluster: its nodes, its virtual machines and itself.\n\n\
    Every command talks to the API of one cluster. Which one is told by --connection; without it, it is the one that \
    this machine is a node of. See: pvc connection --help")]
#[command(
    after_help = "Examples:\n  pvc cluster status\n  pvc vm list\n  pvc -c production vm info web1\n\n\
    Options stand before the command, as in the last example. Exit codes: 0 done, 1 refused or failed, 2 wrong usage."
)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) area: Area,
}

// The options of every command; they stand before it.
#[derive(Clone, Debug, Default, Options)]
pub(crate) struct Global {
    /// The connection to use; "local" without it
    #[arg(short, long, value_name = "NAME", env = "PVC_CONNECTION")]
    pub(crate) connection: Option<String>,
    /// Tell what is asked of the API, and the causes of failures
    #[arg(short = 'v', long, env = "PVC_DEBUG", value_parser = FalseyValueParser::new())]
    pub(crate) debug: bool,
    /// Print results and failures only, no notes
    #[arg(short, long, env = "PVC_QUIET", value_parser = FalseyValueParser::new())]
    pub(crate) quiet: bool,
    /// Print nothing at all; the exit code tells
    #[arg(short, long, env = "PVC_SILENT", value_parser = FalseyValueParser::new())]
    pub(crate) silent: bool,
    /// Answer every question with yes
    #[arg(short, long = "unsafe", env = "PVC_UNSAFE", value_parser = FalseyValueParser::new())]
    pub(crate) unsafe_: bool,
    /// Print colours even where nobody would see them
    #[arg(long, env = "PVC_COLOUR", value_parser = FalseyValueParser::new())]
    pub(crate) colour: bool,
}

// The parts of a cluster that commands are about.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum Area {
    /// Virtual machines
    Vm(Below<VmCommand>),
    /// The servers of the cluster
    Node(Below<NodeCommand>),
    /// The cluster as a whole
    Cluster(Below<ClusterCommand>),
    /// Where the data of virtual machines is kept
    Storage(Below<storage::StorageCommand>),
    /// Which clusters this command line knows
    Connection(Below<ConnectionCommand>),
    /// Print the completions for a shell
    #[command(after_help = "Examples:\n  pvc completion bash > /etc/bash_completion.d/pvc\n  \
        pvc completion zsh > ~/.zfunc/_pvc\n  pvc completion fish > ~/.config/fish/completions/pvc.fish")]
    Completion {
        /// The shell
        shell: Shell,
    },
    /// Write the manual pages into a directory
    #[command(hide = true, after_help = "Example:\n  pvc man /usr/local/share/man/man1")]
    Man {
        /// The directory
        directory: PathBuf,
    },
}

// The commands below one that is deferred.
#[derive(Debug, Options)]
pub(crate) struct Below<C: Subcommand> {
    #[command(subcommand)]
    pub(crate) command: C,
}

/// The long names of the contract's options of two letters behind one dash, which an option parser reads as two options.
const TWO_LETTERS: [(&str, &str); 3] =
    [("-ds", "--daemon-state"), ("-cs", "--coordinator-state"), ("-vs", "--domain-state")];

/// The arguments with those options spelled out, where they belong: after `node list`.
pub(crate) fn spelled_out(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.collect();
    let list = words.windows(2).position(|pair| pair[0] == "node" && pair[1] == "list");
    for word in words.iter_mut().skip(list.map_or(usize::MAX, |at| at + 2)) {
        if let Some((_, long)) = TWO_LETTERS.iter().find(|(short, _)| word == short) {
            *word = (*long).into();
        }
    }
    words
}

#[cfg(test)]
mod tests;
