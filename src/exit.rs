//! Every exit status.
