//! The loop around the decisions, and what a node serves.
