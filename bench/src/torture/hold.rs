//! The command of a run: proves by exclusive locks that it is alone on its GPUs, computes there as far as the driver
//! can tell, stays a while, ends as it was told. What it does it also writes down, for the judge.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use bench::{Result, clock};

use crate::locks;
use crate::proc::Proc;

/// The status of a command that found somebody else on its GPU.
pub(crate) const DOUBLE: i32 = 98;
/// How long a process that was left behind stays, if nobody ends it.
const LEFT_BEHIND: Duration = Duration::from_millis(2_500);
/// How long it is on the GPU before its parent may end.
const SEEN: Duration = Duration::from_millis(200);
const MEMORY_MB: u64 = 1024;

/// `hold DIRECTORY NAME WANTED MILLIS STATUS MANNER`.
pub(crate) fn run(words: &[OsString]) -> Result<i32> {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let [dir, name, wanted, millis, status, manner] = words[..] else {
        return Err(format!("hold does not know {words:?}").into());
    };
    if manner == "stubborn" {
        ignore_term();
    }
    let dir = Path::new(dir);
    let gpus = std::env::var("CUDA_VISIBLE_DEVICES")?;
    if !is_what_was_wanted(&gpus, wanted) {
        accuse(dir, &format!("{name} wanted {wanted} and was given {gpus}"))?;
    }
    let _locks = if manner == "parent" {
        leave_behind(dir, name, status)?;
        None
    } else {
        let Some(locks) = lock(dir, &gpus, name)? else { return Ok(DOUBLE) };
        Some(locks)
    };
    compute(&gpus)?;
    // SAFETY: getppid takes nothing.
    let launcher = Proc::of(unsafe { libc::getppid() }).ok_or("no launcher")?;
    say(dir, &format!("started-{name}"), &format!("{} {launcher} {}", me()?, clock::nanos()))?;
    std::thread::sleep(Duration::from_millis(millis.parse()?));
    // From here on nobody but a SIGKILL makes another end of it than is written down.
    mask(libc::SIG_BLOCK, None);
    say(dir, &format!("ended-{name}"), status)?;
    Ok(status.parse()?)
}

/// `left DIRECTORY NAME STATUS`: what a command leaves behind. It has the locks, so that they last as long as it does.
pub(crate) fn left(words: &[OsString]) -> Result<i32> {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let [dir, name, status] = words[..] else { return Err(format!("left does not know {words:?}").into()) };
    if status.parse::<i32>()? % 3 == 0 {
        ignore_term();
    }
    let dir = Path::new(dir);
    let gpus = std::env::var("CUDA_VISIBLE_DEVICES")?;
    compute(&gpus)?;
    let Some(_locks) = lock(dir, &gpus, name)? else { return Ok(DOUBLE) };
    say(dir, &format!("left-{name}"), &me()?.to_string())?;
    // The parent waits for the end of it.
    // SAFETY: nobody else uses descriptor 1.
    unsafe { libc::close(1) };
    std::thread::sleep(LEFT_BEHIND);
    Ok(0)
}

/// Locks the files of these GPUs, and writes into them by whom; `None`, and a line for the judge, if somebody has one.
pub(crate) fn lock(dir: &Path, gpus: &str, name: &str) -> Result<Option<Vec<File>>> {
    let mut held = Vec::new();
    for gpu in gpus.split(',') {
        let path = dir.join(format!("lock-{gpu}"));
        let mut file = File::options().write(true).open(&path)?;
        if !locks::take(&file) {
            let other = fs::read_to_string(&path).unwrap_or_default();
            accuse(dir, &format!("GPU {gpu} was given to {name} while {other} had it"))?;
            return Ok(None);
        }
        file.set_len(0)?;
        file.write_all(format!("{name} {}", me()?).as_bytes())?;
        held.push(file);
    }
    Ok(Some(held))
}

fn is_what_was_wanted(gpus: &str, wanted: &str) -> bool {
    wanted.strip_prefix('=').map_or_else(
        || wanted.parse().is_ok_and(|count: usize| gpus.split(',').count() == count),
        |exactly| gpus == exactly,
    )
}

/// Shows this process to whoever asks the driver.
fn compute(gpus: &str) -> Result<()> {
    let library = std::env::var("CANHAZGPU_NVML_LIB")?;
    let scenario = Path::new(&library).parent().ok_or("no scenario")?;
    gpus.split(',').try_for_each(|gpu| Ok(fakenvml::compute(scenario, gpu.parse()?, MEMORY_MB)?))
}

/// Nothing but a SIGKILL ends the command before what it leaves behind has been on the GPU for a while: whoever looked
/// at the driver before that must have decided by then.
fn leave_behind(dir: &Path, name: &str, status: &str) -> Result<()> {
    let before = mask(libc::SIG_BLOCK, None);
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["inner", "left"]).arg(dir).args([name, status]).stdin(Stdio::null()).stderr(Stdio::null());
    // SAFETY: setsid and sigprocmask are async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            libc::setsid();
            mask(libc::SIG_SETMASK, Some(before));
            Ok(())
        });
    }
    let mut left = command.stdout(Stdio::piped()).spawn()?;
    // At once at its end of file, if it found somebody else there.
    left.stdout.take().ok_or("no pipe")?.read_to_end(&mut Vec::new())?;
    std::thread::sleep(SEEN);
    mask(libc::SIG_SETMASK, Some(before));
    Ok(())
}

/// Whole at once, or not at all.
fn say(dir: &Path, name: &str, text: &str) -> Result<()> {
    let draft = dir.join(format!("draft-{name}"));
    fs::write(&draft, text)?;
    Ok(fs::rename(&draft, dir.join(name))?)
}

fn accuse(dir: &Path, text: &str) -> Result<()> {
    let mut judge = File::options().append(true).open(dir.join("violations"))?;
    Ok(judge.write_all(format!("{text}\n").as_bytes())?)
}

fn me() -> Result<Proc> {
    Ok(Proc::of(std::process::id().cast_signed()).ok_or("no /proc")?)
}

fn ignore_term() {
    // SAFETY: SIG_IGN is no function of ours.
    unsafe { libc::signal(libc::SIGTERM, libc::SIG_IGN) };
}

/// Changes the set of blocked signals, by all of them if none is given; what it was.
fn mask(how: i32, to: Option<libc::sigset_t>) -> libc::sigset_t {
    // SAFETY: all-zero sets are valid to be filled, and both live as long as the calls.
    unsafe {
        let (mut all, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(how, &raw const *to.as_ref().unwrap_or(&all), &raw mut before);
        before
    }
}

#[cfg(test)]
mod tests {
    use super::is_what_was_wanted;

    #[test]
    fn a_command_knows_what_it_asked_for() {
        assert!(is_what_was_wanted("3", "1") && is_what_was_wanted("0,2", "2"));
        assert!(is_what_was_wanted("3", "=3"));
        for (gpus, wanted) in [("0,1", "1"), ("", "2"), ("2", "=3"), ("3,4", "=3")] {
            assert!(!is_what_was_wanted(gpus, wanted), "{gpus} {wanted}");
        }
    }
}
