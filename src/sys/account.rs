//! Names and numbers of accounts and groups. /etc/passwd is read here; whatever else the host asks may be a directory
//! server, which may hang: it is asked with patience, and once it hung not again by this process. An account is then
//! called by its number, as one without a name is.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::unistd::{Gid, Group, Uid, User};

use super::patience::{NoAnswer, answers_within};

const FILE: &str = "/etc/passwd";
/// How long the directory may take.
const PATIENCE: Duration = Duration::from_secs(2);

static HANGS: AtomicBool = AtomicBool::new(false);
static TOLD: AtomicBool = AtomicBool::new(false);

/// Whether the directory was found to hang since this was last asked.
pub(crate) fn hangs_now() -> bool {
    HANGS.load(Ordering::Relaxed) && !TOLD.swap(true, Ordering::Relaxed)
}

/// The name of the account with this number.
pub(crate) fn name_of(uid: u32) -> Option<String> {
    in_file(&file(), |_, number| number == uid)
        .map(|(name, _)| name)
        .or_else(|| asked(uid, |uid| User::from_uid(Uid::from_raw(*uid))).map(|user| user.name))
}

/// The number of the account with this name.
pub(crate) fn uid_of(name: &str) -> Option<u32> {
    in_file(&file(), |found, _| found == name)
        .map(|(_, uid)| uid)
        .or_else(|| asked(name.to_owned(), |name| User::from_name(name)).map(|user| user.uid.as_raw()))
}

/// The name of the group with this number.
pub(crate) fn group_name_of(gid: u32) -> Option<String> {
    asked(gid, |gid| Group::from_gid(Gid::from_raw(*gid))).map(|group| group.name)
}

fn file() -> String {
    fs::read(FILE).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
}

/// The first account that is meant, as the C library finds it.
fn in_file(text: &str, is_meant: impl Fn(&str, u32) -> bool) -> Option<(String, u32)> {
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        // Lines with a sign in front include or exclude what a directory has.
        let name = fields.next().filter(|name| !name.is_empty() && !name.starts_with(['+', '-', '#']))?;
        let uid = fields.nth(1)?.parse().ok()?;
        is_meant(name, uid).then(|| (name.to_owned(), uid))
    })
}

fn asked<Q: Send + Sync + 'static, A: Send + 'static>(
    about: Q,
    ask: fn(&Q) -> nix::Result<Option<A>>,
) -> Option<A> {
    if HANGS.load(Ordering::Relaxed) {
        return None;
    }
    match answers_within(PATIENCE, vec![about], ask).pop()? {
        Ok(answer) => answer.ok().flatten(),
        Err(why) => {
            tracing::debug!(?why, "the accounts' directory gave no answer");
            HANGS.store(why == NoAnswer::Hung, Ordering::Relaxed);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_an_account() {
        let text = "root:x:0:0:root:/root:/bin/sh\n\n+::::::\n+@ops:x:7:::\n#a:x:8:8::/:\nbroken\nb:x:nine\n\
                    al:x:1001:1001:,:/home/al:/bin/sh\nal2:x:1001:5::/:\nal:x:1003:5::/:\n";
        let name = |uid| in_file(text, |_, number| number == uid).map(|(name, _)| name);
        assert_eq!([0, 1001, 7, 8, 9].map(name), [Some("root".into()), Some("al".into()), None, None, None]);
        let uid = |name: &str| in_file(text, |found, _| found == name).map(|(_, uid)| uid);
        assert_eq!(
            ["root", "al", "al2", "b", "", "+", "+@ops"].map(uid),
            [Some(0), Some(1001), Some(1001), None, None, None, None]
        );
    }
}
