//! The REST daemon of PVC.
fn main() {}
