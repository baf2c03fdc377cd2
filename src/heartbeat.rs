//! Renews a lease from its own thread, and tells the supervisor when it is lost.
