//! The command of a run: proves by exclusive locks that it is alone on its GPUs, stays a while, ends as it was told.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use bench::{Result, clock};

/// The status of a command that found somebody else on its GPU.
pub(crate) const DOUBLE: i32 = 98;

/// `hold DIRECTORY NAME MILLIS STATUS [stubborn]`.
pub(crate) fn run(words: &[OsString]) -> Result<i32> {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let [dir, name, millis, status, ref stubborn @ ..] = words[..] else {
        return Err(format!("hold does not know {words:?}").into());
    };
    if !stubborn.is_empty() {
        // SAFETY: SIG_IGN is no function of ours.
        unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
    }
    let gpus = std::env::var("CUDA_VISIBLE_DEVICES")?;
    let Some(_locks) = lock(Path::new(dir), &gpus, name)? else { return Ok(DOUBLE) };
    let draft = Path::new(dir).join(format!("draft-{name}"));
    fs::write(&draft, format!("{} {}", std::process::id(), clock::nanos()))?;
    fs::rename(&draft, Path::new(dir).join(format!("started-{name}")))?;
    std::thread::sleep(Duration::from_millis(millis.parse()?));
    Ok(status.parse()?)
}

/// Locks the files of these GPUs, and writes into them by whom; `None`, and a line for the judge, if somebody has one.
pub(crate) fn lock(dir: &Path, gpus: &str, name: &str) -> Result<Option<Vec<File>>> {
    let mut held = Vec::new();
    for gpu in gpus.split(',') {
        let path = dir.join(format!("lock-{gpu}"));
        let mut file = File::options().write(true).open(&path)?;
        if file.try_lock().is_err() {
            let other = fs::read_to_string(&path).unwrap_or_default();
            let mut judge = File::options().append(true).open(dir.join("violations"))?;
            judge.write_all(format!("GPU {gpu} was given to {name} while {other} had it\n").as_bytes())?;
            return Ok(None);
        }
        file.set_len(0)?;
        file.write_all(name.as_bytes())?;
        held.push(file);
    }
    Ok(Some(held))
}
