//! The command line of PVC.
fn main() {}
