//! A small program that says what happens to it. Python, because it can wait for signals as if they were lines.

/// The interpreter, past wrappers that would stand in between.
fn python() -> &'static str {
    if std::path::Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" }
}

/// What every probe begins with.
const PRELUDE: &str = r#"
import os, select, signal, sys
def say(*words):
    os.write(1, (" ".join(str(word) for word in words) + "\n").encode())
def name(number):
    try: return signal.Signals(number).name[3:]
    except ValueError: return str(number)
def tell(signals, on=lambda number: None):
    "Says every signal of the set, in the order of arrival; USR2 is the last."
    signals = {getattr(signal, "SIG" + s) if not s.isdigit() else int(s) for s in signals} | {signal.SIGUSR2}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    say("ready", os.getpid())
    while True:
        got = signal.sigtimedwait(signals, 60)
        if got is None: sys.exit("nobody came")
        number = got.si_signo
        if number == signal.SIGUSR2: break
        say(name(number))
        on(number)
    say("done")
def interrupt_or_line():
    "The next line from the keyboard; None at SIGINT. Without a moment in which a signal could come too early."
    ready, _, _ = select.select([0, wakeup], [], [], 60)
    if wakeup in ready:
        os.read(wakeup, 1)
        return None
    return sys.stdin.buffer.raw.read(1000).decode().strip()
def heed_interrupts():
    global wakeup
    wakeup, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(write)
    signal.signal(signal.SIGINT, lambda *_: None)
def sit():
    "Stays, but not for ever: a scene that failed leaves nobody behind."
    say("ready", os.getpid())
    for _ in range(600): select.select([], [], [], 0.1)
"#;

/// The words of a command that runs this Python text.
pub(crate) fn script(text: &str) -> Vec<String> {
    [python(), "-ISc", &format!("{PRELUDE}{text}")].map(str::to_owned).to_vec()
}

/// Says `ready PID`, then the name of each of these signals as it gets one, and ends on USR2.
pub(crate) fn teller(signals: &[&str]) -> Vec<String> {
    script(&format!("tell({signals:?})"))
}

/// Words as one line of a shell.
pub(crate) fn quoted(words: &[String]) -> String {
    words.iter().map(|word| format!("'{}'", word.replace('\'', "'\\''"))).collect::<Vec<_>>().join(" ")
}
