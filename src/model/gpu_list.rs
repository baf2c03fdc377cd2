//! Lists of GPU ids as people type and read them: `1,3`, `0-3`. Pure.
