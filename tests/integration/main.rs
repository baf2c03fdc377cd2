//! Behaviour seen from outside, and what the source must keep to.

mod rooms;
