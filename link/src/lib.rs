//! What travels between the API and the nodes.
