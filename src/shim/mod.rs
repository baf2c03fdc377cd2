//! How many GPUs a command line needs, and where the real program is.
