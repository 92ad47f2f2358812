//! The command as its users run it: the real binary, against a server that gives recorded answers.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "wire/asking.rs"]
mod asking;
#[path = "wire/bench.rs"]
mod bench;
#[path = "wire/benchmarks.rs"]
mod benchmarks;
#[path = "wire/connections.rs"]
mod connections;
#[path = "wire/contract.rs"]
mod contract;
#[path = "wire/disks.rs"]
mod disks;
#[path = "wire/errors.rs"]
mod errors;
#[path = "wire/lists.rs"]
mod lists;
#[path = "wire/modify.rs"]
mod modify;
#[path = "wire/nodes.rs"]
mod nodes;
#[path = "wire/relocations.rs"]
mod relocations;
#[path = "wire/role.rs"]
mod role;
#[path = "wire/server.rs"]
mod server;
#[path = "wire/storage.rs"]
mod storage;
#[path = "wire/streams.rs"]
mod streams;
#[path = "wire/tls.rs"]
mod tls;
#[path = "wire/wishes.rs"]
mod wishes;
