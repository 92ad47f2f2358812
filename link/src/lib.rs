//! What travels between the API and the nodes: frames, requests and answers, over a unix socket on one
//! machine, or mutual TLS between two.
//!
//! | module | what it holds |
//! |---|---|
//! | [`frame`] | a frame as bytes: a JSON header and a raw body, both bounded |
//! | [`message`] | the headers: hello, request, data, taken, end, error |
//! | [`transport`] | the streams that frames travel on: unix sockets, and TCP with mutual TLS |
//! | [`server`] | the node's side: a thread per connection, each request given to an [`Answer`](server::Answer) |
//! | [`client`] | the API's side: one request at a time, its answer read frame by frame |
//!
//! A connection begins with a hello from both sides. Then the client sends one request after another; the answer to
//! each is any number of data frames and then an end or an error. Whoever does not read is not written to: writes
//! block, and nothing is queued beyond one frame and the kernel's buffer.
//!
//! A client may also bring something: after such a request it is the one that sends data frames and an end, and the node
//! tells how much of it was taken.
//!
//! Contains no decision and knows nothing of the cluster.

pub mod client;
mod connection;
pub mod frame;
pub mod message;
pub mod server;
pub mod transport;
