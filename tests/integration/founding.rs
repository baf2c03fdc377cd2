//! `chg admin --everybody` and `--group`: a store for the machine's people, or for some of them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use nix::unistd::{Gid, Group, getgid};

use super::support::host::{Host, can_be_others};
use super::support::job::Job;
use super::support::skip;

#[test]
fn a_store_for_a_group_is_made_once() {
    let host = Host::with_gpus(1);
    let Some(Group { name: group, .. }) = Group::from_gid(getgid()).unwrap() else {
        return skip("this scene needs a group that has a name");
    };
    let store = host.path("ours");
    let url = format!("sqlite:{}", store.display());
    let found = || host.me().runs(&["admin", "--group", &group, "--store", &url]);
    let made = found();
    assert_eq!(made.code, Some(0), "{made}");
    let directory = fs::metadata(&store).unwrap();
    assert_eq!(directory.mode() & 0o7777, 0o2770);
    assert_eq!(Gid::from_raw(directory.gid()), getgid());
    host.me().does(&["--store", &url, "--", "true"]);

    let again = found();
    assert_eq!(again.code, Some(1), "{again}");
    assert!(again.stderr.contains("is there already"), "{again}");
    let nobody = host.me().runs(&["admin", "--group", "no such group", "--store", "sqlite:/nowhere"]);
    assert!(nobody.stderr.contains("there is no group 'no such group'"), "{nobody}");
}

/// A machine whose /var/lib and /var/tmp are the scene's own. `$1` is what is done on it.
const MACHINE: &str = r#"
set -e
mkdir lib tmp
chmod 1777 tmp
mount --bind lib /var/lib
mount --bind tmp /var/tmp
eval "$1"
"#;

#[test]
fn the_store_of_the_machine_is_made_where_nobody_holds_gpus_in_the_old_one() {
    if !can_be_others() {
        return;
    }
    let host = Host::with_gpus(2);
    let on_machine = |text: &str| {
        let mut command = host.me().command("unshare");
        command.args(["--mount", "sh", "-c", MACHINE, "sh", text]).env_remove("CANHAZGPU_STORE");
        Job::start(command.stdin(Stdio::null())).finish()
    };
    let ended = on_machine(
        r#"
        "$CHG" --store sqlite:/var/tmp/canhazgpu reserve -G 1 -d 1h
        "$CHG" admin --everybody && exit 90
        [ ! -e /var/lib/canhazgpu ] || exit 91
        "$CHG" release
        "$CHG" admin --everybody
        stat -c '%a' /var/lib/canhazgpu /var/lib/canhazgpu/pool.db
        setpriv --reuid 23001 --regid 23001 --clear-groups "$CHG" reserve -d 1h
        "$CHG" status
        "$CHG" admin --everybody && exit 92
        exit 0
        "#,
    );
    if ended.stderr.contains("unshare: ") || ended.stderr.contains("mount: ") {
        return skip("a machine of its own takes the right to mount");
    }
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.stderr.contains("/var/tmp/canhazgpu has live reservations of GPU 1"), "{ended}");
    assert!(ended.stdout.contains("Made /var/lib/canhazgpu for everybody\n777\n666\n"), "{ended}");
    assert!(ended.stdout.contains("GPU 0: IN USE by uid 23001 "), "the one store of everybody: {ended}");
    assert!(ended.stderr.contains("the store /var/lib/canhazgpu is there already"), "{ended}");
}
