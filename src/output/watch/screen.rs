//! The terminal while `--watch` has it: alternate screen, no echo, keys one by one, signals as events. Dropping it
//! gives everything back as it was, and so does a panic, before it says anything.

use std::cell::RefCell;
use std::io::{IsTerminal, Stdin, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, Once, PoisonError};

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};

use super::super::line::Line;
use super::super::out::OutputError;
use super::super::stream::{Delivery, Stream};
use crate::sys::winsize::Size;

/// Alternate screen, no cursor.
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// Signals that would end or stop the program and leave the terminal as it is, and the one that tells of a new size.
const WATCHED: [Signal; 6] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGTSTP, Signal::SIGWINCH];

/// The terminal, taken over.
pub(super) struct Screen<'a> {
    stdout: &'a Stream,
    stdin: Stdin,
    /// As they were; absent where stdin is no terminal, and there are no keys.
    settings: RefCell<Option<Termios>>,
    signals: Signals,
}

impl<'a> Screen<'a> {
    /// # Errors
    /// What the kernel says when signals cannot be watched.
    pub(super) fn take(stdout: &'a Stream) -> Result<Self, Errno> {
        let signals = Signals::watch()?;
        let stdin = std::io::stdin();
        let screen = Self { stdout, stdin, settings: RefCell::default(), signals };
        screen.enter();
        Ok(screen)
    }

    /// Where keys arrive, if there are any.
    pub(super) fn keys(&self) -> Option<BorrowedFd<'_>> {
        self.settings.borrow().as_ref().map(|_| self.stdin.as_fd())
    }

    pub(super) fn signals(&self) -> BorrowedFd<'_> {
        self.signals.arrivals.as_fd()
    }

    /// The next signal that has arrived, if any.
    pub(super) fn signal(&self) -> Option<Signal> {
        let info = self.signals.arrivals.read_signal().ok().flatten()?;
        i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok())
    }

    pub(super) fn size(&self) -> Size {
        self.stdout.size().unwrap_or(Size { columns: 80, rows: 24 })
    }

    /// Draws all rows of the screen anew, each erased before it is written: erasing behind a full row could take its
    /// last character.
    pub(super) fn draw(&self, lines: &[Line], size: Size) -> Result<Delivery, OutputError> {
        let mut text = "\x1b[H".to_owned();
        for row in 0..usize::from(size.rows) {
            text += if row == 0 { "\x1b[2K" } else { "\r\n\x1b[2K" };
            if let Some(line) = lines.get(row) {
                text += &line.render(self.stdout.colour);
            }
        }
        self.stdout.write(text.as_bytes()).map_err(OutputError::Write)
    }

    /// Stops the program as Ctrl-Z does, the terminal in order meanwhile.
    pub(super) fn suspend(&self) {
        self.leave();
        self.signals.take_default(Signal::SIGTSTP);
        self.enter();
    }

    /// Lets `signal` do what it would have done, after the terminal is in order.
    pub(super) fn surrender_to(self, signal: Signal) {
        drop(self);
        let _ = raise(signal);
    }

    fn enter(&self) {
        // Read anew each time: whoever had the terminal while this program was stopped may have changed it.
        let settings = if self.stdin.is_terminal() { tcgetattr(&self.stdin).ok() } else { None };
        put_back_on_panic(settings.clone());
        if let Some(settings) = &settings {
            let mut keys = settings.clone();
            keys.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
            keys.control_chars[SpecialCharacterIndices::VMIN as usize] = 1;
            keys.control_chars[SpecialCharacterIndices::VTIME as usize] = 0;
            // From the background this stops the program, as it should.
            let _ = tcsetattr(&self.stdin, SetArg::TCSADRAIN, &keys);
        }
        *self.settings.borrow_mut() = settings;
        let _ = self.stdout.write(ENTER.as_bytes());
    }

    fn leave(&self) {
        let _ = self.stdout.write(LEAVE.as_bytes());
        if let Some(settings) = &*self.settings.borrow() {
            let _ = tcsetattr(&self.stdin, SetArg::TCSADRAIN, settings);
        }
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What a panic has to put back, while the terminal is taken: nothing is dropped where a panic aborts.
static TAKEN: Mutex<Option<Taken>> = Mutex::new(None);

struct Taken {
    settings: Option<Termios>,
}

fn put_back_on_panic(settings: Option<Termios>) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            put_back();
            tell(panic);
        }));
    });
    *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) = Some(Taken { settings });
}

fn put_back() {
    // A panic while it is locked, in between of entering and leaving, has nothing to put back yet.
    let taken = TAKEN.try_lock().ok().and_then(|mut taken| taken.take());
    if let Some(Taken { settings }) = taken {
        let mut stdout = std::io::stdout();
        let _ = stdout.write_all(LEAVE.as_bytes());
        let _ = stdout.flush();
        if let Some(settings) = settings {
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, &settings);
        }
    }
}

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Signals turned into something to read.
struct Signals {
    arrivals: SignalFd,
    previous: SigSet,
}

impl Signals {
    fn watch() -> Result<Self, Errno> {
        let watched: SigSet = WATCHED.into_iter().collect();
        let previous = watched.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let arrivals = SignalFd::with_flags(&watched, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { arrivals, previous })
    }

    /// Raises `signal` where it is not held back, and holds it back again.
    fn take_default(&self, signal: Signal) {
        let only = SigSet::from(signal);
        let _ = only.thread_unblock();
        let _ = raise(signal);
        let _ = only.thread_block();
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        let _ = self.previous.thread_set_mask();
    }
}
