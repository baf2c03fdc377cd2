//! `chg admin --group`: a store for some of the machine's people.

use std::fs;
use std::os::unix::fs::MetadataExt;

use nix::unistd::{Gid, Group, getgid};

use super::support::host::Host;

#[test]
fn a_store_for_a_group_is_made_once() {
    let host = Host::with_gpus(1);
    let group = Group::from_gid(getgid()).unwrap().expect("a group with a name").name;
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
