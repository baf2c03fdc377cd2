//! Command lines as the programs' own pages write them, and how many GPUs each takes. What the pages leave to the
//! reader, such as `$MODEL`, is filled in; python stands for python-gpu.

use super::super::*;
use super::{Texts, short, words};

mod servers;

/// A page and lines of it: variables in front, as a shell has them, and the need in the short hand of `short`.
type Pages = &'static [(&'static str, &'static [(&'static str, &'static str)])];

fn judged(line: &str, files: Texts) -> Needs {
    let mut words = words::shell_words(line).expect("a command line");
    let mut variables = Vec::new();
    while let Some((name, value)) = words[0].split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned())) {
        variables.push((name, value));
        words.remove(0);
    }
    let name = if words[0].starts_with("python") { "python-gpu".to_owned() } else { words[0].clone() };
    let arguments: Vec<OsString> = words[1..].iter().map(OsString::from).collect();
    let variable =
        |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let read = |path: &Path| super::look_up(files, path.to_str()?);
    judge(&name, &arguments, &World { variable: &variable, read: &read }).expect("a shim").needs
}

fn check(pages: Pages, files: Texts) {
    let lines: usize = pages.iter().map(|(_, lines)| lines.len()).sum();
    assert!(lines >= 10, "ten at least: {lines}");
    for (page, lines) in pages {
        assert!(page.starts_with("https://"), "{page}");
        for (line, needs) in *lines {
            assert_eq!(short(&judged(line, files)), *needs, "{line}\n{page}");
        }
    }
}

#[test]
fn vllm() {
    let files = &[
        (
            "config.yaml",
            "# config.yaml\n\nmodel: meta-llama/Llama-3.1-8B-Instruct\nhost: \"127.0.0.1\"\nport: 6379\n\
             uvicorn-log-level: \"info\"\n",
        ),
        (
            "benchmarks/serve_hparams.json",
            "[{\"max_num_seqs\": 32, \"max_num_batched_tokens\": 1024}, {\"max_num_seqs\": 64}]",
        ),
        ("benchmarks/startup_hparams.json", "[{\"num_iters_cold\": 3}]"),
    ];
    let pages: Pages = &[
        (
            "https://docs.vllm.ai/en/latest/serving/data_parallel_deployment/",
            &[
                ("vllm serve model --data-parallel-size 4 --tensor-parallel-size 2", "8"),
                (
                    "vllm serve model --data-parallel-size 4 --data-parallel-size-local 2 \
                     --data-parallel-address 10.99.48.128 --data-parallel-rpc-port 13345",
                    "2",
                ),
                (
                    "vllm serve model --headless --data-parallel-size 4 --data-parallel-size-local 2 \
                     --data-parallel-start-rank 2 --data-parallel-address 10.99.48.128 \
                     --data-parallel-rpc-port 13345",
                    "2",
                ),
                (
                    "vllm serve model --data-parallel-size 4 --data-parallel-size-local 0 \
                     --data-parallel-address 10.99.48.128 --data-parallel-rpc-port 13345",
                    "-",
                ),
                (
                    "vllm serve model --data-parallel-size 4 --data-parallel-size-local 2 \
                     --data-parallel-backend=ray",
                    "2",
                ),
                (
                    "CUDA_VISIBLE_DEVICES=1 vllm serve model --data-parallel-size 2 --data-parallel-rank 1 \
                     --port 8001",
                    "1",
                ),
            ],
        ),
        (
            "https://docs.vllm.ai/en/latest/serving/parallelism_scaling/",
            &[
                (
                    "vllm serve /model --tensor-parallel-size 8 --pipeline-parallel-size 2 --nnodes 2 \
                     --node-rank 0 --master-addr 10.0.0.1",
                    "8",
                ),
                (
                    "vllm serve /model --tensor-parallel-size 8 --pipeline-parallel-size 2 --nnodes 2 \
                     --node-rank 1 --master-addr 10.0.0.1 --headless",
                    "8",
                ),
            ],
        ),
        (
            "https://docs.vllm.ai/en/latest/configuration/serve_args/",
            &[("vllm serve --config config.yaml", "1")],
        ),
        (
            "https://docs.vllm.ai/en/latest/features/preload/",
            &[
                (
                    "vllm preload --model /model --tensor-parallel-size 16 --nnodes 2 --node-rank 0 \
                     --master-addr 10.0.0.1 --weight-cache-master-port 29600",
                    "8",
                ),
                (
                    "vllm preload --model /model --tensor-parallel-size 1 --enable-expert-parallel \
                     --data-parallel-size 16 --data-parallel-size-local 4 --data-parallel-start-rank 4 \
                     --data-parallel-address 10.0.0.1 --weight-cache-master-port 29600",
                    "4",
                ),
            ],
        ),
        (
            "https://docs.vllm.ai/en/latest/cli/",
            &[
                ("vllm chat --url http://server:8000/v1", "-"),
                ("vllm complete --quick 'The future of AI is'", "-"),
                (
                    "vllm bench forward --model Qwen/Qwen3-1.7B --speculative-config \
                     '{\"model\":\"AngelSlim/Qwen3-1.7B_eagle3\",\"method\":\"eagle3\",\
                     \"num_speculative_tokens\":3}' --case verify=16*4@4096:3",
                    "1",
                ),
                (
                    "vllm bench serve --model meta-llama/Llama-3.2-1B-Instruct --host server-host \
                     --port server-port --random-input-len 32 --random-output-len 4",
                    "-",
                ),
                (
                    "vllm run-batch -i examples/features/openai_batch/openai_example_batch.jsonl \
                     -o results.jsonl --model meta-llama/Meta-Llama-3-8B-Instruct",
                    "1",
                ),
            ],
        ),
        (
            "https://docs.vllm.ai/en/latest/cli/launch/render/",
            &[("vllm launch render meta-llama/Llama-3.2-1B-Instruct --port 8100", "-")],
        ),
        (
            "https://docs.vllm.ai/en/latest/benchmarking/sweeps/",
            &[
                (
                    "vllm bench sweep serve_workload --serve-cmd 'vllm serve meta-llama/Llama-2-7b-chat-hf' \
                     --bench-cmd 'vllm bench serve --model meta-llama/Llama-2-7b-chat-hf --backend vllm' \
                     --workload-var max_concurrency --serve-params benchmarks/serve_hparams.json \
                     --num-runs 1 --output-dir benchmarks/results --experiment-name demo",
                    "1",
                ),
                (
                    "vllm bench sweep startup --startup-cmd 'vllm bench startup --model Qwen/Qwen3-0.6B' \
                     --serve-params benchmarks/serve_hparams.json \
                     --startup-params benchmarks/startup_hparams.json",
                    "1",
                ),
            ],
        ),
    ];
    check(pages, files);
}

#[test]
fn torchrun() {
    let pages: Pages = &[
        (
            "https://docs.pytorch.org/docs/stable/elastic/run.html",
            &[
                ("torchrun --standalone --nnodes=1 --nproc-per-node=4 train.py --arg1", "4"),
                (
                    "torchrun --rdzv-backend=c10d --rdzv-endpoint=localhost:0 --nnodes=1 --nproc-per-node=2 \
                     train.py --arg1",
                    "2",
                ),
                (
                    "torchrun --nnodes=2 --nproc-per-node=8 --max-restarts=3 --rdzv-id=7 --rdzv-backend=c10d \
                     --rdzv-endpoint=node1.example.com:29400 train.py --arg1",
                    "8",
                ),
                (
                    "torchrun --nnodes=1:4 --nproc-per-node=2 --max-restarts=3 --rdzv-id=7 \
                     --rdzv-backend=c10d --rdzv-endpoint=node1.example.com train.py",
                    "2",
                ),
                ("torchrun --nproc-per-node=gpu train.py", "all"),
                ("torchrun --nproc-per-node=cpu train.py", "-"),
                ("python -m torch.distributed.run --nproc-per-node=2 train.py", "2"),
            ],
        ),
        (
            "https://docs.pytorch.org/tutorials/beginner/ddp_series_fault_tolerance.html",
            &[("torchrun --standalone --nproc_per_node=4 multigpu_torchrun.py 50 10", "4")],
        ),
        (
            "https://docs.pytorch.org/tutorials/intermediate/ddp_tutorial.html",
            &[(
                "torchrun --nnodes=2 --nproc_per_node=8 --rdzv_id=100 --rdzv_backend=c10d \
                 --rdzv_endpoint=10.0.0.1:29400 elastic_ddp.py",
                "8",
            )],
        ),
        (
            "https://docs.pytorch.org/tutorials/intermediate/pipelining_tutorial.html",
            &[("torchrun --nnodes 1 --nproc_per_node 2 pipelining_tutorial.py", "2")],
        ),
        (
            "https://docs.pytorch.org/docs/stable/distributed.html#launch-utility",
            &[(
                "python -m torch.distributed.launch --nproc_per_node=4 --nnodes=2 --node_rank=0 \
                 --master_addr=\"192.168.1.1\" --master_port=1234 train.py --arg1",
                "4",
            )],
        ),
        (
            "https://docs.vllm.ai/en/latest/usage/troubleshooting/",
            &[(
                "NCCL_DEBUG=TRACE torchrun --nnodes 2 --nproc-per-node=2 --rdzv_backend=static \
                 --rdzv_endpoint=10.0.0.1:29400 --node-rank 0 test.py",
                "2",
            )],
        ),
        (
            "https://github.com/pytorch/pytorch/blob/main/torch/distributed/argparse_util.py",
            &[
                ("PET_NPROC_PER_NODE=3 torchrun train.py", "3"),
                ("PET_NPROC_PER_NODE=3 torchrun --nproc-per-node 2 train.py", "2"),
            ],
        ),
    ];
    check(pages, &[]);
}

#[test]
fn accelerate() {
    let files = &[
        (
            "my_config_file.yaml",
            "compute_environment: LOCAL_MACHINE\ndeepspeed_config: {}\ndistributed_type: MULTI_GPU\n\
             fsdp_config: {}\nmachine_rank: 0\nmain_process_ip: null\nmain_process_port: null\n\
             main_training_function: main\nmixed_precision: fp16\nnum_machines: 1\nnum_processes: 2\n\
             use_cpu: false\n",
        ),
        (
            "configs/cp.yaml",
            "compute_environment: LOCAL_MACHINE\ndowncast_bf16: 'no'\nfsdp_config:\n  fsdp_version: 2\n\
             machine_rank: 0\nnum_machines: 1\nnum_processes: 8\nparallelism_config:\n  \
             parallelism_config_cp_size: 8\ntpu_env: []\nuse_cpu: false\n",
        ),
    ];
    let pages: Pages = &[
        (
            "https://huggingface.co/docs/accelerate/basic_tutorials/launch",
            &[
                ("accelerate launch train.py --arg1 --arg2", "all"),
                ("accelerate launch --multi_gpu train.py --arg1 --arg2", "all"),
                ("accelerate launch --num_processes=2 train.py --arg1 --arg2", "2"),
                (
                    "accelerate launch --multi_gpu --mixed_precision=fp16 --num_processes=2 train.py --arg1",
                    "2",
                ),
                ("accelerate launch -h", "-"),
                ("python -m accelerate.commands.launch --num_processes=2 train.py --arg1 --arg2", "2"),
                ("python -u -m accelerate.commands.launch --num_processes=2 train.py --arg1", "2"),
                ("accelerate launch --cpu train.py --arg1 --arg2", "-"),
                ("accelerate launch --config_file my_config_file.yaml train.py --arg1 --arg2", "2"),
            ],
        ),
        (
            "https://huggingface.co/docs/accelerate/usage_guides/distributed_inference",
            &[("accelerate launch --num_processes 2 distributed_inference.py", "2")],
        ),
        (
            "https://huggingface.co/docs/accelerate/concept_guides/context_parallelism",
            &[(
                "accelerate launch --use-fsdp --fsdp-activation-checkpointing=TRUE \
                 examples/fsdp2/nd_parallel.py --cp-size=8 --sequence-length=128000",
                "all",
            )],
        ),
        (
            "https://github.com/huggingface/accelerate/blob/main/examples/torch_native_parallelism/README.md",
            &[
                ("accelerate launch --num-processes 8 nd_parallel.py --tp-size 2", "8"),
                (
                    "accelerate launch --config-file configs/cp.yaml nd_parallel_trainer.py \
                     --sequence-length=128000",
                    "8",
                ),
            ],
        ),
        (
            "https://github.com/huggingface/accelerate/blob/main/examples/slurm/submit_multinode.sh",
            &[(
                "accelerate launch --num_processes 16 --num_machines 4 --rdzv_backend c10d \
                 --main_process_ip 10.0.0.1 --main_process_port 29500 \
                 /accelerate/examples/complete_nlp_example.py --mixed_precision fp16",
                "4",
            )],
        ),
    ];
    check(pages, files);
}
