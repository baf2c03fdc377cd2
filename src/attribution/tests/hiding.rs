//! What is seen where /proc hides processes, or is another namespace's.

use super::*;

/// The words that run a program as bob with his own /proc mounted so.
fn proc_with(options: &str) -> Vec<String> {
    let script = format!("mount -t proc -o {options} proc /proc && exec \"$@\"");
    let mut words = ["unshare", "--mount", "sh", "-c", &script, "sh"].map(str::to_owned).to_vec();
    words.extend(words_of(&as_user(BOB, &[])));
    words
}

fn runs(test: &str, wrapper: &[String]) -> bool {
    let mut command = Command::new(&wrapper[0]);
    command.args(&wrapper[1..]).arg("true");
    can_be_others(test) && possible(test, command)
}

/// A looker's words about a process.
fn told(target: &Identity) -> String {
    let life = life(&here().unwrap(), target);
    let found = owners([target.pid], &Accounts::default()).remove(&target.pid);
    let Some(process) = found else {
        return format!("{life:?}, not there");
    };
    let uid = process.uid.map_or("?".into(), |uid| uid.to_string());
    let group = process.group == Some(target.pid);
    format!(
        "{life:?}, uid {uid}, name {:?}, leads its group {group}, up {}",
        process.name,
        process.ancestors.len()
    )
}

fn hidden_by(test: &str, options: &str) -> Option<[String; 3]> {
    let wrapper = proc_with(options);
    if !runs(test, &wrapper) {
        return None;
    }
    let target = {
        use std::os::unix::process::CommandExt;
        sleeping(as_user(ALICE, &["sleep", "1000"]).process_group(0))
    };
    let identity = identity_of(&here().unwrap(), target.pid()).unwrap();
    let open = said(&written(&identity), test, &words_of(&as_user(BOB, &[])));
    let hidden = said(&written(&identity), test, &wrapper);
    target.kill_and_reap();
    let gone = said(&written(&identity), test, &wrapper);
    Some([open.split(", up").next().unwrap().to_owned(), hidden, gone])
}

const OPEN: &str = "Alive, uid 23001, name \"sleep\", leads its group true";

#[test]
fn hidepid_1_still_tells_whose_it_is() {
    const NAME: &str = "attribution::tests::hiding::hidepid_1_still_tells_whose_it_is";
    if let Some(target) = role() {
        speak_and_wait(&told(&read(&target)));
    }
    let Some(said) = hidden_by(NAME, "hidepid=1") else {
        return;
    };
    let hidden = "Alive, uid 23001, name \"\", leads its group true, up 0";
    assert_eq!(said, [OPEN, hidden, "Dead, not there"]);
}

#[test]
fn hidepid_2_still_tells_that_it_lives() {
    const NAME: &str = "attribution::tests::hiding::hidepid_2_still_tells_that_it_lives";
    if let Some(target) = role() {
        speak_and_wait(&told(&read(&target)));
    }
    let Some(said) = hidden_by(NAME, "hidepid=2") else {
        return;
    };
    let hidden = "Alive, uid ?, name \"\", leads its group true, up 0";
    assert_eq!(said, [OPEN, hidden, "Dead, not there"]);
}

#[test]
fn a_foreign_proc_is_not_believed() {
    const NAME: &str = "attribution::tests::hiding::a_foreign_proc_is_not_believed";
    if let Some(outside) = role() {
        // We are process 1 here; /proc/1 is somebody else.
        let here = here().unwrap();
        let own = own_identity(&here).unwrap();
        let others = life(&here, &read(&outside));
        speak_and_wait(&format!("{} {:?} {others:?} {}", own.pid, life(&here, &own), told(&own)));
    }
    let wrapper = ["unshare", "--pid", "--fork", "--kill-child"].map(str::to_owned);
    if !runs(NAME, &wrapper) {
        return;
    }
    let outside = own_identity(&here().unwrap()).unwrap();
    let said = said(&written(&outside), NAME, &wrapper);
    let hidden = "Alive, uid ?, name \"\", leads its group false, up 0";
    assert_eq!(said, format!("1 Alive Untestable {hidden}"));
}
