//! `make torture`.
fn main() {}
