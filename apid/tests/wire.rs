//! The API over a store in memory and a node that is made up: what goes in and out over HTTP.

#[path = "wire/anything.rs"]
mod anything;
#[path = "wire/bad_input.rs"]
mod bad_input;
#[path = "wire/benchmarks.rs"]
mod benchmarks;
#[path = "wire/desk.rs"]
mod desk;
#[path = "wire/document.rs"]
mod document;
#[path = "wire/drains.rs"]
mod drains;
#[path = "wire/links.rs"]
mod links;
#[path = "wire/osds.rs"]
mod osds;
#[path = "wire/outages.rs"]
mod outages;
#[path = "wire/relocations.rs"]
mod relocations;
#[path = "wire/role.rs"]
mod role;
#[path = "wire/sessions.rs"]
mod sessions;
#[path = "wire/shapes.rs"]
mod shapes;
#[path = "wire/storage.rs"]
mod storage;
#[path = "wire/storage_refused.rs"]
mod storage_refused;
#[path = "wire/storeroom.rs"]
mod storeroom;
#[path = "wire/together.rs"]
mod together;
#[path = "wire/uploads.rs"]
mod uploads;
#[path = "wire/vms.rs"]
mod vms;
