//! The arguments of `pvc connection`.

use clap::{Args as Options, Subcommand};

use super::{ConnectionFormat, PlainFormat};

// What can be done with connections.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub(crate) enum ConnectionCommand {
    /// Add a connection, or change one
    #[command(after_help = "Examples:\n  pvc connection add home -a 10.0.0.250 -k 1234-abcd\n  \
        pvc connection add work -a pvc.example.com -p 443 --ssl -k - < key.txt")]
    Add(ConnectionAdd),
    /// Forget a connection
    #[command(after_help = "Example:\n  pvc connection remove home")]
    Remove {
        /// Its name
        name: String,
    },
    /// List the connections
    #[command(after_help = "Examples:\n  pvc connection list\n  pvc connection list -f json-prometheus")]
    List {
        /// Print the keys too
        #[arg(short = 'k', long)]
        show_keys: bool,
        /// How to print them
        #[arg(short, long, value_enum, default_value_t)]
        format: ConnectionFormat,
    },
    /// List the connections with the state of each cluster
    #[command(after_help = "Example:\n  pvc connection detail")]
    Detail {
        /// How to print them
        #[arg(short, long, value_enum, default_value_t)]
        format: PlainFormat,
    },
}

// A connection as it is added.
#[derive(Debug, Options)]
pub(crate) struct ConnectionAdd {
    /// Its name, for --connection
    pub(crate) name: String,
    /// What it is for
    #[arg(short, long, default_value = "N/A", hide_default_value = true)]
    pub(crate) description: String,
    /// The host name or address of the API
    #[arg(short, long)]
    pub(crate) address: String,
    /// The port of the API
    #[arg(short, long, default_value_t = 7370)]
    pub(crate) port: u16,
    /// The key of the API; "-" reads it from the input, where nobody can see it
    #[arg(short = 'k', long, value_name = "KEY")]
    pub(crate) api_key: Option<String>,
    /// The API speaks TLS
    #[arg(short, long, overrides_with = "no_ssl")]
    pub(crate) ssl: bool,
    /// The API does not speak TLS (as without any option)
    #[arg(short = 'S', long, overrides_with = "ssl")]
    pub(crate) no_ssl: bool,
    /// Accept any certificate: whoever sits between can read the key
    #[arg(long, requires = "ssl")]
    pub(crate) no_verify: bool,
}
