//! Whatever PATH holds, a shim finds the real program, and never itself.

use std::os::unix::fs::symlink;

use super::Shimmed;

const SERVES: &str = "vllm [serve] [m] on 0\n";

#[test]
fn through_every_kind_of_path() {
    let here = Shimmed::new(1);
    symlink(here.host.path("shims"), here.host.path("linked")).unwrap();
    std::fs::create_dir(here.host.path("named")).unwrap();
    symlink(here.host.path("tools/chg"), here.host.path("named/vllm")).unwrap();
    here.file("handmade/vllm", "#!/bin/sh\nexec chg shim vllm -- \"$@\"\n");
    let usual = "$HERE/tools:/usr/bin:/bin";
    let paths = [
        format!("$HERE/shims:$HERE/shims:$HERE/bin:{usual}"),
        format!("$HERE/shims:$HERE/bin:$HERE/shims:{usual}"),
        format!("$HERE/linked:$HERE/shims:$HERE/handmade:$HERE/named:$HERE/bin:{usual}"),
        format!("$HERE/handmade:$HERE/linked:$HERE/bin:{usual}"),
        format!("shims:./bin:{usual}"),
        format!("./shims/../shims/:$HERE/absent:bin:{usual}"),
    ];
    for path in paths {
        assert_eq!(here.shell(&format!("PATH={path}; vllm serve m")), SERVES, "{path}");
    }
    let in_bin = format!("cd $HERE/bin; PATH=:$HERE/shims:{usual}; unset OLDPWD; vllm serve m");
    assert_eq!(
        here.shell(&in_bin),
        "vllm [serve] [m] on nothing\n",
        "an empty entry is the working directory"
    );
    let in_bin = format!("cd $HERE/bin; PATH=$HERE/shims::{usual}; vllm serve m");
    assert_eq!(here.shell(&in_bin), SERVES);
}

#[test]
fn through_an_alias() {
    let here = Shimmed::new(1);
    assert_eq!(here.shell("chg shim vllm -- serve m"), SERVES);
    let alias = "PATH=\"$HERE/bin:$HERE/tools:$PATH\"\nalias vllm='chg shim vllm --'\nvllm serve m\n";
    assert_eq!(here.shell(alias), SERVES);
}

#[test]
fn one_that_comes_back_to_its_shim_is_stopped() {
    let here = Shimmed::new(1);
    here.file("bin/vllm", "#!/bin/sh\nexec vllm \"$@\"\n");
    for line in ["vllm serve m", "vllm --help"] {
        let ended = here.run(line);
        assert_eq!(ended.code, Some(125), "{line}: {ended}");
        assert!(ended.stderr.contains("'vllm' in PATH calls its shim again and again"), "{line}: {ended}");
    }
    here.is_all_free();
}

#[test]
fn a_program_may_start_another_behind_a_shim() {
    let here = Shimmed::new(2);
    here.file("bin/accelerate", "#!/bin/sh\nexec torchrun --nproc-per-node 2 t.py\n");
    let said = here.shell("accelerate launch --num_processes 1 t.py");
    assert_eq!(said, "torchrun [--nproc-per-node] [2] [t.py] on 0\n");
}

#[test]
fn a_virtual_environment_stays_one() {
    let here = Shimmed::new(1);
    let real = if std::path::Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" };
    here.shell(&format!("PATH=/usr/bin:/bin:$PATH; {real} -m venv --without-pip --symlinks venv"));
    let text = "import sys, os; print(sys.prefix, os.environ[\"CUDA_VISIBLE_DEVICES\"])";
    let script =
        here.file("venv/bin/vllm", &format!("#!{}\n{text}\n", here.host.path("venv/bin/python3").display()));
    let prefix = here.host.path("venv").display().to_string();
    let path = "PATH=$HERE/shims:$HERE/venv/bin:$HERE/tools:/usr/bin:/bin";
    assert_eq!(here.shell(&format!("{path}; python-gpu -c '{text}'")), format!("{prefix} 0\n"));
    assert_eq!(here.shell(&format!("{path}; vllm serve m")), format!("{prefix} 0\n"), "{}", script.display());
}
