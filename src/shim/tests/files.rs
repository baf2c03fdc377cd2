//! Real files: what is found behind a shim, what is installed and removed, and that a shell agrees.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::*;

/// Directories of a PATH below one temporary place.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn file(&self, path: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.at(path);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("a mode");
        path
    }

    fn path(&self, directories: &[&str]) -> OsString {
        std::env::join_paths(directories.iter().map(|name| self.at(name))).expect("a PATH")
    }
}

fn text_of(name: &str) -> &'static str {
    install::SHIMS.iter().find(|(known, _)| *known == name).expect("a shim").1
}

const REAL: &str = "#!/bin/sh\necho real\n";

#[test]
fn the_real_program_is_found_behind_every_kind_of_shim() {
    let place = Place::new();
    let own = place.file("bin/chg", "\u{7f}ELF chg", 0o755);
    install(&["vllm".to_owned()], &place.at("shims"), &own).expect("installed");
    fs::create_dir_all(place.at("linked")).expect("a directory");
    symlink(place.at("shims/vllm"), place.at("linked/vllm")).expect("a link to a shim");
    place.file("script/vllm", text_of("vllm"), 0o755);
    place.file("copied/vllm", "\u{7f}ELF chg", 0o755);
    let other = place.file("older/canhazgpu", "\u{7f}ELF an older one", 0o755);
    fs::create_dir_all(place.at("upgraded")).expect("a directory");
    symlink(other, place.at("upgraded/vllm")).expect("a link to another version");
    fs::create_dir_all(place.at("removed")).expect("a directory");
    symlink(place.at("nowhere/chg"), place.at("removed/vllm")).expect("a link that leads nowhere");
    fs::create_dir_all(place.at("named")).expect("a directory");
    symlink(&own, place.at("named/vllm")).expect("a link to the program");
    fs::create_dir_all(place.at("hard")).expect("a directory");
    fs::hard_link(&own, place.at("hard/vllm")).expect("a hard link to the program");
    place.file("handmade/vllm", "#!/bin/bash\n# mine\nexec canhazgpu shim vllm -- \"$@\"\n", 0o755);
    place.file("plain/vllm", REAL, 0o644);
    fs::create_dir_all(place.at("folder/vllm")).expect("a directory");
    let real = place.file("real/vllm", REAL, 0o755);
    let before = [
        "shims", "linked", "script", "copied", "upgraded", "removed", "named", "hard", "handmade", "plain",
        "folder", "absent",
    ];
    let all = [&before[..], &["real"]].concat();
    assert_eq!(find_real("vllm", &place.path(&all), &own), Ok(real));
    let Err(FindError::NotFound { passed_over, .. }) = find_real("vllm", &place.path(&before), &own) else {
        panic!("something was found")
    };
    assert_eq!(passed_over.len(), 8, "{passed_over:?}");
}

#[test]
fn a_program_that_only_speaks_of_shims_is_real() {
    let place = Place::new();
    let own = place.file("bin/chg", "x", 0o755);
    let real =
        place.file("real/vllm", "#!/usr/bin/python3\n# runs behind a shim\nprint('shim vllm')\n", 0o755);
    assert_eq!(find_real("vllm", &place.path(&["real"]), &own), Ok(real));
}

#[test]
fn shims_that_call_one_another_come_to_an_end() {
    let mut before = None::<String>;
    let mut calls = 0;
    while let Ok(hops) = hops("vllm", before.as_deref()) {
        before = Some(hops.to_string());
        calls += 1;
        assert!(calls < 100, "they never end");
    }
    assert!(calls >= 2, "a sweep that starts a server is fine");
    assert_eq!(hops("vllm", Some("nonsense")), Ok(1));
}

#[test]
fn installing_touches_nothing_but_shims() {
    let place = Place::new();
    let own = place.file("bin/chg", "x", 0o755);
    let dir = place.at("a/b");
    let all = install(&[], &dir, &own).expect("installed");
    assert_eq!(all.len(), names().count());
    for name in names() {
        assert_eq!(fs::read_link(dir.join(name)).expect("a link"), own, "{name}");
    }
    let again = install(&["ds".to_owned()], &dir, &own).expect("replaced");
    assert_eq!(again, [Placed::Written(dir.join("ds"))]);
    for foreign in [Foreign::Script, Foreign::Link] {
        let docker = foreign.at(&dir.join("docker"));
        assert!(matches!(install(&["docker".to_owned()], &dir, &own), Err(InstallError::NotOurs { .. })));
        assert!(matches!(remove(&["docker".to_owned()], &dir), Err(InstallError::NotOurs { .. })));
        assert_eq!(fs::read_to_string(docker).expect("text"), REAL, "it is as it was");
    }
    assert_eq!(remove(&["ds".to_owned()], &dir).expect("removed"), [Placed::Removed(dir.join("ds"))]);
    assert_eq!(remove(&["ds".to_owned()], &dir).expect("nothing"), [Placed::Absent(dir.join("ds"))]);
    let unknown = install(&["vllm".to_owned(), "vlm".to_owned()], &place.at("c"), &own);
    assert!(matches!(unknown, Err(InstallError::Unknown { .. })) && !place.at("c").exists());
    assert!(leftovers(&dir).is_empty(), "{:?}", leftovers(&dir));
}

/// Something of somebody else's under the name of a shim.
enum Foreign {
    Script,
    Link,
}

impl Foreign {
    fn at(&self, path: &Path) -> PathBuf {
        let _ = fs::remove_file(path);
        match self {
            Self::Script => fs::write(path, REAL).expect("written"),
            Self::Link => {
                let real = path.with_file_name("real");
                fs::write(&real, REAL).expect("written");
                symlink(real, path).expect("a link");
            }
        }
        path.to_path_buf()
    }
}

#[test]
fn what_is_left_of_another_version_is_replaced_and_removed() {
    let place = Place::new();
    let own = place.file("bin/chg", "x", 0o755);
    let vllm = place.file("shims/vllm", text_of("vllm"), 0o755);
    let ds = place.at("shims/ds");
    symlink(place.at("gone/canhazgpu"), &ds).expect("a link");
    let both = ["vllm".to_owned(), "ds".to_owned()];
    assert!(install(&both, &place.at("shims"), &own).is_ok());
    assert_eq!((fs::read_link(&vllm).ok(), fs::read_link(&ds).ok()), (Some(own.clone()), Some(own)));
    fs::remove_file(place.at("bin/chg")).expect("removed");
    assert_eq!(remove(&both, &place.at("shims")).expect("removed").len(), 2);
    assert!(fs::read_dir(place.at("shims")).expect("a directory").next().is_none());
}

fn leftovers(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| path.to_string_lossy().contains(".new")).collect()
}

#[test]
fn a_shell_puts_the_directory_first_once() {
    let odd = Path::new("/o'dd dir/$HOME");
    let line = env_line(odd);
    let script = format!("PATH=/usr/bin:/bin\n{line}\n{line}\nprintf '%s' \"$PATH\"");
    for shell in ["sh", "bash"] {
        let ran = Command::new(shell).args(["-c", &script]).output().expect("a shell");
        assert_eq!(String::from_utf8_lossy(&ran.stdout), "/o'dd dir/$HOME:/usr/bin:/bin", "{shell}");
    }
}

#[test]
fn every_script_calls_the_program_with_all_its_arguments() {
    let place = Place::new();
    place.file("bin/chg", "#!/bin/sh\nfor word in \"$@\"; do printf '<%s>' \"$word\"; done\n", 0o755);
    for name in names() {
        let script = place.file(&format!("shims/{name}"), text_of(name), 0o755);
        let ran = Command::new(script)
            .args(["a b", "", "--help", "$x"])
            .env("PATH", format!("{}:/usr/bin:/bin", place.at("bin").display()))
            .output()
            .expect("the shim runs");
        assert_eq!(String::from_utf8_lossy(&ran.stdout), format!("<shim><{name}><--><a b><><--help><$x>"));
    }
}

#[test]
fn shims_go_where_data_goes() {
    let home = Some(Path::new("/home/a"));
    assert_eq!(usual_dir(None, home), Some("/home/a/.local/share/canhazgpu/shims".into()));
    assert_eq!(usual_dir(Some(Path::new("/d")), home), Some("/d/canhazgpu/shims".into()));
    assert_eq!(
        usual_dir(Some(Path::new("relative")), home),
        Some("/home/a/.local/share/canhazgpu/shims".into())
    );
    assert_eq!(usual_dir(None, None), None);
}
