//! Pools: what there are, and how they come, change and go.

use std::sync::Arc;

use api::{Message, Pool};
use axum::extract::{Path, State};
use logic::id::PoolName;
use logic::storage::accept;
use logic::storage::{Replication, Tier};
use regex::Regex;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::settle;
use crate::Api;
use crate::answer::{Answer, Answered};
use crate::convert;
use crate::error::ApiError;
use crate::handlers::{confirmed, limit, now};
use crate::parameters::{NoParameters, Parameters};

/// Which pools are shown.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListPools {
    /// A regular expression that the name begins with.
    limit: Option<String>,
}

/// Lists the pools.
#[utoipa::path(get, path = "/storage/ceph/pool", tag = "storage", params(ListPools))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Parameters(asked): Parameters<ListPools>,
) -> Answered<Vec<Pool>> {
    let pattern =
        asked.limit.as_deref().map(|text| limit(text, |text| format!("^(?:{text})"))).transpose()?;
    let fits = |pattern: &Regex, name: &PoolName| pattern.is_match(name.as_str());
    let cluster = api.view.cluster().await?;
    let pools: Vec<Pool> =
        convert::storage::pools(&cluster, now(), |name| pattern.as_ref().is_none_or(|p| fits(p, name)));
    if pools.is_empty() {
        return Err(ApiError::NotFound { what: "Pool" });
    }
    Ok(Answer(pools))
}

/// Shows a pool, as a list of one.
#[utoipa::path(get, path = "/storage/ceph/pool/{pool}", tag = "storage")]
pub async fn show(
    State(api): State<Arc<Api>>,
    Path(pool): Path<String>,
    Parameters(NoParameters {}): Parameters<NoParameters>,
) -> Answered<Vec<Pool>> {
    let unknown = || ApiError::unknown("Pool", &pool);
    let name: PoolName = pool.parse().map_err(|_| unknown())?;
    let one = |cluster: &Arc<logic::cluster::Cluster>| {
        let pools = convert::storage::pools(cluster, now(), |other| *other == name);
        (!pools.is_empty()).then_some(pools)
    };
    api.view.find(one).await?.map(Answer).ok_or_else(unknown)
}

/// On what kind of device a pool lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum TierName {
    #[default]
    Default,
    Hdd,
    Ssd,
    Nvme,
}

impl From<TierName> for Tier {
    fn from(name: TierName) -> Self {
        match name {
            TierName::Default => Self::Default,
            TierName::Hdd => Self::Hdd,
            TierName::Ssd => Self::Ssd,
            TierName::Nvme => Self::Nvme,
        }
    }
}

/// A pool to be made.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AddPool {
    /// Its name.
    pool: String,
    /// How many placement groups it has.
    pgs: u32,
    /// How often its data is kept, and with how many of these copies it is still written, such as
    /// `copies=3,mincopies=2`.
    replcfg: String,
    /// On what kind of device it lies; on any when it is not given.
    #[serde(default)]
    #[param(inline, required = false)]
    tier: TierName,
}

/// Makes a pool.
#[utoipa::path(post, path = "/storage/ceph/pool", tag = "storage", params(AddPool))]
pub async fn add(State(api): State<Arc<Api>>, Parameters(asked): Parameters<AddPool>) -> Answered<Message> {
    make(&api, &asked.pool, asked.pgs, &asked.replcfg, asked.tier).await
}

/// A pool to be made, whose name is in the path.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AddNamedPool {
    /// How many placement groups it has.
    pgs: u32,
    /// How often its data is kept, and with how many of these copies it is still written, such as
    /// `copies=3,mincopies=2`.
    replcfg: String,
    /// On what kind of device it lies; on any when it is not given.
    #[serde(default)]
    #[param(inline, required = false)]
    tier: TierName,
}

/// Makes a pool.
#[utoipa::path(post, path = "/storage/ceph/pool/{pool}", tag = "storage", params(AddNamedPool))]
pub async fn add_named(
    State(api): State<Arc<Api>>,
    Path(pool): Path<String>,
    Parameters(asked): Parameters<AddNamedPool>,
) -> Answered<Message> {
    make(&api, &pool, asked.pgs, &asked.replcfg, asked.tier).await
}

async fn make(api: &Api, pool: &str, pgs: u32, replcfg: &str, tier: TierName) -> Answered<Message> {
    let name: PoolName = pool.parse().map_err(logic::refusal::Refusal::from)?;
    let replication = replication(replcfg)?;
    settle(api, |on| accept::add_pool(on, &name, replication, tier.into(), pgs)).await
}

/// Reads `copies=3,mincopies=2`, in either order.
fn replication(text: &str) -> Result<Replication, ApiError> {
    let bad = || {
        let given: String = text.chars().take(80).collect();
        ApiError::parameter(
            "replcfg",
            format!(
                "\"{given}\" is not valid: write it as copies=3,mincopies=2, each a number from 1 to 255."
            ),
        )
    };
    let (mut copies, mut copies_min) = (None, None);
    for part in text.split(',') {
        let (name, number) = part.split_once('=').ok_or_else(bad)?;
        let number: u8 = number.trim().parse().ok().filter(|number| *number > 0).ok_or_else(bad)?;
        let place = match name.trim() {
            "copies" => &mut copies,
            "mincopies" => &mut copies_min,
            _ => return Err(bad()),
        };
        if place.replace(number).is_some() {
            return Err(bad());
        }
    }
    match (copies, copies_min) {
        (Some(copies), Some(copies_min)) => Ok(Replication { copies, copies_min }),
        _ => Err(bad()),
    }
}

/// How many placement groups a pool is to have.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SetPgs {
    /// How many.
    pgs: u32,
}

/// Gives a pool another number of placement groups.
#[utoipa::path(put, path = "/storage/ceph/pool/{pool}", tag = "storage", params(SetPgs))]
pub async fn set_pgs(
    State(api): State<Arc<Api>>,
    Path(pool): Path<String>,
    Parameters(asked): Parameters<SetPgs>,
) -> Answered<Message> {
    let name: PoolName = pool.parse().map_err(|_| ApiError::unknown("Pool", &pool))?;
    settle(&api, |on| accept::set_placement_groups(on, &name, asked.pgs)).await
}

/// That a removal is meant.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RemovePool {
    /// Any text but a no: that this is meant.
    #[serde(rename = "yes-i-really-mean-it")]
    confirmation: String,
}

/// Removes a pool and all volumes in it.
#[utoipa::path(delete, path = "/storage/ceph/pool/{pool}", tag = "storage", params(RemovePool))]
pub async fn remove(
    State(api): State<Arc<Api>>,
    Path(pool): Path<String>,
    Parameters(asked): Parameters<RemovePool>,
) -> Answered<Message> {
    confirmed(&asked.confirmation, "Removing a pool")?;
    let name: PoolName = pool.parse().map_err(|_| ApiError::unknown("Pool", &pool))?;
    settle(&api, |on| accept::remove_pool(on, &name)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replication_is_read_in_either_order_and_nothing_else_is_one() {
        let expected = Replication { copies: 3, copies_min: 2 };
        for text in ["copies=3,mincopies=2", "mincopies=2,copies=3", " copies = 3 , mincopies = 2 "] {
            assert_eq!(replication(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "copies=3",
            "mincopies=2",
            "3,2",
            "copies=3,mincopies=0",
            "copies=0,mincopies=1",
            "copies=300,mincopies=2",
            "copies=-1,mincopies=1",
            "copies=3,copies=2",
            "copies=3,mincopies=2,tier=ssd",
            "copies=three,mincopies=2",
        ] {
            assert!(replication(text).is_err(), "{text}");
        }
    }
}
