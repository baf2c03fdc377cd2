//! What our programs do when they are run by the product: say when they started, prove by a lock that nobody else has
//! the same GPU, measure from inside a reservation.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::{Result, clock, process};

/// Two commands had the same GPU at once.
pub const DOUBLE: i32 = 99;

/// Does what the words after `inner` say; the exit status.
pub fn run(words: &[OsString]) -> Result<i32> {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    match words[..] {
        ["stamp"] => stamp(),
        ["waiter"] => wait_for_a_byte(),
        ["claim", locks, millis] => claim(Path::new(locks), Duration::from_millis(millis.parse()?)),
        ["measure", times, ref command @ ..] => measure(times.parse()?, command),
        _ => Err(format!("inner does not know {words:?}").into()),
    }
}

/// The moment, as the last thing before the end.
fn stamp() -> Result<i32> {
    std::io::stdout().write_all(format!("{}\n", clock::nanos()).as_bytes())?;
    Ok(0)
}

/// The least that a waiter could do: sleep until it is told, then fork and exec.
fn wait_for_a_byte() -> Result<i32> {
    std::io::stdin().read_exact(&mut [0])?;
    Command::new(std::env::current_exe()?).args(["inner", "stamp"]).status()?;
    Ok(0)
}

/// Holds an exclusive lock on the file of each GPU that the environment names.
fn claim(locks: &Path, hold: Duration) -> Result<i32> {
    let gpus = std::env::var("CUDA_VISIBLE_DEVICES")?;
    let mut held = Vec::new();
    for gpu in gpus.split(',') {
        let file = File::options().create(true).append(true).open(locks.join(gpu))?;
        if file.try_lock().is_err() {
            return Ok(DOUBLE);
        }
        held.push(file);
    }
    std::thread::sleep(hold);
    Ok(0)
}

/// How long a command takes, in milliseconds, a line each time.
fn measure(times: u32, command: &[&str]) -> Result<i32> {
    let (program, arguments) = command.split_first().ok_or("measure needs a command")?;
    let mut out = std::io::stdout().lock();
    for _ in 0..times {
        let (millis, status) = process::timed(Command::new(program).args(arguments))?;
        if !status.success() {
            return Err(format!("{program}: {status}").into());
        }
        writeln!(out, "{millis}")?;
    }
    Ok(0)
}

/// As a shell counts.
pub fn shell_status(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// A command of ours that writes to a pipe.
pub fn piped(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null())
}
