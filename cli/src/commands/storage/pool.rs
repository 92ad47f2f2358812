//! The commands of `pvc storage pool`.

use api::Pool;
use api::client::{Method, Request};

use crate::args::TableFormat;
use crate::args::storage::PoolCommand;
use crate::ask::confirm;
use crate::commands::{ask_list, show_list};
use crate::failure::Failure;
use crate::print::storage as print;
use crate::session::Session;

/// Runs one of them.
pub(crate) fn run(command: PoolCommand, session: &Session) -> Result<(), Failure> {
    match command {
        PoolCommand::Add(pool) => session.order(
            &Request::post(&["storage", "ceph", "pool"])
                .with("pool", &pool.name)
                .with("pgs", pool.pgs.to_string())
                .with("replcfg", &pool.replcfg)
                .with("tier", pool.tier.as_str()),
        ),
        PoolCommand::Remove { name, yes } => {
            let question = format!("Remove pool \"{name}\", and LOSE ALL VOLUMES in it?");
            confirm(session, &question, yes.into())?;
            let request = Request::new(Method::Delete, &["storage", "ceph", "pool", &name]);
            session.order(&request.with("yes-i-really-mean-it", "yes"))
        }
        PoolCommand::SetPgs { name, pgs, yes } => {
            let question = format!("Give pool \"{name}\" {pgs} placement groups? Data will move.");
            confirm(session, &question, yes.into())?;
            let request = Request::new(Method::Put, &["storage", "ceph", "pool", &name]);
            session.order(&request.with("pgs", pgs.to_string()))
        }
        PoolCommand::List { limit, format } => show_pools(session, limit.as_deref(), format),
    }
}

fn show_pools(session: &Session, limit: Option<&str>, format: TableFormat) -> Result<(), Failure> {
    let none = match limit {
        None => "There are no pools yet. Make one with: pvc storage pool add NAME PGS",
        Some(_) => "There is no pool that matches. All of them: pvc storage pool list",
    };
    let request = Request::get(&["storage", "ceph", "pool"]).with_some("limit", limit);
    let answer = ask_list(session, &request, none)?;
    show_list(session, &answer, format, |pool: &Pool| &pool.name, print::pools)
}
