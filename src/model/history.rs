//! GPU hours by account, from ended and current reservations. Pure.
