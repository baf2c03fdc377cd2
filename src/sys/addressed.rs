//! Variables in which systemd names the process that it speaks to by its number: sd_watchdog_enabled(3),
//! sd_listen_fds(3), systemd.exec(5). That is the launcher; what they say is for the program.

use std::ffi::CString;

/// Those whose number the program compares with its own.
const NUMBERED: [&[u8]; 3] = [b"LISTEN_PID=", b"WATCHDOG_PID=", b"SYSTEMD_EXEC_PID="];
/// Names the launcher in a form that no child can take over, and is not asked for where it is missing.
const UNFORGEABLE: &[u8] = b"LISTEN_PIDFDID=";

/// Digits of the longest pid.
const DIGITS: usize = 10;

/// An environment for execve in a child of the process `launcher`.
#[derive(Debug)]
pub(super) struct Addressed {
    entries: Vec<*const libc::c_char>,
    /// Where the child's number goes, with room for it and the zero byte.
    numbers: Vec<*mut u8>,
    // What both point into, at places that stay where they are.
    _texts: Vec<Vec<u8>>,
}

impl Addressed {
    pub(super) fn to_child_of(launcher: libc::pid_t, env: &[CString]) -> Self {
        let number = launcher.to_string();
        let is_ours =
            |entry: &CString, name: &&&[u8]| entry.as_bytes().strip_prefix(**name) == Some(number.as_bytes());
        let listens = env.iter().any(|entry| is_ours(entry, &&NUMBERED[0]));
        let (mut entries, mut numbers, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for entry in env.iter().filter(|entry| !(listens && entry.as_bytes().starts_with(UNFORGEABLE))) {
            let Some(name) = NUMBERED.iter().find(|name| is_ours(entry, name)) else {
                entries.push(entry.as_ptr());
                continue;
            };
            let mut text = [*name, &[0; DIGITS + 1]].concat();
            let start = text.as_mut_ptr();
            entries.push(start.cast_const().cast());
            numbers.push(start.wrapping_add(name.len()));
            texts.push(text);
        }
        entries.push(std::ptr::null());
        Self { entries, numbers, _texts: texts }
    }

    pub(super) const fn as_ptr(&self) -> *const *const libc::c_char {
        self.entries.as_ptr()
    }

    /// In the child. Async-signal-safe: it writes to memory that was there before the fork, and cannot panic.
    ///
    /// # Safety
    /// Nobody else uses the entries meanwhile.
    pub(super) unsafe fn say(&self, child: libc::pid_t) {
        let mut count = 1;
        let mut rest = child / 10;
        while rest > 0 {
            (count, rest) = (count + 1, rest / 10);
        }
        for start in &self.numbers {
            let mut rest = child.unsigned_abs();
            for digit in (0..count).rev() {
                // SAFETY: a pid has at most `DIGITS` digits, for which there is room, and a zero byte behind them.
                unsafe { start.wrapping_add(digit).write(b'0' + (rest % 10) as u8) };
                rest /= 10;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::*;

    fn said(launcher: i32, child: i32, env: &[&str]) -> Vec<String> {
        let env: Vec<CString> = env.iter().map(|entry| CString::new(*entry).unwrap()).collect();
        let addressed = Addressed::to_child_of(launcher, &env);
        // SAFETY: nobody else has it.
        unsafe { addressed.say(child) };
        let entries = addressed.entries.iter().take_while(|entry| !entry.is_null());
        // SAFETY: each entry is a string that `addressed` or `env` owns.
        entries.map(|entry| unsafe { CStr::from_ptr(*entry) }.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn what_names_the_launcher_names_the_child() {
        let env =
            ["A=1", "LISTEN_PID=77", "WATCHDOG_PID=77", "LISTEN_PIDFDID=4", "SYSTEMD_EXEC_PID=77", "PID=77"];
        let expected = ["A=1", "LISTEN_PID=9", "WATCHDOG_PID=9", "SYSTEMD_EXEC_PID=9", "PID=77"];
        assert_eq!(said(77, 9, &env), expected);
        assert_eq!(said(77, 4_194_304, &env)[2], "WATCHDOG_PID=4194304");
        assert_eq!(said(77, i32::MAX, &env)[1], "LISTEN_PID=2147483647");
    }

    #[test]
    fn what_names_another_process_stays() {
        let env = [
            "LISTEN_PID=771",
            "WATCHDOG_PID=7",
            "LISTEN_PIDFDID=4",
            "SYSTEMD_EXEC_PID=",
            "X=WATCHDOG_PID=77",
        ];
        assert_eq!(said(77, 9, &env), env);
    }
}
