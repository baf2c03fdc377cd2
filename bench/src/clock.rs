//! One clock for all processes of a host.

use std::fs::File;
use std::io::Read;

/// Nanoseconds of CLOCK_MONOTONIC.
pub fn nanos() -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a timespec that the call may write to.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// Between two moments of [`nanos`], in milliseconds.
pub fn ms(from: i64, to: i64) -> f64 {
    (to - from) as f64 / 1e6
}

/// Eight random bytes: a seed, or part of a name.
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    let filled = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    if filled.is_err() {
        return nanos().unsigned_abs();
    }
    u64::from_ne_bytes(bytes)
}
