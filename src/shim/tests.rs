//! Tables of real command lines, and files that are shims or only look like them.

use std::ffi::OsString;
use std::path::Path;

use super::*;

mod containers;
mod documented;
mod files;
mod ray;
mod spellings;

/// Variables and files as a table has them.
type Texts = &'static [(&'static str, &'static str)];

fn look_up(texts: Texts, name: &str) -> Option<String> {
    texts.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
}

fn judged_in(line: &str, variables: Texts, files: Texts) -> Judgement {
    let words = words::shell_words(line).expect("a command line");
    let (name, arguments) = words.split_first().expect("a program");
    let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
    let variable = |name: &str| look_up(variables, name);
    let read = |path: &Path| look_up(files, path.to_str()?);
    judge(name, &arguments, &World { variable: &variable, read: &read }).expect("a shim")
}

/// What a line needs, in the short hand of the tables: `3`, `all`, `all but 1`, `ids 0,2`, `-` for nothing, `?` for
/// what cannot be judged.
fn short(needs: &Needs) -> String {
    match needs {
        Needs::Nothing => "-".to_owned(),
        Needs::Count(count) => count.to_string(),
        Needs::AllFree => "all".to_owned(),
        Needs::AllBut(ids) => format!("all but {}", crate::model::gpu_list::compact(ids)),
        Needs::Exactly(ids) => format!("ids {}", crate::model::gpu_list::compact(ids)),
        Needs::Unclear(why) => {
            assert!(!why.is_empty() && !why.contains('\n'), "{why:?}");
            "?".to_owned()
        }
    }
}

fn table(variables: Texts, files: Texts, lines: &[(&str, &str)]) {
    for (line, needs) in lines {
        assert_eq!(short(&judged_in(line, variables, files).needs), *needs, "{line}");
    }
}

fn rewritten(line: &str, files: Texts) -> String {
    match judged_in(line, &[], files).arguments {
        Arguments::Known(words) => {
            words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
        }
        Arguments::Container(call) => panic!("{line}: {call:?}"),
    }
}

#[test]
fn vllm() {
    table(
        &[],
        &[
            ("two.yaml", "model: m\ntensor_parallel_size: 2\npipeline-parallel-size: 3 # stages\n"),
            ("vary.json", "[{\"tensor_parallel_size\": 4}, {\"tensor-parallel-size\": 1, \"eager\": true}]"),
            (
                "named.json",
                "{\"slow\": {\"tensor_parallel_size\": 1}, \"fast\": {\"tensor_parallel_size\": 2}}",
            ),
            ("bad.json", "[1]"),
            ("all.json", "[{\"data_parallel_external_lb\": false}]"),
            ("same.json", "[{\"max_num_seqs\": 2}]"),
        ],
        &[
            ("vllm", "-"),
            ("vllm --help", "-"),
            ("vllm --version", "-"),
            ("vllm -v", "-"),
            ("vllm serve --help", "-"),
            ("vllm serve --help=ParallelConfig", "-"),
            ("vllm collect-env", "-"),
            ("vllm chat --url http://h:8000/v1", "-"),
            ("vllm complete --quick hi", "-"),
            ("vllm bench serve --model m --tensor-parallel-size 4", "-"),
            ("vllm bench sweep plot dir", "-"),
            ("vllm serve meta-llama/Llama-3.1-8B", "1"),
            ("vllm serve m --tensor-parallel-size 4", "4"),
            ("vllm serve m --tensor_parallel_size=4", "4"),
            ("vllm serve m --tensor-parallel 4", "4"),
            ("vllm serve m -tp 4 --port 8001", "4"),
            ("vllm serve m -tp=4", "4"),
            ("vllm serve m -tp 2 -pp 2 -dp 2", "8"),
            ("vllm serve m -tp 2 -pcp 2 -dcp 2", "4"),
            ("vllm serve m --data-parallel-size 4 --data-parallel-size-local 2 -tp 2", "4"),
            ("vllm serve m -dp 4 -dpl 2 --headless --data-parallel-start-rank 2", "2"),
            ("vllm serve m -dp 4 -dpl 0 --data-parallel-address 10.0.0.1", "-"),
            ("vllm serve m -dp 4 --data-parallel-rank 1 -tp 2", "2"),
            ("vllm serve m -tp 8 -pp 2 --nnodes 2 --node-rank 0", "8"),
            ("vllm serve m -tp 8 -n 2 --node-rank 1 --headless", "4"),
            ("vllm serve m -tp 3 --nnodes 2", "?"),
            ("vllm serve m -tp two", "?"),
            ("vllm serve m -tp 0", "?"),
            ("vllm serve m -tp 2 -tp 4", "4"),
            ("vllm serve --config two.yaml", "6"),
            ("vllm serve --config two.yaml -tp 1", "3"),
            ("vllm serve --config none.yaml", "?"),
            ("vllm run-batch -i in.jsonl -o out.jsonl --model m -tp 2", "2"),
            ("vllm bench latency --model m -tp 2", "2"),
            ("vllm bench throughput --model m", "1"),
            ("vllm bench startup --model m -pp 2", "2"),
            ("vllm bench sweep serve --serve-cmd 'vllm serve m -tp 2' --bench-cmd 'vllm bench serve'", "2"),
            ("vllm bench sweep serve --serve-cmd 'vllm serve m' --serve-params same.json", "1"),
            ("vllm bench sweep serve --serve-cmd 'vllm serve m' --serve-params vary.json", "4"),
            ("vllm bench sweep serve --serve-cmd 'vllm serve m -dp 2' --serve-params named.json", "4"),
            ("vllm bench sweep serve --serve-cmd 'vllm serve m' --serve-params bad.json", "?"),
            ("vllm bench sweep serve --serve-cmd 'vllm serve m' --serve-params none.json", "?"),
            ("vllm bench sweep serve --serve-cmd 'vllm serve m --device-ids 1'", "?"),
            ("vllm bench sweep serve --serve-cmd 'vllm serve m -tp 2' --dry-run", "-"),
            ("vllm bench sweep serve --serve-c 'vllm serve m -tp 2' --serve_p vary.json", "4"),
            ("vllm bench sweep serve --serve 'vllm serve m -tp 2'", "-"),
            ("vllm bench sweep serve --serve-cmd 'vllm serve m -dp 2 -dpe' --serve-params all.json", "2"),
            ("vllm bench sweep startup", "1"),
            ("vllm bench sweep startup --startup-params vary.json", "4"),
            ("vllm bench sweep serve --serve-cmd './start.sh'", "?"),
            ("vllm bench novelty", "?"),
            ("vllm novelty", "?"),
            ("vllm launch novelty", "?"),
            ("vllm snapshot create m --snapshot-dir d", "1"),
            ("vllm snapshot restore d", "1"),
            ("vllm snapshot inspect d", "-"),
            ("vllm download-kernels --dry-run", "-"),
            ("vllm bench mm-processor --model m -tp 2", "2"),
            ("vllm serve m --omni", "?"),
            ("vllm serve m --device cpu", "-"),
            ("vllm serve m --device cuda -tp 2", "2"),
            ("vllm serve m -tp 4 -dp 4 --nnodes 2 --node-rank 0", "8"),
            ("vllm serve m -tp 4 -dp 4 --nnodes 2 --data-parallel-rank 1", "4"),
            ("vllm serve m -tp 8 -dp 2 --nnodes 4 --node-rank 3 --data-parallel-external-lb", "4"),
            ("vllm serve m -tp 2 -dp 8 -dpl 4 --data-parallel-multi-port-external-lb", "8"),
            ("vllm serve m --device-ids 2,3 -tp 2", "ids 2,3"),
            ("vllm serve m --device-ids GPU-8f3c", "?"),
        ],
    );
}

#[test]
fn torchrun() {
    let lines = [
        ("torchrun", "-"),
        ("torchrun --help", "-"),
        ("torchrun train.py", "1"),
        ("torchrun train.py --help", "1"),
        ("torchrun --nproc-per-node 4 train.py", "4"),
        ("torchrun --nproc_per_node=4 train.py", "4"),
        ("torchrun --standalone --nproc-per-node=2 train.py --nproc-per-node 8", "2"),
        ("torchrun --nnodes=2 --node-rank 0 --nproc_per_node 8 --rdzv-backend c10d train.py", "8"),
        ("torchrun --nproc-per-node gpu train.py", "all"),
        ("torchrun --nproc-per-node=auto train.py", "all"),
        ("torchrun --nproc-per-node cpu train.py", "-"),
        ("torchrun --nproc-per-node xpu train.py", "-"),
        ("torchrun --nproc-per-node many train.py", "?"),
        ("torchrun --nproc-per-node 2 -m package.train --nproc-per-node 8", "2"),
        ("torchrun --some-new-switch train.py --nproc-per-node 8", "1"),
        ("torchrun --nproc-per-node 2 -- train.py --nproc-per-node 8", "2"),
        ("torchrun --print-completion bash", "-"),
    ];
    table(&[], &[], &lines);
    table(
        &[("PET_NPROC_PER_NODE", "3")],
        &[],
        &[("torchrun train.py", "3"), ("torchrun --nproc-per-node 2 a.py", "2")],
    );
}

const DEFAULT_CONFIG: &str = "/h/.cache/huggingface/accelerate/default_config.yaml";

#[test]
fn accelerate() {
    let files = &[
        (
            "four.yaml",
            "compute_environment: LOCAL_MACHINE\nnum_machines: 1\nnum_processes: 4\nuse_cpu: false\n",
        ),
        ("cluster.yaml", "num_machines: 2\nnum_processes: 8\ngpu_ids: all\n"),
        ("ids.yaml", "gpu_ids: 0,2\nnum_processes: 2\n"),
        ("cpu.yaml", "use_cpu: true\nnum_processes: 4\n"),
        ("four.json", "{\"num_processes\": 4, \"gpu_ids\": null}"),
        ("amazon.yaml", "compute_environment: AMAZON_SAGEMAKER\nnum_machines: 2\n"),
        (
            "hosts.yaml",
            "num_machines: 2\nnum_processes: 8\ndeepspeed_config:\n  deepspeed_hostfile: /hosts\n",
        ),
        ("ask.yaml", "num_machines: 1\nnum_processes: -1\n"),
    ];
    table(
        &[("HOME", "/h")],
        files,
        &[
            ("accelerate config", "-"),
            ("accelerate env", "-"),
            ("accelerate --help", "-"),
            ("accelerate launch --help", "-"),
            ("accelerate launch train.py", "all"),
            ("accelerate launch --num_processes 2 train.py", "2"),
            ("accelerate launch --num-processes=2 train.py --num_processes 9", "2"),
            ("accelerate-launch --num_processes 2 train.py", "2"),
            ("accelerate launch --num_processes 8 --num_machines 2 --machine_rank 0 train.py", "4"),
            ("accelerate launch --num_processes 7 --num_machines 2 train.py", "?"),
            ("accelerate launch --cpu train.py", "-"),
            ("accelerate launch --gpu_ids 1,3 train.py", "ids 1,3"),
            ("accelerate launch --gpu_ids all --num_processes 3 train.py", "3"),
            ("accelerate launch --config_file four.yaml train.py", "4"),
            ("accelerate launch --config_file=four.json train.py", "4"),
            ("accelerate launch --config_file cluster.yaml train.py", "4"),
            ("accelerate launch --config_file ids.yaml train.py", "ids 0,2"),
            ("accelerate launch --config_file ids.yaml --gpu_ids all train.py", "2"),
            ("accelerate launch --config_file cpu.yaml train.py", "-"),
            ("accelerate launch --config_file four.yaml --num_processes 1 train.py", "1"),
            ("accelerate launch --config_file none.yaml train.py", "?"),
            ("accelerate launch --multi_gpu --mixed_precision fp16 --num_processes 2 -m pkg.train", "2"),
            ("accelerate test --config_file four.yaml", "4"),
            ("accelerate launch --config_file amazon.yaml train.py", "-"),
            ("accelerate launch --config_file hosts.yaml train.py", "?"),
            ("accelerate launch --config_file ask.yaml --num_processes 3 train.py", "3"),
            ("accelerate launch --num_proc 2 train.py", "all"),
            ("accelerate launch --tpu_cluster train.py --num_processes 2", "all"),
            ("python-gpu -m accelerate.commands.accelerate_cli launch --num_processes 2 train.py", "2"),
        ],
    );
    let usual = &[(DEFAULT_CONFIG, "num_processes: 2\n")];
    table(&[("HOME", "/h")], usual, &[("accelerate launch train.py", "2"), ("accelerate test", "2")]);
    assert_eq!(
        rewritten("accelerate launch --gpu_ids 1,3 --mixed_precision bf16 train.py --gpu_ids 9", files),
        "launch --mixed_precision bf16 train.py --gpu_ids 9"
    );
    assert_eq!(
        rewritten("accelerate launch --config_file ids.yaml train.py", files),
        "launch --gpu_ids=all --config_file ids.yaml train.py"
    );
}

#[test]
fn deepspeed() {
    table(
        &[],
        &[],
        &[
            ("deepspeed", "-"),
            ("deepspeed --help", "-"),
            ("deepspeed train.py --deepspeed ds.json", "all"),
            ("ds train.py", "all"),
            ("deepspeed --num_gpus 2 train.py --num_gpus 9", "2"),
            ("deepspeed --num_gpus=2 train.py", "2"),
            ("deepspeed --num_accelerators 3 train.py", "3"),
            ("deepspeed --num_gpus -1 train.py", "all"),
            ("deepspeed --include localhost:0,2 train.py", "ids 0,2"),
            ("deepspeed -i localhost:1 --master_port 29501 train.py", "ids 1"),
            ("deepspeed --include=localhost train.py", "all"),
            ("deepspeed --include worker-1:0,1 train.py", "?"),
            ("deepspeed --include localhost:0@worker-1:0 train.py", "?"),
            ("deepspeed -e localhost:0 train.py", "all but 0"),
            ("deepspeed --exclude localhost train.py", "?"),
            // Without such a file it stays on this machine.
            ("deepspeed -H hosts train.py", "all"),
            ("deepspeed --hostfile=hosts --num_gpus 2 train.py", "2"),
            ("deepspeed --num_nodes -1 --num_gpus 2 train.py", "2"),
            ("deepspeed --num_nodes 2 --num_gpus 8 train.py", "?"),
            ("deepspeed --module pkg.train", "all"),
        ],
    );
    let hosts: Texts = &[("/job/hostfile", "worker-1 slots=8\n"), ("hosts", "worker-1 slots=8\n")];
    table(&[], hosts, &[("deepspeed train.py", "?"), ("deepspeed -H hosts train.py", "?")]);
    let dropped = [
        (
            "deepspeed --num_gpus 2 --master_port 1 train.py --num_gpus 9",
            "--master_port 1 train.py --num_gpus 9",
        ),
        ("deepspeed --include=localhost:0,2 train.py -i x", "train.py -i x"),
        ("deepspeed -ilocalhost:0 train.py", "train.py"),
        // It would contradict the --include that the launcher makes of what it is shown.
        ("deepspeed --num_nodes=1 --num_gpus=2 train.py", "train.py"),
        ("deepspeed -e localhost:0 train.py", "train.py"),
        ("python-gpu -m deepspeed.launcher.runner --num_gpus 2 a.py", "-m deepspeed.launcher.runner a.py"),
    ];
    for (line, kept) in dropped {
        assert_eq!(rewritten(line, &[]), kept, "{line}");
    }
}

#[test]
fn sglang() {
    table(
        &[],
        &[
            ("two.yaml", "model-path: m\ntensor-parallel-size: 2\nenable-dp-attention: yes\ndp-size: 2\n"),
            ("base.yaml", "base_gpu_id: 2\n"),
        ],
        &[
            ("sglang", "-"),
            ("sglang version", "-"),
            ("sglang render x", "-"),
            ("sglang serve --help", "-"),
            ("sglang novelty --help", "-"),
            ("sglang serve --model-path m", "1"),
            ("sglang serve --model-path m --tp 2", "2"),
            ("sglang serve --model-path m --tp-size=2 --dp-size 2", "4"),
            ("sglang serve --model-path m --tensor-parallel-size 4 --pipeline-parallel-size 2", "8"),
            ("sglang serve --model-path m --tp 8 --dp 8 --enable-dp-attention", "8"),
            ("sglang serve --model-path m --tp 16 --nnodes 2 --node-rank 0", "8"),
            ("sglang serve --model-path m --device cpu", "-"),
            ("sglang serve --config two.yaml", "2"),
            ("sglang serve --model-path m --base-gpu-id 4 --tp 2", "ids 4,5"),
            ("sglang serve --model-path m --tp 2 --gpu-id-step 2", "ids 0,2"),
            ("sglang serve --config base.yaml", "?"),
            ("sglang serve m --tp 8 --attn-dp-size 8", "8"),
            ("sglang serve m --tp 8 --attn-dp-size 4 --dp-size 2 --enable-dp-attention", "16"),
            ("sglang serve m --tp 8 --attention-data-p 4 --dp-size 2 --enable-dp-attention", "16"),
            ("sglang serve m --device xpu --tp 2", "-"),
            ("sglang generate --model-path m --num-gpus 8 --nnodes 2", "4"),
            ("sglang generate --model-path m --num-gpus 2 --prompt x", "2"),
            ("sglang novelty", "?"),
            ("python-gpu -m sglang.launch_server --model-path m --tp 2", "2"),
        ],
    );
}

#[test]
fn python() {
    table(
        &[("PET_NPROC_PER_NODE", "")],
        &[],
        &[
            ("python-gpu", "1"),
            ("python-gpu train.py --help", "1"),
            ("python-gpu --version", "-"),
            ("python-gpu -V", "-"),
            ("python-gpu -h", "-"),
            ("python-gpu -c 'import torch' -h", "1"),
            ("python-gpu -X dev -W ignore train.py", "1"),
            ("python-gpu -Xdev -u train.py -V", "1"),
            ("python-gpu -m pip list", "1"),
            ("python-gpu -m torch.distributed.run --nproc-per-node 2 a.py", "2"),
            ("python-gpu -um torch.distributed.launch --nproc_per_node=2 a.py", "2"),
            ("python-gpu -X dev -IW ignore -m torch.distributed.run --nproc-per-node 2 a.py", "2"),
            ("python-gpu -Xdev -Wm -m torch.distributed.run --nproc-per-node 2 a.py", "2"),
            (
                "python-gpu --check-hash-based-pycs always -m torch.distributed.run --nproc-per-node 2 a.py",
                "2",
            ),
            ("python-gpu -mtorch.distributed.run a.py", "?"),
            ("python-gpu -m accelerate.commands.launch --num_processes 2 a.py", "2"),
            ("python-gpu -m vllm.entrypoints.openai.api_server --model m -tp 2", "2"),
            ("python-gpu -m vllm.entrypoints.cli.main serve m -tp 2", "2"),
        ],
    );
    assert_eq!((program("python-gpu"), program("vllm")), ("python3", "vllm"));
}

#[test]
fn the_override_goes_before_any_judgement_but_asking() {
    let lines = [
        ("vllm serve m -tp two", "3"),
        ("vllm novelty", "3"),
        ("torchrun a.py", "3"),
        ("vllm serve m --device cpu", "3"),
        ("vllm --help", "-"),
    ];
    table(&[(OVERRIDE, "3")], &[], &lines);
    table(&[(OVERRIDE, "0")], &[], &[("vllm serve m -tp 2", "-"), ("docker run --gpus all i", "-")]);
    table(&[(OVERRIDE, "all")], &[], &[("vllm serve m", "all")]);
    table(&[(OVERRIDE, "some")], &[], &[("vllm serve m", "?")]);
    let overridden = judged_in("deepspeed --num_gpus 2 a.py", &[(OVERRIDE, "1")], &[]);
    assert_eq!(
        overridden.arguments,
        Arguments::Known(vec!["a.py".into()]),
        "the launcher still deletes our variable"
    );
}

#[test]
fn an_unknown_name_is_no_shim() {
    let world = World { variable: &|_| None, read: &|_| None };
    assert_eq!(judge("ls", &[], &world), None);
}
