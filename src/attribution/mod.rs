//! Whose processes are on the GPUs, and where they came from. The only room that reads /proc about others.
