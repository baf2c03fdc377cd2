//! The only writer to stdout and stderr: lines, table, JSON, escaping.
