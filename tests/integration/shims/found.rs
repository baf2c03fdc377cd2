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

#[test]
fn a_link_needs_no_chg_in_path_and_hides_nothing_when_its_program_is_gone() {
    let here = Shimmed::new(1);
    assert_eq!(here.shell("PATH=$HERE/shims:$HERE/bin:/usr/bin:/bin; vllm serve m"), SERVES);
    here.shell("chg shim install --dir links vllm && rm tools/chg");
    let gone = here.run("PATH=$HERE/links:$HERE/bin:/usr/bin:/bin; vllm serve m");
    assert_eq!(gone.stdout, "vllm [serve] [m] on nothing\n", "{gone}");
}

#[test]
fn a_link_leads_to_where_people_find_the_program() {
    let here = Shimmed::new(1);
    let tools = here.host.path("tools/chg");
    assert_eq!(std::fs::read_link(here.host.path("shims/vllm")).unwrap(), tools, "not to what that leads to");
    let ended = here.run("PATH=/usr/bin:/bin; $HERE/tools/chg shim install --dir bare vllm");
    assert_eq!(ended.code, Some(0), "{ended}");
    let real = tools.canonicalize().unwrap();
    assert_eq!(std::fs::read_link(here.host.path("bare/vllm")).unwrap(), real);
}

#[test]
fn a_copy_of_the_program_under_the_name_is_a_shim_too() {
    let here = Shimmed::new(1);
    here.shell("mkdir copy other && cp -L tools/chg copy/vllm && cp -L tools/chg other/vllm");
    let usual = "$HERE/bin:/usr/bin:/bin";
    for first in ["copy", "copy:$HERE/other", "copy:$HERE/shims", "shims:$HERE/copy:$HERE/other"] {
        assert_eq!(here.shell(&format!("PATH=$HERE/{first}:{usual}; vllm serve m")), SERVES, "{first}");
    }
}

#[test]
fn scripts_do_what_links_do() {
    let here = Shimmed::new(2);
    let scripts = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("shims");
    symlink(scripts, here.host.path("scripts")).unwrap();
    let path = "PATH=$HERE/scripts:$HERE/shims:$HERE/bin:$HERE/tools:/usr/bin:/bin";
    assert_eq!(here.shell(&format!("{path}; vllm serve m -tp 2")), "vllm [serve] [m] [-tp] [2] on 0,1\n");
    assert_eq!(here.shell(&format!("{path}; vllm --help")), "vllm [--help] on nothing\n");
    let inside = here.shell(&format!("{path}; chg -q -G 1 -- vllm serve m"));
    assert_eq!(inside, "vllm [serve] [m] on 1\n");
}

/// Environments as conda, pipx and uv lay them out: programs with the interpreter's path in their first line, some
/// behind links, found by PATH or by their own path.
#[test]
fn in_every_kind_of_environment() {
    let here = Shimmed::new(1);
    let python = |at: &str| {
        here.file(&format!("{at}/bin/python3"), super::STAND_IN);
        let interpreter = here.host.path(&format!("{at}/bin/python3"));
        here.file(&format!("{at}/bin/vllm"), &format!("#!{}\nimport vllm\n", interpreter.display()));
    };
    python("conda/envs/llm");
    python("pipx/venvs/vllm");
    python("project/.venv");
    here.shell("mkdir -p local && ln -s $HERE/pipx/venvs/vllm/bin/vllm local/vllm");
    let usual = "$HERE/tools:/usr/bin:/bin";
    for (first, at) in [
        ("conda/envs/llm/bin", "conda/envs/llm/bin"),
        ("local", "local"),
        ("project/.venv/bin", "project/.venv/bin"),
    ] {
        let said = here.shell(&format!("PATH=$HERE/shims:$HERE/{first}:{usual}; vllm serve m"));
        let program = here.host.path(&format!("{at}/vllm"));
        assert_eq!(said, format!("python3 [{}] [serve] [m] on 0\n", program.display()), "{first}");
    }
    // An activated environment stands before the shims: then nothing is reserved, and doctor says so.
    let path = format!("PATH=$HERE/project/.venv/bin:$HERE/shims:{usual}");
    assert!(here.shell(&format!("{path}; vllm serve m")).ends_with(" on nothing\n"));
    let told = here.run(&format!("{path}; chg doctor"));
    assert!(told.stdout.contains("which stands before its shim"), "{told}");
    let again =
        format!("{path}; export CANHAZGPU_SHIM_DIR=$HERE/shims; eval \"$(chg shim env)\"; vllm serve m");
    assert!(here.shell(&again).ends_with(" on 0\n"), "the shims stand first once more");
    // `uv run` puts its own first: an alias, or the shim's own path, still reserves.
    here.file("tools/uv", "#!/bin/sh\nshift\nPATH=\"$HERE/project/.venv/bin:$PATH\" exec \"$@\"\n");
    let uv = here.shell("uv run vllm serve m; uv run chg shim vllm -- serve m");
    let seen: Vec<_> = uv.lines().map(|line| line.split(" on ").last().unwrap()).collect();
    assert_eq!(seen, ["nothing", "0"], "{uv}");
    assert!(here.shell(&format!("{path}; chg shim vllm -- serve m")).ends_with(" on 0\n"));
    assert!(here.shell(&format!("{path}; $HERE/shims/vllm serve m")).ends_with(" on 0\n"));
}

#[test]
fn a_module_is_judged_as_its_program() {
    let here = Shimmed::new(2);
    let lines = [
        ("python-gpu -m vllm.entrypoints.openai.api_server --model m -tp 2", " on 0,1\n"),
        ("python-gpu -m torch.distributed.run --nproc-per-node 2 t.py", " on 0,1\n"),
        ("python-gpu -m sglang.launch_server --model-path m --tp 2", " on 0,1\n"),
        ("python-gpu -m vllm.entrypoints.cli.main --help", " on nothing\n"),
    ];
    for (line, end) in lines {
        let said = here.shell(line);
        assert!(said.starts_with("python3 [-m] [") && said.ends_with(end), "{line}: {said}");
    }
}
