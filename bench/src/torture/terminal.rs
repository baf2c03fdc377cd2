//! Somebody at a terminal: a shell with job control on a pseudo-terminal, commands by way of the product, and the keys
//! that stop, end and unplug them. The status is what the shell's prompt says.

use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bench::Result;
use bench::process::signal;

use crate::judge::{self, Suffered};
use crate::plan::{Key, Run, Session};
use crate::world::{STUCK, World};

/// What bash calls a job that Ctrl-Z stopped.
const STOPPED: i32 = 128 + libc::SIGTSTP;
/// `fg` of a job that is over.
const NO_SUCH_JOB: i32 = 1;

/// Plays one session to its end.
pub(crate) fn session(world: &World, plan: &Session) -> Result<()> {
    let mut terminal = Terminal::open(world, plan.user)?;
    for (run, key, after) in &plan.jobs {
        let name = format!("job-{}", world.next());
        world.note(&format!("{name}: at a terminal: {run:?} {key:?} after {after:?}"));
        if !job(world, &mut terminal, &name, run, *key, *after)? || world.is_stopped() {
            break;
        }
    }
    terminal.close()
}

/// One command; whether there is a terminal left for the next.
fn job(
    world: &World,
    terminal: &mut Terminal,
    name: &str,
    run: &Run,
    key: Key,
    after: Duration,
) -> Result<bool> {
    world.ledger.enter(name, run.user);
    if run.elsewhere {
        world.ledger.needs_no_record(name);
    }
    let chg = if run.elsewhere { world.mistaken_chg(run.user) } else { world.chg(run.user) };
    let store = chg.get_envs().find(|(name, _)| *name == "CANHAZGPU_STORE").and_then(|(_, value)| value);
    let store = store.ok_or("no store")?.to_string_lossy().into_owned();
    let words: Vec<String> = run.options().into_iter().chain(["--".to_owned()]).collect();
    // A key is for the command, not for a shell that is still reading the line.
    let line = format!(
        "printf '<go>'; CANHAZGPU_STORE='{store}' '{}' {} '{}' inner hold '{}' {}",
        chg.get_program().display(),
        words.join(" "),
        world.me.display(),
        world.dir.display(),
        run.command(name).join(" ")
    );
    let begun = Instant::now();
    terminal.enter(&line)?;
    terminal.shows("<go>")?;
    std::thread::sleep(after);
    if !matches!(key, Key::None | Key::Plug) {
        terminal.is_given_away()?;
    }
    let status = match key {
        Key::None => terminal.status()?,
        Key::CtrlC => {
            terminal.types("\x03")?;
            terminal.status()?
        }
        Key::CtrlZ(pause) => stopped(terminal, pause, &["fg"])?,
        Key::CtrlZInBackground(pause) => stopped(terminal, pause, &["bg", "fg"])?,
        Key::Plug => {
            terminal.unplug();
            return Ok(false);
        }
    };
    world.ledger.over(name);
    let told = world.ledger.told(name);
    let suffered = Suffered {
        signal: (key == Key::CtrlC).then_some(libc::SIGINT),
        launcher_killed: false,
        command_killed: false,
        timeout: run.timeout,
        took: begun.elapsed(),
        patience: run.patience,
        outage: world.was_away_since(begun),
    };
    world.note(&format!("{name}: status {status}; {told:?}"));
    let is_over = matches!(key, Key::CtrlZInBackground(_)) && status == NO_SUCH_JOB;
    if !is_over && !judge::may_end_so(told, &suffered, status) {
        let screen = String::from_utf8_lossy(&terminal.screen).into_owned();
        world.wrong(&format!(
            "{name}: status {status} at a terminal is not as bare; {told:?}, {suffered:?}: {screen}"
        ));
    }
    // A Ctrl-C that came when the command was over is the shell's, which forgets what is typed meanwhile.
    if key == Key::CtrlC && status != 128 + libc::SIGINT {
        terminal.unplug();
        return Ok(false);
    }
    Ok(true)
}

/// Ctrl-Z, then these words of the shell, a while after each other. The status of the job, which may be over before.
fn stopped(terminal: &mut Terminal, pause: Duration, words: &[&str]) -> Result<i32> {
    terminal.types("\x1a")?;
    let mut status = terminal.status()?;
    if status == STOPPED {
        for word in words {
            std::thread::sleep(pause);
            terminal.enter(word)?;
            status = terminal.status()?;
        }
    }
    Ok(status)
}

struct Terminal {
    shell: Child,
    keyboard: Option<File>,
    screen: Vec<u8>,
    read: usize,
    /// How many commands the shell has been given, itself counting from one.
    entered: u32,
}

impl Terminal {
    fn open(world: &World, user: u64) -> Result<Self> {
        let (master, slave) = pair(world.uid(user))?;
        let mut shell = Command::new("bash");
        shell.args(["--norc", "--noprofile", "--noediting", "-i"]);
        let chg = world.chg(user);
        shell.env_clear().envs(chg.get_envs().filter_map(|(name, value)| Some((name, value?))));
        // The number of the next command, and how the last one ended.
        shell.env("PS1", "={\\#:$?}=").env("TERM", "xterm").env("HISTFILE", "/dev/null");
        shell.env_remove("CANHAZGPU_STORE");
        if let Some(uid) = world.uid(user) {
            shell.uid(uid).gid(uid);
        }
        let copy = || slave.try_clone().map(Stdio::from);
        shell.stdin(copy()?).stdout(copy()?).stderr(copy()?);
        // SAFETY: setsid and ioctl are async-signal-safe; 0 is the terminal by then.
        unsafe {
            shell.pre_exec(|| {
                let done = libc::setsid() != -1 && libc::ioctl(0, libc::TIOCSCTTY, 0) == 0;
                if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
            });
        }
        let shell = shell.spawn()?;
        let mut terminal = Self { shell, keyboard: Some(master), screen: Vec::new(), read: 0, entered: 0 };
        terminal.status()?;
        Ok(terminal)
    }

    fn types(&mut self, keys: &str) -> Result<()> {
        Ok(self.keyboard.as_mut().ok_or("unplugged")?.write_all(keys.as_bytes())?)
    }

    fn enter(&mut self, line: &str) -> Result<()> {
        self.entered += 1;
        self.types(&format!("{line}\n"))
    }

    /// Waits for the prompt after the last command; what it says of how that ended.
    fn status(&mut self) -> Result<i32> {
        self.shows(&format!("={{{}:", self.entered + 1))?;
        let status = self.shows("}=")?;
        Ok(status.parse()?)
    }

    /// Waits until this is shown, after what was seen before; what came up to there.
    fn shows(&mut self, wanted: &str) -> Result<String> {
        let deadline = Instant::now() + STUCK;
        loop {
            let new = &self.screen[self.read..];
            if let Some(at) = new.windows(wanted.len()).position(|window| window == wanted.as_bytes()) {
                let before = String::from_utf8_lossy(&new[..at]).into_owned();
                self.read += at + wanted.len();
                return Ok(before);
            }
            if Instant::now() > deadline {
                let screen = String::from_utf8_lossy(&self.screen).into_owned();
                return Err(format!("{wanted} was not shown within {STUCK:?}: {screen}").into());
            }
            self.look(50)?;
        }
    }

    /// Waits until the command has the terminal, or is over. A key that comes before is the shell's, which makes what it
    /// likes of it: bash sometimes runs the command to its end and has status 130 nevertheless.
    fn is_given_away(&mut self) -> Result<()> {
        let deadline = Instant::now() + STUCK;
        let prompt = format!("={{{}:", self.entered + 1);
        let over = |screen: &[u8]| screen.windows(prompt.len()).any(|window| window == prompt.as_bytes());
        let shell = self.shell.id().cast_signed();
        while self.foreground()? == shell && !over(&self.screen[self.read..]) {
            if Instant::now() > deadline {
                return Err(format!("no command has taken the terminal within {STUCK:?}").into());
            }
            self.look(1)?;
        }
        Ok(())
    }

    /// The group that keys are for.
    fn foreground(&self) -> Result<i32> {
        let keyboard = self.keyboard.as_ref().ok_or("unplugged")?;
        // SAFETY: the descriptor is open.
        let group = unsafe { libc::tcgetpgrp(keyboard.as_raw_fd()) };
        if group == -1 { Err(std::io::Error::last_os_error().into()) } else { Ok(group) }
    }

    /// Reads what the terminal shows, waiting no longer than so many milliseconds.
    fn look(&mut self, millis: i32) -> Result<()> {
        let Some(keyboard) = &mut self.keyboard else { return Ok(()) };
        let mut poll = libc::pollfd { fd: keyboard.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry, as is said.
        if unsafe { libc::poll(&raw mut poll, 1, millis) } == 1 {
            let mut some = [0; 4096];
            let length = keyboard.read(&mut some)?;
            self.screen.extend_from_slice(&some[..length]);
        }
        Ok(())
    }

    /// Pulls the plug: the terminal is gone for everybody on it.
    fn unplug(&mut self) {
        self.keyboard = None;
    }

    fn close(mut self) -> Result<()> {
        if self.keyboard.is_some() {
            self.enter("exit")?;
        }
        let deadline = Instant::now() + STUCK;
        while self.shell.try_wait()?.is_none() {
            // Nobody else reads what it has to say at the end.
            let _ = self.look(5);
            if self.keyboard.is_none() {
                std::thread::sleep(Duration::from_millis(5));
            }
            if Instant::now() > deadline {
                return Err("the shell did not end".into());
            }
        }
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.unplug();
        signal(self.shell.id().cast_signed(), libc::SIGKILL);
        let _ = self.shell.wait();
    }
}

/// A new pseudo-terminal which does not echo, and belongs to `uid`.
fn pair(uid: Option<u32>) -> Result<(File, File)> {
    let failed = || std::io::Error::last_os_error();
    let mut name = [0; 64];
    // SAFETY: posix_openpt gives a new descriptor or -1, on which the others fail; `name` is as long as is said.
    let master = unsafe {
        let fd = libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC);
        if libc::grantpt(fd) != 0
            || libc::unlockpt(fd) != 0
            || libc::ptsname_r(fd, name.as_mut_ptr(), name.len()) != 0
        {
            return Err(failed().into());
        }
        File::from_raw_fd(fd)
    };
    // SAFETY: ptsname_r succeeded, so that there is a NUL in it.
    let path = unsafe { CStr::from_ptr(name.as_ptr()) }.to_str()?;
    let slave = File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(path)?;
    // SAFETY: the descriptor is open; an all-zero termios is valid for tcgetattr to fill.
    let made = unsafe {
        let mut modes: libc::termios = std::mem::zeroed();
        libc::tcgetattr(slave.as_raw_fd(), &raw mut modes);
        // Else a key's signal would also throw away a prompt that is being shown.
        modes.c_lflag |= libc::NOFLSH;
        modes.c_lflag &= !libc::ECHO;
        libc::tcsetattr(slave.as_raw_fd(), libc::TCSANOW, &raw const modes)
    };
    if made != 0 {
        return Err(failed().into());
    }
    if let Some(uid) = uid {
        std::os::unix::fs::fchown(&slave, Some(uid), None)?;
    }
    Ok((master, slave))
}
