//! Who lives and who does not.

use nix::errno::Errno;
use nix::sys::signal::kill;

use super::*;

fn identity(here: &Here, running: &Running) -> Identity {
    identity_of(here, running.pid()).unwrap()
}

#[test]
fn this_process_knows_itself() {
    let here = here().unwrap();
    let own = own_identity(&here).unwrap();
    assert_eq!(identity_of(&here, own.pid), Some(own.clone()));
    assert_eq!(life(&here, &own), Life::Alive);
    assert_eq!(here.boot.len(), 36);
    assert_eq!(here, super::here().unwrap());
}

#[test]
fn a_zombie_is_dead_and_so_is_what_was_reaped() {
    let here = here().unwrap();
    let mut running = sleeping(&mut sleep());
    let identity = identity(&here, &running);
    assert_eq!(life(&here, &identity), Life::Alive);

    running.signal(Signal::SIGKILL);
    wait_until("it is a zombie", || life(&here, &identity) == Life::Dead);
    let number = nix::unistd::Pid::from_raw(identity.pid.0);
    assert_eq!(kill(number, None), Ok(()), "its number is still there");
    assert!(owners([identity.pid], &Accounts::default()).is_empty());

    running.0.wait().unwrap();
    assert_eq!(kill(number, None), Err(Errno::ESRCH));
    assert_eq!(life(&here, &identity), Life::Dead);
    assert_eq!(identity_of(&here, identity.pid), None);
    assert!(owners([identity.pid], &Accounts::default()).is_empty());
}

#[test]
fn a_number_that_was_used_again_is_another_process() {
    let here = here().unwrap();
    let running = sleeping(&mut sleep());
    let identity = identity(&here, &running);
    let before = Identity { start: identity.start - 1, ..identity.clone() };
    assert_eq!((life(&here, &before), life(&here, &identity)), (Life::Dead, Life::Alive));
}

#[test]
fn numbers_that_no_process_can_have_are_dead() {
    let here = here().unwrap();
    let own = own_identity(&here).unwrap();
    for number in [0, -1, i32::MIN, i32::MAX] {
        assert_eq!(life(&here, &Identity { pid: Pid(number), ..own.clone() }), Life::Dead, "{number}");
    }
    let none = owners([Pid(0), Pid(-1), Pid(i32::MAX)], &Accounts::default());
    assert!(none.is_empty(), "{none:?}");
}

#[test]
fn a_threads_number_is_no_process() {
    let here = here().unwrap();
    let own = own_identity(&here).unwrap();
    let thread = std::thread::spawn(|| Pid(nix::unistd::gettid().as_raw()));
    let number = thread.join().unwrap();
    assert_ne!(number, own.pid);
    assert_eq!(life(&here, &Identity { pid: number, ..own }), Life::Dead);
}

#[test]
fn a_stopped_process_is_stopped_until_it_is_continued() {
    let here = here().unwrap();
    let running = sleeping(&mut sleep());
    let identity = identity(&here, &running);
    running.signal(Signal::SIGSTOP);
    wait_until("it has stopped", || life(&here, &identity) == Life::Stopped);
    assert_eq!(owners([identity.pid], &Accounts::default()).len(), 1, "it is there");
    running.signal(Signal::SIGCONT);
    wait_until("it goes on", || life(&here, &identity) == Life::Alive);
}

#[test]
fn a_name_full_of_brackets_confuses_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a) R 1");
    let sleep = which::which("sleep").unwrap();
    std::os::unix::fs::symlink(sleep, &path).unwrap();
    let running = sleeping(Command::new(&path).arg("1000"));
    let process = closely(running.pid());
    assert_eq!(process.name, "a) R 1");
    assert_eq!(process.ancestors.first(), Some(&super::super::identity::own_pid()));
    let here = here().unwrap();
    let identity = identity(&here, &running);
    assert_eq!(process.start, Some(identity.start));
    assert_eq!(life(&here, &identity), Life::Alive);
}

#[test]
fn another_users_process_lives_though_it_cannot_be_signalled() {
    const NAME: &str = "attribution::tests::life::another_users_process_lives_though_it_cannot_be_signalled";
    if let Some(target) = role() {
        let target = read(&target);
        let signalled = kill(nix::unistd::Pid::from_raw(target.pid.0), None);
        speak_and_wait(&format!("{signalled:?} {:?}", life(&here().unwrap(), &target)));
    }
    if !can_be_others(NAME) {
        return;
    }
    let target = sleeping(&mut as_user(ALICE, &["sleep", "1000"]));
    let identity = identity(&here().unwrap(), &target);
    let bob = words_of(&as_user(BOB, &[]));
    assert_eq!(said(&written(&identity), NAME, &bob), "Err(EPERM) Alive");
    target.kill_and_reap();
    assert_eq!(said(&written(&identity), NAME, &bob), "Err(ESRCH) Dead");
}

#[test]
fn a_process_descends_from_its_parents_and_from_nobody_else() {
    const NAME: &str = "attribution::tests::life::a_process_descends_from_its_parents_and_from_nobody_else";
    if let Some(targets) = role() {
        let here = here().unwrap();
        let targets: Vec<Identity> = serde_json::from_str(&targets).unwrap();
        let above: Vec<bool> = targets.iter().map(|target| is_own_ancestor(&here, target)).collect();
        let own = is_own_ancestor(&here, &own_identity(&here).unwrap());
        speak_and_wait(&format!("{above:?} {own}"));
    }
    let here = here().unwrap();
    let sibling = sleeping(&mut sleep());
    let own = own_identity(&here).unwrap();
    let recycled = Identity { start: own.start - 1, ..own.clone() };
    let elsewhere = Identity { namespace: own.namespace + 1, ..own.clone() };
    let init = identity_of(&here, Pid(1)).unwrap();
    let targets = [own, init, identity(&here, &sibling), recycled, elsewhere];
    let role = serde_json::to_string(&targets).unwrap();
    // Two processes in between.
    let wrapper = ["sh", "-c", "\"$@\"; true", "sh", "sh", "-c", "\"$@\"; true", "sh"].map(str::to_owned);
    let nested = Nested::start(&role, NAME, &wrapper);
    assert_eq!(nested.said, "[true, true, false, false, false] true");
}

/// A looker below others: the whole group has to be ended.
struct Nested {
    running: Running,
    said: String,
}

impl Nested {
    fn start(role: &str, test: &str, wrapper: &[String]) -> Self {
        use std::os::unix::process::CommandExt;
        let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
        let (running, said) = Running::until_it_speaks(in_role(role, test, &wrapper).process_group(0));
        Self { running, said }
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(self.running.pid().0);
        let _ = nix::sys::signal::killpg(group, Signal::SIGKILL);
    }
}
