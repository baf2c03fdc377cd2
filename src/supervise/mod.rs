//! The parent of a command: a pure machine, the loop that performs its actions, leftovers, status.
