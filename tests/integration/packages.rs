//! What is installed, packed and removed again, with a stand-in for the program: what the packages do on a real system
//! is seen in `make test-packages`.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::{CHG, skip};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A directory for everything, with what is installed laid out in `stage`.
struct Ground(TempDir);

impl Ground {
    fn new() -> Self {
        let ground = Self(crate::support::directory());
        ground.lay_out();
        ground
    }

    fn lay_out(&self) {
        succeeds(script("stage.sh").arg("/bin/true").arg(self.path("stage")));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn install(&self) -> Output {
        succeeds(self.installer().arg("--from").arg(self.path("stage")))
    }

    fn installer(&self) -> Command {
        let mut command = script("install.sh");
        command.env("DESTDIR", self.path("root")).env("PREFIX", "/opt/gpu");
        command
    }

    /// Below the prefix.
    fn installed(&self) -> BTreeSet<String> {
        everything_in(&self.path("root/opt/gpu"))
    }
}

fn script(name: &str) -> Command {
    let mut command = Command::new(Path::new(ROOT).join("scripts").join(name));
    command.current_dir(ROOT).env("SOURCE_DATE_EPOCH", "1700000000");
    command
}

fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// The paths of all files and links below a directory.
fn everything_in(directory: &Path) -> BTreeSet<String> {
    let found = succeeds(Command::new("find").arg(directory).args(["!", "-type", "d", "-printf", "%P\n"]));
    String::from_utf8(found.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn names_in(directory: &str) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(Path::new(ROOT).join(directory)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
}

#[test]
fn an_installation_has_all_there_is_and_goes_without_a_trace() {
    let ground = Ground::new();
    fs::create_dir_all(ground.path("root/opt/gpu/share/man/man1")).unwrap();
    fs::write(ground.path("root/opt/gpu/share/man/man1/other.1"), "").unwrap();
    ground.install();
    let installed = ground.installed();
    for page in names_in("man") {
        let section = page.rsplit('.').next().unwrap();
        assert!(installed.contains(&format!("share/man/man{section}/{page}")), "{page}");
    }
    for shim in names_in("shims") {
        let file = ground.path("root/opt/gpu/share/canhazgpu/shims").join(&shim);
        assert!(file.canonicalize().unwrap().ends_with("bin/canhazgpu"), "{shim}");
    }
    for file in [
        "bin/canhazgpu",
        "bin/chg",
        "share/man/man1/chg-run.1",
        "share/bash-completion/completions/canhazgpu",
        "share/zsh/site-functions/_chg",
        "share/fish/vendor_completions.d/chg.fish",
        "share/doc/canhazgpu/README.md",
    ] {
        assert!(installed.contains(file), "{file}");
        assert!(ground.path("root/opt/gpu").join(file).exists(), "{file} leads nowhere");
    }
    let program = ground.path("root/opt/gpu/bin/chg");
    assert_eq!(fs::read_link(&program).unwrap(), Path::new("canhazgpu"));
    assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o7777, 0o755);

    succeeds(ground.installer().arg("--remove"));
    assert_eq!(ground.installed(), BTreeSet::from(["share/man/man1/other.1".to_owned()]));
    for directory in ["bin", "share/zsh", "share/canhazgpu", "share/man/man5"] {
        assert!(!ground.path("root/opt/gpu").join(directory).exists(), "{directory} was made for us");
    }
    let again = ground.installer().arg("--remove").output().unwrap();
    assert_eq!(again.status.code(), Some(1));
}

#[test]
fn a_newer_version_takes_what_it_no_longer_has_away() {
    let ground = Ground::new();
    let old = ground.path("stage/share/man/man1/canhazgpu-old.1");
    fs::write(&old, "").unwrap();
    ground.install();
    assert!(ground.installed().contains("share/man/man1/canhazgpu-old.1"));
    ground.lay_out();
    ground.install();
    assert!(!ground.installed().contains("share/man/man1/canhazgpu-old.1"));
    succeeds(ground.installer().arg("--remove"));
    assert_eq!(everything_in(&ground.path("root")), BTreeSet::new());
    assert!(!ground.path("root/opt/gpu/share").exists(), "made by the first of the two");
}

#[test]
fn a_tarball_is_the_same_whoever_packs_it_and_installs_itself() {
    let ground = Ground::new();
    let pack = |into: &str| {
        let mut command = script("dist.sh");
        let packed = succeeds(command.arg(ground.path("stage")).arg("9.9").arg(ground.path(into)));
        PathBuf::from(String::from_utf8(packed.stdout).unwrap().trim())
    };
    let (one, other) = (pack("one"), pack("other"));
    assert!(fs::read(&one).unwrap() == fs::read(&other).unwrap(), "two tarballs of the same files differ");
    succeeds(Command::new("tar").arg("-xzf").arg(&one).arg("-C").arg(ground.path("one")));
    let tree = PathBuf::from(one.to_str().unwrap().strip_suffix(".tar.gz").unwrap());
    for file in ["README.md", "LICENSE", "CHANGELOG.md", "bin/chg", "share/man/man1/canhazgpu.1"] {
        assert!(tree.join(file).exists(), "{file}");
    }
    let mut installer = Command::new(tree.join("install.sh"));
    succeeds(installer.env("DESTDIR", ground.path("root")).env("PREFIX", "/opt/gpu"));
    ground.path("root/opt/gpu/bin/chg").metadata().unwrap();
    succeeds(installer.arg("--remove"));
    assert_eq!(everything_in(&ground.path("root")), BTreeSet::new());
}

#[test]
fn a_debian_package_is_complete() {
    if Command::new("dpkg-deb").arg("--version").output().is_err() {
        return skip("a Debian package needs dpkg-deb");
    }
    let ground = Ground::new();
    let made = succeeds(script("deb.sh").arg(ground.path("stage")).arg("9.9").arg(ground.path("dist")));
    let package = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let field = |name: &str| {
        let output = succeeds(Command::new("dpkg-deb").args(["--field", &package, name]));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!((field("Package"), field("Version")), ("canhazgpu".to_owned(), "9.9".to_owned()));
    assert!(field("Depends").starts_with("libc6 (>= 2."), "{}", field("Depends"));
    let unpacked = ground.path("unpacked");
    succeeds(Command::new("dpkg-deb").arg("--raw-extract").arg(&package).arg(&unpacked));
    let files = everything_in(&unpacked);
    for file in [
        "DEBIAN/postinst",
        "DEBIAN/postrm",
        "DEBIAN/md5sums",
        "usr/bin/canhazgpu",
        "usr/bin/chg",
        "usr/share/man/man1/chg.1.gz",
        "usr/share/man/man5/canhazgpu-config.5.gz",
        "usr/share/bash-completion/completions/chg",
        "usr/share/zsh/vendor-completions/_chg",
        "usr/share/fish/vendor_completions.d/chg.fish",
        "usr/share/canhazgpu/shims/vllm",
        "usr/share/doc/canhazgpu/copyright",
    ] {
        assert!(files.contains(file), "{file}");
        assert!(unpacked.join(file).exists(), "{file} leads nowhere");
    }
    succeeds(Command::new("md5sum").args(["--check", "--quiet", "DEBIAN/md5sums"]).current_dir(&unpacked));
}

/// With a C library of that age, any distribution of the last years will do; the reverse is what surprises people.
#[test]
fn the_program_needs_nothing_but_a_c_library() {
    let needed = succeeds(script("needed.sh").arg(CHG));
    let lowest = String::from_utf8(needed.stdout).unwrap();
    assert!(lowest.starts_with("2."), "{lowest}");
    let other = script("needed.sh").arg("/usr/bin/bash").output().unwrap();
    assert!(!other.status.success(), "bash needs libtinfo, which should have been noticed");
}
