//! Who gets what: waiters in order, all or nothing, with set-asides. Pure.
