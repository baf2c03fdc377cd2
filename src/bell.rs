//! Wakes waiters: abstract datagram sockets named after them.
